# SPDX-License-Identifier: GPL-2.0-or-later
"""Reports are found in captures of any form, and in what klogd-py itself has written."""

import pytest

from klogd_py.record.crash_kind import CrashKind
from klogd_py.reports.raw_report import RawReport
from tests.corpus.reported import reports_in
from tests.reports.lines import CUT_HERE, NULL_DEREF, ORDINARY, PANIC, WARNING, texts_of
from tests.reports.log_forms import FORMS, stamped
from tests.test_linear import assert_linear

TEXTS = [ORDINARY, CUT_HERE, "nic: busy", *WARNING, ORDINARY]


def without_blanks(report: RawReport) -> list[str]:
    """The texts of a report as any log keeps them."""
    return [text.strip() for text in texts_of(report)]


@pytest.mark.parametrize("form", FORMS)
def test_report_is_found_in_each_form(form: str) -> None:
    raw = "".join(FORMS[form](at, text) for at, text in enumerate(TEXTS))
    (report,) = reports_in(raw.encode())
    assert report.kind is CrashKind.WARNING
    assert without_blanks(report) == [text.strip() for text in WARNING]
    assert report.context[-1].text.strip() == "nic: busy"


@pytest.mark.parametrize("form", FORMS)
def test_report_is_found_with_other_line_ends(form: str) -> None:
    raw = "".join(FORMS[form](at, text) for at, text in enumerate(TEXTS))
    (report,) = reports_in(raw.replace("\n", "\r\n").encode())
    assert without_blanks(report) == [text.strip() for text in WARNING]


def test_newest_line_first_gives_the_same_report() -> None:
    lines = [stamped(at, text) for at, text in enumerate([*TEXTS, *NULL_DEREF, *PANIC])]
    forward = reports_in("".join(lines).encode())
    backward = reports_in("".join(reversed(lines)).encode())
    assert len(forward) == 2
    assert sorted(map(texts_of, backward)) == sorted(map(texts_of, forward))
    assert [one.panicked for one in backward] == [one.panicked for one in reversed(forward)]
    (warning,) = [one for one in backward if one.kind is CrashKind.WARNING]
    assert [line.text for line in warning.context] == [ORDINARY, CUT_HERE, "nic: busy"]


def test_newest_line_first_without_stamps_is_recognised() -> None:
    lines = [f"{text}\n" for text in NULL_DEREF]
    (report,) = reports_in("".join(reversed(lines)).encode())
    assert texts_of(report) == list(NULL_DEREF)


def test_report_before_another_keeps_its_own_lines() -> None:
    """A report without a stack has frames of another one before it, which are printed forward."""
    lockup = "BUG: workqueue lockup - pool cpus=1 node=0 flags=0x0 nice=0 stuck for 31s!"
    lines = [stamped(at, text) for at, text in enumerate([*WARNING, lockup])]
    warning, lonely = reports_in("".join(lines).encode())
    assert texts_of(warning) == list(WARNING)
    assert texts_of(lonely) == [lockup]


@pytest.mark.parametrize(
    "line",
    [
        "Nov 27 18:00:01 host klogd-py[99]: BUG: unable to handle kernel paging request in f",
        "<26>1 2026-11-27T18:00:00Z host klogd-py 99 - - BUG: spinlock bad magic in nic_poll",
        'klogd-py: report 1:ab kind=page-fault title="BUG: unable to handle kernel paging request"',
        '{"MESSAGE":"BUG: bad usercopy in f","SYSLOG_IDENTIFIER":"klogd-py","PRIORITY":"2"}',
        "Nov 27 18:00:01.000001 klogd-py: kernel error\n  | BUG: spinlock bad magic in nic_poll",
    ],
)
def test_own_reports_read_back_begin_nothing(line: str) -> None:
    assert reports_in(f"{line}\n{ORDINARY}\n".encode()) == []


@pytest.mark.parametrize("own", ["klogd-py: report 1:ab kind=oops", "klogd-py: symbols loaded"])
def test_crash_behind_own_line_is_found(own: str) -> None:
    head = "Nov 27 18:00:01 host "
    lines = [f"{head}{own}\n", *(f"{head}kernel: {text}\n" for text in NULL_DEREF)]
    (report,) = reports_in("".join(lines).encode())
    assert texts_of(report) == list(NULL_DEREF)


def test_lines_of_processes_begin_nothing() -> None:
    assert reports_in(b"Nov 27 18:00:01 host app[9]: kernel BUG at nic.c:1!\n") == []


def test_each_boot_has_its_own_reports() -> None:
    banner = "Linux version 6.1.0-9-amd64 (debian-kernel) #1 SMP"
    texts = [*NULL_DEREF, banner, *WARNING]
    reports = reports_in("".join(stamped(at, text) for at, text in enumerate(texts)).encode())
    assert [report.after_oops for report in reports] == [False, False]


# What a log may consist of from end to end
FLOODS = [
    WARNING[0],
    NULL_DEREF[0],
    "Kernel panic - not syncing: Fatal exception",
    " nic_read+0x1d/0x60 [nic]",
    "INFO: task " + "a:" * 40,
    "WARNING: " + "at " * 200,
    "[    5.000000] " * 40,
    CUT_HERE,
    "[" * 300,
]


@pytest.mark.parametrize("line", FLOODS)
def test_flood_of_one_line_takes_linear_time(line: str) -> None:
    assert_linear(lambda count: reports_in(f"{line}\n".encode() * count), 1000)


def caller(number: int) -> str:
    """As the kernel prints it, to the right."""
    return f"T{number}".rjust(6)


def test_flood_of_callers_takes_linear_time() -> None:
    def job(count: int) -> None:
        lines = [f"[    5.000000][{caller(at)}] {WARNING[0]}\n" for at in range(count)]
        assert len(reports_in("".join(lines).encode())) == count

    assert_linear(job, 1000)
