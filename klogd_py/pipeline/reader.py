# SPDX-License-Identifier: GPL-2.0-or-later
"""Read records from the source into a bounded queue, before anything else is done with them.

The kernel's ring buffer overruns a slow reader. So everything that is there is read at once into a
queue that is bounded in bytes, from which records are symbolized and sent. When the queue is full,
the ring buffer holds the rest.
"""

import asyncio
import errno
import logging
from collections.abc import Awaitable, Callable

from klogd_py.pipeline.batch_queue import BatchQueue, ReadBatch
from klogd_py.pipeline.batch_window import BURST_WINDOW_S, is_burst, wait_batch_window
from klogd_py.record.types import Gap, Record
from klogd_py.sources.errors import InputFailed
from klogd_py.sources.kmsg_device import BATCH_RECORDS, KmsgDevice
from klogd_py.sources.source import Source, wait_readable
from klogd_py.system.jobs import Jobs

READAHEAD_BYTES = 8 << 20
MAX_PAUSE_S = 5.0
# Limit of a batch, so that the ring is read again soon. A batch whose position has not been written
# yet may be sent twice after a SIGKILL.
MAX_BATCH_RECORDS = 512

logger = logging.getLogger(__name__)


class _BackOff:
    """How long to wait after failed reads: longer after each one. Mutable."""

    def __init__(self) -> None:
        self._failures = 0

    def succeed(self) -> None:
        """Begin again with the shortest pause."""
        self._failures = 0

    def fail(self) -> float:
        """Count a failed read, and return the pause after it in seconds."""
        self._failures += 1
        return float(min(0.1 * 2 ** min(self._failures, 10), MAX_PAUSE_S))


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
        self._jobs = jobs
        self._once = once
        self._back_off = _BackOff()
        # The last read found nothing
        self._was_idle = False
        self._queue = BatchQueue(READAHEAD_BYTES if self._ring is not None else 0)
        # Set to read the source even if it is not readable
        self._woken = asyncio.Event()

    @property
    def is_empty(self) -> bool:
        """Whether no batch is queued."""
        return self._queue.is_empty

    @property
    def _ring(self) -> KmsgDevice | None:
        """The source, if it loses records that are not read; ``None`` for any other."""
        return self._source if isinstance(self._source, KmsgDevice) else None

    async def run(self) -> None:
        """Read until the source ends; an unexpected error does not end it."""
        try:
            while not self.ended:
                try:
                    await self._read_until_end()
                except Exception as error:
                    self._jobs.report("reading", error)
                    await asyncio.sleep(self._back_off.fail())
        finally:
            self._set_ended()

    async def _read_until_end(self) -> None:
        clock = asyncio.get_running_loop().time
        before_s = clock()
        while not self.ended:
            await self.running.wait()
            await self._queue.room.wait()
            await self._wait_for_room()
            try:
                items = self._source.read_batch()
            except InputFailed as error:
                logger.error("%s", error)
                self.failed = True
                continue
            except OSError as error:
                await self._handle_read_error(error)
                continue
            self._back_off.succeed()
            self._log_remark()
            now_s = clock()
            if items:
                await self._take(items, now_s, now_s - before_s)
            elif self._source.exhausted:
                self._set_ended()
            else:
                self._was_idle = self.caught_up = True
                if self._once:
                    self._queue.news.set()
                await wait_readable(self._source, self._woken)
                self.caught_up = False
            before_s = now_s

    async def _take(self, items: list[Record | Gap], read_s: float, elapsed_s: float) -> None:
        """Queue what one read returned, and wait until the next one is worth while."""
        is_all = len(items) < BATCH_RECORDS
        is_live, self._was_idle = self._was_idle and is_all, False
        for start in range(0, len(items), MAX_BATCH_RECORDS):
            self._queue.append(
                items[start : start + MAX_BATCH_RECORDS],
                is_live and start + MAX_BATCH_RECORDS >= len(items),
                read_s,
            )
        ring = self._ring
        if ring is None or not is_all:
            await asyncio.sleep(0)
        elif is_live or is_burst(len(items), elapsed_s):
            await asyncio.sleep(BURST_WINDOW_S)
        else:
            await wait_batch_window(ring, self._may_read, self._jobs)
            if not self.running.is_set():
                self._append_prefetched(ring)

    def _may_read(self) -> bool:
        return self.running.is_set() and self._queue.room.is_set()

    async def wait_next(self, wait_s: float | None) -> ReadBatch | None:
        """Return the oldest batch; ``None`` if none came in ``wait_s`` seconds, or none will
        come.
        """
        is_over = self.ended or (self._once and self.caught_up)
        if self.is_empty and not is_over and not await self._queue.wait_news(wait_s):
            return None
        return self.pop()

    def wake(self) -> None:
        """Make `wait_next` return."""
        self._queue.news.set()

    def pop(self) -> ReadBatch | None:
        """Return the oldest queued batch; ``None`` if there is none."""
        return self._queue.pop()

    def seek(self, seq: int) -> bool:
        """Make the next batch begin at sequence number ``seq``; the queue must be empty.

        Returns False if that is not possible, or not yet.
        """
        assert self.is_empty
        ring = self._ring
        if ring is not None and self._append_prefetched(ring):
            # The ring may no longer hold them.
            return False
        self.caught_up = self._was_idle = False
        self._woken.set()
        return self._source.seek(seq)

    def _append_prefetched(self, ring: KmsgDevice) -> bool:
        """Queue the records that were prefetched; returns whether there were any."""
        prefetched = ring.drain_pending()
        if prefetched:
            self._queue.append(prefetched, is_live=False, read_s=asyncio.get_running_loop().time())
        return bool(prefetched)

    def _log_remark(self) -> None:
        if self._source.remark is not None:
            logger.info("%s", self._source.remark)
            self._source.remark = None

    async def _handle_read_error(self, error: OSError) -> None:
        """Wait after a failed read, longer each time; stop reading where permission is missing."""
        pause_s = self._back_off.fail()
        if error.errno in (errno.EPERM, errno.EACCES):
            logger.error("%s: %s; stopping", self._source.name, error.strerror)
            self.failed = True
            self._set_ended()
            return
        logger.error("%s: %s; trying again in %.1f s", self._source.name, error.strerror, pause_s)
        await asyncio.sleep(pause_s)

    def _set_ended(self) -> None:
        self.ended = True
        self._queue.news.set()
