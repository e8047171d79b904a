# SPDX-License-Identifier: GPL-2.0-or-later
"""Read records from the source into a bounded queue, before anything else is done with them.

The kernel's ring buffer overruns a slow reader. So everything that is there is read at once into a
queue that is bounded in bytes, from which records are symbolized and sent. When the queue is full,
the ring buffer holds the rest.
"""

import asyncio
import errno
import logging
from collections import deque
from collections.abc import Awaitable, Callable

from msgspec import Struct

from klogd_py.record.types import Gap, Record
from klogd_py.sources.kmsg_device import BATCH_RECORDS, KmsgDevice
from klogd_py.sources.source import Source, wait_readable
from klogd_py.system.jobs import Jobs

READAHEAD_BYTES = 8 << 20
# Approximate memory of a Record besides its text
RECORD_OVERHEAD_BYTES = 300
MAX_PAUSE_S = 5.0
# Wait between reads, so that records which come shortly after others are delivered together. A
# burst begins with few records: 200,000 a second bring 800 in 4 ms, half of what the smallest
# common ring holds. Once more than BURST_RECORDS come in that time, the wait is 1 ms (200 records).
BATCH_WINDOW_S, BURST_WINDOW_S = 0.004, 0.001
BURST_RECORDS = 512
# Limit of a batch, so that the ring is read again soon. A batch whose position has not been written
# yet may be sent twice after a SIGKILL.
MAX_BATCH_RECORDS = 512
# Limit of successive waits before what came is delivered
MAX_WINDOWS = 4
# As many records are delivered without another wait
FULL_BATCH_RECORDS = 256

logger = logging.getLogger(__name__)


class Batch(Struct, frozen=True):
    """The records of one read.

    ``is_live``: a moment before nothing was there, so the last record is new. ``size_bytes`` is
    the memory that they count for.
    """

    items: list[Record | Gap]
    is_live: bool
    size_bytes: int


class Reader:
    """The reader of one source, and the queue of batches. Mutable; lives on the event loop.

    ``running`` is cleared to leave records in the source. ``ended``: no more will come;
    ``failed``: because they cannot be read; ``caught_up``: the source had no more just now.
    """

    def __init__(
        self,
        source: Source,
        wait_for_room: Callable[[], Awaitable[None]],
        jobs: Jobs,
        *,
        once: bool,
    ) -> None:
        """``wait_for_room`` returns when more may be read.

        A source that does not lose unread records is not read ahead. With ``once``, `wait_next`
        returns as soon as the source has no more records.
        """
        self.running = asyncio.Event()
        self.ended = self.failed = self.caught_up = False
        self._source = source
        self._wait_for_room = wait_for_room
        self._device = source if isinstance(source, KmsgDevice) else None
        # Without read-ahead, a batch is read only when the last one has been taken.
        self._ahead_bytes = READAHEAD_BYTES if self._device else 0
        self._jobs = jobs
        self._once = once
        # Successive failed reads
        self._failures = 0
        # The last read found nothing
        self._was_idle = False
        self._batches: deque[Batch] = deque()
        self._bytes = 0
        # Set to read the source even if it is not readable
        self._woken = asyncio.Event()
        self._news = asyncio.Event()
        self._space = asyncio.Event()
        self._space.set()

    @property
    def is_empty(self) -> bool:
        """Whether no batch is queued."""
        return not self._batches

    async def run(self) -> None:
        """Read until the source ends; an unexpected error does not end it."""
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
            await self._wait_for_room()
            try:
                items = self._source.read_batch()
            except OSError as error:
                await self._handle_read_error(error)
                continue
            self._failures = 0
            self._log_remark()
            now_s = clock()
            if items:
                is_all = len(items) < BATCH_RECORDS
                is_live, self._was_idle = self._was_idle and is_all, False
                for start in range(0, len(items), MAX_BATCH_RECORDS):
                    self._append(
                        items[start : start + MAX_BATCH_RECORDS],
                        is_live and start + MAX_BATCH_RECORDS >= len(items),
                    )
                if self._device is None or not is_all:
                    await asyncio.sleep(0)
                elif is_live or len(items) * BATCH_WINDOW_S > BURST_RECORDS * (now_s - before_s):
                    await asyncio.sleep(BURST_WINDOW_S)
                else:
                    await self._wait_batch_window(self._device)
            elif self._source.exhausted:
                self._set_ended()
            else:
                self._was_idle = self.caught_up = True
                if self._once:
                    self._news.set()
                await wait_readable(self._source, self._woken)
                self.caught_up = False
            before_s = now_s

    async def _wait_batch_window(self, ring: KmsgDevice) -> None:
        """Wait, and only prefetch what is in the ring, in callbacks: resuming a task costs more."""
        loop = asyncio.get_running_loop()
        finished: asyncio.Future[None] = loop.create_future()

        def finish() -> None:
            if not finished.done():
                finished.set_result(None)

        def prefetch(window: int, pending_before: int) -> None:
            # The waiting task was cancelled.
            if finished.done():
                return
            pending = (
                ring.prefetch()
                if self.running.is_set() and self._space.is_set()
                else pending_before
            )
            if pending_before < pending < FULL_BATCH_RECORDS and window < MAX_WINDOWS:
                loop.call_later(
                    BATCH_WINDOW_S,
                    self._jobs.guard("gathering", prefetch, finish),
                    window + 1,
                    pending,
                )
            else:
                finish()

        loop.call_later(BATCH_WINDOW_S, self._jobs.guard("gathering", prefetch, finish), 1, 0)
        await finished
        if not self.running.is_set():
            self._append_prefetched(ring)

    async def wait_next(self, wait_s: float | None) -> Batch | None:
        """Return the oldest batch; ``None`` if none came in ``wait_s`` seconds, or none will
        come.
        """
        if not self._batches and not self.ended and not (self._once and self.caught_up):
            self._news.clear()
            if not await self._wait_news(wait_s):
                return None
        return self.pop()

    def wake(self) -> None:
        """Make `wait_next` return."""
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
        """Return the oldest queued batch; ``None`` if there is none."""
        if not self._batches:
            return None
        batch = self._batches.popleft()
        self._bytes -= batch.size_bytes
        if self._bytes <= self._ahead_bytes:
            self._space.set()
        return batch

    def seek(self, seq: int) -> bool:
        """Make the next batch begin at sequence number ``seq``; the queue must be empty.

        Returns False if that is not possible, or not yet.
        """
        assert self.is_empty
        if self._device is not None and self._append_prefetched(self._device):
            # The ring may no longer hold them.
            return False
        self.caught_up = self._was_idle = False
        self._woken.set()
        return self._source.seek(seq)

    def _append_prefetched(self, ring: KmsgDevice) -> bool:
        """Queue the records that were prefetched; returns whether there were any."""
        prefetched = ring.drain_pending()
        if prefetched:
            self._append(prefetched, is_live=False)
        return bool(prefetched)

    def _append(self, items: list[Record | Gap], is_live: bool) -> None:
        size_bytes = RECORD_OVERHEAD_BYTES * len(items)
        # Without read-ahead a single batch is the limit.
        if self._ahead_bytes:
            size_bytes += sum([len(item.text) for item in items if isinstance(item, Record)])
        self._batches.append(Batch(items, is_live, size_bytes))
        self._bytes += size_bytes
        if self._bytes > self._ahead_bytes:
            self._space.clear()
        self._news.set()

    def _log_remark(self) -> None:
        if self._source.remark is not None:
            logger.info("%s", self._source.remark)
            self._source.remark = None

    async def _handle_read_error(self, error: OSError) -> None:
        """Wait after a failed read, longer each time; stop reading where permission is missing."""
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
