# SPDX-License-Identifier: GPL-2.0-or-later
"""Collect the reports that wait to be written, within bounds. Pure.

While a disk is slow, thousands of one issue may come. The spool would keep the first and the last
few of them, so no more wait here; the others are counted.
"""

from collections import deque

from msgspec import Struct, field

from klogd_py.record.report import Report
from klogd_py.reports.document import without_text
from klogd_py.spool.issues import KEPT, MAX_COUNTED

# While a disk hangs, reports of further issues wait without their text, more of them not at all.
MAX_WITH_TEXT, MAX_ISSUES = 32, 1000


class Occurrences(Struct):
    """The reports of one issue that wait. Mutable.

    ``left_out`` were between ``first`` and ``last``.
    """

    first: list[Report] = field(default_factory=list)
    last: deque[Report] = field(default_factory=lambda: deque(maxlen=KEPT))
    left_out: int = 0

    def add(self, report: Report) -> None:
        """Take a report more."""
        if len(self.first) < KEPT:
            self.first.append(report)
            return
        self.left_out += len(self.last) == KEPT
        self.last.append(report)

    def replace(self, report: Report) -> bool:
        """Put a report into the place of the one with its id; returns whether there is one."""
        for kept in (self.first, self.last):
            for place, one in enumerate(kept):
                if one.id == report.id:
                    kept[place] = report
                    return True
        return False


class Batch(Struct):
    """What is written together. Mutable.

    ``open`` are reports whose end was not seen, by id. ``counted`` are the sequence numbers of the
    headers of the others, ``ended`` the ids of the newest of these, also of those that are not
    kept. All reports whose header is below ``next_seq`` are complete. ``dropped`` could neither be
    kept nor counted.
    """

    complete: dict[str, Occurrences] = field(default_factory=dict)
    open: dict[str, Report] = field(default_factory=dict)
    counted: list[int] = field(default_factory=list)
    ended: deque[str] = field(default_factory=lambda: deque(maxlen=MAX_COUNTED))
    next_seq: int = 0
    dropped: int = 0

    def add(self, report: Report, seq: int | None) -> None:
        """Take a complete report; ``seq`` is the number of its header."""
        self.open.pop(report.id, None)
        self.ended.append(report.id)
        if seq is not None:
            self.counted.append(seq)
        self._add(report)

    def add_open(self, report: Report) -> None:
        """Take a report that is not to be counted: more of it may come, or it has been counted."""
        found = self.complete.get(report.fingerprint.issue)
        if found is None or not found.replace(report):
            self.open[report.id] = report

    def merge(self, later: "Batch") -> None:
        """Take what came after this batch, which could not be written."""
        for occurrences in later.complete.values():
            for report in (*occurrences.first, *occurrences.last):
                self.open.pop(report.id, None)
                self._add(report)
            newest = (*occurrences.first, *occurrences.last)[-1]
            if (found := self.complete.get(newest.fingerprint.issue)) is not None:
                found.left_out += occurrences.left_out
        # Also newer versions of reports that wait here: a panic followed on them.
        for report in later.open.values():
            self.add_open(report)
        self.counted += later.counted
        self.ended += later.ended
        self.next_seq = max(self.next_seq, later.next_seq)
        self.dropped += later.dropped

    @property
    def is_empty(self) -> bool:
        """Whether there is no report."""
        return not self.complete and not self.open

    def _add(self, report: Report) -> None:
        issue = report.fingerprint.issue
        if issue not in self.complete:
            if len(self.complete) >= MAX_ISSUES:
                self.dropped += 1
                return
            if len(self.complete) >= MAX_WITH_TEXT:
                report = without_text(report)
        self.complete.setdefault(issue, Occurrences()).add(report)
