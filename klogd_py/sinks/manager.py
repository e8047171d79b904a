# SPDX-License-Identifier: GPL-2.0-or-later
"""All outboxes together: one for each configured sink, each with the task that drains it."""

import asyncio
import logging
from collections.abc import Callable, Collection, Iterable, Sequence
from functools import partial

from msgspec import Struct

from klogd_py.record.types import Cause, Entry, Gap
from klogd_py.sinks import Sink
from klogd_py.sinks.queue import MIN_PAUSE_S, SinkQueue, WhenFull
from klogd_py.system.jobs import Jobs
from klogd_py.system.worker_thread import WorkerThreads

logger = logging.getLogger(__name__)


class QueueLimits(Struct, frozen=True):
    """How much may wait for a sink, and what becomes of the rest."""

    limit_bytes: int
    when_full: WhenFull = WhenFull.WAIT


class SinkManager:
    """Posts every batch to every sink, none of which waits for another. Mutable.

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
        """``next_seq_of`` tells the first sequence number that a sink, known by its name, has not had yet;
        ``None`` for a new one.

        ``ahead`` tells which numbers beyond that it has had, with records whose lines they
        continue. ``rereadable`` is a source that numbers its records and can go back. ``on_progress`` is
        called whenever a sink may have accepted something, or is gone.
        """
        self.queues: dict[str, SinkQueue] = {}
        self._announce = announce
        self._next_seq_of = next_seq_of
        self._ahead = ahead
        self._rereadable = rereadable
        self._jobs = jobs or Jobs()
        self._on_progress = self._jobs.guarded("positions", on_progress)
        self._workers = WorkerThreads()
        self._is_configured = False
        self._drains: dict[str, asyncio.Task[None]] = {}
        self._leaving: dict[
            str, SinkQueue
            # No longer wanted, but a thread is still sending for them
        ] = {}

    def configure(self, sinks: Iterable[Sink], terms_of: Callable[[str], QueueLimits]) -> None:
        """Have exactly these sinks, each on its terms. One that was there before goes on with what
        waits for it.

        Nothing is changed if the terms of one of them, or its outbox, cannot be had.
        """
        wanted = {sink.name: (sink, terms_of(sink.name)) for sink in sinks}
        new = {
            name: self._queue(*both)
            for name, both in wanted.items()
            if name not in self.queues and name not in self._leaving
        }
        for name in [name for name in self.queues if name not in wanted]:
            self._drains.pop(name).cancel()
            queue = self.queues.pop(name)
            if queue.is_sending:
                self._leaving[name] = queue
                queue.when_sent(partial(self._leave, name, queue))
            else:
                self._close(name, queue)
        for name, (sink, terms) in wanted.items():
            # It has not stopped yet
            if name in self._leaving:
                self.queues[name] = queue = self._leaving.pop(name)
                # Nothing was posted to it meanwhile
                queue.needs_reread = self._rereadable
                self._begin_drain(name, queue)
            if name in self.queues:
                self.queues[name].replace_sink(sink, terms.limit_bytes, terms.when_full)
                continue
            self.queues[name] = queue = new[name]
            # what was read before it came is in the ring, and nothing more may come that would show
            # it missing
            queue.needs_reread = self._is_configured and self._rereadable and sink.keeps_position
            self._begin_drain(name, queue)
        self._is_configured = True

    def _leave(self, name: str, queue: SinkQueue) -> None:
        """Close a sink that is no longer wanted, once its thread is done.

        What that has sent counts.
        """
        if self._leaving.get(name) is queue:
            self._on_progress()
            del self._leaving[name]
            self._close(name, queue)

    def _close(self, name: str, queue: SinkQueue) -> None:
        logger.info("%s is no longer a sink; left unsent: %d", name, queue.close())
        self._workers.leave(name, queue.worker)

    def _begin_drain(self, name: str, queue: SinkQueue) -> None:
        draining = self._jobs.keep(f"sink {name}", queue.drain)
        self._drains[name] = asyncio.get_running_loop().create_task(draining, name=f"drain {name}")

    def _queue(self, sink: Sink, terms: QueueLimits) -> SinkQueue:
        next_seq = self._next_seq_of(sink.name) if sink.keeps_position else None
        cause = Cause.RESTART
        if next_seq is None and sink.keeps_position and self._rereadable:
            next_seq, cause = 0, Cause.PRE_START
        return SinkQueue(
            sink,
            terms.limit_bytes,
            self._announce,
            next_seq,
            terms.when_full,
            cause=cause,
            rereadable=self._rereadable,
            on_progress=self._on_progress,
            jobs=self._jobs,
            worker=self._workers.of(sink.name),
            ahead=self._ahead(sink.name) if next_seq else (),
        )

    def enqueue(self, entries: Sequence[Entry], joined: bool = False) -> None:
        """Hand a batch to every sink; ``joined`` says that some of the records may have `parts`."""
        for queue in self.queues.values():
            queue.enqueue(entries, joined)
        self._on_progress()

    async def wait_for_room(self) -> None:
        """Wait until no outbox is crowded; a source that can go back need not wait."""
        while any(queue.over_limit for queue in self.queues.values()):
            await asyncio.sleep(MIN_PAUSE_S)

    @property
    def needs_reread(self) -> bool:
        """Whether a sink will want the ring to be read anew."""
        return any(queue.needs_reread for queue in self.queues.values())

    @property
    def reread_from(self) -> int | None:
        """The sequence number from which on the ring should be read anew now.

        ``None`` if it need not be.
        """
        wanted = [queue.reread_from for queue in self.queues.values()]
        return min((seq for seq in wanted if seq is not None), default=None)

    def resume(self) -> None:
        """The ring is about to be read anew from `reread_from` on."""
        for queue in self.queues.values():
            if queue.reread_from is not None:
                queue.resume()

    async def wait_until_drained(self) -> None:
        """Wait until nothing waits except for sinks that are down."""
        while any(queue.queued and not queue.last_error for queue in self.queues.values()):
            await asyncio.sleep(MIN_PAUSE_S)

    @property
    def lowest_next_seq(self) -> int:
        """The first sequence number that any sink still wants.

        0 if one of them wants everything.
        """
        return min((queue.next_seq or 0 for queue in self.queues.values()), default=0)

    @property
    def positions(self) -> dict[str, int]:
        """The next sequence number of each sink that keeps one."""
        boxes = (self._leaving | self.queues).items() if self._leaving else self.queues.items()
        return {
            name: box.next_seq
            for name, box in boxes
            if box.sink.keeps_position and box.next_seq is not None
        }

    @property
    def ahead(self) -> dict[str, tuple[int, ...]]:
        """The numbers beyond its position that each sink has had, for those that have had any."""
        boxes = self._leaving | self.queues
        return {
            name: box.ahead for name, box in boxes.items() if box.sink.keeps_position and box.ahead
        }

    def any_sink_between(self, seq: int, other: int) -> bool:
        """Whether some sink has had one of two numbers and not the other, so that they cannot go to
        all as one line.
        """
        return any(queue.has_had(seq) != queue.has_had(other) for queue in self.queues.values())

    @property
    def all_gone(self) -> bool:
        """Whether no sink will ever take anything again."""
        return all(queue.gone for queue in self.queues.values())

    async def flush(self, limit_s: float) -> None:
        """Send what waits, for at most so long."""
        for task in self._drains.values():
            task.cancel()
        loop = asyncio.get_running_loop()
        emptying = [
            loop.create_task(self._jobs.keep(f"sink {name}", queue.flush_all))
            for name, queue in self.queues.items()
        ]
        if not emptying:
            return
        _, unfinished = await asyncio.wait(emptying, timeout=limit_s)
        for task in unfinished:
            task.cancel()

    def close(self) -> int:
        """Close all sinks; returns how many entries could not be sent, after naming their sinks."""
        for name in list(self._leaving):
            self._close(name, self._leaving.pop(name))
        left = 0
        for name, queue in self.queues.items():
            unsent = queue.close()
            if unsent:
                logger.error(
                    "%s: entries never sent: %d (%s)",
                    name,
                    unsent,
                    queue.last_error or "it was full",
                )
            left += unsent
        return left
