# SPDX-License-Identifier: GPL-2.0-or-later
"""Write reports to the spool, count them, and keep it within its limits.

Every method may block and belongs into a thread. A report is written whole, in the place of the one
with the same id. One that could not be written, because the disk is full, is counted all the same.
"""

import contextlib
import errno
import time
from collections.abc import Callable, Collection, Iterator, Sequence
from pathlib import Path

import msgspec
from msgspec import Struct

from klogd_py.record.quantity import quantity
from klogd_py.record.report import Report
from klogd_py.reports.document import fitted
from klogd_py.reports.report_counts import SpoolUsage
from klogd_py.spool.errors import BrokenReport, NoSuchReport, SpoolError
from klogd_py.spool.issues import LIMIT_BYTES as ISSUES_LIMIT_BYTES
from klogd_py.spool.issues import IssueCounts, IssueTable, NotIssues, parse
from klogd_py.spool.pending import Batch, Occurrences
from klogd_py.spool.reader import Spool
from klogd_py.spool.recovery import adopt, count_again
from klogd_py.spool.report_directory import ISSUES, ReportDirectory
from klogd_py.spool.retention import DAY_S, REPORT_LIMIT_BYTES, Limits, choose_removed
from klogd_py.system.errors import SystemOperationError, describe_expected


class Opened(Struct, frozen=True):
    """What a start finds in the spool.

    ``adopted`` are reports that were not counted and do not come again: the machine stopped before
    their end was seen. They are counted now. ``written`` are the ids of the other reports that were
    not counted. ``repair``: what was wrong with the counts, and what was done.
    """

    usage: SpoolUsage
    counts: IssueCounts = IssueCounts()
    adopted: tuple[Report, ...] = ()
    written: frozenset[str] = frozenset()
    repair: str = ""


class Stored(Struct, frozen=True):
    """The spool after a batch; one that is not counted has to be given again.

    ``repair`` is as in `Opened`.
    """

    usage: SpoolUsage
    is_counted: bool
    repair: str = ""


class _Loaded(Struct, frozen=True):
    """The counts of the file, the table made of them, and what was wrong with the file."""

    table: IssueTable
    counts: IssueCounts
    repair: str


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
                loaded = self._load(next_seq)
                table = loaded.table
                # Counts that had to be made again say nothing of what was announced.
                left = () if loaded.repair else self._unlisted(table)
                adopted = adopt(left, table, loaded.counts, next_seq)
                usage = self._finish(table)
                written = frozenset(file.id for file in self._directory.files())
            written = written.difference(table.kept)
            return Opened(usage, table.counts(), tuple(adopted), written, loaded.repair)
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
                loaded = self._load(batch.next_seq, {*batch.ended, *batch.open})
                table = loaded.table
                before = frozenset(table.kept)
                written: list[Report] = []
                for occurrences in batch.complete.values():
                    written += _count(table, occurrences)
                table.note_counted(tuple(batch.counted), batch.next_seq)
                self._remove_displaced(table, before, batch)
                problem = self._write_all(table, written) or problem
                return Stored(self._finish(table, problem), True, loaded.repair)
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

    def _remove_displaced(self, table: IssueTable, before: Collection[str], batch: Batch) -> None:
        """Remove the files of reports that are counted and not kept.

        ``before`` were kept before the batch. A report of the batch may have a file as well: it was
        written before its end was seen, or because a panic followed on it.
        """
        counted = {
            report.id
            for report in batch.open.values()
            if report.seq is not None and table.is_counted(report.seq.first)
        }
        displaced = {*before, *batch.ended, *counted}.difference(table.kept)
        for file in self._directory.files() if displaced else ():
            if file.id in displaced:
                self._directory.remove_report(file.id)

    def _unlisted(self, table: IssueTable, left_out: Collection[str] = ()) -> Iterator[Report]:
        """Return the reports that no issue listed at the first of them, one after the other."""
        known = {*table.kept, *left_out}
        for file in self._directory.files():
            if file.id not in known:
                with contextlib.suppress(BrokenReport, NoSuchReport):
                    yield self._spool.load(file.id)

    def _load(self, next_seq: int, in_batch: Collection[str] = ()) -> _Loaded:
        """Return the counts, without reports whose files somebody has removed.

        Where the counts cannot be read, they are made of the files. ``next_seq`` is as in `open`;
        ``in_batch`` are the ids of reports that may not be counted yet.
        """
        reason = "missing"
        try:
            counts = parse(self._directory.read(ISSUES, ISSUES_LIMIT_BYTES))
        except FileNotFoundError:
            counts = None
        # Something else has the name of the counts, or it holds something else.
        except (SystemOperationError, NotIssues) as error:
            counts, reason = None, describe_expected(error)
        table = IssueTable(counts or IssueCounts(), self._boot_id)
        if counts is not None:
            present = {file.id for file in self._directory.files()}
            table.remove(frozenset(table.kept.keys() - present))
            return _Loaded(table, counts, "")
        found = count_again(self._unlisted(table, in_batch), table, next_seq)
        if reason == "missing" and not found:
            return _Loaded(table, IssueCounts(), "")
        made = f"made again of {quantity(found, 'report')}; earlier counts are lost"
        path = self._directory.path / ISSUES
        return _Loaded(table, IssueCounts(), f"{path}: {reason}: {made}")

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
