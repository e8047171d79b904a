# SPDX-License-Identifier: GPL-2.0-or-later
import pytest

from klogd_py.record.types import Record
from klogd_py.sources.klogd_format import parse_klogd

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
    assert parse_klogd(line) == record
