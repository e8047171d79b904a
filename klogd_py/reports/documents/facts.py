# SPDX-License-Identifier: GPL-2.0-or-later
"""Put the facts of a report into words, each with a label, those that matter most first.

Source of truth for the taint flags: Documentation/admin-guide/tainted-kernels.rst.
"""

from datetime import datetime, tzinfo

from msgspec import Struct

from klogd_py.record.quantity import quantity
from klogd_py.record.report import Access, Confidence, Frame, Kernel, Process, Report
from klogd_py.record.report import ReportSeverity as Severity
from klogd_py.reports.documents.occurrences import Occurrences

_SEVERITIES = {
    Severity.FATAL: "fatal: the kernel stopped, or killed what was running",
    Severity.ERROR: "error: the kernel goes on, but its data may be wrong",
    Severity.WARNING: "warning: the kernel goes on",
    Severity.HANG: "hang: something waits, perhaps for ever",
}
_TAINT = {
    "P": "a proprietary module was loaded",
    "F": "a module was loaded by force",
    "S": "the processor is not meant for this kernel",
    "R": "a module was removed by force",
    "M": "the processor reported a hardware error",
    "B": "a bad page was found before",
    "U": "a program asked for this mark",
    "D": "the kernel had an oops before",
    "A": "an ACPI table was replaced",
    "W": "the kernel gave a warning before",
    "C": "a staging driver was loaded",
    "I": "a firmware bug was worked around",
    "O": "a module from outside the kernel's sources was loaded",
    "E": "an unsigned module was loaded",
    "L": "a soft lockup occurred before",
    "K": "the kernel was live-patched",
    "X": "a mark of the distribution",
    "T": "the kernel was built with randomised structures",
    "N": "a test ran in the kernel",
    "J": "a firmware command was sent by a program",
}
_ADDRESSES = {
    "null": "near address 0",
    "user": "at an address of user space",
    "kernel": "at a kernel address",
    "noncanonical": "at an address that cannot exist",
}


class Fact(Struct, frozen=True, gc=False):
    """A label and what there is to say: ``where``, ``nic_poll in module nic``."""

    label: str
    text: str


def main_facts(report: Report, occurrences: Occurrences, zone: tzinfo | None) -> list[Fact]:
    """Return what a person asks first: where, when, how often, how bad.

    Times are shown in ``zone``, in that of this machine if it is ``None``.
    """
    facts = [
        Fact("where", describe_place(report)),
        Fact("noticed in", f"{report.at}{_describe_source(report)}" if report.at else ""),
        Fact("when", _describe_time(report, zone)),
        Fact("how often", _describe_count(occurrences, zone)),
        Fact("how bad", _describe_severity(report)),
        Fact("message", report.message),
        Fact("how sure", _describe_confidence(report)),
        Fact("after", _describe_before(report)),
        Fact("incomplete", "lines of the report are missing" if report.truncated else ""),
    ]
    return [fact for fact in facts if fact.text]


def more_facts(report: Report, occurrences: Occurrences) -> list[Fact]:
    """Return what is known of the process, the kernel and the access, and the names of reports."""
    facts = [
        Fact("process", _describe_process(report.process)),
        Fact("work", report.process.workqueue),
        Fact("access", _describe_access(report.access) if report.access else ""),
        Fact("kernel", _describe_kernel(report.kernel)),
        Fact("hardware", report.kernel.hardware),
        Fact("taint", _describe_taint(report.kernel.taint.letters)),
        Fact("modules", _describe_modules(report)),
        *(Fact("lock", lock) for lock in report.locks),
        Fact("host", report.host),
        Fact("boot", _describe_boot(report)),
        Fact("kind", _describe_kind(report)),
        Fact("report", report.id),
        Fact("issue", report.fingerprint.issue),
        *(Fact("also kept", other) for other in occurrences.others),
    ]
    return [fact for fact in facts if fact.text]


def _describe_severity(report: Report) -> str:
    if report.panicked:
        return f"{report.severity.value}: the kernel stopped (panic)"
    return _SEVERITIES[report.severity]


def describe_place(report: Report) -> str:
    """Return where it happened: ``nic_poll in module nic, drivers/net/nic.c:18``."""
    if not report.function:
        if report.confidence is Confidence.HIGH:
            return "not stated: reports of this kind name no function"
        return "not known: the log shows no function to blame"
    module = f" in module {report.module}" if report.module else ""
    return f"{report.function}{module}{'' if report.at else _describe_source(report)}"


def _describe_source(report: Report) -> str:
    """Return the line that the kernel has stated: that of the code in which it noticed."""
    return f", {report.source.file}:{report.source.line}" if report.source else ""


def describe_frame(frame: Frame) -> str:
    """Return a frame as the kernel prints it, and its place in the sources if that is known."""
    # Kernels before 2.6.11 state no size.
    size = f"/{frame.size:#x}" if frame.size else ""
    place = f"+{frame.offset:#x}{size}" if frame.offset is not None else ""
    module = f" [{frame.module}]" if frame.module else ""
    source = f"  {frame.file}:{frame.line}" if frame.file else ""
    return f"{'' if frame.reliable else '? '}{frame.function}{place}{module}{source}"


def format_time(moment: str, zone: tzinfo | None) -> str:
    """Return an ISO 8601 time in a zone: ``2026-11-27 18:04:05``, with ``UTC`` if that is named."""
    local = datetime.fromisoformat(moment).astimezone(zone)
    return f"{local:%Y-%m-%d %H:%M:%S}{' UTC' if zone is not None else ''}"


def _describe_time(report: Report, zone: tzinfo | None) -> str:
    parts = [format_time(report.first_seen, zone)] if report.first_seen else []
    if report.usec is not None:
        parts.append(f"{report.usec.first / 1e6:.1f} s after the kernel started")
    return ", ".join(parts)


def _describe_count(occurrences: Occurrences, zone: tzinfo | None) -> str:
    if occurrences.count == 1:
        return "once"
    first, last = occurrences.first_seen, occurrences.last_seen
    times = [format_time(moment, zone) for moment in (first, last) if moment]
    if len(set(times)) == 1:
        return f"{quantity(occurrences.count, 'time')}, at {times[0]}"
    return f"{quantity(occurrences.count, 'time')}{', from ' if times else ''}{' to '.join(times)}"


def _describe_confidence(report: Report) -> str:
    if report.confidence is Confidence.HIGH:
        return "high"
    reasons = "; ".join(report.doubts)
    return f"low: {reasons}" if reasons else "low"


def _describe_before(report: Report) -> str:
    return "an oops of this boot; this may be a consequence" if report.after_oops else ""


def _describe_process(process: Process) -> str:
    parts = [process.comm] if process.comm else []
    parts += [f"PID {process.pid}"] if process.pid is not None else []
    parts += [f"UID {process.uid}"] if process.uid is not None else []
    parts += [f"on CPU {process.cpu}"] if process.cpu is not None else []
    return ", ".join(parts)


def _describe_access(access: Access) -> str:
    size = f" of {quantity(access.size, 'byte')}" if access.size is not None else ""
    where = _ADDRESSES.get(access.address_class, "")
    what = " ".join(part for part in (f"{access.type}{size}", where) if part)
    return f"{what}: {access.address}" if access.address else what


def _describe_kernel(kernel: Kernel) -> str:
    name = " ".join(part for part in (kernel.release, kernel.version) if part)
    build = f"build id {kernel.build_id}" if kernel.build_id else ""
    return ", ".join(part for part in (name, kernel.arch, kernel.preempt, build) if part)


def _describe_taint(letters: str) -> str:
    return "; ".join(f"{letter}: {_TAINT[letter]}" for letter in letters if letter in _TAINT)


def _describe_modules(report: Report) -> str:
    if not report.modules:
        return ""
    flagged = [f"{module.name}({module.flags})" for module in report.modules if module.flags]
    with_flags = f", with flags: {' '.join(flagged)}" if flagged else ""
    gone = f"; unloaded last: {' '.join(report.last_unloaded)}" if report.last_unloaded else ""
    return f"{len(report.modules)} loaded{with_flags}{gone}"


def _describe_kind(report: Report) -> str:
    is_same = report.crash_class in ("", report.kind)
    return report.kind if is_same else f"{report.kind} ({report.crash_class})"


def _describe_boot(report: Report) -> str:
    offset = {0: "", -1: " (the one before)"}.get(report.boot.offset, f" ({report.boot.offset})")
    return f"{report.boot.id}{offset}" if report.boot.id else ""
