# SPDX-License-Identifier: GPL-2.0-or-later
"""Crashes with the same time and text are told apart, and have the same ids when read again."""

import re

from klogd_py.reports.report_ids import MAX_HOLDERS, ReportIds
from klogd_py.spool.report_directory import is_id

ID = "5f0c9a1e-000005218310-1a2b3c4d"


def test_second_equal_crash_has_its_number() -> None:
    ids = ReportIds()
    assert [ids.unique(ID, seq) for seq in (10, 20, 30, 20, 10)] == [
        *(ID, f"{ID}-20", f"{ID}-30"),
        *(f"{ID}-20", ID),
    ]
    assert is_id(f"{ID}-{2**64}")


def test_crashes_without_number_are_one() -> None:
    ids = ReportIds()
    assert ids.unique(ID, 10) == ids.unique(ID, None) == ID


def test_second_crash_read_alone_keeps_id() -> None:
    assert ReportIds(counted={ID}).unique(ID, 20) == f"{ID}-20"


def test_id_in_the_name_of_file_stays() -> None:
    ids = ReportIds(written={ID, f"{ID}-20"})
    assert ids.unique(ID, 20) == f"{ID}-20"
    assert ids.unique(ID, 10) == ID


def test_many_crashes_need_little_memory() -> None:
    ids = ReportIds()
    for seq in range(3 * MAX_HOLDERS):
        assert ids.unique(f"{seq:08d}", seq) == f"{seq:08d}"
        assert ids.unique(ID, seq + 1) == (f"{ID}-{seq + 1}" if seq else ID)


def test_names_sort_behind_the_first() -> None:
    ids = ReportIds()
    names = [ids.unique(ID, seq) for seq in (10, 11, 12)]
    later = "5f0c9a1e-000005218311-00000000"
    assert sorted([later, *names]) == [*names, later]
    assert all(re.fullmatch(r"[0-9a-f]{8}-\d{12}-[0-9a-f]{8}(-\d+)?", name) for name in names)
