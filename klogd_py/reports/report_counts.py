# SPDX-License-Identifier: GPL-2.0-or-later
"""Count crash reports, and remember the last one. No I/O, no clock.

The status and the metrics show these counts. They are since the start of the daemon.
"""

from collections import Counter
from enum import Enum

from msgspec import Struct

from klogd_py.record.report import Confidence, Report, ReportSeverity


class HookOutcome(Enum):
    """How a call of the hook ended; the value is its name in the status and in the metrics."""

    SUCCEEDED = "succeeded"
    # It could not be started, or its exit status was not 0
    FAILED = "failed"
    TIMED_OUT = "timed-out"
    # Too many reports were waiting for it
    DROPPED = "dropped"


class SpoolUsage(Struct, frozen=True, gc=False):
    """What the spool holds, and why a report cannot be written to it.

    ``issues`` is the number of different crashes among the reports. ``problem`` is empty if the
    last report was written: ``/var/lib/klogd-py/reports: No space left on device``.
    """

    reports: int = 0
    issues: int = 0
    size_bytes: int = 0
    problem: str = ""


class LastReport(Struct, frozen=True, gc=False):
    """The newest report in short; ``at`` is ISO 8601 in UTC."""

    id: str
    kind: str
    title: str
    at: str


class ReportCounts:
    """Counters of the reports of one daemon. Mutable.

    ``by_kind`` counts occurrences by kind and severity, ``suppressed`` those that got no entry of
    their own, since their issue had one shortly before. ``last_at`` is the time of the last report
    of each kind in ISO 8601. ``hook_error`` says why the last call of the hook failed; empty if it
    succeeded. The fields without a method are set from outside.
    """

    def __init__(self) -> None:
        self.by_kind: Counter[tuple[str, ReportSeverity]] = Counter()
        self.low_confidence = 0
        self.suppressed = 0
        self.last: LastReport | None = None
        self.last_at: dict[str, str] = {}
        self.spool = SpoolUsage()
        self.hook_calls: Counter[HookOutcome] = Counter()
        self.hook_error = ""

    def count(self, report: Report) -> None:
        """Count one occurrence. The caller leaves out what was read a second time."""
        self.by_kind[report.kind, report.severity] += 1
        self.low_confidence += report.confidence is Confidence.LOW
        self.remember(report)

    def remember(self, report: Report) -> None:
        """Take a report as the last one, and count nothing: it is from before the start.

        One that is older than the last, or has no time, changes nothing.
        """
        at = report.last_seen or report.first_seen
        if not at:
            return
        if at >= self.last_at.get(report.kind, ""):
            self.last_at[report.kind] = at
        if self.last is None or at >= self.last.at:
            self.last = LastReport(report.id, report.kind, report.title, at)

    def count_hook(self, outcome: HookOutcome, error: str = "") -> None:
        """Count a call of the hook; ``error`` says why it failed."""
        self.hook_calls[outcome] += 1
        self.hook_error = error

    @property
    def total(self) -> int:
        """Number of occurrences."""
        return self.by_kind.total()
