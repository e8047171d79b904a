# SPDX-License-Identifier: GPL-2.0-or-later
"""Show a report to a person on a terminal, in at most `COLUMNS` columns. No I/O.

::

    Nov 27 18:04:05.231004 klogd-py: kernel error
      | KASAN: slab-use-after-free Read in nic_poll
      | where    nic_poll [nic], drivers/net/nic.c:12
      | task     netperf, pid 812, cpu 1
      | kernel   6.12.4-amd64, tainted WOE
      | called   nic_poll < __napi_poll < net_rx_action
      | report   5f0c9a1e-000005218310-1a2b3c4d

Each line begins with a bar, so that none looks like one of the kernel's when the output is read
again: a title is often the beginning of a crash.
"""

import textwrap
from collections.abc import Iterator

from klogd_py.record.report import Confidence, Report, ReportSeverity
from klogd_py.reports.announcement import message
from klogd_py.sinks.formats import escape_controls

COLUMNS = 80
MAX_FRAMES = 6
_BAR, _KEY_WIDTH = "  | ", 9
_WORDS = {
    ReportSeverity.FATAL: "fatal kernel error",
    ReportSeverity.ERROR: "kernel error",
    ReportSeverity.WARNING: "kernel warning",
    ReportSeverity.HANG: "kernel hang",
}


def headline(report: Report) -> str:
    """Return what happened in two words: ``kernel warning``."""
    return _WORDS[report.severity]


def block(report: Report) -> list[str]:
    """Return the lines below the headline, the title first."""
    lines = _wrapped(message(report), "", 0)
    for key, value in _facts(report):
        if value:
            lines += _wrapped(value, f"{key:<{_KEY_WIDTH}}", _KEY_WIDTH)
    return lines


def _facts(report: Report) -> Iterator[tuple[str, str]]:
    module = f" [{report.module}]" if report.module else ""
    place = f", {report.source.file}:{report.source.line}" if report.source is not None else ""
    yield "where", f"{report.function}{module}{place}" if report.function else place[2:]
    yield "at", report.at
    process = report.process
    task = [process.comm] if process.comm else []
    task += [f"pid {process.pid}"] if process.pid is not None else []
    task += [f"cpu {process.cpu}"] if process.cpu is not None else []
    yield "task", ", ".join(task)
    taint = f", tainted {report.kernel.taint.letters}" if report.kernel.taint.letters else ""
    yield "kernel", f"{report.kernel.release}{taint}" if report.kernel.release else ""
    yield "called", _callers(report)
    yield "message", report.message
    if report.panicked:
        yield "then", "the kernel panicked"
    if report.confidence is Confidence.LOW:
        yield "doubt", ", ".join(report.doubts) or "low confidence"
    yield "report", report.id


def _callers(report: Report) -> str:
    """Return the blamed function and its callers: ``nic_poll < __napi_poll``."""
    frames = report.stacks[0].frames if report.stacks else ()
    names = [frame.function for frame in frames if frame.reliable and not frame.noise]
    if report.function in names:
        names = names[names.index(report.function) :]
    return " < ".join(names[:MAX_FRAMES])


def _wrapped(text: str, lead: str, indent: int) -> list[str]:
    return textwrap.wrap(
        escape_controls(text),
        COLUMNS,
        initial_indent=_BAR + lead,
        subsequent_indent=_BAR + " " * indent,
        max_lines=6,
    )
