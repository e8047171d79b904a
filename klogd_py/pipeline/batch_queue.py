# SPDX-License-Identifier: GPL-2.0-or-later
"""Queue batches of records between the reader and the stages, bounded in bytes."""

import asyncio
from collections import deque

from msgspec import Struct

from klogd_py.record.types import Gap, Record

# Approximate memory of a Record besides its text
RECORD_OVERHEAD_BYTES = 300


class ReadBatch(Struct, frozen=True):
    """The records of one read.

    ``is_live``: a moment before nothing was there, so the last record is new. ``size_bytes`` is
    the memory that they count for; ``read_s`` is when they were read, on the event loop's clock.
    """

    items: list[Record | Gap]
    is_live: bool
    size_bytes: int
    read_s: float


class BatchQueue:
    """Batches in the order in which they were read. Mutable; lives on the event loop.

    ``room`` is set while no more than the limit is queued. ``news`` is set when there is something
    new for whoever takes the batches.
    """

    def __init__(self, limit_bytes: int) -> None:
        """With a limit of 0 there is room only once the last batch has been taken."""
        self.room = asyncio.Event()
        self.room.set()
        self.news = asyncio.Event()
        self._limit_bytes = limit_bytes
        self._batches: deque[ReadBatch] = deque()
        self._bytes = 0

    @property
    def is_empty(self) -> bool:
        """Whether no batch is queued."""
        return not self._batches

    def append(self, items: list[Record | Gap], is_live: bool, read_s: float) -> None:
        """Queue a batch."""
        size_bytes = RECORD_OVERHEAD_BYTES * len(items)
        # Without read-ahead a single batch is the limit.
        if self._limit_bytes:
            size_bytes += sum([len(item.text) for item in items if isinstance(item, Record)])
        self._batches.append(ReadBatch(items, is_live, size_bytes, read_s))
        self._bytes += size_bytes
        if self._bytes > self._limit_bytes:
            self.room.clear()
        self.news.set()

    def pop(self) -> ReadBatch | None:
        """Return the oldest batch; ``None`` if there is none."""
        if not self._batches:
            return None
        batch = self._batches.popleft()
        self._bytes -= batch.size_bytes
        if self._bytes <= self._limit_bytes:
            self.room.set()
        return batch

    async def wait_news(self, wait_s: float | None) -> bool:
        """Wait for news, at most ``wait_s`` seconds; returns whether there are any."""
        self.news.clear()
        if wait_s is None:
            return await self.news.wait()
        try:
            async with asyncio.timeout(wait_s):
                return await self.news.wait()
        except TimeoutError:
            return False
