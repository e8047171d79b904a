# SPDX-License-Identifier: GPL-2.0-or-later
"""The detector finds the lines of each crash, and only those."""

import pytest

from klogd_py.oops.provenance import Origin
from klogd_py.record.crash_kind import CrashKind
from klogd_py.record.types import Cause, Entry, Gap, Record
from klogd_py.reports.describe import describe
from klogd_py.reports.detection.detector import DEFAULT_KINDS, MAX_OPEN, Detector
from klogd_py.reports.detection.open_report import MAX_LINES, SILENCE_S
from tests.reports.lines import (
    CUT_HERE,
    NULL_DEREF,
    ORDINARY,
    PANIC,
    STEP_US,
    WARNING,
    detect,
    entries_of,
    in_order,
    texts_of,
)


def gap() -> Entry:
    return Entry(Record("lost", 44), 0, "lost", gap=Gap(5, 9, Cause.OVERRUN))


def test_report_has_its_lines_and_no_others() -> None:
    (report,) = detect(entries_of([ORDINARY] * 20 + list(NULL_DEREF) + [ORDINARY] * 20))
    assert texts_of(report) == list(NULL_DEREF)
    assert report.kind is CrashKind.NULL_DEREF
    assert report.is_complete
    doubts = (report.truncated, report.interleaved, report.panicked, report.after_oops)
    assert not any(doubts)


def test_context_is_the_eight_lines_before() -> None:
    before = [f"nic: queue {number} stopped" for number in range(20)] + [CUT_HERE, "nic: busy"]
    (report,) = detect(entries_of([*before, *WARNING]))
    assert [line.text for line in report.context] == before[-8:]


def test_lines_of_callers_make_two_reports() -> None:
    mixed = in_order(
        entries_of(NULL_DEREF, caller="T512"), entries_of(WARNING, caller="C1", start_us=5_000_050)
    )
    one, other = detect(mixed)
    assert texts_of(one) == list(NULL_DEREF)
    assert texts_of(other) == list(WARNING)
    assert not any((one.interleaved, other.interleaved))


def test_unidentified_callers_mark_reports_as_interleaved() -> None:
    mixed = in_order(entries_of(NULL_DEREF), entries_of(WARNING, start_us=5_000_050))
    reports = detect(mixed)
    assert [report.interleaved for report in reports] == [True, True]


def test_second_header_after_end_is_not_interleaved() -> None:
    reports = detect(entries_of([*NULL_DEREF, *WARNING]))
    assert [(report.kind, report.interleaved) for report in reports] == [
        (CrashKind.NULL_DEREF, False),
        (CrashKind.WARNING, False),
    ]
    assert reports[1].after_oops


def test_warning_of_allocator_belongs_to_its_report() -> None:
    slub = ["BUG nic_ring (Not tainted): Object corrupt", "Allocated in nic_open+0x5/0x90 age=3"]
    warning = ["WARNING: CPU: 0 PID: 77 at mm/slub.c:1127 object_err+0x1d2/0x1df", *WARNING[1:]]
    (report,) = detect(entries_of([*slub, CUT_HERE, *warning]))
    assert report.kind is CrashKind.SLUB
    assert texts_of(report) == [*slub, CUT_HERE, *warning]


def test_other_warning_follows_report_of_allocator() -> None:
    slub = ["BUG nic_ring (Not tainted): Object corrupt", "Allocated in nic_open+0x5/0x90 age=3"]
    reports = detect(entries_of([*slub, CUT_HERE, *WARNING]))
    assert [report.kind for report in reports] == [CrashKind.SLUB, CrashKind.WARNING]


def test_message_of_next_warning_is_not_in_report() -> None:
    unended = NULL_DEREF[:-2]
    first, second = detect(entries_of([*unended, CUT_HERE, "nic: still busy", *WARNING]))
    assert texts_of(first) == list(unended)
    assert [line.text for line in second.context][-2:] == [CUT_HERE, "nic: still busy"]


def test_stacks_on_request_end_a_report() -> None:
    request = [
        "sysrq: Show State",
        "task:init            state:S stack:0     pid:1",
        *NULL_DEREF[11:17],
    ]
    (report,) = detect(entries_of([*NULL_DEREF, *request]))
    assert texts_of(report) == list(NULL_DEREF)


def test_silence_by_stamps_ends_a_report() -> None:
    late = entries_of([" nic_late+0x1/0x2"], start_us=9_000_000)
    (report,) = detect([*entries_of(NULL_DEREF[:14]), *late])
    assert texts_of(report) == list(NULL_DEREF[:14])


def test_silence_by_clock_ends_a_report() -> None:
    detector = Detector()
    assert detector.push(entries_of(WARNING), [0], 50.0) == []
    assert detector.deadline() == 50.0 + SILENCE_S
    assert detector.tick(50.0 + SILENCE_S / 2) == []
    (report,) = detector.tick(50.0 + SILENCE_S)
    assert texts_of(report) == list(WARNING)
    assert detector.is_idle
    assert detector.deadline() is None


def test_foreign_lines_in_a_row_end_it() -> None:
    entries = entries_of([*NULL_DEREF[:15], *[ORDINARY] * 12, " nic_other+0x1/0x2"])
    (report,) = detect(entries)
    assert texts_of(report) == list(NULL_DEREF[:15])


def test_many_lines_before_first_frame_end_nothing() -> None:
    texts = [NULL_DEREF[0], *["nic: register dump follows"] * 60, *NULL_DEREF[1:]]
    (report,) = detect(entries_of(texts))
    assert texts_of(report) == texts


def test_report_longer_than_limit_is_truncated() -> None:
    texts = [*NULL_DEREF[:12], *[" nic_recurse+0x1/0x20"] * (2 * MAX_LINES)]
    report = detect(entries_of(texts))[0]
    assert len(report.lines) == MAX_LINES
    assert report.truncated


def test_gap_marks_report_as_truncated() -> None:
    entries = entries_of(NULL_DEREF)
    (report,) = detect([*entries[:9], gap(), *entries[9:]])
    assert report.truncated
    assert len(report.lines) == len(NULL_DEREF)


def test_end_of_boot_truncates_unended_report() -> None:
    (unended,) = detect(entries_of(NULL_DEREF[:10]))
    (ended,) = detect(entries_of(NULL_DEREF))
    assert (unended.truncated, ended.truncated) == (True, False)


def test_consequence_panic_joins_ended_report() -> None:
    for between in (0, 30):
        (report,) = detect(entries_of([*NULL_DEREF, *[ORDINARY] * between, *PANIC]))
        assert report.panicked
        assert texts_of(report)[-2:] == list(PANIC)


def test_consequence_panic_of_other_caller_joins() -> None:
    panic = entries_of(PANIC, caller="C0", start_us=5_500_000)
    (report,) = detect([*entries_of(NULL_DEREF, caller="T512"), *panic])
    assert report.panicked


def test_flood_of_panics_stays_within_limit() -> None:
    panics = [f"{PANIC[0]} {number}" for number in range(2 * MAX_LINES)]
    detector = Detector()
    entries = entries_of([*WARNING, *panics])
    found = detector.push(entries, range(len(entries)), 0.0) + detector.finish()
    assert max(len(report.lines) for report in found) == MAX_LINES
    assert len(found) < 10


def test_name_of_process_begins_no_report() -> None:
    text = "Kernel panic\nx invoked oom-killer: gfp_mask=0xcc0(GFP_KERNEL), order=0"
    assert detect(entries_of([text, *WARNING[4:]])) == []
    assert len(detect(entries_of(["Kernel panic\nx", *WARNING[4:]]))) == 1


FORGED = [
    "BUG: x uses wireless extensions which will stop working",
    "kernel BUG at uses wireless extensions which will stop working",
    "Kernel panic: x uses wireless extensions which will stop working",
    "Oops: 1 uses wireless extensions which will stop working",
]


@pytest.mark.parametrize("text", FORGED)
def test_header_that_may_be_name_needs_frame(text: str) -> None:
    """A capture may be cut, and a crash that begins so has frames."""
    assert detect(entries_of([text, ORDINARY])) == []
    assert len(detect(entries_of([text, ORDINARY]), Origin.CAPTURE)) == 1
    (report,) = detect(entries_of([text, *WARNING[2:]]))
    assert texts_of(report) == [text, *WARNING[2:]]


@pytest.mark.parametrize("text", FORGED)
def test_forged_header_harms_no_real_report(text: str) -> None:
    (report,) = detect(entries_of([text, *WARNING]))
    assert texts_of(report) == list(WARNING)
    assert (report.interleaved, report.after_oops) == (False, False)
    (report,) = detect(entries_of([*WARNING, text]))
    assert not report.panicked


@pytest.mark.parametrize(
    "text",
    [
        "BUG: soft lockup - CPU#1 stuck for 22s! [, nodemask=:812]",
        "INFO: task , nodemask=:812 blocked for more than 120 seconds.",
        "BUG: scheduling while atomic: , nodemask=/812/0x00000002",
        "INFO: task x[1] y:812 blocked for more than 120 seconds.",
    ],
)
def test_name_of_process_hides_no_crash(text: str) -> None:
    assert len(detect(entries_of([text, *WARNING[2:]]))) == 1


def test_access_to_process_is_one_report() -> None:
    texts = [
        "Kernel attempted to read user page (8) - exploit attempt? (uid: 0)",
        "BUG: Kernel NULL pointer dereference on read at 0x00000008",
        "Faulting instruction address: 0xc00800000123456c",
        "Oops: Kernel access of bad area, sig: 11 [#1]",
        "NIP [c00800000123456c] nic_read+0x34/0x90 [nic]",
        "Call Trace:",
        "[c00000000abcd000] [c008000001234540] nic_ioctl+0x20/0x40 [nic]",
        "---[ end trace 0000000000000000 ]---",
    ]
    (report,) = detect(entries_of(texts))
    assert texts_of(report) == texts
    assert not report.interleaved


def test_late_panic_is_a_report_alone() -> None:
    late = entries_of(PANIC, start_us=60_000_000)
    reports = detect([*entries_of(NULL_DEREF), *late])
    assert [(report.kind, report.panicked) for report in reports] == [
        (CrashKind.NULL_DEREF, False),
        (CrashKind.PANIC, True),
    ]


def test_panic_with_own_reason_joins_no_ended_report() -> None:
    texts = [*WARNING, "Kernel panic - not syncing: VFS: Unable to mount root fs"]
    assert [report.kind for report in detect(entries_of(texts))] == [
        CrashKind.WARNING,
        CrashKind.PANIC,
    ]


def test_fatal_report_is_out_at_first_frame() -> None:
    detector = Detector()
    at_frame = next(at for at, text in enumerate(NULL_DEREF) if "RIP: " in text) + 1
    entries = entries_of(NULL_DEREF)
    assert detector.push(entries[: at_frame - 1], [0], 0.0) == []
    (early,) = detector.push(entries[at_frame - 1 : at_frame], [], 0.0)
    assert not early.is_complete
    assert len(early.lines) == at_frame
    assert detector.push(entries[at_frame:], [4 - at_frame], 0.0) == []
    (whole,) = detector.finish()
    assert whole.is_complete
    assert whole.header.record is early.header.record


def test_warning_is_out_at_panic_before_its_end() -> None:
    detector = Detector()
    entries = entries_of([*WARNING[:4], "Kernel panic - not syncing: panic_on_warn set ..."])
    (early,) = detector.push(entries, [0, 4], 0.0)
    assert early.panicked
    assert not early.is_complete


def test_only_kernel_lines_at_high_levels_begin() -> None:
    assert detect(entries_of(NULL_DEREF, prefix=8 + 4)) == []
    assert detect(entries_of(NULL_DEREF, prefix=6)) == []
    assert len(detect(entries_of(NULL_DEREF, prefix=5))) == 1
    assert len(detect(entries_of(NULL_DEREF, prefix=None))) == 1


def test_lines_of_processes_are_in_no_report() -> None:
    forged = entries_of([" forged_frame+0x1/0x2"], prefix=8 + 4, start_us=5_000_000 + 3 * STEP_US)
    (report,) = detect(in_order(entries_of(NULL_DEREF), forged))
    assert texts_of(report) == list(NULL_DEREF)


def test_lines_at_other_levels_belong_to_report() -> None:
    rest = entries_of(NULL_DEREF[1:], prefix=6, start_us=5_000_100)
    (report,) = detect([*entries_of(NULL_DEREF[:1]), *rest])
    assert texts_of(report) == list(NULL_DEREF)


def test_number_of_open_reports_is_bounded() -> None:
    detector = Detector()
    out = []
    for number in range(2 * MAX_OPEN):
        out += detector.push(entries_of(WARNING[:1], caller=f"T{number}"), [0], 0.0)
    assert len(out) == MAX_OPEN
    assert len(detector.finish()) == MAX_OPEN


def test_processors_that_were_asked_join_report() -> None:
    stall = [
        "rcu: INFO: rcu_preempt detected stalls on CPUs/tasks:",
        "rcu: \t1-...0: (1 GPs behind) idle=c2a/1/0x4000000000000000",
        "Sending NMI from CPU 0 to CPUs 1:",
    ]
    answer = ["NMI backtrace for cpu 1", "RIP: 0010:nic_spin+0x4/0x10 [nic]"]
    (report,) = detect(
        [
            *entries_of(stall, caller="C0"),
            *entries_of(answer, caller="C1", start_us=5_001_000),
            *entries_of([" nic_other+0x1/0x2"], caller="T9", start_us=5_002_000),
        ]
    )
    assert texts_of(report) == stall + answer


def test_second_stamp_in_line_begins_message() -> None:
    line = "login: [    7.250000] nic: up[    7.250100] " + WARNING[0]
    entries = [Entry(Record(line), 0, line), *entries_of(WARNING[1:], start_us=7_250_200)]
    (report,) = detect(entries, Origin.CAPTURE)
    assert texts_of(report) == list(WARNING)
    assert detect(entries, Origin.RECORDS) == []


def test_notes_are_reported_only_when_asked_for() -> None:
    entries = entries_of(["irq 16: nobody cared (try booting with the irqpoll option)"])
    assert detect(entries) == []
    detector = Detector(kinds={*DEFAULT_KINDS, CrashKind.IRQ_IGNORED})
    detector.push(entries, [0], 0.0)
    assert [report.kind for report in detector.finish()] == [CrashKind.IRQ_IGNORED]


def test_warning_of_the_watchdog_is_hard_lockup() -> None:
    """So written before Linux 4.2."""
    texts = [
        "WARNING: at kernel/watchdog.c:245 watchdog_overflow_callback+0x9c/0xd0()",
        "Watchdog detected hard LOCKUP on cpu 0",
        "Pid: 77, comm: ip Not tainted 3.8.9 #1",
        "Call Trace:",
        " <NMI>  [<ffffffff8105cd86>] warn_slowpath_common+0x66/0x80",
        " [<ffffffff810eb83c>] watchdog_overflow_callback+0x9c/0xd0",
        " [<ffffffff811261ce>] __perf_event_overflow+0x8e/0x220",
        " [<ffffffff816466f0>] do_nmi+0xd0/0x310",
        " [<ffffffff81645c41>] end_repeat_nmi+0x1e/0x2e",
        " <<EOE>>  [<ffffffff810944f0>] nic_spin+0x90/0xa0",
        "---[ end trace 0123456789abcdef ]---",
    ]
    (raw,) = detect(entries_of(texts))
    report = describe(raw)
    assert (raw.kind, report.title) == (CrashKind.HARD_LOCKUP, "BUG: hard lockup in nic_spin")
    assert report.at == "watchdog_overflow_callback"
