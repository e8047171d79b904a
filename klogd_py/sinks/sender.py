# SPDX-License-Identifier: GPL-2.0-or-later
"""Call one sink on the event loop or in its thread, and replace it by a new one on a reload."""

import asyncio
import os
import stat
from collections.abc import Sequence

from msgspec import Struct

from klogd_py.record.types import Entry
from klogd_py.sinks import Sink, SinkDown
from klogd_py.sinks.attempt import Outcome, try_send
from klogd_py.sinks.left_out import Item, count_done, entries_of
from klogd_py.sinks.retry import MAX_PAUSE_S, MIN_PAUSE_S, SinkHealth
from klogd_py.system.jobs import Jobs
from klogd_py.system.worker_thread import TooManyHang, WorkerThread


class _Awaited(Struct, frozen=True):
    """A descriptor that the event loop watches, and what is set when it is writable or closed."""

    descriptor: int
    is_writable: asyncio.Event


class SinkSender:
    """One sink, and how it is called. Mutable; lives on the event loop."""

    def __init__(self, sink: Sink, jobs: Jobs, worker: WorkerThread | None = None) -> None:
        self.sink = sink
        self.health = SinkHealth(sink.name)
        self.job = f"sink {sink.name}"
        self.worker = worker or WorkerThread(self.job)
        # A chunk is being sent in the thread, which cannot be undone
        self.is_busy = False
        self.jobs = jobs
        # Takes over when the sink has finished the line that it has partly written
        self._replacement: Sink | None = None
        self._awaited: _Awaited | None = None

    def send(self, entries: Sequence[Entry]) -> Outcome:
        """Try to send on the event loop."""
        self.swap()
        return try_send(self.sink, entries, self._report)

    def send_items(self, items: Sequence[Item]) -> Outcome:
        """Try to send the entries among some items on the event loop; what is done are items."""
        return _in_items(items, self.send(entries_of(items)))

    async def send_chunk(self, items: Sequence[Item]) -> Outcome:
        """Try to send the entries among some items, in the thread of this sink if it may block."""
        self.swap()
        sink, entries = self.sink, entries_of(items)
        if not entries or not sink.blocking:
            return _in_items(items, try_send(sink, entries, self._report))
        return _in_items(items, await self._send_in_thread(sink, entries))

    async def _send_in_thread(self, sink: Sink, entries: Sequence[Entry]) -> Outcome:
        self.is_busy = True
        try:
            return await self.worker.call(lambda: try_send(sink, entries, self._report))
        except TooManyHang as error:
            return Outcome(0, SinkDown(str(error)))
        finally:
            self.is_busy = False

    def on_unexpected(self, error: Exception) -> None:
        """Log an unexpected error of this sink, and count the sink as down."""
        self._report(error)
        self.health.on_unexpected(error)

    def _report(self, error: Exception) -> None:
        self.jobs.report(self.job, error)

    async def wait_to_retry(self) -> None:
        """Wait until the sink may take something: until its descriptor is writable, or for a pause.

        After an error, or without a descriptor, only the pause of `SinkHealth` counts. A socket
        that is not writable for `MAX_PAUSE_S` counts as down, and is tried again all the same:
        another listener may have its name.
        """
        health, descriptor = self.health, self.sink.fileno()
        if descriptor < 0 or (health.down is not None and not health.is_full):
            await asyncio.sleep(health.pause_s)
            return
        limit_s = MAX_PAUSE_S if health.down is None else health.pause_s
        is_socket = stat.S_ISSOCK(os.fstat(descriptor).st_mode)
        # The reader of a FIFO may be a person with a pager: it never counts as down.
        if not await self._wait_writable(descriptor, limit_s) and is_socket:
            health.on_timeout()

    async def _wait_writable(self, descriptor: int, limit_s: float) -> bool:
        """Wait at most ``limit_s`` until a descriptor is writable; returns whether it is."""
        writable = asyncio.Event()
        self._awaited = _Awaited(descriptor, writable)
        loop = asyncio.get_running_loop()
        try:
            loop.add_writer(descriptor, self.jobs.guard(self.job, writable.set))
            async with asyncio.timeout(limit_s):
                return await writable.wait()
        # A listener that never reads must not hold up the other sinks.
        except TimeoutError:
            return False
        # epoll(7) refuses devices that are always writable.
        except PermissionError:
            await asyncio.sleep(self.health.pause_s)
            return True
        finally:
            self._stop_waiting()

    def _stop_waiting(self) -> None:
        """Remove the descriptor from the event loop.

        Once it is closed, its number may belong to another file.
        """
        if self._awaited is not None:
            awaited, self._awaited = self._awaited, None
            asyncio.get_running_loop().remove_writer(awaited.descriptor)
            awaited.is_writable.set()

    def replace(self, sink: Sink) -> None:
        """Use another sink from now on, or from the next `swap` on that may replace the old one.

        An earlier replacement is closed.
        """
        if self._replacement is not None:
            self.jobs.call(self.job, self._replacement.close, None)
        self._replacement = sink
        self.health.pause_s = MIN_PAUSE_S
        # A thread that is sending swaps the sinks itself before its next chunk.
        if not self.is_busy:
            self.swap()

    def swap(self) -> None:
        """Replace the sink, unless it must first finish a line that it has partly written."""
        if self._replacement is not None and not self.sink.has_partial_write:
            self._stop_waiting()
            self.jobs.call(self.job, self.sink.close, None)
            self.sink, self._replacement = self._replacement, None

    def close(self) -> None:
        """Close the sink and let its thread end."""
        self.worker.close()
        self._stop_waiting()
        self.jobs.call(self.job, self.sink.close, None)
        if self._replacement is not None:
            self.jobs.call(self.job, self._replacement.close, None)


def _in_items(items: Sequence[Item], outcome: Outcome) -> Outcome:
    """Return the outcome for items of an attempt to send the entries among them."""
    if outcome.accepted == len(items):
        return outcome
    return Outcome(count_done(items, outcome.accepted), outcome.error)
