# SPDX-License-Identifier: GPL-2.0-or-later
"""Takes records out of the source before anything else is done with them.

The kernel's ring overruns a reader who dawdles, so whatever is there is drained at once into a
queue that is bounded in bytes; naming and sending take from the queue. When it is full the ring
holds the rest.
"""

import asyncio
import errno
import logging
from collections import deque
from collections.abc import Awaitable, Callable

from msgspec import Struct

from klogd_py.record.types import Gap, Record
from klogd_py.sources import kmsg_device
from klogd_py.sources.kmsg_device import KmsgDevice, Source
from klogd_py.system.jobs import Jobs

READAHEAD_BYTES = 8 << 20
# About what a Record occupies besides its text
OVERHEAD_BYTES = 300
MAX_PAUSE_S = 5.0
# What comes so soon after others is handed on together. A burst begins with few records: 200,000 a
# second bring 800 in that time, half of what the smallest common ring holds, and 200 where more
# than MANY have shown themselves to come in it.
GATHER_S, GATHER_OF_MANY_S = 0.004, 0.001
MANY = 512
# So many are handed on together at most, so that the ring is looked at again before long; what has
# been handed on and not been written down yet may be sent twice after a kill.
MOST = 512
# So often is the source left alone at most before what came is handed on
MAX_TURNS = 4
# And so many are handed on at once
ENOUGH = 256

logger = logging.getLogger(__name__)


class Batch(Struct, frozen=True):
    """What one drain of the source gave.

    ``is_live`` if nothing was there a moment before, so its last record is new.
    """

    items: list[Record | Gap]
    is_live: bool
    size_bytes: int


class Reader:
    """The reader of one source and what it has read ahead. Mutable; lives on the event loop.

    ``running`` is cleared to leave records where they are. ``ended``: no more will come;
    ``failed``: because they cannot be read; ``caught_up``: the source had no more just now.
    """

    def __init__(
        self, source: Source, room: Callable[[], Awaitable[None]], jobs: Jobs, *, once: bool
    ) -> None:
        """``room`` waits until more may be read. A source that does not lose what is not read soon
        is not read ahead.

        With ``once`` `next` returns as soon as the source is caught up with.
        """
        self.running = asyncio.Event()
        self.ended = self.failed = self.caught_up = False
        self._source = source
        self._await_room = room
        self._device = source if isinstance(source, KmsgDevice) else None
        self._ahead_bytes = (
            READAHEAD_BYTES if self._device else 0
            # Else a batch is read only when the last has been taken
        )
        self._jobs = jobs
        self._once = once
        # One after the other
        self._failures = 0
        # Nothing was there a moment ago
        self._was_idle = False
        self._batches: deque[Batch] = deque()
        self._bytes = 0
        # The source is to be read
        self._woken = asyncio.Event()
        self._news = asyncio.Event()
        self._space = asyncio.Event()
        self._space.set()

    @property
    def is_empty(self) -> bool:
        """Whether nothing waits to be taken."""
        return not self._batches

    async def run(self) -> None:
        """Read until the source ends; an unexpected error is no end."""
        try:
            while not self.ended:
                try:
                    await self._read_until_end()
                except Exception as error:
                    self._failures += 1
                    self._jobs.report("reading", error)
                    await asyncio.sleep(self._pause_s)
        finally:
            self._set_ended()

    async def _read_until_end(self) -> None:
        clock = asyncio.get_running_loop().time
        before_s = clock()
        while not self.ended:
            await self.running.wait()
            await self._space.wait()
            await self._await_room()
            try:
                items = self._source.read_batch()
            except OSError as error:
                await self._handle_read_error(error)
                continue
            self._failures = 0
            self._log_remark()
            now_s = clock()
            if items:
                is_all = len(items) < kmsg_device.BATCH_RECORDS
                is_live, self._was_idle = self._was_idle and is_all, False
                for start in range(0, len(items), MOST):
                    self._append(
                        items[start : start + MOST], is_live and start + MOST >= len(items)
                    )
                if self._device is None or not is_all:
                    await asyncio.sleep(0)
                elif is_live or len(items) * GATHER_S > MANY * (now_s - before_s):
                    await asyncio.sleep(GATHER_OF_MANY_S)
                else:
                    await self._wait_batch_window(self._device)
            elif self._source.exhausted:
                self._set_ended()
            else:
                self._was_idle = self.caught_up = True
                if self._once:
                    self._news.set()
                await kmsg_device.readable(self._source, self._woken)
                self.caught_up = False
            before_s = now_s

    async def _wait_batch_window(self, ring: KmsgDevice) -> None:
        """Leave the ring alone for a while, but for taking what is there, in callbacks.

        A turn of a task costs more.
        """
        loop = asyncio.get_running_loop()
        over: asyncio.Future[None] = loop.create_future()

        def go_on() -> None:
            if not over.done():
                over.set_result(None)

        def look(turn: int, before: int) -> None:
            # Given up
            if over.done():
                return
            taken = ring.prefetch() if self.running.is_set() and self._space.is_set() else before
            if before < taken < ENOUGH and turn < MAX_TURNS:
                loop.call_later(
                    GATHER_S, self._jobs.guard("gathering", look, go_on), turn + 1, taken
                )
            else:
                go_on()

        loop.call_later(GATHER_S, self._jobs.guard("gathering", look, go_on), 1, 0)
        await over
        if not self.running.is_set():
            self._append_prefetched(ring)

    async def wait_next(self, wait_s: float | None) -> Batch | None:
        """The oldest batch; ``None`` if none has come in time, or none will."""
        if not self._batches and not self.ended and not (self._once and self.caught_up):
            self._news.clear()
            if not await self._wait_news(wait_s):
                return None
        return self.pop()

    def wake(self) -> None:
        """Have whoever waits for the `next` batch look about."""
        self._news.set()

    async def _wait_news(self, wait_s: float | None) -> bool:
        if wait_s is None:
            return await self._news.wait()
        try:
            async with asyncio.timeout(wait_s):
                return await self._news.wait()
        except TimeoutError:
            return False

    def pop(self) -> Batch | None:
        """The oldest batch that is there; ``None`` if none is."""
        if not self._batches:
            return None
        batch = self._batches.popleft()
        self._bytes -= batch.size_bytes
        if self._bytes <= self._ahead_bytes:
            self._space.set()
        return batch

    def seek(self, seq: int) -> bool:
        """Have the next batch begin at this number, when all has been taken.

        False if there is no going back, or not yet.
        """
        assert self.is_empty
        if self._device is not None and self._append_prefetched(self._device):
            # They may be gone from the ring
            return False
        self.caught_up = self._was_idle = False
        self._woken.set()
        return self._source.seek(seq)

    def _append_prefetched(self, ring: KmsgDevice) -> bool:
        """Hand on what has been taken out of the ring; whether it was anything."""
        hoarded = ring.drain_pending()
        if hoarded:
            self._append(hoarded, is_live=False)
        return bool(hoarded)

    def _append(self, items: list[Record | Gap], is_live: bool) -> None:
        size_bytes = OVERHEAD_BYTES * len(items)
        # Else one batch is as many as there may be
        if self._ahead_bytes:
            size_bytes += sum([len(item.text) for item in items if isinstance(item, Record)])
        self._batches.append(Batch(items, is_live, size_bytes))
        self._bytes += size_bytes
        if self._bytes > self._ahead_bytes:
            self._space.clear()
        self._news.set()

    def _log_remark(self) -> None:
        if self._source.remark:
            logger.info("%s", self._source.remark)
            self._source.remark = ""

    async def _handle_read_error(self, error: OSError) -> None:
        """Wait longer after each failed read.

        Without permission there is no use in trying again.
        """
        self._failures += 1
        if error.errno in (errno.EPERM, errno.EACCES):
            logger.error("%s: %s; stopping", self._source.name, error.strerror)
            self.failed = True
            self._set_ended()
            return
        logger.error(
            "%s: %s; trying again in %.1f s", self._source.name, error.strerror, self._pause_s
        )
        await asyncio.sleep(self._pause_s)

    @property
    def _pause_s(self) -> float:
        return float(min(0.1 * 2 ** min(self._failures, 10), MAX_PAUSE_S))

    def _set_ended(self) -> None:
        self.ended = True
        self._news.set()
