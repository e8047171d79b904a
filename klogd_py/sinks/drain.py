# SPDX-License-Identifier: GPL-2.0-or-later
"""Send what waits in the queue of one sink, and try again until the sink accepts it."""

import asyncio
from collections.abc import Callable

from klogd_py.sinks.queue import SinkQueue
from klogd_py.sinks.retry import MIN_PAUSE_S
from klogd_py.system.jobs import Jobs

CHUNK_ENTRIES = 512


class SinkDrain:
    """The task that sends what waits in one queue. Mutable; lives on the event loop."""

    def __init__(
        self, queue: SinkQueue, jobs: Jobs, on_change: Callable[[], None] = lambda: None
    ) -> None:
        """``on_change`` is called after each attempt to send what waits."""
        self.queue = queue
        self._jobs = jobs
        self._on_change = on_change
        self._task: asyncio.Task[None] | None = None
        # The chunk that is being sent
        self._sending: asyncio.Task[bool] | None = None

    def start(self) -> None:
        """Begin to send what waits, until `stop`."""
        draining = self._jobs.supervise(self.queue.sender.job, self.run)
        name = f"drain {self.queue.sink.name}"
        self._task = asyncio.get_running_loop().create_task(draining, name=name)

    def stop(self) -> None:
        """Send nothing more; a chunk that a thread is sending cannot be undone."""
        if self._task is not None:
            self._task.cancel()

    async def run(self) -> None:
        """Send what waits, without end; ever more seldom while the sink takes nothing."""
        queue, sender = self.queue, self.queue.sender
        flushed = True
        while True:
            await queue.has_backlog.wait()
            try:
                if sender.health.down is not None or not sender.sink.blocking or not flushed:
                    await sender.wait_to_retry()
                flushed = await self.flush()
            except Exception as error:
                flushed = False
                sender.on_unexpected(error)
                self._on_change()

    async def flush(self) -> bool:
        """Send what waits until all is sent or the sink takes nothing; returns whether all is sent.

        A chunk that a thread is sending is waited for, whoever started it. It is counted even if
        this call is cancelled.
        """
        while self.queue.backlog:
            if not self.is_sending or self._sending is None:
                sending = self._jobs.run(self.queue.sender.job, self._send_oldest, False)
                self._sending = asyncio.get_running_loop().create_task(sending)
            delivered = self.queue.delivered
            is_done = await asyncio.shield(self._sending)
            # A file that is rotated takes a part of a chunk, and the rest at once.
            if not is_done and (self.queue.delivered == delivered or self.queue.health.down):
                return False
        self.queue.has_backlog.clear()
        return True

    async def flush_all(self) -> None:
        """Send what waits, and retry until all is sent."""
        while not await self.flush():
            # The daemon stops, so there is little time.
            self.queue.health.pause_s = MIN_PAUSE_S
            await self.queue.sender.wait_to_retry()

    async def _send_oldest(self) -> bool:
        """Send the oldest entries; returns whether the sink accepted all of them.

        An unexpected error is retried.
        """
        try:
            chunk = self.queue.backlog.head(CHUNK_ENTRIES)
            return self.queue.settle_oldest(chunk, await self.queue.sender.send_chunk(chunk))
        except Exception as error:
            self.queue.sender.on_unexpected(error)
            return False
        finally:
            self._on_change()

    @property
    def is_sending(self) -> bool:
        """Whether a chunk is being sent."""
        return self._sending is not None and not self._sending.done()

    def when_sent(self, callback: Callable[[], None]) -> None:
        """Call back when the chunk that is being sent is finished."""
        assert self._sending is not None
        guarded = self._jobs.guard(self.queue.sender.job, lambda _: callback())
        self._sending.add_done_callback(guarded)

    def close(self) -> int:
        """Stop, and close the sink; returns how many entries it never accepted."""
        self.stop()
        if self._sending is not None:
            self._sending.cancel()
        return self.queue.close()
