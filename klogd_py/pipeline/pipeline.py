# SPDX-License-Identifier: GPL-2.0-or-later
"""Carries records from the intake to every sink: join, hold back, limit, translate, post.

One batch at a time. The intake reads on meanwhile, and behind it the kernel's ring is the queue.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from functools import partial

from klogd_py.oops import provenance
from klogd_py.oops.address_scanner import AddressMatch
from klogd_py.oops.boot_boundary import BootBoundary
from klogd_py.oops.provenance import Origin, Withheld
from klogd_py.oops.trace_buffer import may_contain_trace
from klogd_py.pipeline.clock import Clock
from klogd_py.pipeline.continuation import Joiner
from klogd_py.pipeline.entries import make_entries, raw_entry
from klogd_py.pipeline.kaslr import KaslrStage
from klogd_py.pipeline.ratelimit import RateLimiter
from klogd_py.pipeline.reader import Reader
from klogd_py.pipeline.stats import Counters
from klogd_py.pipeline.symbol_manager import SymbolManager
from klogd_py.pipeline.symbolize import FormatOptions, KnownPcs
from klogd_py.record.types import Entry, Gap, LookupFailure, Record, SymbolAddress
from klogd_py.sinks.manager import SinkManager
from klogd_py.sources.kmsg_device import Source
from klogd_py.system.jobs import Jobs

# After an unexpected error
PAUSE_S = 0.1
CATCH_UP_S = (
    # So long at most before it is noticed that a sink which fell behind has room again
    0.05
)


class Pipeline:
    """The way from one source to the mailroom. Mutable; lives on the event loop.

    ``manner``, ``join_continuations``, ``limiter`` and ``reload_on_oops`` may be exchanged at any time. ``prose`` has
    addresses named in any text of the kernel's, where its place in memory is no secret: the classic
    klogd did so.
    """

    def __init__(
        self,
        source: Source,
        sink_manager: SinkManager,
        naming: SymbolManager,
        clock: Clock,
        *,
        live: bool,
        once: bool,
        origin: Origin = Origin.CAPTURE,
        any_text: bool = False,
        jobs: Jobs | None = None,
    ) -> None:
        """``live`` says that the source is the running kernel, which never ends.

        ``once`` stops where it has no more just now.
        """
        self.format_options = FormatOptions()
        self.reload_on_oops = False
        self.join_continuations = True
        self.limiter = self._limiting = RateLimiter()
        self.carried = 0
        self.counters = Counters(origin)
        self._jobs = jobs or Jobs()
        self.reader = Reader(source, sink_manager.wait_for_room, self._jobs, once=once and live)
        self._stood: KnownPcs = set()
        self._source = source
        self._mailroom = sink_manager
        self._naming = naming
        self._clock = clock
        self._live = live
        self._once = once and live
        self._joiner = Joiner(sink_manager.any_sink_between)
        self._origin = origin
        self._any_text = any_text
        self._learning = self._new_learning()
        self._boots = BootBoundary()
        self._delivering: asyncio.Task[None] | None = None
        self._handed: set[int] | None = (
            # What of a batch has gone to the sinks, while that may matter
            None
        )

    async def run(self) -> int:
        """Carry until the source is empty or nobody is left to carry to.

        Returns the exit status.
        """
        filling = asyncio.create_task(self._jobs.supervise("reading", self.reader.run))
        try:
            while not self._mailroom.all_gone:
                try:
                    status = await self._turn()
                except Exception as error:
                    self._jobs.report("delivery", error)
                    await asyncio.sleep(PAUSE_S)
                    continue
                if status is not None:
                    return status
        finally:
            filling.cancel()
        return 0

    async def _turn(self) -> int | None:
        """Carry one batch, or what is due without one.

        Returns the exit status when there is nothing to come.
        """
        await self._go_back()
        batch = await self.reader.wait_next(self._due_in_s())
        if batch is not None:
            if batch.is_live:
                self._jobs.call("clock", partial(self._learn_time, batch.items), None)
            await self._deliver_shielded(batch.items)
        elif self._is_done:
            await self._deliver_shielded([], last=True)
            await self._mailroom.wait_until_drained()
            if self._mailroom.reread_from is None:
                return 1 if self.reader.failed else 0
        else:
            await self._deliver_shielded([])
        return None

    async def finish(self) -> None:
        """Deliver everything that has been read, held back or left unfinished."""
        if self._delivering is not None:
            await asyncio.wait([self._delivering])
        while (batch := self.reader.pop()) is not None:
            await self._surely(partial(self.deliver, batch.items), batch.items)
        rest: list[Record | Gap] = self._jobs.call("reading", self._source.drain_pending, [])
        await self._surely(partial(self.deliver, rest, last=True), rest)

    async def deliver(self, batch: list[Record | Gap], last: bool = False) -> None:
        """Name what is in a batch and post it to every sink; with ``last`` nothing stays behind."""
        self._count(batch)
        async with self._naming.lock:
            # A survey that is being drawn is waited for
            pass
        batch = await self._held_back(batch, last)
        if self.reload_on_oops and any(
            self._is_oops(item) for item in batch if isinstance(item, Record)
        ):
            await self._naming.reload("an Oops")
        await self._post(self._limited(batch, last))

    def _is_oops(self, record: Record) -> bool:
        return "Oops" in record.text and provenance.is_oops_header(record, self._origin)

    async def _surely(
        self, delivery: Callable[[], Awaitable[None]], batch: list[Record | Gap]
    ) -> None:
        """Have a batch delivered, if need be as it came; what is held back before it goes first."""
        before = self._held
        outermost = self._handed is None
        self._handed = set() if self._handed is None else self._handed
        try:
            await delivery()
        except Exception as error:
            self._give_up(before, batch, error)
        finally:
            if outermost:
                self._handed = None

    @property
    def _held(self) -> list[Record | Gap]:
        """What waits in one of the stages, in order."""
        return [*self._learning.pending, *self._limiting.pending, *self._joiner.pending]

    def _give_up(
        self, before: list[Record | Gap], batch: list[Record | Gap], error: Exception
    ) -> None:
        """Hand over as it came what an unexpected error has stopped, and what was held ``before``
        it; all stages begin anew.
        """
        self._jobs.report("delivery", error)
        handed = self._handed or ()
        wanted = {
            id(item): item for item in (*before, *self._held, *batch) if id(item) not in handed
        }
        self._learning, self._joiner = self._new_learning(), self._joiner.restarted()
        self._limiting = self.limiter = self.limiter.restarted()
        rest = list(wanted.values())
        self._hand_over(rest, [raw_entry(item) for item in rest], [])

    async def _post(self, batch: list[Record | Gap]) -> None:
        entries, places = self._translated(batch)
        if self._live and _has_unknown(places) and await self._naming.modules_changed():
            # An oops can come before the event that tells of its module, whose init function may
            # still be running.
            await self._naming.reload("an address that no symbol contained")
            entries, places = self._translated(batch)
        self._hand_over(batch, entries, places)

    def _hand_over(
        self,
        batch: list[Record | Gap],
        entries: list[Entry],
        places: list[SymbolAddress | LookupFailure],
    ) -> None:
        try:
            self.counters.count_symbols(
                entries,
                [place for place in places if isinstance(place, LookupFailure)],
                bool(places),
            )
        except Exception as error:
            self._jobs.report("counters", error)
        if self._handed is not None:
            self._handed.update(map(id, batch))
        self._mailroom.enqueue(entries, self._joiner.has_joined)
        self.carried += len(batch)

    @property
    def _is_done(self) -> bool:
        return self.reader.is_empty and (
            self.reader.ended or (self._once and self.reader.caught_up)
        )

    async def _deliver_shielded(self, batch: list[Record | Gap], last: bool = False) -> None:
        """Deliver a batch; once begun it is not given up half-way, since what comes after it would
        leave a gap.

        Most batches need not wait for anything, and then no task is made for them.
        """
        if last or not self._needs_no_symbols(batch):
            await self._apart(partial(self._deliver_boots, batch, last), batch)
            return
        before = self._held if self._joiner.pending or self._limiting.pending else []
        try:
            self._count(batch)
            ready = self._limited(self._joined(batch), last)
            entries, places = self._translated(ready)
            if not _has_unknown(places):
                self._hand_over(ready, entries, places)
        except Exception as error:
            self._give_up(before, batch, error)
            return
        if _has_unknown(places):
            await self._apart(partial(self._post, ready), ready)
            return
        if not self.reader.is_empty:
            await asyncio.sleep(0)

    async def _apart(self, job: Callable[[], Awaitable[None]], batch: list[Record | Gap]) -> None:
        """Deliver in a task of its own, which goes on if the one that waits is cancelled."""
        delivering = self._jobs.run("delivery", partial(self._surely, job, batch), None)
        self._delivering = asyncio.get_running_loop().create_task(delivering)
        await asyncio.shield(self._delivering)

    def _needs_no_symbols(self, batch: list[Record | Gap]) -> bool:
        """Whether a batch can be delivered without anything being found out about the symbols
        before.

        While they are being read that is so if it has neither an address nor the beginning of a
        trace.
        """
        try:
            survey = self._naming.symbols
            if (
                not self._live
                or self.reload_on_oops
                or self._learning.is_holding
                or survey.reads_traces
                or survey.modules.wants_traces
            ):
                return False
            return not (self._naming.lock.locked() and may_contain_trace(batch))
        except Exception as error:
            self._jobs.report("evidence", error)
            return False

    async def _deliver_boots(self, batch: list[Record | Gap], last: bool) -> None:
        """Deliver.

        In a capture what one boot has shown of its kernel's place does not hold for the next one.
        """
        start = 0
        begins: list[tuple[int, str]] = []
        begins = (
            begins if self._live else self._jobs.call("boots", partial(self._begins, batch), begins)
        )
        for at, release in begins:
            part = batch[start:at]
            await self._surely(partial(self.deliver, part, last=True), part)
            await self._naming.reset(release)
            self._stood.clear()
            start = at
        part = batch[start:]
        await self._surely(partial(self.deliver, part, last), part)

    def _begins(self, batch: list[Record | Gap]) -> list[tuple[int, str]]:
        """Where in a batch another boot begins, and the release of its kernel."""
        found = [
            (at, self._boots.detect(item))
            for at, item in enumerate(batch)
            if isinstance(item, Record)
        ]
        return [(at, release) for at, release in found if release is not None]

    async def _held_back(self, batch: list[Record | Gap], last: bool) -> list[Record | Gap]:
        """Join lines that came in pieces, and keep back what may teach something about the map."""
        batch = self._joined(batch)
        if last:
            batch = [*batch, *self._joiner.flush()]
        asked = self._live and self._naming.symbols.modules.wants_traces
        if (
            asked
            and self._jobs.call("evidence", partial(may_contain_trace, batch), True)
            and await self._naming.modules_changed()
        ):
            await self._naming.reload(
                "the beginning of a trace"
                # Which counts only for modules known to be there
            )
        survey, held = self._naming.symbols, self._learning.pending
        try:
            ready, found = self._learning.push(batch, asyncio.get_running_loop().time(), survey)
            if last:
                rest, found = self._learning.flush(found)
                ready += rest
        except Exception as error:
            self._jobs.report("evidence", error)
            self._learning = self._new_learning()
            return [*held, *batch]
        if found is not survey:
            self._jobs.call("symbols", partial(self._naming.set_current, found), None)
        return ready

    def _new_learning(self) -> KaslrStage:
        return KaslrStage(self._origin, partial(self._jobs.report, "evidence"))

    def _count(self, batch: list[Record | Gap]) -> None:
        try:
            self.counters.count_read(batch)
        except Exception as error:
            self._jobs.report("counters", error)

    def _joined(self, batch: list[Record | Gap]) -> list[Record | Gap]:
        now_s = asyncio.get_running_loop().time()
        waiting = self._joiner.pending
        if not waiting and not self.join_continuations:
            return batch
        try:
            return self._joiner.push(batch, now_s)
        except Exception as error:
            self._jobs.report("joining", error)
            self._joiner = self._joiner.restarted()
            return [*waiting, *batch]

    def _limited(self, batch: list[Record | Gap], last: bool) -> list[Record | Gap]:
        """Leave out what the configuration wants left out."""
        ended: list[Record | Gap] = []
        if self.limiter is not self._limiting:
            ended, self._limiting = self._limiting.flush(), self.limiter
        if self._limiting.is_idle and not ended:
            return batch
        run = self._limiting.pending
        try:
            passed = [*ended, *self._limiting.push(batch, asyncio.get_running_loop().time())]
            passed = [*passed, *self._limiting.flush()] if last else passed
            self.counters.count_suppressed(passed)
            return passed
        except Exception as error:
            self._jobs.report("flood limit", error)
            self.limiter = self._limiting = self._limiting.restarted()
            return [*ended, *run, *batch]

    def _translated(
        self, batch: list[Record | Gap]
    ) -> tuple[list[Entry], list[SymbolAddress | LookupFailure]]:
        """The batch as entries, and what was found for each address in it."""
        resolver = self._naming.symbols.resolver
        found: list[SymbolAddress | LookupFailure] = []

        def resolve(address: int) -> SymbolAddress | LookupFailure:
            found.append(place := resolver.resolve(address))
            return place

        failed = partial(self._jobs.report, "translation")
        return make_entries(
            batch, resolve, self.format_options, self._clock, self._stood, self._judge, failed
        ), found

    def _judge(self, record: Record, matches: Sequence[AddressMatch]) -> Withheld | None:
        """Why the addresses of a record may not be named; those that have a name are counted."""
        survey = self._naming.symbols
        reason = provenance.withheld_reason(record, matches, self._origin)
        if reason is Withheld.BORDERS and survey.is_fixed:
            reason = provenance.withheld_reason(record, matches, Origin.RECORDS)
        if reason is not None and survey.is_fixed and self._any_text:
            reason = provenance.withheld_reason_in_any_text(record, survey.hashes_pointers)
        if reason is not None:
            known = [
                match
                for match in matches
                if isinstance(survey.resolver.resolve(match.address), SymbolAddress)
            ]
            self.counters.withheld[reason] += len(known)
        return reason

    async def _go_back(self) -> None:
        """Read the ring anew for sinks that fell behind and have room again."""
        if self._mailroom.reread_from is None:
            return
        while (batch := self.reader.pop()) is not None:
            await self._deliver_shielded(batch.items)
        # What is held back must not come before what is older
        await self._deliver_shielded([], last=True)
        seq = self._mailroom.reread_from
        if seq is not None and self.reader.is_empty and self.reader.seek(seq):
            self._mailroom.resume()

    def _learn_time(self, batch: list[Record | Gap]) -> None:
        """Compare the clocks with a record that was made just now."""
        if isinstance(batch[-1], Record):
            self._clock.sample_clocks()
            self._clock.observe(batch[-1])

    def _due_in_s(self) -> float | None:
        """How long to wait for records before something else is due; ``None`` if nothing is."""
        now_s = asyncio.get_running_loop().time()
        waits_s = [part.due_in_s(now_s) for part in (self._learning, self._joiner, self._limiting)]
        waits_s += [CATCH_UP_S] if self._mailroom.needs_reread else []
        return min((wait_s for wait_s in waits_s if wait_s is not None), default=None)


def _has_unknown(places: list[SymbolAddress | LookupFailure]) -> bool:
    return any(isinstance(place, LookupFailure) for place in places)
