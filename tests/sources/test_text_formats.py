# SPDX-License-Identifier: GPL-2.0-or-later
from datetime import UTC, datetime

import pytest

from klogd_py.record.types import KERN, USER, Record, Severity
from klogd_py.sources import text_formats

_STAMPED = Record("text", 4, usec=1_234_567, head="<4>[    1.234567] ")


@pytest.mark.parametrize(
    ("line", "record"),
    [
        ("<4>[    1.234567] text", _STAMPED),
        (
            "<4>[    1.234567][  T123] text",
            Record("text", 4, usec=1_234_567, caller="T123", head="<4>[    1.234567][  T123] "),
        ),
        ("<0>x", Record("x", 0, head="<0>")),
        ("<7>", Record("", 7, head="<7>")),
        ("<8>eight", Record("eight", 7, head="<8>")),
        ("<c>letter", Record("letter", 7, head="<c>")),
        ("<12>user", Record("user", 12, head="<12>")),
        ("<2047>most", Record("most", 2047, head="<2047>")),
        ("<2048>too much", Record("<2048>too much")),
        ("<>none", Record("<>none")),
        ("<4 open", Record("<4 open")),
        ("<<4>double", Record("<<4>double")),
        ("", Record("")),
        ("[   1.5] not a stamp", Record("[   1.5] not a stamp")),
    ],
)
def test_klogd_line_gives_prefix_timestamp_and_text(line: str, record: Record) -> None:
    assert text_formats.parse_klogd(line) == record


@pytest.mark.parametrize(
    ("line", "prefix", "usec", "caller", "text"),
    [
        ("[    1.234567] text", None, 1_234_567, "", "text"),
        ("[    0.027119] [      T0] text", None, 27_119, "T0", "text"),
        ("[    0.027119][    C3] text", None, 27_119, "C3", "text"),
        ("kern  :err   : [   13.708945] text", 3, 13_708_945, "", "text"),
        ("daemon:info  : [  100.000001] text", 30, 100_000_001, "", "text"),
        ("<6>[    1.000000] raw", 6, 1_000_000, "", "raw"),
        ("no stamp at all", None, None, "", "no stamp at all"),
        ("foo :bar : no facility", None, None, "", "foo :bar : no facility"),
    ],
)
def test_dmesg_line_gives_prefix_timestamp_and_caller(
    line: str, prefix: int | None, usec: int | None, caller: str, text: str
) -> None:
    record = text_formats.parse_dmesg(line)
    assert (record.prefix, record.usec, record.caller, record.text) == (prefix, usec, caller, text)


def test_dmesg_date_gives_wall_time() -> None:
    record = text_formats.parse_dmesg("[Mon Nov 23 08:13:42 2026] text")
    assert record.wall_us == int(datetime(2026, 11, 23, 8, 13, 42).timestamp()) * 1_000_000
    assert record.text == "text"


def test_rfc_3339_timestamp_keeps_zone_and_fraction() -> None:
    record = text_formats.syslog_parser(2000)(
        "2026-11-23T08:13:42.250000+01:00 host kernel: [   13.708945] text"
    )
    assert (
        record.wall_us
        == int(datetime(2026, 11, 23, 7, 13, 42, tzinfo=UTC).timestamp()) * 1_000_000 + 250_000
    )
    assert (record.text, record.usec, record.facility) == ("text", 13_708_945, KERN)


def test_bsd_timestamp_uses_given_year() -> None:
    record = text_formats.syslog_parser(2025)("Nov  3 08:13:42 host kernel: text")
    assert record.wall_us == int(datetime(2025, 11, 3, 8, 13, 42).timestamp()) * 1_000_000


@pytest.mark.parametrize("stamp", ["Feb 30 08:13:42", "Xyz 10 08:13:42", "2026-13-99T08:13:42Z"])
def test_impossible_date_gives_no_wall_time(stamp: str) -> None:
    assert text_formats.syslog_parser(2025)(f"{stamp} host kernel: text").wall_us is None


def test_line_of_other_program_is_not_kernel() -> None:
    record = text_formats.syslog_parser(2026)(
        "Nov 23 08:13:42 host cron[12]: BUG: unable to handle"
    )
    assert (record.facility, record.severity, record.text) == (
        USER,
        Severity.INFO,
        "cron[12]: BUG: unable to handle",
    )


@pytest.mark.parametrize(
    ("line", "form"),
    [
        ("6,339,5140900,-;NET", "kmsg"),
        ("6,339,5140900;NET", "kmsg"),
        ("[    1.234567] text", "dmesg"),
        ("kern  :err   : [   13.708945] text", "dmesg"),
        ("[Mon Nov 23 08:13:42 2026] text", "dmesg"),
        ("<6>[    1.234567] text", "klogd"),
        ("<6>text", "klogd"),
        ("Nov 19 12:34:38 host kernel: text", "syslog"),
        ("2026-11-23T08:13:42+00:00 host kernel: text", "syslog"),
        ("anything else", "klogd"),
        ("", "klogd"),
    ],
)
def test_first_line_decides_the_input_format(line: str, form: str) -> None:
    assert text_formats.guess_format(line) == form
