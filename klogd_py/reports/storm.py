# SPDX-License-Identifier: GPL-2.0-or-later
"""Decide which reports of an issue are announced, and count the others exactly. Pure.

The first report of an issue is announced at once. Those that follow within a period are counted,
and announced together at its end. The period doubles with each announcement, up to `MAX_PERIOD_S`;
an issue that was silent for that long begins anew. Times are seconds of any clock that never goes
back.
"""

from collections import OrderedDict

from msgspec import Struct, structs

from klogd_py.record.report import Report

MIN_PERIOD_S, MAX_PERIOD_S = 60.0, 3600.0
# Of which something is known. More different crashes than that are announced each by itself.
MAX_ISSUES = 1000


class _Issue(Struct):
    """What is known of one issue. Mutable.

    ``waiting`` is the newest report that is not announced yet, ``count`` how many these are and
    ``first_seen`` the time of the oldest of them. ``period_ends_s`` is the time of the next
    announcement.
    """

    period_s: float
    period_ends_s: float
    last_s: float
    waiting: Report | None = None
    count: int = 0
    first_seen: str = ""

    def add(self, report: Report, now_s: float) -> None:
        """Let a report wait for the end of the period."""
        if self.waiting is None:
            self.first_seen = report.first_seen
        self.waiting = report
        self.count += 1
        self.last_s = now_s

    def take(self) -> Report | None:
        """Return what waits as one report, whose ``count`` says how many; ``None`` if nothing."""
        if self.waiting is None:
            return None
        taken = structs.replace(self.waiting, count=self.count, first_seen=self.first_seen)
        self.waiting, self.count = None, 0
        return taken


class StormControl:
    """The issues of late, and what waits to be announced. Mutable.

    Each report is in exactly one of the reports that `add`, `due` and `flush` return, so the sum of
    their ``count`` is the number of reports.
    """

    def __init__(self, period_s: float = MIN_PERIOD_S, max_issues: int = MAX_ISSUES) -> None:
        """``period_s`` is the first period of an issue; it may be changed at any time."""
        self.period_s = period_s
        self._max_issues = max_issues
        # By fingerprint, the one longest silent first
        self._issues: OrderedDict[str, _Issue] = OrderedDict()

    def add(self, report: Report, now_s: float) -> list[Report]:
        """Take a report; returns what is to be announced now, the oldest first."""
        name = report.fingerprint.issue
        issue = self._issues.get(name)
        if issue is not None and _is_over(issue, now_s):
            # What waits was due long ago.
            left = self._issues.pop(name).take()
            return ([] if left is None else [left]) + self.add(report, now_s)
        if issue is None:
            self._issues[name] = _Issue(self.period_s, now_s + self.period_s, now_s)
            return [*self._make_room(), report]
        self._issues.move_to_end(name)
        issue.add(report, now_s)
        return self._take_due(issue, now_s)

    def replaces_waiting(self, report: Report, now_s: float) -> bool:
        """Tell whether `add` lets another report of the issue go without an announcement."""
        issue = self._issues.get(report.fingerprint.issue)
        return issue is not None and issue.waiting is not None and not _is_over(issue, now_s)

    def due(self, now_s: float) -> list[Report]:
        """Return what is to be announced now: the end of a period has come."""
        return [found for issue in self._issues.values() for found in self._take_due(issue, now_s)]

    def deadline(self) -> float | None:
        """Return when `due` has something to return; ``None`` if nothing waits."""
        waiting = [issue for issue in self._issues.values() if issue.waiting is not None]
        return min((issue.period_ends_s for issue in waiting), default=None)

    def flush(self) -> list[Report]:
        """Return all that waits, whatever the time."""
        taken = [issue.take() for issue in self._issues.values()]
        return [report for report in taken if report is not None]

    @property
    def waiting(self) -> int:
        """How many reports wait."""
        return sum(issue.count for issue in self._issues.values())

    def _take_due(self, issue: _Issue, now_s: float) -> list[Report]:
        if issue.waiting is None or now_s < issue.period_ends_s:
            return []
        taken = issue.take()
        issue.period_s = min(2 * issue.period_s, MAX_PERIOD_S)
        issue.period_ends_s = now_s + issue.period_s
        return [] if taken is None else [taken]

    def _make_room(self) -> list[Report]:
        """Forget the issues that were silent for longest; returns what waits of them."""
        taken = []
        while len(self._issues) > self._max_issues:
            left = self._issues.popitem(last=False)[1].take()
            if left is not None:
                taken.append(left)
        return taken


def _is_over(issue: _Issue, now_s: float) -> bool:
    """Tell whether an issue begins anew with its next report."""
    return now_s - issue.last_s >= MAX_PERIOD_S
