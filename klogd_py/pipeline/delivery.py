# SPDX-License-Identifier: GPL-2.0-or-later
"""Deliver one batch of records: run the stages, symbolize, enqueue for every sink.

The batch has left the source. A delivery that has begun is finished even if the caller is
cancelled, and whatever an unexpected error stops is enqueued unchanged.
"""

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial

from msgspec import Struct

from klogd_py.oops import provenance
from klogd_py.oops.boot_boundary import BootBoundary
from klogd_py.oops.crash_signatures import CRASH_MARKERS
from klogd_py.oops.provenance import Origin
from klogd_py.oops.trace_buffer import may_contain_trace
from klogd_py.pipeline.entry_builder import EntryBuilder, raw_entry
from klogd_py.pipeline.stages import Stages
from klogd_py.pipeline.stats import Counters
from klogd_py.pipeline.symbol_manager import SymbolManager
from klogd_py.record.types import Entry, Gap, LookupFailure, Record, Severity, SymbolAddress
from klogd_py.sinks.manager import SinkManager
from klogd_py.system.jobs import Jobs


class _NewBoot(Struct, frozen=True):
    """Where in a batch another boot begins, and the release of its kernel (empty if unknown)."""

    position: int
    release: str


class Delivery:
    """Delivers the batches of one stream, one after the other. Mutable; lives on the event loop.

    ``reload_on_oops`` may be changed at any time.
    """

    def __init__(
        self,
        stages: Stages,
        entry_builder: EntryBuilder,
        symbol_manager: SymbolManager,
        sink_manager: SinkManager,
        counters: Counters,
        jobs: Jobs,
        *,
        live: bool,
        origin: Origin,
    ) -> None:
        """``live``: the records are those of the running kernel."""
        self.reload_on_oops = False
        self.counters = counters
        self._stages = stages
        self._entry_builder = entry_builder
        self._symbol_manager = symbol_manager
        self._sink_manager = sink_manager
        self._jobs = jobs
        self._live = live
        self._origin = origin
        self._boots = BootBoundary()
        self._delivering: asyncio.Task[None] | None = None
        # The ids of the items of a batch that have been enqueued, while its delivery may fail
        self._enqueued_ids: set[int] | None = None

    async def wait(self) -> None:
        """Wait for a delivery whose caller was cancelled."""
        if self._delivering is not None:
            await asyncio.wait([self._delivering])

    async def deliver_surely(self, batch: list[Record | Gap], last: bool = False) -> None:
        """Deliver a batch, unchanged if an unexpected error stops it; used at a stop.

        With ``last`` no stage holds anything back.
        """
        await self._deliver_or_pass_raw(partial(self._deliver, batch, last), batch)

    async def deliver_shielded(self, batch: list[Record | Gap], last: bool = False) -> None:
        """Deliver a batch; a delivery that has begun is not cancelled half-way, which would leave a
        gap.

        Most batches need not wait for anything; no task is created for them.
        """
        if last or not self._needs_no_symbols(batch):
            await self._deliver_in_task(partial(self._deliver_by_boot, batch, last), batch)
            return
        held = self._stages.pending if self._stages.is_holding_line else []
        try:
            self._count_read(batch)
            ready = self._limit_rate(self._stages.join(batch, _now_s()), last)
            entries, lookups = self._entry_builder.build(ready, self._symbol_manager.symbols)
            if not _has_failure(lookups):
                self._enqueue(ready, entries, lookups)
        except Exception as error:
            self._enqueue_raw(held, batch, error)
            return
        if _has_failure(lookups):
            await self._deliver_in_task(partial(self._symbolize_and_enqueue, ready), ready)

    async def _deliver_or_pass_raw(
        self, delivery: Callable[[], Awaitable[None]], batch: list[Record | Gap]
    ) -> None:
        """Run ``delivery`` of a batch; if it fails, enqueue unchanged what it has not enqueued."""
        held = self._stages.pending
        outermost = self._enqueued_ids is None
        self._enqueued_ids = set() if self._enqueued_ids is None else self._enqueued_ids
        try:
            await delivery()
        except Exception as error:
            self._enqueue_raw(held, batch, error)
        finally:
            if outermost:
                self._enqueued_ids = None

    async def _deliver(self, batch: list[Record | Gap], last: bool = False) -> None:
        """Symbolize a batch and enqueue it for every sink; with ``last`` no stage holds anything
        back.
        """
        self._count_read(batch)
        async with self._symbol_manager.lock:
            # Wait while symbols are being loaded.
            pass
        batch = await self._join_and_buffer(batch, last)
        if self.reload_on_oops and any(
            self._is_oops(item) for item in batch if isinstance(item, Record)
        ):
            await self._symbol_manager.reload("an Oops")
        await self._symbolize_and_enqueue(self._limit_rate(batch, last))

    async def _deliver_in_task(
        self, job: Callable[[], Awaitable[None]], batch: list[Record | Gap]
    ) -> None:
        """Deliver in a task of its own, which goes on if the caller is cancelled."""
        delivery = self._jobs.run("delivery", partial(self._deliver_or_pass_raw, job, batch), None)
        self._delivering = asyncio.get_running_loop().create_task(delivery)
        await asyncio.shield(self._delivering)

    async def _deliver_by_boot(self, batch: list[Record | Gap], last: bool) -> None:
        """Deliver a batch; in a capture, each boot apart.

        The load address inferred for one boot does not hold for the next.
        """
        start = 0
        new_boots: list[_NewBoot] = []
        if not self._live:
            new_boots = self._jobs.call("boots", partial(self._find_boots, batch), new_boots)
        for boot in new_boots:
            part = batch[start : boot.position]
            await self._deliver_or_pass_raw(partial(self._deliver, part, last=True), part)
            await self._symbol_manager.reset(boot.release)
            self._entry_builder.forget_pcs()
            start = boot.position
        part = batch[start:]
        await self._deliver_or_pass_raw(partial(self._deliver, part, last), part)

    def _find_boots(self, batch: list[Record | Gap]) -> list[_NewBoot]:
        found = [
            (position, self._boots.detect(item))
            for position, item in enumerate(batch)
            if isinstance(item, Record)
        ]
        return [_NewBoot(position, release) for position, release in found if release is not None]

    def _needs_no_symbols(self, batch: list[Record | Gap]) -> bool:
        """Whether a batch can be delivered without loading, waiting for or inferring symbols.

        While symbols are being loaded, that is so if it has neither an address nor the beginning of
        a trace.
        """
        try:
            symbols = self._symbol_manager.symbols
            if (
                not self._live
                or self.reload_on_oops
                or self._stages.is_holding_trace
                or symbols.reads_traces
                or symbols.modules.needs_traces
            ):
                return False
            return not (self._symbol_manager.lock.locked() and may_contain_trace(batch))
        except Exception as error:
            self._jobs.report("evidence", error)
            return False

    def _is_oops(self, record: Record) -> bool:
        return "Oops" in record.text and provenance.is_oops_header(record, self._origin)

    async def _join_and_buffer(self, batch: list[Record | Gap], last: bool) -> list[Record | Gap]:
        """Join continuations, and hold back traces from which symbols may be inferred."""
        batch = self._stages.join(batch, _now_s())
        if last:
            batch = [*batch, *self._stages.flush_joiner()]
        # A trace proves something only for modules that are known to be loaded.
        if (
            self._live
            and self._symbol_manager.symbols.modules.needs_traces
            and self._jobs.call("evidence", partial(may_contain_trace, batch), True)
            and await self._symbol_manager.modules_changed()
        ):
            await self._symbol_manager.reload("the beginning of a trace")
        symbols = self._symbol_manager.symbols
        ready, found = self._stages.buffer_traces(batch, _now_s(), symbols, last)
        if found is not symbols:
            self._jobs.call("symbols", partial(self._symbol_manager.set_current, found), None)
        return ready

    def _limit_rate(self, batch: list[Record | Gap], last: bool) -> list[Record | Gap]:
        """Leave out what the configuration suppresses, and count it."""
        passed = self._stages.limit(batch, _now_s(), last)
        if passed is not batch:
            self._jobs.call("counters", partial(self.counters.count_suppressed, passed), None)
        return passed

    async def _symbolize_and_enqueue(self, batch: list[Record | Gap]) -> None:
        entries, lookups = self._entry_builder.build(batch, self._symbol_manager.symbols)
        # An oops may arrive before the uevent of its module, whose init function may still run.
        if self._live and _has_failure(lookups) and await self._symbol_manager.modules_changed():
            await self._symbol_manager.reload("an address that no symbol contained")
            entries, lookups = self._entry_builder.build(batch, self._symbol_manager.symbols)
        self._enqueue(batch, entries, lookups)

    def _enqueue(
        self,
        batch: list[Record | Gap],
        entries: list[Entry],
        lookups: list[SymbolAddress | LookupFailure],
    ) -> None:
        """Count the symbols of the entries, and enqueue these for every sink."""
        try:
            failures = [symbol for symbol in lookups if isinstance(symbol, LookupFailure)]
            self.counters.count_symbols(entries, failures, bool(lookups))
        except Exception as error:
            self._jobs.report("counters", error)
        if self._enqueued_ids is not None:
            self._enqueued_ids.update(map(id, batch))
        self._sink_manager.enqueue(entries)

    def _enqueue_raw(
        self, held: list[Record | Gap], batch: list[Record | Gap], error: Exception
    ) -> None:
        """Report an unexpected error, enqueue unchanged what it has stopped, and restart the
        stages.

        ``held`` is what the stages held before the delivery.
        """
        self._jobs.report("delivery", error)
        enqueued_ids = self._enqueued_ids or ()
        lost = {
            id(item): item
            for item in (*held, *self._stages.pending, *batch)
            if id(item) not in enqueued_ids
        }
        self._stages.restart()
        items = list(lost.values())
        self._enqueue(items, [raw_entry(item) for item in items], [])

    def _count_read(self, batch: list[Record | Gap]) -> None:
        try:
            self.counters.count_read(batch)
            self.counters.count_crashes(
                item
                for item in batch
                if isinstance(item, Record)
                and item.prefix is not None
                and item.prefix < Severity.INFO
                and any(marker in item.text for marker in CRASH_MARKERS)
            )
        except Exception as error:
            self._jobs.report("counters", error)


def _has_failure(lookups: list[SymbolAddress | LookupFailure]) -> bool:
    return any(isinstance(symbol, LookupFailure) for symbol in lookups)


def _now_s() -> float:
    return asyncio.get_running_loop().time()
