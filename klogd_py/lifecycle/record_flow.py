# SPDX-License-Identifier: GPL-2.0-or-later
"""Build what the records of one run pass, from the source to the sinks, and stop it."""

import asyncio
import logging
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

from klogd_py.config.run_options import RunOptions
from klogd_py.config.schema import Config
from klogd_py.lifecycle.crash_reports import POSITION_NAME, CrashReports
from klogd_py.lifecycle.opened_inputs import OpenedInputs, open_inputs
from klogd_py.lifecycle.running_kernel import running_kernel
from klogd_py.oops.provenance import Origin
from klogd_py.pipeline.clock import CaptureClock, Clock, LiveClock
from klogd_py.pipeline.destination import Destination
from klogd_py.pipeline.merged_pipeline import make_pipeline
from klogd_py.pipeline.pipeline import Pipeline
from klogd_py.pipeline.selector import Selector
from klogd_py.pipeline.symbol_manager import SymbolManager
from klogd_py.record.gaps import announce
from klogd_py.record.selection import Following
from klogd_py.sinks.cursor_file import boot_id
from klogd_py.sinks.cursor_store import CursorStore
from klogd_py.sinks.factory import SinkFactory
from klogd_py.sinks.machine_identity import MachineIdentity
from klogd_py.sinks.manager import SinkManager
from klogd_py.sources.kmsg_device import KmsgDevice
from klogd_py.sources.proc_kmsg import ProcKmsg
from klogd_py.sources.source import Source
from klogd_py.system.jobs import Jobs

# Records still queued after this time are left for the next start.
STOP_LIMIT_S = 5.0
# Of which so much for writing reports
REPORTS_LIMIT_S = 2.0

logger = logging.getLogger("klogd_py")


class RecordFlow:
    """The way of the records of one run. Mutable; lives on the event loop.

    ``live``: the records come from the running kernel. ``boot_id`` is that of its boot.
    """

    def __init__(
        self,
        options: RunOptions,
        config: Config,
        symbol_manager: SymbolManager,
        on_progress: Callable[[], None],
        jobs: Jobs,
        source: Source | None = None,
    ) -> None:
        """Open the source, unless one is given.

        ``on_progress`` is called after a sink may have accepted records, whose position has been
        saved then.

        Raises:
            SourceUnavailable: the capture, or every kernel log interface, cannot be opened.
        """
        self.live = options.capture is None
        self._inputs = OpenedInputs([source]) if source else open_inputs(options, config)
        self.boot_id = boot_id() if self.live else None
        self.clock: Clock = LiveClock() if self.live else CaptureClock()
        self._on_progress = on_progress
        self._jobs = jobs
        self._cursors = build_cursor_store(self.source, config, self.boot_id)
        selection = self._inputs.selection
        self._selector = Selector(selection) if selection.selects else None
        self.sink_manager = SinkManager(
            partial(announce, wall_us_of=lambda record: self.clock.wall_time(record).us),
            self._cursors.position,
            rereadable=isinstance(self.source, KmsgDevice),
            on_progress=self._save_progress,
            jobs=jobs,
            unselected=self._selector.unselected if self._selector is not None else None,
        )
        self.reports = self._make_reports(options)
        identity = running_kernel(self.boot_id) if self.live else MachineIdentity()
        self.sink_factory = SinkFactory(self.sink_manager, self._cursors, identity, live=self.live)
        self.pipeline = make_pipeline(
            self._pipeline_maker(options, symbol_manager),
            len(self._inputs.sources),
            self.sink_manager,
            jobs,
        )

    @property
    def sources(self) -> Sequence[Source]:
        """What records are read from, one for each stream."""
        return self._inputs.sources

    @property
    def source(self) -> Source:
        """What records are read from; of several streams the first."""
        return self._inputs.sources[0]

    def start(self) -> None:
        """Let records flow: the sinks are there."""
        if isinstance(self.source, KmsgDevice):
            first = self.sink_manager.lowest_next_seq
            if self.reports is not None and self.reports.is_enabled:
                saved = self._cursors.position(POSITION_NAME)
                first = min(first, self.reports.begin_at(saved))
            if self._inputs.selection.following is Following.NEW:
                newest = self.source.newest()
                first = first if newest is None else newest + 1
            self.source.skip_below(first)
        self.pipeline.reader.running.set()

    async def finish(self) -> None:
        """Deliver what has been read within `STOP_LIMIT_S`, and save the positions."""
        jobs = self._jobs
        now_s = asyncio.get_running_loop().time
        end_s = now_s() + STOP_LIMIT_S
        try:
            async with asyncio.timeout_at(end_s):
                await jobs.run("delivery", self.pipeline.finish, None)
        except TimeoutError:
            logger.warning(
                "records that were read are left for the next start: "
                "the symbols are still being read"
            )
        if (reports := self.reports) is not None:
            await jobs.run("reports", lambda: reports.finish(REPORTS_LIMIT_S), None)
        for remark in self._selector.remarks() if self._selector is not None else ():
            logger.warning("%s", remark)
        await jobs.run("stop", lambda: self.sink_manager.flush(max(0, end_s - now_s())), None)
        jobs.call("positions", self._save_positions, None)

    def close(self) -> int:
        """Close sinks, cursors and source; returns how many entries were never sent."""
        jobs = self._jobs
        unsent = jobs.call("stop", self.sink_manager.close, 1)
        jobs.call("positions", self._cursors.close, None)
        for source in self._inputs.sources:
            jobs.call("reading", source.close, None)
        return unsent

    def _make_reports(self, options: RunOptions) -> CrashReports | None:
        """Return what takes reports: only in a daemon that goes on, which sees all of them once."""
        if not self.live or options.once:
            return None
        return CrashReports(self.boot_id or "", self.sink_manager.enqueue, self._jobs)

    def _pipeline_maker(
        self, options: RunOptions, symbol_manager: SymbolManager
    ) -> Callable[[int, Destination], Pipeline]:
        """Return what makes the pipeline of each source; all but the first have other symbols."""
        managers = [symbol_manager]
        managers += [symbol_manager.for_stream(other.name) for other in self._inputs.sources[1:]]

        def make(number: int, destination: Destination) -> Pipeline:
            return Pipeline(
                self._inputs.sources[number],
                destination,
                managers[number],
                self.clock,
                live=self.live,
                once=options.once,
                origin=origin_of(self.source, live=self.live),
                any_text=options.any_text,
                jobs=self._jobs,
                on_boot_end=self._selector.end_boot if self._selector is not None else None,
                on_report=self.reports.take if self.reports is not None else None,
            )

        return make

    def _save_progress(self) -> None:
        self._jobs.call("positions", self._save_positions, None)
        self._on_progress()

    def _save_positions(self) -> None:
        positions = self.sink_manager.positions
        if self.reports is not None and (position := self.reports.position) is not None:
            positions[POSITION_NAME] = position
        self._cursors.save(positions)


def origin_of(source: Source, *, live: bool) -> Origin:
    """Return the form in which a source has its records."""
    if not live:
        return Origin.CAPTURE
    return Origin.LINES if isinstance(source, ProcKmsg) else Origin.RECORDS


def build_cursor_store(source: Source, config: Config, boot_id: str | None) -> CursorStore:
    """Return the store of the sinks' cursors; without a file if records have no sequence
    numbers.
    """
    path = Path(config.state.cursor_file) if config.state.cursor_file else None
    if isinstance(source, KmsgDevice):
        return CursorStore(path, boot_id, source.newest)
    return CursorStore(None, boot_id, lambda: None)
