# SPDX-License-Identifier: GPL-2.0-or-later
"""Read the crashes out of one log, through the stages that the daemon has."""

import asyncio
import contextlib
import sys
from collections.abc import Callable, Iterator, Sequence

from msgspec import structs

from klogd_py.pipeline.clock import CaptureClock
from klogd_py.pipeline.pipeline import Pipeline
from klogd_py.pipeline.symbol_manager import SymbolManager
from klogd_py.record.report import Origin, Report
from klogd_py.record.types import Entry
from klogd_py.reports.describe import describe
from klogd_py.reports.raw_report import RawReport
from klogd_py.reports.report_ids import ReportIds
from klogd_py.sources.capture_chain import CaptureChain
from klogd_py.sources.source import Source
from klogd_py.system.jobs import Jobs
from klogd_py.system.progress import PERIOD_S, Progress, ProgressLine


class _Nowhere:
    """A destination that takes nothing: the reports are all that is wanted."""

    reread_at_s: float | None = None
    reread_from: int | None = None
    all_gone = False

    def enqueue(self, entries: Sequence[Entry]) -> None:
        """Do nothing."""

    async def wait_for_room(self) -> None:
        """Return at once."""

    async def wait_until_drained(self) -> None:
        """Return at once."""

    def on_reread(self, wake: Callable[[], None]) -> None:
        """Do nothing: a capture is not read again."""

    def resume(self, seq: int) -> None:
        """Do nothing: a capture is not read again."""

    def any_sink_between(self, seq: int, other: int) -> bool:
        """Return False: there is no sink."""
        return False


async def read_reports(stream: Source, manager: SymbolManager, reports: list[Report]) -> int:
    """Add the reports in a log to ``reports``; closes the log. Returns the exit status."""
    raw_reports: dict[int, RawReport] = {}

    def keep(raw: RawReport) -> None:
        # A report may come before its end was seen, and again then.
        raw_reports[id(raw.header.record)] = raw

    jobs = Jobs()
    try:
        pipeline = Pipeline(
            stream,
            _Nowhere(),
            manager,
            CaptureClock(),
            live=False,
            once=False,
            jobs=jobs,
            on_report=keep,
        )
        pipeline.reader.running.set()
        with _progress(stream, pipeline, jobs):
            status = await pipeline.run()
            await pipeline.finish()
    finally:
        stream.close()
    ids = ReportIds()
    reports += (_describe(raw, ids) for raw in raw_reports.values())
    return status


def _describe(raw: RawReport, ids: ReportIds) -> Report:
    report = describe(raw, origin=Origin.CAPTURE)
    report = structs.replace(report, id=ids.unique(report.id, raw.header.record.seq))
    # The time of the reading says nothing.
    if raw.header.record.wall_us is None:
        report = structs.replace(report, first_seen="", last_seen="")
    return report


@contextlib.contextmanager
def _progress(stream: Source, pipeline: Pipeline, jobs: Jobs) -> Iterator[None]:
    """Show how far the reading has come; nothing else is printed meanwhile."""
    chain = stream if isinstance(stream, CaptureChain) else CaptureChain([], [])
    line = ProgressLine(sys.stderr)

    async def show() -> None:
        while True:
            await asyncio.sleep(PERIOD_S)
            if line.is_due:
                counters = pipeline.counters
                line.show(
                    Progress(
                        chain.done_bytes,
                        chain.total_bytes,
                        counters.records,
                        counters.named.total(),
                    )
                )

    showing = asyncio.get_running_loop().create_task(jobs.supervise("progress", show))
    try:
        yield
    finally:
        showing.cancel()
        line.erase()
