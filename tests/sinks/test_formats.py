# SPDX-License-Identifier: GPL-2.0-or-later
import subprocess
import sys
import unicodedata
from datetime import datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from klogd_py.record.types import Entry, Record
from klogd_py.sinks.formats import (
    TaggedText,
    TimestampFormatter,
    escape_controls,
    escape_undecodable,
    format_line,
    split_identifier,
)
from tests.entries import WALL_US
from tests.fakes import environment

KERNEL_TEXT = st.binary(max_size=60).map(lambda raw: raw.decode("utf-8", "surrogateescape"))


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("NET: Registered protocol family 10", "NET: Registered protocol family 10"),
        ("col1\tcol2", "col1\tcol2"),
        ("C:\\x41", "C:\\x41"),
        ("Grüße 日本", "Grüße 日本"),
        ("two\nlines", "two\\x0alines"),
        ("\x1b[31mred\x1b[0m", "\\x1b[31mred\\x1b[0m"),
        ("\x7f", "\\x7f"),
        ("\x9b31m", "\\xc2\\x9b31m"),
        ("a\u202eb", "a\\xe2\\x80\\xaeb"),
        ("\udcff", "\\xff"),
        ("a\0b", "ab"),
        ("\0", ""),
        ("", ""),
    ],
)
def test_controls_are_escaped_as_the_kernel_does(text: str, shown: str) -> None:
    assert escape_controls(text) == shown


def test_bytes_that_met_later_stay_undecodable() -> None:
    """A character cut between two records is the same in text and in JSON."""
    cut = "caf\udcc3" + "\udca9 \xe9"
    assert escape_undecodable(cut) == escape_controls(cut) == "caf\\xc3\\xa9 \xe9"


@settings(deadline=None)
@given(KERNEL_TEXT)
def test_any_bytes_become_one_line_without_controls(
    text: str,
) -> None:
    shown = escape_controls(text)
    assert shown.encode().decode() == shown
    assert not [
        character
        for character in shown
        if unicodedata.category(character) in ("Cc", "Zl", "Zp") and character != "\t"
    ]


@pytest.mark.parametrize(
    ("prefix", "text", "message_text"),
    [
        (6, "systemd[1]: a lie", ("kernel", "systemd[1]: a lie")),
        (None, "systemd[1]: a lie", ("kernel", "systemd[1]: a lie")),
        (30, "systemd[1]: Started.", ("systemd[1]", "Started.")),
        (30, "systemd[1]:Started.", ("systemd[1]", "Started.")),
        (30, "systemd-udevd[99]: x: y", ("systemd-udevd[99]", "x: y")),
        (12, "dracut: ", ("dracut", "")),
        (12, "no name here", ("kmsg", "no name here")),
        (12, "two words: x", ("kmsg", "two words: x")),
        (12, "\x1b[1m: x", ("kmsg", "\x1b[1m: x")),
        (12, f"{'n' * 49}: x", ("kmsg", f"{'n' * 49}: x")),
        (12, "kernel: forged", ("kmsg", "kernel: forged")),
        (2047, "x[1]: y", ("x[1]", "y")),
    ],
)
def test_only_user_records_are_named_after_their_writer(
    prefix: int | None, text: str, message_text: tuple[str, str]
) -> None:
    found = split_identifier(Entry(Record(text, prefix), 0, text), text)
    assert found == TaggedText(*message_text)


PIECES = st.sampled_from(
    [
        "systemd",
        "kernel",
        "Kernel",
        "n" * 47,
        "[1]",
        "[",
        ":",
        " ",
        "\x1b",
        "\udcff",
        "é",
        "\n",
        "x: y",
    ]
)


@given(st.sampled_from([None, 0, 7, 8, 30]), st.lists(PIECES, max_size=8).map("".join))
def test_line_is_escaped_identifier_and_escaped_text(prefix: int | None, text: str) -> None:
    record = Record(text, prefix)
    found = split_identifier(Entry(record, 0, text), text)
    escaped = f"{escape_controls(found.tag)}: {escape_controls(found.text)}"
    assert format_line(Entry(record, 0, text)) == escaped


@pytest.mark.parametrize("wall_us", [0, 999_999, 1_000_000, WALL_US, 1_793_664_000_000_000])
def test_timestamps_are_local_time_with_english_months(wall_us: int) -> None:
    moment = (
        datetime.fromtimestamp(wall_us // 1_000_000)
        .astimezone()
        .replace(microsecond=wall_us % 1_000_000)
    )
    assert TimestampFormatter().rfc3339(wall_us) == moment.isoformat(timespec="microseconds")
    assert TimestampFormatter().rfc3164(wall_us) == moment.strftime("%b %e %H:%M:%S")


@pytest.mark.parametrize(
    ("zone", "iso"),
    [
        ("UTC0", "2026-11-23T08:13:42.123456+00:00"),
        ("AAA-1", "2026-11-23T09:13:42.123456+01:00"),
        ("AAA-5:30", "2026-11-23T13:43:42.123456+05:30"),
        ("AAA3:30", "2026-11-23T04:43:42.123456-03:30"),
        ("AAA0:30", "2026-11-23T07:43:42.123456-00:30"),
    ],
)
def test_utc_offset_has_its_sign_and_minutes(zone: str, iso: str) -> None:
    code = (
        "from klogd_py.sinks.formats import TimestampFormatter; "
        f"print(TimestampFormatter().rfc3339({WALL_US}))"
    )
    ran = subprocess.run(
        [sys.executable, "-c", code],
        env=environment(TZ=zone),
        capture_output=True,
        text=True,
        check=True,
    )
    assert ran.stdout == f"{iso}\n"


def test_timestamps_follow_records_back_in_time() -> None:
    stamps = TimestampFormatter()
    later, earlier = stamps.rfc3339(WALL_US), stamps.rfc3339(WALL_US - 1_000_000)
    assert (later[17:26], earlier[17:26]) == ("42.123456", "41.123456")
