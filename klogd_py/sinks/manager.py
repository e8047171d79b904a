# SPDX-License-Identifier: GPL-2.0-or-later
"""Run one queue for each configured sink, and the task that drains it."""

import asyncio
import logging
from collections.abc import Callable, Collection, Iterable, Sequence
from functools import partial

from klogd_py.record.types import Cause, Entry, Gap
from klogd_py.sinks import Sink
from klogd_py.sinks.drop_policy import QueueLimits
from klogd_py.sinks.queue import SinkQueue
from klogd_py.sinks.retry import MIN_PAUSE_S
from klogd_py.sinks.sequence_tracker import StartPosition
from klogd_py.system.jobs import Jobs
from klogd_py.system.worker_thread import WorkerThreads

logger = logging.getLogger(__name__)


class SinkManager:
    """The queues of all sinks, none of which waits for another. Mutable.

    Lives on the event loop.
    """

    def __init__(
        self,
        announce: Callable[[Gap], Entry],
        next_seq_of: Callable[[str], int | None],
        *,
        rereadable: bool = False,
        on_progress: Callable[[], None] = lambda: None,
        jobs: Jobs | None = None,
        ahead: Callable[[str], Collection[int]] = lambda name: (),
    ) -> None:
        """``announce`` makes the entry for a Gap.

        ``next_seq_of`` returns the first sequence number that the sink of a name has not accepted,
        ``None`` for a new sink; ``ahead`` the numbers beyond it that the sink has accepted as parts
        of an earlier record. ``rereadable`` says that the source numbers its records and can read
        them again. ``on_progress`` is called when a sink may have accepted something, or is gone.
        """
        self.queues: dict[str, SinkQueue] = {}
        self._announce = announce
        self._next_seq_of = next_seq_of
        self._ahead = ahead
        self._rereadable = rereadable
        self._jobs = jobs or Jobs()
        self._on_progress = self._jobs.guard("positions", on_progress)
        self._workers = WorkerThreads()
        self._is_configured = False
        self._drains: dict[str, asyncio.Task[None]] = {}
        # No longer configured, but a thread is still sending for them
        self._closing: dict[str, SinkQueue] = {}

    def configure(self, sinks: Iterable[Sink], limits_of: Callable[[str], QueueLimits]) -> None:
        """Have exactly these sinks, each with its limits.

        A sink of the same name as before keeps its queue. Nothing is changed if ``limits_of``
        raises or a queue cannot be made.
        """
        wanted = {sink.name: (sink, limits_of(sink.name)) for sink in sinks}
        new = {
            name: self._make_queue(sink, limits)
            for name, (sink, limits) in wanted.items()
            if name not in self.queues and name not in self._closing
        }
        for name in [name for name in self.queues if name not in wanted]:
            self._remove(name)
        for name, (sink, limits) in wanted.items():
            if name in new:
                # Earlier records are in the ring buffer, and perhaps no later one comes that would
                # reveal the gap.
                reread = self._is_configured and self._rereadable and sink.keeps_position
                self._add(name, new[name], reread)
                continue
            if name in self._closing:
                # What was read in the meantime is missing from its queue.
                self._add(name, self._closing.pop(name), self._rereadable)
            self.queues[name].replace_sink(sink, limits)
        self._is_configured = True

    def _make_queue(self, sink: Sink, limits: QueueLimits) -> SinkQueue:
        next_seq = self._next_seq_of(sink.name) if sink.keeps_position else None
        start = StartPosition(next_seq)
        if next_seq:
            start = StartPosition(next_seq, ahead=tuple(self._ahead(sink.name)))
        elif next_seq is None and sink.keeps_position and self._rereadable:
            start = StartPosition(0, Cause.PRE_START)
        return SinkQueue(
            sink,
            limits,
            self._announce,
            start,
            rereadable=self._rereadable,
            on_progress=self._on_progress,
            jobs=self._jobs,
            worker=self._workers.get(sink.name),
        )

    def _add(self, name: str, queue: SinkQueue, needs_reread: bool) -> None:
        self.queues[name] = queue
        queue.needs_reread = needs_reread
        draining = self._jobs.supervise(f"sink {name}", queue.drain)
        self._drains[name] = asyncio.get_running_loop().create_task(draining, name=f"drain {name}")

    def _remove(self, name: str) -> None:
        self._drains.pop(name).cancel()
        queue = self.queues.pop(name)
        if queue.is_sending:
            self._closing[name] = queue
            queue.when_sent(partial(self._finish_closing, name, queue))
        else:
            self._close(name, queue)

    def _finish_closing(self, name: str, queue: SinkQueue) -> None:
        """Close a removed sink when its thread has finished; what the thread has sent counts."""
        if self._closing.get(name) is queue:
            self._on_progress()
            del self._closing[name]
            self._close(name, queue)

    def _close(self, name: str, queue: SinkQueue) -> None:
        logger.info("%s is no longer a sink; left unsent: %d", name, queue.close())
        self._workers.release(name, queue.sender.worker)

    def enqueue(self, entries: Sequence[Entry], may_have_parts: bool = False) -> None:
        """Give a batch to every sink; ``may_have_parts``: some records may have `parts`."""
        for queue in self.queues.values():
            queue.enqueue(entries, may_have_parts)
        self._on_progress()

    async def wait_for_room(self) -> None:
        """Wait until no queue is over its limit; returns at once if the source is rereadable."""
        while any(queue.backlog.over_limit for queue in self.queues.values()):
            await asyncio.sleep(MIN_PAUSE_S)

    @property
    def needs_reread(self) -> bool:
        """Whether the ring buffer is to be read again for any sink, now or later."""
        return any(queue.needs_reread for queue in self.queues.values())

    @property
    def reread_from(self) -> int | None:
        """The sequence number from which on the ring buffer should be read again now.

        ``None`` if it need not be, or not yet.
        """
        wanted = [queue.reread_from for queue in self.queues.values()]
        return min((seq for seq in wanted if seq is not None), default=None)

    def resume(self) -> None:
        """Accept entries again, because the ring buffer is read from `reread_from` on."""
        for queue in self.queues.values():
            if queue.reread_from is not None:
                queue.resume()

    async def wait_until_drained(self) -> None:
        """Wait until no entries wait, except for sinks that are down."""
        while any(queue.queued and not queue.health.last_error for queue in self.queues.values()):
            await asyncio.sleep(MIN_PAUSE_S)

    @property
    def lowest_next_seq(self) -> int:
        """The lowest sequence number that any sink has not accepted.

        0 without a sink, and if a sink has no position.
        """
        return min((queue.next_seq or 0 for queue in self.queues.values()), default=0)

    @property
    def positions(self) -> dict[str, int]:
        """The next sequence number of each sink that keeps its position."""
        queues = (self._closing | self.queues).items() if self._closing else self.queues.items()
        return {
            name: queue.next_seq
            for name, queue in queues
            if queue.sink.keeps_position and queue.next_seq is not None
        }

    @property
    def ahead(self) -> dict[str, tuple[int, ...]]:
        """The sequence numbers beyond its position that each sink has accepted, if any."""
        queues = self._closing | self.queues
        return {
            name: queue.ahead
            for name, queue in queues.items()
            if queue.sink.keeps_position and queue.ahead
        }

    def any_sink_between(self, seq: int, other: int) -> bool:
        """Whether some sink has one of two records but not the other.

        They cannot be joined into one line for all sinks then.
        """
        return any(queue.has_seen(seq) != queue.has_seen(other) for queue in self.queues.values())

    @property
    def all_gone(self) -> bool:
        """Whether no sink will ever accept anything again."""
        return all(queue.is_gone for queue in self.queues.values())

    async def flush(self, limit_s: float) -> None:
        """Send what waits, for at most ``limit_s`` seconds."""
        for task in self._drains.values():
            task.cancel()
        loop = asyncio.get_running_loop()
        flushing = [
            loop.create_task(self._jobs.supervise(f"sink {name}", queue.flush_all))
            for name, queue in self.queues.items()
        ]
        if not flushing:
            return
        _, unfinished = await asyncio.wait(flushing, timeout=limit_s)
        for task in unfinished:
            task.cancel()

    def close(self) -> int:
        """Close all sinks; logs and returns how many entries were never sent."""
        for name in list(self._closing):
            self._close(name, self._closing.pop(name))
        total = 0
        for name, queue in self.queues.items():
            unsent = queue.close()
            if unsent:
                reason = queue.health.last_error or "it was full"
                logger.error("%s: entries never sent: %d (%s)", name, unsent, reason)
            total += unsent
        return total
