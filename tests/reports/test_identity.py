# SPDX-License-Identifier: GPL-2.0-or-later
"""The same crash has the same name, whenever it is read and whatever is known of symbols."""

import re

from msgspec import structs

from klogd_py.reports.identity import id_of, report_id
from tests.reports.raw_reports import raw_report

BOOT_ID = "5f0c9a1e7b3d4c2fa6e8d1b90c4f7a25"
HEADER = "BUG: kernel NULL pointer dereference, address: 0000000000000008"


def test_name_is_fit_for_files() -> None:
    for boot_id in (BOOT_ID, "", "rack/12", "\udc80", "5f0c9a1e-7b3d-4c2f-a6e8-d1b90c4f7a25"):
        name = report_id(boot_id, 5_218_310, HEADER)
        assert re.fullmatch(r"[0-9a-f]{8}-000005218310-[0-9a-f]{8}", name)


def test_names_of_boot_sort_by_time() -> None:
    names = [report_id(BOOT_ID, usec, HEADER) for usec in (9, 10, 5_218_310, 86_400_000_000)]
    assert names == sorted(names)
    assert len(set(names)) == 4


def test_boot_time_and_text_decide() -> None:
    names = {
        report_id(BOOT_ID, 5, HEADER),
        report_id(BOOT_ID[::-1], 5, HEADER),
        report_id(BOOT_ID, 6, HEADER),
        report_id(BOOT_ID, 5, HEADER + "8"),
        report_id(BOOT_ID, None, HEADER),
    }
    assert len(names) == 5


def test_wall_clock_and_symbols_are_left_out() -> None:
    raw = raw_report(HEADER + "\nRIP: 0010:nic_poll+0x1f/0x40")
    lines = tuple(structs.replace(line, wall_us=77, text=line.text + "x") for line in raw.lines)
    again = structs.replace(raw, lines=lines[:1], is_complete=False)
    assert id_of(again, BOOT_ID) == id_of(raw, BOOT_ID)


def test_log_without_numbers_has_same_names() -> None:
    raw = raw_report(HEADER + "\nRIP: 0010:nic_poll+0x1f/0x40")
    lines = tuple(
        structs.replace(line, record=structs.replace(line.record, seq=None)) for line in raw.lines
    )
    assert raw.header.record.seq is not None
    assert id_of(structs.replace(raw, lines=lines), BOOT_ID) == id_of(raw, BOOT_ID)


def test_lines_without_time_differ_by_text() -> None:
    def timeless(text: str) -> str:
        raw = raw_report(text)
        lines = tuple(
            structs.replace(line, record=structs.replace(line.record, usec=None))
            for line in raw.lines
        )
        return id_of(structs.replace(raw, lines=lines), "")

    assert timeless(HEADER + "\na") == timeless(HEADER + "\na")
    assert timeless(HEADER + "\na") != timeless(HEADER + "\nb")
