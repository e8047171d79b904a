# SPDX-License-Identifier: GPL-2.0-or-later
"""Define the counts of the issues, and which of their reports are kept. Pure.

The spool keeps the first `KEPT` and the last `KEPT` reports of an issue, and counts all. A report
may come again: after a kill the kernel's ring buffer is read once more. So the counts also say
which sequence numbers of the running boot have been counted.
"""

import msgspec
from msgspec import Struct, structs

from klogd_py.record.report import Boot, Confidence, Fingerprint, Report, ReportSeverity
from klogd_py.reports.report_time import find_wrong_time
from klogd_py.spool.errors import SpoolError

SCHEMA = 1
KEPT = 3
# More different crashes than that are no longer told apart by anybody: the oldest are forgotten.
MAX_ISSUES = 2000
# Reports that ended while an older one was still open
MAX_COUNTED = 4096
LIMIT_BYTES = 4 << 20


class NotIssues(SpoolError, ValueError):
    """The bytes are no counts; the message is the reason."""


class ReportSummary(Struct, frozen=True, gc=False):
    """The head of a report: what a list shows of it. The keys are those of `Report`.

    Size: a list is as wide as that.
    """

    id: str
    kind: str
    title: str
    severity: ReportSeverity
    fingerprint: Fingerprint
    function: str = ""
    module: str = ""
    confidence: Confidence = Confidence.HIGH
    count: int = 1
    first_seen: str = ""
    last_seen: str = ""
    boot: Boot = Boot()
    panicked: bool = False
    truncated: bool = False


class Issue(Struct, frozen=True, omit_defaults=True):
    """One issue: the head of its newest report, how often it occurred, and which reports are kept.

    ``fingerprint`` is `Fingerprint.issue`; ``first`` and ``last`` are ids, the oldest first.
    """

    fingerprint: str
    title: str
    kind: str
    severity: ReportSeverity
    function: str = ""
    module: str = ""
    confidence: Confidence = Confidence.HIGH
    count: int = 0
    first_seen: str = ""
    last_seen: str = ""
    first: tuple[str, ...] = ()
    last: tuple[str, ...] = ()

    @property
    def kept(self) -> tuple[str, ...]:
        """The ids of the reports that are kept, the oldest first."""
        return self.first + self.last

    def after(self, report: ReportSummary | Report) -> "Issue":
        """Return the issue with one report more; one that is kept already is not counted again."""
        if report.id in self.kept:
            return self
        first, last = self.first, self.last
        if len(first) < KEPT and self.count < KEPT:
            first = (*first, report.id)
        else:
            last = (*last, report.id)[-KEPT:]
        return structs.replace(
            self,
            title=report.title,
            function=report.function,
            module=report.module,
            confidence=report.confidence,
            count=self.count + 1,
            first_seen=self.first_seen or report.first_seen,
            last_seen=report.last_seen or report.first_seen or self.last_seen,
            first=first,
            last=last,
        )

    def without(self, ids: frozenset[str]) -> "Issue":
        """Return the issue without reports that were removed; its count stays."""
        first = tuple(one for one in self.first if one not in ids)
        last = tuple(one for one in self.last if one not in ids)
        return structs.replace(self, first=first, last=last)


class IssueCounts(Struct, frozen=True):
    """The content of the file: all issues, the one that occurred last at the end.

    All reports of the boot ``boot_id`` whose header has a sequence number below ``next_seq``, or
    one in ``counted``, have been counted.
    """

    schema: int = SCHEMA
    boot_id: str = ""
    next_seq: int = 0
    counted: tuple[int, ...] = ()
    issues: tuple[Issue, ...] = ()


def issue_of(report: ReportSummary | Report) -> Issue:
    """Return the issue of a report, which has not occurred yet."""
    return Issue(report.fingerprint.issue, report.title, report.kind, report.severity)


def newest_of(issue: Issue) -> Report:
    """Return what the issue says of its newest report."""
    return Report(
        id=issue.kept[-1] if issue.kept else "",
        kind=issue.kind,
        title=issue.title,
        severity=issue.severity,
        fingerprint=Fingerprint(issue.fingerprint, "", ""),
        crash_class="",
        function=issue.function,
        module=issue.module,
        confidence=issue.confidence,
        count=issue.count,
        first_seen=issue.first_seen,
        last_seen=issue.last_seen,
    )


def parse(raw: bytes) -> IssueCounts:
    """Return the counts in a file; raises NotIssues."""
    try:
        found = msgspec.json.decode(raw, type=IssueCounts)
    except (msgspec.DecodeError, ValueError, RecursionError) as error:
        raise NotIssues(str(error)) from error
    if found.schema != SCHEMA:
        raise NotIssues(f"schema {found.schema}, not {SCHEMA}")
    wrong = find_wrong_time(
        *(moment for issue in found.issues for moment in (issue.first_seen, issue.last_seen))
    )
    if wrong is not None:
        raise NotIssues(f"{wrong[:64]!r} is not a time")
    return found


class IssueTable:
    """The issues while reports are added. Mutable."""

    def __init__(self, counts: IssueCounts, boot_id: str) -> None:
        """``boot_id`` is the running boot; what was counted in another one does not come again."""
        self.boot_id = boot_id
        self._issues = {issue.fingerprint: issue for issue in counts.issues}
        is_same = bool(boot_id) and counts.boot_id == boot_id
        self._next_seq = counts.next_seq if is_same else 0
        self._counted = set(counts.counted) if is_same else set[int]()

    def is_counted(self, seq: int) -> bool:
        """Whether the report whose header has this number has been counted in this boot."""
        return seq < self._next_seq or seq in self._counted

    def note_counted(self, seqs: tuple[int, ...], next_seq: int) -> None:
        """Note which reports are counted; ``next_seq`` is as in `IssueCounts`."""
        self._next_seq = max(self._next_seq, next_seq)
        later = sorted({*self._counted, *seqs})
        self._counted = {seq for seq in later[-MAX_COUNTED:] if seq >= self._next_seq}

    def count(self, report: ReportSummary | Report, more: int = 0) -> None:
        """Count a report, and ``more`` before it of which nothing is kept."""
        name = report.fingerprint.issue
        issue = self._issues.pop(name, None) or issue_of(report)
        if more:
            issue = structs.replace(issue, count=issue.count + more)
        self._issues[name] = issue.after(report)
        while len(self._issues) > MAX_ISSUES:
            del self._issues[next(iter(self._issues))]

    def remove(self, ids: frozenset[str], *, forget: bool = False) -> None:
        """Note that the files of these reports are gone.

        ``forget``: an issue of which none is left is forgotten as well.
        """
        for name, issue in list(self._issues.items()):
            if ids.isdisjoint(issue.kept):
                continue
            self._issues[name] = left = issue.without(ids)
            if forget and not left.kept:
                del self._issues[name]

    def forget_before(self, moment: str) -> None:
        """Forget issues without a report whose last occurrence was before an ISO 8601 time."""
        for name, issue in list(self._issues.items()):
            if not issue.kept and issue.last_seen < moment:
                del self._issues[name]

    @property
    def kept(self) -> dict[str, bool]:
        """The ids of all reports that are kept; the value says whether it is one of the first."""
        found = {}
        for issue in self._issues.values():
            found.update(dict.fromkeys(issue.last, False) | dict.fromkeys(issue.first, True))
        return found

    @property
    def first_ids(self) -> frozenset[str]:
        """The ids of the very first report of each issue."""
        return frozenset(issue.first[0] for issue in self._issues.values() if issue.first)

    @property
    def kept_count(self) -> int:
        """How many issues have a report that is kept."""
        return sum(bool(issue.kept) for issue in self._issues.values())

    def counts(self) -> IssueCounts:
        """Return the content of the file."""
        return IssueCounts(
            SCHEMA,
            self.boot_id,
            self._next_seq,
            tuple(sorted(self._counted)),
            tuple(self._issues.values()),
        )
