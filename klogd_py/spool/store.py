# SPDX-License-Identifier: GPL-2.0-or-later
"""Write reports in a thread, one batch after the other, so that no disk stops the event loop.

What cannot be counted, because the disk is full, read-only or missing, waits, is said once, and is
tried again with the next report and every `RETRY_S`. The thread ends when nothing waits.
"""

import asyncio
import logging
from collections.abc import Callable
from functools import partial
from pathlib import Path

from msgspec import structs

from klogd_py.record.report import Report
from klogd_py.reports.report_counts import ReportCounts, SpoolUsage
from klogd_py.reports.report_ids import ReportIds
from klogd_py.spool.issues import IssueCounts, IssueTable, newest_of
from klogd_py.spool.pending import Batch
from klogd_py.spool.retention import Limits
from klogd_py.spool.writer import Opened, SpoolWriter, Stored
from klogd_py.system.jobs import Jobs
from klogd_py.system.worker_thread import WorkerThread

RETRY_S = 60.0
# Reading a spool must not keep reports from being announced.
OPEN_LIMIT_S = 5.0
JOB = "spool"

logger = logging.getLogger(__name__)


class ReportStore:
    """The reports that wait to be written. Mutable; lives on the event loop.

    ``is_open``: it is known which reports were counted before. ``position`` is the sequence number
    from which on reports may not be complete, as far as the stream is concerned.

    Size: what waits, what is written, and what is known of the files.
    """

    def __init__(self, boot_id: str, jobs: Jobs) -> None:
        """``boot_id`` is the running boot; empty if it is not known."""
        self.counts = ReportCounts()
        self.is_open = False
        self.position: Callable[[], int] = _unknown_position
        self._boot_id = boot_id
        self._ids = ReportIds()
        self._jobs = jobs
        self._worker = WorkerThread("reports", ends_idle=True)
        self._writer: SpoolWriter | None = None
        self._target: tuple[Path | None, Limits] = (None, Limits())
        # Which reports earlier runs have counted
        self._known = IssueTable(IssueCounts(), boot_id)
        self._batch, self._on_way = Batch(), Batch()
        self._writing: asyncio.Task[None] | None = None

    def configure(self, path: Path | None, limits: Limits) -> None:
        """Write into another directory, or with other limits, from now on; ``None``: nowhere."""
        if (path, limits) == self._target:
            return
        self._target = (path, limits)
        self._writer = None if path is None else SpoolWriter(path, limits, self._boot_id)
        if path is None:
            self.counts.spool = structs.replace(self.counts.spool, problem="")

    async def open(self, next_seq: int) -> tuple[Report, ...]:
        """Find out which reports were counted before; returns those that were left uncounted.

        All before ``next_seq`` was taken by an earlier run in this boot.
        """
        opened: Opened | None = None
        if (writer := self._writer) is not None:
            job = partial(self._worker.call, partial(writer.open, next_seq))
            try:
                async with asyncio.timeout(OPEN_LIMIT_S):
                    opened = await self._jobs.run(JOB, job, None)
            except TimeoutError:
                logger.warning("the reports of earlier runs could not be read in time")
        self.is_open = True
        counts = IssueCounts() if opened is None else opened.counts
        self._known = IssueTable(counts, self._boot_id)
        self._known.note_counted((), next_seq)
        if opened is None:
            return ()
        self._ids = ReportIds(self._known.kept, opened.written)
        for issue in opened.counts.issues:
            self.counts.remember(newest_of(issue))
        self._note(opened.usage, opened.repair)
        return opened.adopted

    def is_known(self, seq: int) -> bool:
        """Whether an earlier run has taken the report whose header has this number."""
        return self._known.is_counted(seq)

    def unique_id(self, report_id: str, seq: int | None) -> str:
        """Return the id for a report whose header has this number, which no other report has."""
        return self._ids.unique(report_id, seq)

    def add(self, report: Report, seq: int | None) -> None:
        """Write and count a report soon."""
        self._batch.add(report, seq)
        self._write_soon()

    def add_open(self, report: Report) -> None:
        """Write a report soon that is not counted, or not again."""
        self._batch.add_open(report)
        self._write_soon()

    @property
    def lowest_seq(self) -> int | None:
        """The lowest number of a report that waits to be counted, or is on its way.

        While nothing can be written, reports are only announced, and not read again for that.
        """
        if self._writer is None or self.counts.spool.problem:
            return None
        return min((*self._batch.counted, *self._on_way.counted), default=None)

    async def finish(self, limit_s: float) -> None:
        """Write what waits, for at most ``limit_s`` seconds."""
        if self._writing is not None and not self._writing.done():
            await asyncio.wait([self._writing], timeout=limit_s)
        if self._writing is not None:
            self._writing.cancel()
        self._worker.close()

    def _write_soon(self) -> None:
        if self._writer is None:
            self._batch = Batch()
        elif self._writing is None or self._writing.done():
            writing = self._jobs.run(JOB, self._write_all, None)
            self._writing = asyncio.get_running_loop().create_task(writing)

    async def _write_all(self) -> None:
        """Write until nothing waits or it fails."""
        while not self._batch.is_empty and self._writer is not None:
            self._on_way, self._batch = self._batch, Batch()
            self._on_way.next_seq = min((self.position(), *self._batch.counted))
            try:
                stored = await self._worker.call(partial(self._writer.store, self._on_way))
            finally:
                written, self._on_way = self._on_way, Batch()
            self._note(
                stored.usage if stored.is_counted else self._unchanged(stored), stored.repair
            )
            if not stored.is_counted:
                written.merge(self._batch)
                self._batch = written
                retry = self._jobs.guard(JOB, self._write_soon)
                asyncio.get_running_loop().call_later(RETRY_S, retry)
                return

    def _unchanged(self, stored: Stored) -> SpoolUsage:
        """Return what the spool held before, with the problem that there is now."""
        return structs.replace(self.counts.spool, problem=stored.usage.problem)

    def _note(self, usage: SpoolUsage, repair: str) -> None:
        """Keep what the spool holds, and log a problem once, and that counts were made again."""
        if repair:
            logger.warning("counts of crashes: %s", repair)
        before, self.counts.spool = self.counts.spool.problem, usage
        if usage.problem and usage.problem != before:
            logger.warning("reports of crashes are not kept: %s", usage.problem)
        elif before and not usage.problem:
            logger.info("reports of crashes are kept again")


def _unknown_position() -> int:
    return 0
