# SPDX-License-Identifier: GPL-2.0-or-later
"""A report is made of the lines of a crash, whatever these are."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs

from klogd_py.record.crash_kind import CrashKind
from klogd_py.record.report import Confidence, Origin, Report, ReportSeverity, Span
from klogd_py.record.types import Machine, Record
from klogd_py.reports import document
from klogd_py.reports.describe import describe
from klogd_py.reports.raw_report import RawReport, ReportLine
from tests.reports.raw_reports import USEC, raw_report, trace

BOOT_ID = "5f0c9a1e7b3d4c2fa6e8d1b90c4f7a25"
WARNING = (
    "WARNING: CPU: 1 PID: 812 at drivers/net/nic/main.c:306 nic_poll+0x1f/0x40 [nic]\n"
    "Modules linked in: nic(OE)\n"
    "CPU: 1 UID: 0 PID: 812 Comm: nicd Tainted: G OE 6.12.4-amd64 #1 Debian\n"
    "RIP: 0010:nic_poll+0x1f/0x40 [nic]\n" + trace("nic_irq", "__napi_poll", "net_rx_action")
)
CONTEXT = "nic: link up\n------------[ cut here ]------------\nqueue 3 is stuck"


def warning() -> Report:
    return describe(raw_report(WARNING, CONTEXT), boot_id=BOOT_ID)


def test_report_of_warning_is_complete() -> None:
    report = warning()
    assert report.title == "WARNING in nic_poll"
    assert (report.kind, report.severity) == ("warning", ReportSeverity.WARNING)
    assert (report.function, report.module, report.at) == ("nic_poll", "nic", "")
    assert report.subsystem == "drivers/net"
    assert report.message == "queue 3 is stuck"
    assert report.confidence is Confidence.HIGH
    assert report.usec == Span(USEC, USEC + 7000)
    assert report.seq == Span(1840, 1847)
    assert report.boot.id == BOOT_ID
    assert len(report.text) == 8
    assert len(report.context_before) == 3


def test_report_is_same_behind_its_document() -> None:
    report = warning()
    assert document.decode(document.encode(report)) == report


def test_machine_of_capture_is_kept() -> None:
    raw = raw_report(WARNING)
    machine = Machine("rack12", BOOT_ID)
    lines = tuple(
        structs.replace(line, record=structs.replace(line.record, machine=machine))
        for line in raw.lines
    )
    report = describe(structs.replace(raw, lines=lines), origin=Origin.CAPTURE)
    assert (report.host, report.boot.id) == ("rack12", BOOT_ID)
    assert report.origin is Origin.CAPTURE


def test_noise_of_stack_is_marked() -> None:
    text = "BUG: KASAN: slab-use-after-free in nic_poll+0x1f/0x40\n"
    report = describe(raw_report(text + trace("dump_stack_lvl", "kasan_report", "nic_poll")))
    marks = [(frame.function, frame.noise) for frame in report.stacks[0].frames]
    assert marks == [("dump_stack_lvl", True), ("kasan_report", True), ("nic_poll", False)]


def test_function_that_calls_itself_is_blamed() -> None:
    text = "BUG: TASK stack guard page was hit at 00000000cd0e0d96 (stack is 0..1)\n"
    again = ["nic_walk.isra.0"] * 9
    stack = trace("nic_hash", *again, "nic_thread", "kthread", "ret_from_fork")
    assert describe(raw_report(text + stack)).function == "nic_walk"


def test_caller_is_blamed_without_a_stack() -> None:
    text = (
        "Insufficient stack space to handle exception!\n"
        "pc : __memset+0x50/0x188\n"
        "lr : nic_walk+0x40/0xa0 [nic]\n"
        "sp : ffff80008057ff60\n"
        "Kernel panic - not syncing: kernel stack overflow\n"
    )
    report = describe(raw_report(text))
    assert (report.function, report.module, report.at) == ("nic_walk", "nic", "__memset")


def test_search_for_free_object_is_never_blamed() -> None:
    text = "BUG nic_ring (Not tainted): Poison overwritten\n"
    stack = trace("check_object", "get_partial_node.part.0", "___slab_alloc", "nic_refill")
    assert describe(raw_report(text + stack)).function == "nic_refill"


def test_file_of_blamed_frame_tells_subsystem() -> None:
    text = "kernel BUG at include/linux/nic.h:12!\nCall Trace:\n"
    report = describe(raw_report(text + " nic_poll+0x1f/0x40 fs/nic/poll.c:12\n"))
    assert report.subsystem == "fs/nic"


SUBSYSTEMS = [
    ("WARNING: CPU: 1 PID: 8 at fs/nic/a.c:3 nic_poll+0x1/0x2\n", "fs/nic"),
    ("WARNING: CPU: 1 PID: 8 at /b/linux-6.1/mm/nic.c:3 nic_poll+0x1/0x2\n", "mm"),
    ("WARNING: CPU: 1 PID: 8 at include/linux/nic.h:3 nic_poll+0x1/0x2\n", ""),
    ("WARNING: CPU: 1 PID: 8 at lib/refcount.c:28 refcount_warn_saturate+0x1/0x2\n", ""),
    ("kernel BUG at fs/nic/a.c:3!\n", "fs/nic"),
    ("kernel BUG at lib/list_debug.c:3!\nRIP: 0010:__list_del_entry_valid+0x1/0x2\n", ""),
]


@pytest.mark.parametrize(("header", "subsystem"), SUBSYSTEMS)
def test_header_tells_subsystem_of_finder(header: str, subsystem: str) -> None:
    assert describe(raw_report(header + trace("nic_poll"))).subsystem == subsystem


def first_frames(header: str, registers: str, *functions: str) -> list[str]:
    """The functions of the first stack of a report."""
    report = describe(raw_report(f"{header}\n{registers}\n{trace(*functions)}"))
    return [frame.function for frame in report.stacks[0].frames]


FAULT = "BUG: kernel NULL pointer dereference, address: 0000000000000018"
X86_FAULT = "RIP: 0010:nic_poll+0x1f/0x40 [nic]"


def test_faulting_function_comes_first_in_trace() -> None:
    assert first_frames(FAULT, X86_FAULT, "nic_irq", "kthread") == [
        "nic_poll",
        "nic_irq",
        "kthread",
    ]
    warning = "WARNING: CPU: 1 PID: 8 at net/nic.c:3 nic_poll+0x1f/0x40"
    assert first_frames(warning, X86_FAULT, "nic_irq") == ["nic_poll", "nic_irq"]


def test_faulting_function_is_not_repeated() -> None:
    arm64 = "pc : nic_poll+0x1f/0x40 [nic]\nlr : nic_irq+0x1f/0x40 [nic]"
    assert first_frames(FAULT, arm64, "nic_poll", "nic_irq") == ["nic_poll", "nic_irq"]
    assert first_frames(FAULT, X86_FAULT, "nic_irq", "nic_poll") == ["nic_irq", "nic_poll"]


def test_trace_of_printing_stays_as_it_is() -> None:
    assert first_frames(FAULT, X86_FAULT, "dump_stack", "nic_irq") == ["dump_stack", "nic_irq"]


def test_processor_in_user_space_has_no_frame() -> None:
    assert first_frames(FAULT, "RIP: 0033:0x7f2b1c0a3d17", "nic_irq") == ["nic_irq"]


def test_task_that_only_sleeps_names_no_function() -> None:
    header = "INFO: task nicd:8 blocked for more than 120 seconds.\n"
    report = describe(raw_report(header + trace("__schedule", "schedule")))
    assert (report.title, report.function) == ("INFO: task hung", "")
    report = describe(raw_report(header + trace("__schedule", "schedule", "nic_close")))
    assert report.title == "INFO: task hung in nic_close"


def test_detail_of_slab_is_no_title() -> None:
    detail = "INFO: Allocated in nic_refill+0x29/0x90 age=1 cpu=1 pid=6024"
    assert describe(raw_report(detail)).title == "BUG: slab corruption"


PIECES = st.sampled_from(
    [
        *WARNING.split("\n"),
        "Call Trace:",
        " ? nic_poll+0x1f/0x40",
        "INFO: task nicd:8 blocked for more than 1 seconds.",
        "Code: 90 <0f>",
        "1 lock held by nicd/8:",
        " #0: x, at: nic_poll+0x1f/0x40",
        "Kernel Offset: 0x1000",
        "BUG: KASAN: slab-use-after-free in ",
        "\0\x1b[",
        "\udc80",
        "[<>] + (",
        "Modules linked in:",
    ]
)


@given(
    st.sampled_from(CrashKind),
    st.lists(st.one_of(PIECES, st.text(max_size=80)), min_size=1, max_size=12),
    st.integers(0, 60),
)
def test_any_lines_have_a_report(kind: CrashKind, texts: list[str], cut: int) -> None:
    lines = tuple(
        ReportLine(Record(text[cut % (len(text) + 1) :]), text[cut % (len(text) + 1) :], 0)
        for text in texts
    )
    report = describe(RawReport(kind, lines))
    assert report.id
    assert document.encode(report)
