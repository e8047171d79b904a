# SPDX-License-Identifier: GPL-2.0-or-later
"""The times that programs write before a line."""

import time
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest

from klogd_py.line_prefix import moments
from klogd_py.line_prefix.month_names import month_number
from klogd_py.line_prefix.stamp_years import StampYears

YEARS = StampYears(datetime(2023, 12, 1))


@pytest.fixture(autouse=True)
def berlin(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("TZ", "Europe/Berlin")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


def utc_us(*parts: int, us: int = 0) -> int:
    return int(datetime(*parts, tzinfo=UTC).timestamp()) * 1_000_000 + us  # type: ignore[misc, arg-type]


@pytest.mark.parametrize(
    ("stamp", "expected"),
    [
        ("2023-12-22T12:26:24,559615-08:00", utc_us(2023, 12, 22, 20, 26, 24, us=559615)),
        ("2023-12-22T12:26:24.5Z", utc_us(2023, 12, 22, 12, 26, 24, us=500000)),
        ("2023-12-22 12:26:24", utc_us(2023, 12, 22, 11, 26, 24)),
        ("2023-12-22T12:26:24+0100", utc_us(2023, 12, 22, 11, 26, 24)),
        ("2023-12-22T12:26:24.123456789Z", utc_us(2023, 12, 22, 12, 26, 24, us=123456)),
        ("2023-13-22T12:26:24Z", None),
    ],
)
def test_iso_time_keeps_its_zone(stamp: str, expected: int | None) -> None:
    assert moments.iso_us(stamp) == expected


@pytest.mark.parametrize(
    ("stamp", "expected"),
    [
        ("25.11.2023 10:41:07.123", utc_us(2023, 11, 25, 9, 41, 7, us=123000)),
        ("25/11/2023 10:41:07", utc_us(2023, 11, 25, 9, 41, 7)),
        ("11/25/2023 10:41:07", utc_us(2023, 11, 25, 9, 41, 7)),
        ("05/06/2023 10:41:07", None),
        ("25/Nov/2023:10:41:07 +0000", utc_us(2023, 11, 25, 10, 41, 7)),
        ("20231125 10:41:07", utc_us(2023, 11, 25, 9, 41, 7)),
        ("25 Nov 10:41:07", utc_us(2023, 11, 25, 9, 41, 7)),
        ("Nov 25, 2023 @ 10:41:07.5", utc_us(2023, 11, 25, 9, 41, 7, us=500000)),
        ("31.02.2023 10:41:07", None),
    ],
)
def test_written_date_is_read_if_unambiguous(stamp: str, expected: int | None) -> None:
    assert moments.written_date_us(stamp, YEARS) == expected


@pytest.mark.parametrize(("is_month_first", "month", "day"), [(True, 5, 6), (False, 6, 5)])
def test_ambiguous_date_has_order_of_text(is_month_first: bool, month: int, day: int) -> None:
    years = StampYears(datetime(2023, 12, 1), (), is_month_first)
    expected = utc_us(2023, month, day, 8, 41, 7)
    assert moments.written_date_us("05/06/2023 10:41:07", years) == expected


@pytest.mark.parametrize(
    ("stamp", "expected"),
    [
        ("Nov 25 10:41:07", utc_us(2023, 11, 25, 9, 41, 7)),
        ("Nov 25 2022 10:41:07", utc_us(2022, 11, 25, 9, 41, 7)),
        ("Fri Dec 22 12:26:24 2023", utc_us(2023, 12, 22, 11, 26, 24)),
        ("Fri Dec 22 12:26:24 UTC 2023", utc_us(2023, 12, 22, 12, 26, 24)),
        ("Fri Dec 22 12:26:24 AM UTC 2023", utc_us(2023, 12, 22, 0, 26, 24)),
        ("Fri Dec 22 12:26:24 PM UTC 2023", utc_us(2023, 12, 22, 12, 26, 24)),
        ("Fri Dec 22 01:26:24 PM 2023", utc_us(2023, 12, 22, 12, 26, 24)),
        ("Fri 22 Dec 2023 01:26:24 PM CET", utc_us(2023, 12, 22, 12, 26, 24)),
        ("mar. janv. 17 02:59:56 2023", utc_us(2023, 1, 17, 1, 59, 56)),
        ("Sat Nov 25 10:41:07.123 2023", utc_us(2023, 11, 25, 9, 41, 7, us=123000)),
        ("Feb 30 08:13:42", None),
        ("Xyz 10 08:13:42", None),
    ],
)
def test_date_in_words_is_local_time(stamp: str, expected: int | None) -> None:
    assert moments.date_us(stamp, YEARS) == expected


def test_numbers_are_times_since_the_epoch() -> None:
    assert moments.epoch_us("1745896104.164") == 1_745_896_104_164_000
    assert moments.tai64n_us("@400000006561cf4d00000000") == 1_700_908_867_000_000


@pytest.mark.parametrize(
    ("word", "number"),
    [
        ("Nov", 11),
        ("nov.", 11),
        ("févr.", 2),
        ("févr.".encode().decode("latin-1"), 2),
        ("März", None),
        ("Mär", 3),
        ("11月", 11),
        ("ноя", 11),
        ("13月", None),
        ("Foo", None),
    ],
)
def test_month_is_known_in_many_languages(word: str, number: int | None) -> None:
    assert month_number(word) == number


@pytest.mark.parametrize(
    ("stamp", "expected"),
    [
        ("11-25 10:41:07.123", utc_us(2023, 11, 25, 9, 41, 7, us=123000)),
        ("2022-11-25 10:41:07.123456789", utc_us(2022, 11, 25, 9, 41, 7, us=123456)),
        ("11-25 10:41:07.123 +0200", utc_us(2023, 11, 25, 8, 41, 7, us=123000)),
        ("1700908867.123", 1_700_908_867_123_000),
        # Seconds since boot
        ("12.345", None),
        ("123456.345", None),
        ("13-25 10:41:07.123", None),
    ],
)
def test_logcat_states_times_in_many_forms(stamp: str, expected: int | None) -> None:
    assert moments.logcat_us(stamp, YEARS) == expected
