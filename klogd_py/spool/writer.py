# SPDX-License-Identifier: GPL-2.0-or-later
"""Write reports to the spool, count them, and keep it within its limits.

Every method may block and belongs into a thread. A report is written whole, in the place of the one
with the same id. One that could not be written, because the disk is full, is counted all the same.
"""

import errno
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import msgspec
from msgspec import Struct

from klogd_py.record.report import Report
from klogd_py.reports.document import fitted
from klogd_py.reports.report_counts import SpoolUsage
from klogd_py.spool.errors import BrokenReport, NoSuchReport, SpoolError
from klogd_py.spool.issues import LIMIT_BYTES as ISSUES_LIMIT_BYTES
from klogd_py.spool.issues import IssueCounts, IssueTable, NotIssues, parse
from klogd_py.spool.pending import Batch, Occurrences
from klogd_py.spool.reader import Spool
from klogd_py.spool.report_directory import ISSUES, ReportDirectory
from klogd_py.spool.retention import DAY_S, REPORT_LIMIT_BYTES, Limits, choose_removed
from klogd_py.system.errors import SystemOperationError, describe_expected


class Opened(Struct, frozen=True):
    """What a start finds in the spool.

    ``adopted`` are reports that were not counted and do not come again: the machine stopped before
    their end was seen. They are counted now.
    """

    usage: SpoolUsage
    counts: IssueCounts = IssueCounts()
    adopted: tuple[Report, ...] = ()


class Stored(Struct, frozen=True):
    """The spool after a batch; one that is not counted has to be given again."""

    usage: SpoolUsage
    is_counted: bool


class SpoolWriter:
    """The spool of a daemon. Mutable: what it holds. Not for several threads at a time."""

    def __init__(
        self, path: Path, limits: Limits, boot_id: str, now_s: Callable[[], float] = time.time
    ) -> None:
        """``boot_id`` is the running boot; ``now_s`` is the wall clock."""
        self._directory = ReportDirectory(path)
        self._spool = Spool(path)
        self._limits = limits
        self._boot_id = boot_id
        self._now_s = now_s

    def open(self, next_seq: int) -> Opened:
        """Read what the spool holds, and count what was left uncounted.

        Reports of this boot whose header is at or beyond ``next_seq`` come again. A directory that
        is missing is made, so that readers can tell that there is no report yet.
        """
        try:
            self._directory.create()
            with self._directory.locked():
                self._directory.clean()
                table = self._load()
                adopted = self._adopt(table, next_seq)
                usage = self._finish(table)
            return Opened(usage, table.counts(), tuple(adopted))
        except FileNotFoundError:
            return Opened(SpoolUsage())
        except (OSError, SpoolError) as error:
            return Opened(SpoolUsage(problem=describe_expected(error)))

    def store(self, batch: Batch) -> Stored:
        """Write a batch, and say what the spool holds then, and what has failed."""
        try:
            self._directory.create()
            problem = self._write_open(batch)
            with self._directory.locked():
                table = self._load()
                written: list[Report] = []
                for occurrences in batch.complete.values():
                    written += self._count(table, occurrences)
                table.note_counted(tuple(batch.counted), batch.next_seq)
                problem = self._write_all(table, written) or problem
                return Stored(self._finish(table, problem), is_counted=True)
        except (OSError, SpoolError) as error:
            return Stored(SpoolUsage(problem=describe_expected(error)), is_counted=False)

    def _write_open(self, batch: Batch) -> str:
        """Write reports whose end was not seen: the machine may stop at any moment."""
        if not batch.open:
            return ""
        problem = self._write_reports(list(batch.open.values()))
        self._directory.synchronise()
        return problem

    def _write_all(self, table: IssueTable, reports: Sequence[Report]) -> str:
        """Write those of some reports that are still kept, and remove those that no longer are."""
        kept = table.kept
        return self._write_reports([report for report in reports if report.id in kept])

    def _write_reports(self, reports: Sequence[Report]) -> str:
        """Write reports; returns why one could not be written."""
        problem = ""
        for report in reports:
            try:
                self._directory.write_report(report.id, fitted(report, REPORT_LIMIT_BYTES))
            except OSError as error:
                problem = describe_expected(error)
                if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES):
                    break
        return problem

    def _count(self, table: IssueTable, found: Occurrences) -> list[Report]:
        """Count the reports of an issue, and remove the files of those that are not kept.

        Returns the reports that have to be written.
        """
        before = set(table.kept)
        for report in found.first:
            table.count(report)
        for place, report in enumerate(found.last):
            table.count(report, found.left_out if place == 0 else 0)
        for report_id in sorted(before - set(table.kept)):
            self._directory.remove_report(report_id)
        return [*found.first, *found.last]

    def _adopt(self, table: IssueTable, next_seq: int) -> list[Report]:
        """Count the reports that no issue lists, apart from those that come again."""
        listed = table.kept
        adopted = []
        for file in self._directory.files():
            if file.id in listed:
                continue
            try:
                report = self._spool.load(file.id)
            except (BrokenReport, NoSuchReport):
                continue
            is_same = bool(self._boot_id) and report.boot.id == self._boot_id
            if not is_same or (report.seq is not None and report.seq.first < next_seq):
                table.count(report)
                adopted.append(report)
        return adopted

    def _load(self) -> IssueTable:
        """Return the counts, without reports whose files somebody has removed."""
        try:
            counts = parse(self._directory.read(ISSUES, ISSUES_LIMIT_BYTES))
        # Something else has the name of the counts, or it holds something else.
        except (FileNotFoundError, SystemOperationError, NotIssues):
            counts = IssueCounts()
        table = IssueTable(counts, self._boot_id)
        present = {file.id for file in self._directory.files()}
        table.remove(frozenset(table.kept.keys() - present))
        return table

    def _finish(self, table: IssueTable, problem: str = "") -> SpoolUsage:
        """Remove what is too much, and write the counts."""
        files = self._directory.files()
        now_s = self._now_s()
        removed = choose_removed(files, table.first_ids, self._limits, now_s)
        for file in removed:
            self._directory.remove_report(file.id)
        gone = frozenset(file.id for file in removed)
        table.remove(gone)
        oldest_s = max(0.0, now_s - self._limits.days * DAY_S)
        table.forget_before(time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(oldest_s)))
        self._directory.write(ISSUES, msgspec.json.encode(table.counts()))
        kept = [file for file in files if file.id not in gone]
        size = sum(file.size_bytes for file in kept)
        return SpoolUsage(len(kept), table.kept_count, size, problem)


def _count(table: IssueTable, found: Occurrences) -> list[Report]:
    """Count the reports of an issue; returns those that may have to be written."""
    for report in found.first:
        table.count(report)
    for place, report in enumerate(found.last):
        table.count(report, found.left_out if place == 0 else 0)
    return [*found.first, *found.last]
