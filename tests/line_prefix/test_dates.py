# SPDX-License-Identifier: GPL-2.0-or-later
from datetime import datetime

import pytest

from klogd_py.line_prefix.reader import PrefixReader
from klogd_py.line_prefix.stamp_years import StampYears

YEARS = StampYears(datetime(2026, 11, 27, 12))


def utc(stamp: str) -> int:
    return round(datetime.fromisoformat(f"{stamp}+00:00").timestamp() * 1_000_000)


@pytest.fixture(autouse=True)
def _in_utc(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", "UTC")


def test_differences_count_from_the_last_minute() -> None:
    """dmesg -e prints the minute once, and then how much later each line is."""
    reader = PrefixReader(YEARS)
    lines = (
        "[  +0.250000] before any minute",
        "[Nov27 07:19] a",
        "[  +1.500000] b",
        "[ +10.000001] c",
        "[   12.000000 <    0.000100>] a stamp and a difference",
        "[Nov27 07:20] d",
        "[  +0.000102] e",
    )
    found = [reader.read(line).wall_us for line in lines]
    first, next_minute = utc("2026-11-27T07:19"), utc("2026-11-27T07:20")
    assert found == [
        None,
        first,
        first + 1_500_000,
        first + 11_500_001,
        None,
        next_minute,
        next_minute + 102,
    ]


@pytest.mark.parametrize(
    ("before", "hour"),
    [
        ("Thu 2026-11-26 08:01:03 CET web kernel: ", 7),
        ("2026-11-26 08:01:03 UTC kernel: ", 8),
        ("Nov 26 08:01:03 PST web kernel: ", 16),
        ("[Thu Nov 26 08:01:03 CEST 2026] ", 6),
        ("Thu Nov 26 08:01:03 JST 2026 kernel: ", 23 - 24),
        # Chicago or Shanghai
        ("Nov 26 08:01:03 CST web kernel: ", 8),
    ],
)
def test_name_of_a_zone_counts_if_clear(before: str, hour: int) -> None:
    record = PrefixReader(YEARS).read(f"{before}eth0: up")
    assert (record.text, record.wall_us) == (
        "eth0: up",
        utc("2026-11-26T00:01:03") + hour * 3_600_000_000,
    )
