"""Carries records from the source to every sink: read, hold back, translate, post, remember.

One batch at a time, and nothing else in between: while a batch is on its way the kernel's ring is the queue.
"""

import asyncio
import errno
import logging

from klogd_py import device
from klogd_py.clock import Clock
from klogd_py.continuations import Joiner
from klogd_py.device import Source
from klogd_py.holdback import may_begin
from klogd_py.naming import Naming
from klogd_py.record import Entry, Gap, Place, Record, Unknown
from klogd_py.sinks.mailroom import Mailroom
from klogd_py.symbols.learning import Learning
from klogd_py.traces import begins_boot
from klogd_py.translate import Manner, Stood, translate

LONGEST_PAUSE_S = 5.0
CATCH_UP_S = 0.05  # so long at most before it is noticed that a sink which fell behind has room again

logger = logging.getLogger(__name__)


class Carrier:
    """The way from one source to the mailroom. Mutable; lives on the event loop.

    ``manner``, ``join`` and ``paranoid`` may be exchanged at any time; ``running`` is cleared to have records stay where they
    are.
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
        self.running = asyncio.Event()
        self.carried = 0
        self._stood: Stood = set()
        self._source = source
        self._mailroom = mailroom
        self._naming = naming
        self._clock = clock
        self._live = live
        self._once = once and live
        self._joiner = Joiner()
        self._learning = Learning()

    async def run(self) -> int:
        """Carry until the source is empty or nobody is left to carry to; returns the exit status."""
        failures = 0
        waited = False
        while not self._mailroom.all_gone:
            await self.running.wait()
            await self._mailroom.room()
            await self._go_back()
            try:
                async with self._naming.lock:
                    batch = self._source.read_batch()
            except OSError as error:
                failures += 1
                if not await self._survive(error, failures):
                    return 1
                continue
            failures = 0
            if self._source.remark:
                logger.info("%s", self._source.remark)
                self._source.remark = ""
            if batch:
                self._learn_time(batch, waited)
                waited = False
                await self._deliver_boots(batch)
            elif self._source.exhausted or self._once:
                await self.deliver([], last=True)
                await self._mailroom.settled()
                if self._mailroom.wanted_again is None:
                    return 0
            else:
                waited = await self._readable_or_due()
        return 0

    async def finish(self) -> None:
        """Deliver what has come of an unfinished record, and what was held back."""
        await self.deliver(self._source.rest(), last=True)

    async def deliver(self, batch: list[Record | Gap], last: bool = False) -> None:
        """Name what is in a batch and post it to every sink; with ``last`` nothing stays behind."""
        now_s = asyncio.get_running_loop().time()
        if self.join or self._joiner.due_in_s(now_s) is not None:
            batch = self._joiner.take(batch, now_s)
        if last:
            batch = [*batch, *self._joiner.end()]
        asked = self._live and self._naming.survey.loaded.asks_traces and may_begin(batch)
        if asked and await self._naming.modules_differ():
            await self._naming.redraw("the beginning of a trace")  # which counts only for modules known to be there
        survey = self._naming.survey
        batch, found = self._learning.take(batch, now_s, survey)
        if last:
            held, found = self._learning.end(found)
            batch += held
        if found is not survey:
            self._naming.adopt(found)
        if self.paranoid and any("Oops" in item.text for item in batch if isinstance(item, Record)):
            await self._naming.redraw("an Oops")
        self._clock.anchor()
        entries, unknown = self._translated(batch)
        if unknown and self._live and await self._naming.modules_differ():
            # An oops can come before the event that tells of its module, whose init function may still be running.
            await self._naming.redraw("an address that no symbol contained")
            entries, _ = self._translated(batch)
        self._mailroom.post(entries, self._joiner.has_joined)
        self.carried += len(batch)
        await asyncio.sleep(0)

    async def _deliver_boots(self, batch: list[Record | Gap]) -> None:
        """Deliver; in a capture what one boot has shown of its kernel's place does not hold for the next one."""
        start = 0
        for at, item in enumerate(batch if not self._live else ()):
            if isinstance(item, Record) and begins_boot(item.text) and (at or self.carried):
                await self.deliver(batch[start:at], last=True)
                await self._naming.begin_anew()
                self._stood.clear()
                start = at
        await self.deliver(batch[start:])

    def _translated(self, batch: list[Record | Gap]) -> tuple[list[Entry], bool]:
        """The batch as entries, and whether it holds a code address that has no place."""
        atlas = self._naming.survey.atlas
        unknown = False

        def place_of(address: int) -> Place | Unknown:
            nonlocal unknown
            place = atlas.place_of(address)
            unknown = unknown or isinstance(place, Unknown)
            return place

        return translate(batch, place_of, self.manner, self._clock.wall_of, self._stood), unknown

    async def _go_back(self) -> None:
        """Read the ring anew for sinks that fell behind and have room again."""
        seq = self._mailroom.wanted_again
        if seq is None:
            return
        await self.deliver([], last=True)  # what is held back must not come before what is older
        if self._source.rewind(seq):
            self._mailroom.catch_up()

    def _learn_time(self, batch: list[Record | Gap], waited: bool) -> None:
        """Compare the clocks, if the last record of a batch was made just now: nothing was there a moment ago."""
        last = batch[-1]
        if waited and isinstance(last, Record) and len(batch) < device.BATCH_RECORDS:
            self._clock.anchor()
            self._clock.heard(last)

    async def _readable_or_due(self) -> bool:
        """Wait for records; false if some that are held back must go before any come, or if a sink may catch up."""
        now_s = asyncio.get_running_loop().time()
        waits_s = [
            self._learning.due_in_s(now_s),
            self._joiner.due_in_s(now_s),
            CATCH_UP_S if self._mailroom.any_behind else None,
        ]
        due_s = min((wait_s for wait_s in waits_s if wait_s is not None), default=None)
        try:
            async with asyncio.timeout(due_s):
                await device.readable(self._source)
        except TimeoutError:
            await self.deliver([])
            return False
        return True

    async def _survive(self, error: OSError, failures: int) -> bool:
        """Wait longer after each failed read; without permission there is no use in trying again."""
        if error.errno in (errno.EPERM, errno.EACCES):
            logger.error("%s: %s; stopping", self._source.name, error.strerror)
            return False
        pause_s = min(0.1 * 2 ** min(failures, 10), LONGEST_PAUSE_S)
        logger.error("%s: %s; trying again in %.1f s", self._source.name, error.strerror, pause_s)
        await asyncio.sleep(pause_s)
        return True
