# SPDX-License-Identifier: GPL-2.0-or-later
"""Run batches through the stages, and enqueue what comes out for every sink.

A batch that has left the source is never lost: what has begun is finished even if the caller is
cancelled. The stages themselves never wait. Only where one of them needs other symbols first, which
are loaded in a thread, is a task created.
"""

import asyncio
from collections.abc import Callable
from functools import partial

from klogd_py.oops.boot_boundary import NextBoot
from klogd_py.oops.trace_buffer import RecognisedTrace
from klogd_py.pipeline.batch import Batch, Symbolized
from klogd_py.pipeline.destination import Destination
from klogd_py.pipeline.stages import Stages
from klogd_py.pipeline.stats import Counters
from klogd_py.pipeline.symbol_manager import SymbolManager
from klogd_py.pipeline.symbol_stage import raw_entry
from klogd_py.record.types import Gap, Record
from klogd_py.reports.raw_report import RawReport
from klogd_py.system.jobs import Jobs


class Delivery:
    """Delivers the batches of one stream, one after the other. Mutable; lives on the event loop."""

    def __init__(
        self,
        stages: Stages,
        symbol_manager: SymbolManager,
        sink_manager: Destination,
        counters: Counters,
        jobs: Jobs,
        on_trace: Callable[[RecognisedTrace], None] | None = None,
        on_boot_end: Callable[[], None] | None = None,
        on_report: Callable[[RawReport], None] | None = None,
    ) -> None:
        """``on_trace`` is called with each trace of the stream, when it has ended.

        ``on_boot_end`` is called when all entries of a boot have been delivered and another boot
        follows, ``on_report`` with each report of a crash, also while more of its lines may come.
        """
        self.counters = counters
        self._stages = stages
        self._symbol_manager = symbol_manager
        self._sink_manager = sink_manager
        self._jobs = jobs
        self._on_trace = on_trace
        self._on_boot_end = on_boot_end
        self._on_report = on_report
        # The boot that begins when all before it is delivered
        self._next_boot: NextBoot | None = None
        self._delivering: asyncio.Task[None] | None = None

    async def wait(self) -> None:
        """Wait for a delivery whose caller was cancelled."""
        if self._delivering is not None:
            await asyncio.wait([self._delivering])

    async def deliver(
        self, items: list[Record | Gap], last: bool = False, read_s: float | None = None
    ) -> None:
        """Deliver items; what has begun goes on if the caller is cancelled.

        With ``last`` no stage holds anything back. ``read_s`` is that of `Batch`.
        """
        self._push(items, read_s)
        if last or self._must_wait:
            finishing = self._jobs.run("delivery", partial(self._finish, last), None)
            self._delivering = asyncio.get_running_loop().create_task(finishing)
            await asyncio.shield(self._delivering)
            self._abandon_requests()

    async def deliver_at_stop(self, items: list[Record | Gap], last: bool = False) -> None:
        """Deliver items; if the caller is cancelled, what waits for symbols is not delivered."""
        self._push(items)
        await self._jobs.run("delivery", partial(self._finish, last), None)
        self._abandon_requests()

    @property
    def _must_wait(self) -> bool:
        return self._stages.request is not None or self._next_boot is not None

    async def _finish(self, last: bool) -> None:
        await self._fulfil_requests()
        if last:
            self._enqueue(self._stages.push(Batch([], is_last=True), _now_s()))
            await self._fulfil_requests()

    async def _fulfil_requests(self) -> None:
        """Do what the stages wait for, until they wait for nothing."""
        manager = self._symbol_manager
        while self._must_wait:
            if (request := self._stages.request) is not None:
                await self._jobs.run("symbols", partial(manager.fulfil, request), None)
            elif self._next_boot is not None:
                await self._jobs.run("symbols", partial(manager.begin_boot, self._next_boot), None)
            self._resume()

    def _abandon_requests(self) -> None:
        """Let what waits go on with the symbols in use, if an unexpected error has kept them."""
        while self._must_wait:
            if self._stages.request is None:
                # Those in use are another kernel's.
                self._symbol_manager.use_none()
            self._resume()

    def _resume(self) -> None:
        """Let what waits go on: a batch before a stage, or else the next boot."""
        if self._stages.request is not None:
            self._enqueue(self._stages.resume(_now_s()))
        else:
            self._next_boot = None
            if self._on_boot_end is not None:
                self._on_boot_end()
            self._enqueue(self._stages.push(Batch([]), _now_s()))

    def _push(self, items: list[Record | Gap], read_s: float | None = None) -> None:
        self._abandon_requests()
        batch = Batch(items)
        batch.read_s = read_s
        try:
            self.counters.count_read(items)
            if batch.crash_lines:
                self.counters.crashes.count(batch.records[at] for at in batch.crash_lines)
        except Exception as error:
            self._jobs.report("counters", error)
        self._enqueue(self._stages.push(batch, _now_s()))

    def _enqueue(self, batch: Batch) -> None:
        """Count what came out of the stages, and enqueue its entries for every sink."""
        self._next_boot = batch.next_boot
        symbolized = batch.symbolized
        # The last stage failed, or a batch waits before a stage.
        if symbolized is None:
            symbolized = Symbolized([raw_entry(item) for item in batch.items])
        try:
            self._count_passed(batch, symbolized)
        except Exception as error:
            self._jobs.report("counters", error)
        # Also if there is none: a sink may have been replaced.
        try:
            self._sink_manager.enqueue(symbolized.entries)
        except Exception as error:
            self._jobs.report("delivery", error)
            # Sinks leave out what they have had.
            raw = [raw_entry(item) for item in batch.items]
            self._jobs.call("delivery", partial(self._sink_manager.enqueue, raw), None)
        if self._on_trace is not None:
            for trace in batch.traces:
                self._jobs.call("evidence", partial(self._on_trace, trace), None)
        if self._on_report is not None:
            for report in batch.reports:
                self._jobs.call("reports", partial(self._on_report, report), None)

    def _count_passed(self, batch: Batch, symbolized: Symbolized) -> None:
        if len(batch.records) < len(batch.items):
            self.counters.count_suppressed(batch.items)
        self.counters.count_symbols(
            symbolized.entries, symbolized.failures, bool(symbolized.lookups)
        )
        if symbolized.withheld:
            self.counters.withheld.update(symbolized.withheld)
        if self.counters.frames is not None:
            self.counters.frames.observe(batch, symbolized)


def _now_s() -> float:
    return asyncio.get_running_loop().time()
