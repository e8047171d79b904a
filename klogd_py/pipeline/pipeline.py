# SPDX-License-Identifier: GPL-2.0-or-later
"""Carry records from the source to the sinks.

One batch at a time. The reader reads on meanwhile; when its read-ahead is full, the kernel's ring
buffer is the queue.
"""

import asyncio
from collections.abc import Callable, Collection
from functools import partial

from klogd_py.oops.provenance import Origin
from klogd_py.oops.trace_buffer import RecognisedTrace
from klogd_py.pipeline.clock import Clock
from klogd_py.pipeline.delivery import Delivery
from klogd_py.pipeline.destination import Destination
from klogd_py.pipeline.reader import Reader
from klogd_py.pipeline.stages import Stages
from klogd_py.pipeline.stats import Counters
from klogd_py.pipeline.symbol_manager import SymbolManager
from klogd_py.pipeline.symbol_stage import Naming
from klogd_py.record.crash_kind import CrashKind
from klogd_py.record.types import Gap, Record
from klogd_py.reports.detection.detector import DEFAULT_KINDS
from klogd_py.reports.raw_report import RawReport
from klogd_py.sources.source import Source
from klogd_py.system.jobs import Jobs

# Pause after an unexpected error
ERROR_PAUSE_S = 0.1
# Pause after the source could not be read again from an earlier record
SEEK_PAUSE_S = 5.0


class Pipeline:
    """The path from one source to the sinks. Mutable; lives on the event loop.

    The settings of ``stages`` may be changed at any time.
    """

    def __init__(
        self,
        source: Source,
        sink_manager: Destination,
        symbol_manager: SymbolManager,
        clock: Clock,
        *,
        live: bool,
        once: bool,
        origin: Origin = Origin.CAPTURE,
        any_text: bool = False,
        jobs: Jobs | None = None,
        on_trace: Callable[[RecognisedTrace], None] | None = None,
        on_boot_end: Callable[[], None] | None = None,
        on_report: Callable[[RawReport], None] | None = None,
        report_kinds: Collection[CrashKind] = DEFAULT_KINDS,
    ) -> None:
        """``live``: the source is the running kernel, which never ends.

        ``once``: stop as soon as a live source has no more records. The others are those of
        `Naming` and `Delivery`. Without ``on_trace`` only traces that may change the symbols are
        recognised.
        """
        self._jobs = jobs = jobs or Jobs()
        self.counters = Counters(origin, has_end=not live)
        self.reader = Reader(source, sink_manager.wait_for_room, jobs, once=once and live)
        self.stages = Stages(
            symbol_manager,
            clock,
            Naming(origin, any_text=any_text),
            jobs.report,
            live=live,
            any_sink_between=sink_manager.any_sink_between,
            keeps_all_traces=on_trace is not None,
            report_kinds=report_kinds if on_report is not None else (),
        )
        self.delivery = Delivery(
            *(self.stages, symbol_manager, sink_manager, self.counters, jobs),
            *(on_trace, on_boot_end, on_report),
        )
        self._source, self._sink_manager = source, sink_manager
        sink_manager.on_reread(self.reader.wake)
        self._symbol_manager, self._clock, self._once = symbol_manager, clock, once and live
        # The source is not read again before this time of the event loop
        self._seek_at_s = 0.0

    @property
    def unproven_reason(self) -> str | None:
        """Why the slide is not known; ``None`` if it is, or makes no difference."""
        return self._symbol_manager.symbols.unproven_reason

    @property
    def pipelines(self) -> "list[Pipeline]":
        """All pipelines of the run, of which there is one here."""
        return [self]

    async def run(self) -> int:
        """Deliver until the source has ended or no sink is left; returns the exit status."""
        reading = asyncio.create_task(self._jobs.supervise("reading", self.reader.run))
        try:
            while not self._sink_manager.all_gone:
                try:
                    status = await self._deliver_next()
                except Exception as error:
                    self._jobs.report("delivery", error)
                    await asyncio.sleep(ERROR_PAUSE_S)
                    continue
                if status is not None:
                    return status
        finally:
            reading.cancel()
        return 0

    async def finish(self) -> None:
        """Deliver everything that has been read or is held in a stage."""
        await self.delivery.wait()
        while (batch := self.reader.pop()) is not None:
            await self.delivery.deliver_at_stop(batch.items)
        rest: list[Record | Gap] = self._jobs.call("reading", self._source.drain_pending, [])
        await self.delivery.deliver_at_stop(rest, last=True)

    async def _deliver_next(self) -> int | None:
        """Deliver one batch, or what the stages must pass on; returns the exit status at the
        end.
        """
        await self._reread_if_behind()
        batch = await self.reader.wait_next(self._due_in_s())
        if batch is not None:
            if batch.is_live:
                self._jobs.call("clock", partial(self._observe_clock, batch.items), None)
            await self._deliver(batch.items, read_s=batch.read_s)
        elif self._is_at_end:
            await self._deliver([], last=True)
            await self._sink_manager.wait_until_drained()
            if self._reread_from is None:
                return 1 if self.reader.failed else 0
        else:
            await self._deliver([])
        return None

    @property
    def _is_at_end(self) -> bool:
        return self.reader.is_empty and (
            self.reader.ended or (self._once and self.reader.caught_up)
        )

    def _due_in_s(self) -> float | None:
        """Seconds to wait for records before something else is due; ``None`` for no limit."""
        due_s, reread_at_s = self.stages.deadline(), self._sink_manager.reread_at_s
        if reread_at_s is not None:
            reread_at_s = max(reread_at_s, self._seek_at_s)
            due_s = reread_at_s if due_s is None else min(due_s, reread_at_s)
        return None if due_s is None else max(0.0, due_s - asyncio.get_running_loop().time())

    @property
    def _reread_from(self) -> int | None:
        """The sequence number from which on the source is to be read again now, if it is."""
        if asyncio.get_running_loop().time() < self._seek_at_s:
            return None
        return self._sink_manager.reread_from

    async def _reread_if_behind(self) -> None:
        """Read the ring again for sinks that fell behind and have room again."""
        if self._reread_from is None:
            return
        while (batch := self.reader.pop()) is not None:
            await self._deliver(batch.items, read_s=batch.read_s)
        # What the stages hold must not be delivered before older records.
        await self._deliver([], last=True)
        seq = self._reread_from
        if seq is None or not self.reader.is_empty:
            return
        if self.reader.seek(seq):
            self._sink_manager.resume(seq)
        # Records that were prefetched go first.
        elif self.reader.is_empty:
            self._seek_at_s = asyncio.get_running_loop().time() + SEEK_PAUSE_S

    def _observe_clock(self, batch: list[Record | Gap]) -> None:
        """Compare the clocks with a record that was written just now."""
        if isinstance(batch[-1], Record):
            self._clock.sample_clocks()
            self._clock.observe(batch[-1])

    async def _deliver(
        self, batch: list[Record | Gap], last: bool = False, read_s: float | None = None
    ) -> None:
        await self.delivery.deliver(batch, last, read_s)
        # Let the reader read before the next batch.
        if not self.reader.is_empty:
            await asyncio.sleep(0)
