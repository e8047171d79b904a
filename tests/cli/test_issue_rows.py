# SPDX-License-Identifier: GPL-2.0-or-later
"""The rows of ``klogd-py reports list``."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from klogd_py.cli.reports.issue_rows import (
    IssueRow,
    Wanted,
    boot_of,
    choose_rows,
    find_handles,
    format_short_time,
    format_table,
    shorten,
)
from klogd_py.record.report import Fingerprint, Report
from klogd_py.spool.issues import Issue, ReportSummary
from klogd_py.spool.report_directory import is_id
from tests.cli.spools import PANIC, occurrence
from tests.reports_made import BOOT_ID, make_report

NOW = datetime(2026, 11, 27, 19, 0, tzinfo=UTC)
LONG = "BUG: unable to handle kernel NULL pointer dereference in nic_probe"


def summary(report: Report) -> ReportSummary:
    """The head of a report, as the spool returns it."""
    from msgspec import convert, to_builtins

    return convert(to_builtins(report), ReportSummary)


SUMMARIES = [summary(report) for report in (PANIC, occurrence(1), occurrence(2))]
ISSUE = "1:0123456789abcdef"


def rows(*issues: Issue, **wanted: object) -> list[IssueRow]:
    return choose_rows(SUMMARIES, issues, Wanted(**wanted))  # type: ignore[arg-type]


def test_each_issue_has_one_row() -> None:
    assert [(row.newest.kind, row.count, row.last_seen) for row in rows()] == [
        ("null-deref", 1, "2026-11-20T00:00:00Z"),
        ("kasan", 2, "2026-11-27T18:02:05.300000Z"),
    ]


def test_counts_of_the_spool_are_exact() -> None:
    issue = Issue(ISSUE, "", "kasan", PANIC.severity, count=1000, first_seen="2026-01-01T00:00:00Z")
    row = rows(issue)[-1]
    assert (row.count, row.first_seen) == (1000, "2026-01-01T00:00:00Z")


@pytest.mark.parametrize(
    ("wanted", "kinds"),
    [
        ({"since": "2026-11-21"}, ["kasan"]),
        ({"since": "2026-11-28"}, []),
        ({"kinds": {"null-deref", "bug"}}, ["null-deref"]),
        ({"boot_id": BOOT_ID}, ["kasan"]),
        ({"boot_id": "0" * 32}, ["null-deref"]),
    ],
)
def test_only_wanted_issues_are_listed(wanted: dict[str, object], kinds: list[str]) -> None:
    assert [row.newest.kind for row in rows(**wanted)] == kinds


def test_boots_are_counted_back_from_now() -> None:
    assert boot_of(0, SUMMARIES, BOOT_ID) == BOOT_ID
    assert boot_of(-1, SUMMARIES, BOOT_ID) == "0" * 32
    assert boot_of(-1, SUMMARIES, "f" * 32) == BOOT_ID
    assert boot_of(-2, SUMMARIES, BOOT_ID) is None
    assert boot_of(0, SUMMARIES, "") is None


@pytest.mark.parametrize("width", [80, 100, 132])
def test_table_is_no_wider_than_terminal(width: int) -> None:
    lines = format_table(rows(), NOW, width)
    assert len(lines) == 3
    assert max(map(len, lines)) <= width
    assert lines[0].split()[0] == "ISSUE"
    assert all(row.newest.function in line for row, line in zip(rows(), lines[1:], strict=True))


@pytest.mark.parametrize(
    ("width", "columns"),
    [
        (144, "ISSUE FIRST LAST COUNT KIND TITLE MODULE SURE"),
        (136, "ISSUE LAST COUNT KIND TITLE MODULE SURE"),
        (128, "ISSUE LAST COUNT KIND TITLE MODULE"),
        (80, "ISSUE LAST COUNT KIND TITLE"),
    ],
)
def test_narrow_terminal_leaves_out_some_columns(width: int, columns: str) -> None:
    assert " ".join(format_table(rows(), NOW, width)[0].split()) == columns


def test_widest_kind_still_fits_a_terminal() -> None:
    wide = make_report(kind="general-protection", module="m" * 40, title=LONG)
    lines = format_table(choose_rows([summary(wide)], [], Wanted()), NOW, 80)
    assert max(map(len, lines)) <= 80
    assert "general-p..." in lines[1]
    assert lines[1].endswith("... in nic_probe")


def test_table_in_a_pipe_has_whole_titles() -> None:
    lines = format_table(rows(), NOW, None)
    assert PANIC.title in lines[1]
    assert lines[1].startswith("9999   Nov 20  Nov 20  1 ")
    assert lines[2].endswith("  nic               high")
    assert lines[2].split()[1:4] == ["18:01", "18:02", "2"]


def test_control_characters_in_titles_are_escaped() -> None:
    evil = summary(make_report(title="\x1b[2J", module="\n"))
    lines = format_table(choose_rows([evil], [], Wanted()), NOW, None)
    assert r"\x1b[2J" in lines[1]
    assert len(lines) == 2


@pytest.mark.parametrize(
    ("title", "room", "shown"),
    [
        ("WARNING in nic_stop", 19, "WARNING in nic_stop"),
        ("WARNING in nic_stop", 16, "W... in nic_stop"),
        (LONG, 30, "BUG: unable to ... in nic_probe"[:14] + "... in nic_probe"),
        ("WARNING in a_name_that_is_too_long", 16, "a_name_that_i..."),
        ("WARNING in a_name_that_is", 16, "a_name_that_is"),
        ("Kernel panic - not syncing", 16, "Kernel panic ..."),
    ],
)
def test_long_title_keeps_its_function(title: str, room: int, shown: str) -> None:
    assert shorten(title, room) == shown
    assert len(shown) <= room


@pytest.mark.parametrize(
    ("moment", "shown"),
    [
        ("2026-11-27T18:04:05.1Z", "18:04"),
        ("2026-11-26T23:59:59Z", "Nov 26"),
        ("2026-03-01T00:00:00Z", "2026"),
        ("", "-"),
    ],
)
def test_short_time_has_six_characters(moment: str, shown: str) -> None:
    assert format_short_time(moment, NOW) == shown


@given(st.sets(st.from_regex("1:[0-9a-f]{16}", fullmatch=True), min_size=1, max_size=30))
def test_handle_names_one_issue_only(names: set[str]) -> None:
    handles = find_handles(names)
    assert set(handles) == names
    for name, handle in handles.items():
        assert len(handle) >= 4
        assert [one for one in names if one[2:].startswith(handle)] == [name]


def test_handles_are_as_short_as_possible() -> None:
    assert find_handles({"1:0123456789abcdef", "1:012356789abcdef0", "1:ffff000000000000"}) == {
        "1:0123456789abcdef": "01234",
        "1:012356789abcdef0": "01235",
        "1:ffff000000000000": "ffff",
    }


def test_samples_have_ids_of_the_spool() -> None:
    assert is_id(PANIC.id)
    assert is_id(occurrence(3).id)
    assert PANIC.fingerprint == Fingerprint("1:9999aaaa11112222", "1:1", "1:2")
