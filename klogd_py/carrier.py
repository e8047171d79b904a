"""Carries records from the intake to every sink: join, hold back, limit, translate, post.

One batch at a time. The intake reads on meanwhile, and behind it the kernel's ring is the queue.
"""

import asyncio
from functools import partial

from klogd_py.boots import Boots
from klogd_py.clock import Clock
from klogd_py.continuations import Joiner
from klogd_py.counters import Counters
from klogd_py.device import Source
from klogd_py.flood import Limiter
from klogd_py.holdback import may_begin
from klogd_py.intake import Intake
from klogd_py.naming import Naming
from klogd_py.record import Entry, Gap, Place, Record, Unknown
from klogd_py.sinks.mailroom import Mailroom
from klogd_py.symbols.learning import Learning
from klogd_py.translate import Manner, Stood, translate

CATCH_UP_S = 0.05  # so long at most before it is noticed that a sink which fell behind has room again


class Carrier:
    """The way from one source to the mailroom. Mutable; lives on the event loop.

    ``manner``, ``join``, ``limiter`` and ``paranoid`` may be exchanged at any time.
    """

    def __init__(
        self,
        source: Source,
        mailroom: Mailroom,
        naming: Naming,
        clock: Clock,
        *,
        live: bool,
        once: bool,
    ) -> None:
        """``live`` says that the source is the running kernel, which never ends; ``once`` stops where it has no more just now."""
        self.manner = Manner()
        self.paranoid = False
        self.join = True
        self.limiter = self._limiting = Limiter()
        self.carried = 0
        self.counters = Counters()
        self.intake = Intake(source, mailroom.room, once=once and live)
        self._stood: Stood = set()
        self._source = source
        self._mailroom = mailroom
        self._naming = naming
        self._clock = clock
        self._live = live
        self._once = once and live
        self._joiner = Joiner(mailroom.tells_apart)
        self._learning = Learning()
        self._boots = Boots()
        self._delivering: asyncio.Task[None] | None = None

    async def run(self) -> int:
        """Carry until the source is empty or nobody is left to carry to; returns the exit status."""
        filling = asyncio.create_task(self.intake.fill())
        try:
            while not self._mailroom.all_gone:
                await self._go_back()
                batch = await self.intake.next(self._due_in_s())
                if batch is not None:
                    if batch.is_live:
                        self._learn_time(batch.items)
                    await self._whole(batch.items)
                elif self._is_done:
                    await self._whole([], last=True)
                    await self._mailroom.settled()
                    if self._mailroom.wanted_again is None:
                        if filling.done():
                            filling.result()  # raises what ended it, if that was neither the source's end nor a refusal
                        return 1 if self.intake.failed else 0
                else:
                    await self._whole([])
        finally:
            filling.cancel()
        return 0

    async def finish(self) -> None:
        """Deliver everything that has been read, held back or left unfinished."""
        if self._delivering is not None:
            await asyncio.wait([self._delivering])
        while (batch := self.intake.take()) is not None:
            await self.deliver(batch.items)
        await self.deliver(self._source.rest(), last=True)

    async def deliver(self, batch: list[Record | Gap], last: bool = False) -> None:
        """Name what is in a batch and post it to every sink; with ``last`` nothing stays behind."""
        self.counters.read(batch)
        async with self._naming.lock:
            pass  # a survey that is being drawn is waited for
        batch = await self._held_back(batch, last)
        if self.paranoid and any("Oops" in item.text for item in batch if isinstance(item, Record)):
            await self._naming.redraw("an Oops")
        await self._post(self._limited(batch, last))

    async def _post(self, batch: list[Record | Gap]) -> None:
        entries, places = self._translated(batch)
        if self._live and _has_unknown(places) and await self._naming.modules_differ():
            # An oops can come before the event that tells of its module, whose init function may still be running.
            await self._naming.redraw("an address that no symbol contained")
            entries, places = self._translated(batch)
        self._hand_over(batch, entries, places)

    def _hand_over(self, batch: list[Record | Gap], entries: list[Entry], places: list[Place | Unknown]) -> None:
        self.counters.told(entries, [place for place in places if isinstance(place, Unknown)], bool(places))
        self._mailroom.post(entries, self._joiner.has_joined)
        self.carried += len(batch)

    @property
    def _is_done(self) -> bool:
        return self.intake.is_empty and (self.intake.ended or (self._once and self.intake.caught_up))

    async def _whole(self, batch: list[Record | Gap], last: bool = False) -> None:
        """Deliver a batch; once begun it is not given up half-way, since what comes after it would leave a gap.

        Most batches need not wait for anything, and then no task is made for them.
        """
        job = partial(self._deliver_boots, batch, last)
        if not last and self._asks_nothing(batch):
            self.counters.read(batch)
            ready = self._limited(self._joined(batch), last)
            entries, places = self._translated(ready)
            if not _has_unknown(places):
                self._hand_over(ready, entries, places)
                if not self.intake.is_empty:
                    await asyncio.sleep(0)
                return
            job = partial(self._post, ready)
        self._delivering = asyncio.get_running_loop().create_task(job())
        await asyncio.shield(self._delivering)

    def _asks_nothing(self, batch: list[Record | Gap]) -> bool:
        """Whether a batch can be delivered without anything being found out about the symbols before.

        While they are being read that is so if it has neither an address nor the beginning of a trace.
        """
        survey = self._naming.survey
        if not self._live or self.paranoid or self._learning.is_holding or survey.reads_traces or survey.loaded.asks_traces:
            return False
        return not (self._naming.lock.locked() and may_begin(batch))

    async def _deliver_boots(self, batch: list[Record | Gap], last: bool) -> None:
        """Deliver; in a capture what one boot has shown of its kernel's place does not hold for the next one."""
        start = 0
        for at, item in enumerate(batch if not self._live else ()):
            if isinstance(item, Record) and (release := self._boots.begins(item)) is not None:
                await self.deliver(batch[start:at], last=True)
                await self._naming.begin_anew(release)
                self._stood.clear()
                start = at
        await self.deliver(batch[start:], last)

    async def _held_back(self, batch: list[Record | Gap], last: bool) -> list[Record | Gap]:
        """Join lines that came in pieces, and keep back what may teach something about the map."""
        batch = self._joined(batch)
        if last:
            batch = [*batch, *self._joiner.end()]
        asked = self._live and self._naming.survey.loaded.asks_traces and may_begin(batch)
        if asked and await self._naming.modules_differ():
            await self._naming.redraw("the beginning of a trace")  # which counts only for modules known to be there
        survey = self._naming.survey
        batch, found = self._learning.take(batch, asyncio.get_running_loop().time(), survey)
        if last:
            held, found = self._learning.end(found)
            batch += held
        if found is not survey:
            self._naming.adopt(found)
        return batch

    def _joined(self, batch: list[Record | Gap]) -> list[Record | Gap]:
        now_s = asyncio.get_running_loop().time()
        if self.join or self._joiner.due_in_s(now_s) is not None:
            return self._joiner.take(batch, now_s)
        return batch

    def _limited(self, batch: list[Record | Gap], last: bool) -> list[Record | Gap]:
        """Leave out what the configuration wants left out."""
        ended: list[Record | Gap] = []
        if self.limiter is not self._limiting:
            ended, self._limiting = self._limiting.end(), self.limiter
        if self._limiting.is_idle:
            self.counters.limited(ended)
            return [*ended, *batch] if ended else batch
        batch = [*ended, *self._limiting.take(batch, asyncio.get_running_loop().time())]
        batch = [*batch, *self._limiting.end()] if last else batch
        self.counters.limited(batch)
        return batch

    def _translated(self, batch: list[Record | Gap]) -> tuple[list[Entry], list[Place | Unknown]]:
        """The batch as entries, and what was found for each address in it."""
        self._clock.anchor()
        atlas = self._naming.survey.atlas
        found: list[Place | Unknown] = []

        def place_of(address: int) -> Place | Unknown:
            found.append(place := atlas.place_of(address))
            return place

        return translate(batch, place_of, self.manner, self._clock.walls_of, self._stood), found

    async def _go_back(self) -> None:
        """Read the ring anew for sinks that fell behind and have room again."""
        if self._mailroom.wanted_again is None:
            return
        while (batch := self.intake.take()) is not None:
            await self._whole(batch.items)
        await self._whole([], last=True)  # what is held back must not come before what is older
        seq = self._mailroom.wanted_again
        if seq is not None and self.intake.is_empty and self.intake.rewind(seq):
            self._mailroom.catch_up()

    def _learn_time(self, batch: list[Record | Gap]) -> None:
        """Compare the clocks with a record that was made just now."""
        if isinstance(batch[-1], Record):
            self._clock.anchor()
            self._clock.heard(batch[-1])

    def _due_in_s(self) -> float | None:
        """How long to wait for records before something else is due; ``None`` if nothing is."""
        now_s = asyncio.get_running_loop().time()
        waits_s = [part.due_in_s(now_s) for part in (self._learning, self._joiner, self._limiting)]
        waits_s += [CATCH_UP_S] if self._mailroom.any_behind else []
        return min((wait_s for wait_s in waits_s if wait_s is not None), default=None)


def _has_unknown(places: list[Place | Unknown]) -> bool:
    return any(isinstance(place, Unknown) for place in places)
