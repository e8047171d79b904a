# SPDX-License-Identifier: GPL-2.0-or-later
"""A report that cannot be relied on says why."""

import pytest
from msgspec import structs

from klogd_py.record.report import Confidence
from klogd_py.reports import confidence
from klogd_py.reports.describe import describe
from tests.reports.raw_reports import raw_report, trace

GOOD = "kernel BUG at net/nic.c:12!\n" + trace("nic_poll", "nic_irq")

DOUBTFUL = {
    "kernel BUG at net/nic.c:12!": (confidence.NO_FUNCTION, confidence.NO_STACK),
    "kernel BUG at net/nic.c:12!\n" + trace("kfree", "memcpy"): (confidence.ONLY_NOISE,),
    "kernel BUG at net/nic.c:12!\nCall Trace:\nFreed by task 8:\n nic_poll+0x1/0x2": (
        confidence.EMPTY_STACK,
    ),
    "WARNING: CPU: 1 PID: 8 at net/nic.c:12 nic_poll+0x1/0x2\n" + trace("panic", "__warn"): (
        confidence.SHORT_STACK,
    ),
    "WARNING: CPU: 1 PID: 8 at net/nic.c:12 0xffffffffc0106434\n"
    "RIP: 0010:0xffffffffc0106434\n" + trace("nic_poll"): (confidence.UNNAMED,),
    "BUG: scheduling while atomic: nicd/8/0x00000201\nCall Trace:\n 0xffffffffc0106382\n"
    " nic_poll+0x1f/0x40": (confidence.UNNAMED,),
    "BUG: scheduling while atomic: nicd/9/0x00000201\nCall Trace:\n 0xfdc88c28\n"
    " nic_poll+0x1f/0x40": (confidence.UNNAMED,),
    "BUG: KASAN: slab-use-after-free in nic_[  12.345678] poll+0x1/0x2\n" + trace("nic_poll"): (
        confidence.BROKEN_HEADER,
    ),
    GOOD + "\nFAULT_INJECTION: forcing a failure.": (confidence.FAULT_INJECTION,),
    "Kernel panic - not syncing: Fatal exception in interrupt\n" + trace("panic", "nic_poll"): (
        confidence.CONSEQUENCE,
    ),
}


@pytest.mark.parametrize("text", DOUBTFUL)
def test_doubts_of_report_are_named(text: str) -> None:
    report = describe(raw_report(text))
    assert report.doubts == DOUBTFUL[text]
    assert report.confidence is Confidence.LOW


def test_good_report_has_no_doubts() -> None:
    report = describe(raw_report(GOOD))
    assert report.doubts == ()
    assert report.confidence is Confidence.HIGH


def test_wild_jump_is_no_unnamed_function() -> None:
    header = "BUG: unable to handle page fault for address: ffffffffc0106434\n"
    registers = "RIP: 0010:0xffffffffc0106434\n"
    report = describe(raw_report(header + registers + trace("nic_poll", "nic_irq")))
    assert (report.function, report.doubts) == ("nic_poll", ())


def test_lines_of_others_make_doubtful() -> None:
    raw = structs.replace(raw_report(GOOD), interleaved=True, truncated=True)
    assert describe(raw).doubts == (confidence.INTERLEAVED, confidence.GAP)


def test_title_without_function_needs_none() -> None:
    report = describe(raw_report("BUG: workqueue lockup - pool cpus=0 stuck for 32s!"))
    assert report.doubts == ()


RAW_TRACES = [
    "\nCall Trace:\n <TASK>\n 0xffffffffc0339382\n ? 0xffffffff8f2489c3\n </TASK>",
    "\nRIP: 0010:0xffffffffc0339313\nCall Trace:\n [<ffffffffc0339382>] 0xffffffffc0339382",
    "\nCall trace:\n 0xffff800008a1b2c4\n 0xffff800008a1b2c8",
    "\nCall Trace:\n [<c0339382>] ? 0xc0339382",
    "\nCall Trace:\n[c000000001a2b3c0] [c0000000000d2f50] 0xc0000000000d2f50 (unreliable)",
]


@pytest.mark.parametrize("rest", RAW_TRACES)
def test_trace_without_names_has_one_doubt(rest: str) -> None:
    report = describe(raw_report("kernel BUG at net/nic.c:12!" + rest))
    assert report.doubts == (confidence.ADDRESSES,)


WITHOUT_FUNCTION = {
    "Kernel panic - not syncing: Attempted to kill init!": Confidence.LOW,
    "BUG: nic is on fire": Confidence.LOW,
    "BUG: Bad rss-counter state mm:0 idx:1 val:1": Confidence.HIGH,
}


@pytest.mark.parametrize("text", WITHOUT_FUNCTION)
def test_panic_without_function_is_doubtful(text: str) -> None:
    report = describe(raw_report(text))
    assert (report.function, report.confidence) == ("", WITHOUT_FUNCTION[text])


def test_registers_of_another_warning_are_seen() -> None:
    header = "WARNING: CPU: 1 PID: 8 at net/nic.c:3 nic_poll.isra.0+0x1f/0x40\n"
    own = header + "RIP: 0010:nic_poll+0x1f/0x40\n" + trace("nic_irq")
    assert describe(raw_report(own)).doubts == ()
    others = header + "RIP: 0010:nic_stop+0x1f/0x40\n" + trace("nic_irq")
    assert describe(raw_report(others)).doubts == (confidence.INTERLEAVED,)
