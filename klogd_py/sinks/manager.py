# SPDX-License-Identifier: GPL-2.0-or-later
"""Give every batch to all sinks, and tell how far they have come."""

import asyncio
from collections.abc import Callable, Collection, Iterable, Sequence

from klogd_py.record.sequence import Position
from klogd_py.record.types import Entry, Gap
from klogd_py.sinks import Sink
from klogd_py.sinks.drop_policy import QueueLimits
from klogd_py.sinks.entry_filter import EntryFilter
from klogd_py.sinks.queue_changes import QueueChanges
from klogd_py.sinks.queue_set import QueueSet
from klogd_py.sinks.sequence_tracker import consecutive_range
from klogd_py.system.jobs import Jobs


class SinkManager:
    """All sinks as one destination, none of which waits for another. Mutable.

    Lives on the event loop.
    """

    def __init__(
        self,
        announce: Callable[[Gap], Entry],
        position_of: Callable[[str], Position | None],
        *,
        rereadable: bool = False,
        on_progress: Callable[[], None] = lambda: None,
        jobs: Jobs | None = None,
        unselected: Callable[[Sequence[Entry]], Collection[int]] | None = None,
    ) -> None:
        """``announce`` makes the entry for a Gap.

        ``position_of`` returns what the sink of a name has accepted, ``None`` for a new sink.
        ``rereadable`` says that the source numbers its records and can read them again.
        ``on_progress`` is called when a sink may have accepted something, or is gone.
        ``unselected`` returns the identities of the entries of a batch that no sink gets.
        """
        self._unselected = unselected
        self._jobs = jobs or Jobs()
        self._on_progress = self._jobs.guard("positions", on_progress)
        self._changes = QueueChanges()
        self._set = QueueSet(
            announce,
            position_of,
            rereadable=rereadable,
            on_progress=self._on_progress,
            on_change=self._changes.notify,
            jobs=self._jobs,
        )
        # The queue of each sink, by its name
        self.queues = self._set.queues

    def configure(
        self,
        sinks: Iterable[Sink],
        limits_of: Callable[[str], QueueLimits],
        filter_of: Callable[[str], EntryFilter | None] = lambda name: None,
    ) -> None:
        """Have exactly these sinks, each with its limits and its filter.

        See `QueueSet.configure`.
        """
        self._set.configure(sinks, limits_of, filter_of)
        self._changes.notify()

    def enqueue(self, entries: Sequence[Entry]) -> None:
        """Give a batch to every sink."""
        consecutive = consecutive_range(entries)
        unselected = self._unselected(entries) if self._unselected is not None else ()
        for queue in self.queues.values():
            queue.enqueue(entries, consecutive, unselected)
        self._on_progress()

    async def wait_for_room(self) -> None:
        """Wait until no queue is over its limit; returns at once if the source is rereadable."""
        await self._changes.wait_while(
            lambda: any(queue.backlog.over_limit for queue in self.queues.values())
        )

    async def wait_until_drained(self) -> None:
        """Wait until no entries wait, except for sinks that are down."""
        await self._changes.wait_while(
            lambda: any(
                queue.backlog and queue.health.down is None for queue in self.queues.values()
            )
        )

    def on_reread(self, wake: Callable[[], None]) -> None:
        """Call ``wake`` when `reread_at_s` may be another time, and not ``None``."""

        def wake_if_wanted() -> None:
            if self.reread_at_s is not None:
                wake()

        self._changes.call_back(self._jobs.guard("delivery", wake_if_wanted))

    @property
    def reread_at_s(self) -> float | None:
        """From which time of the event loop on the ring buffer should be read again.

        ``None`` if it need not be, or not before a sink has accepted more.
        """
        wanted = [queue.reread for queue in self.queues.values()]
        return min((reread.at_s for reread in wanted if reread is not None), default=None)

    @property
    def reread_from(self) -> int | None:
        """The sequence number from which on the ring buffer should be read again now.

        ``None`` if it need not be, or not yet.
        """
        wanted = [queue.reread for queue in self.queues.values()]
        return min(
            (reread.seq for reread in wanted if reread is not None and reread.is_due), default=None
        )

    def resume(self, seq: int) -> None:
        """Accept entries again, because the ring buffer is read from this number on.

        A queue that needs older records, because it has become due a moment ago, goes on waiting.
        """
        for queue in self.queues.values():
            reread = queue.reread
            if reread is not None and reread.is_due and reread.seq >= seq:
                queue.resume()

    @property
    def lowest_next_seq(self) -> int:
        """The lowest sequence number that any sink has not accepted.

        0 without a sink, and if a sink has no position.
        """
        positions = [queue.position for queue in self.queues.values()]
        return min((0 if found is None else found.next_seq for found in positions), default=0)

    @property
    def positions(self) -> dict[str, Position]:
        """What each sink that keeps its position has accepted."""
        return self._set.positions

    def any_sink_between(self, seq: int, other: int) -> bool:
        """Whether some sink has one of two records but not the other.

        They cannot be joined into one line for all sinks then.
        """
        return any(queue.has_seen(seq) != queue.has_seen(other) for queue in self.queues.values())

    @property
    def all_gone(self) -> bool:
        """Whether no sink will ever accept anything again."""
        return all(queue.health.is_gone for queue in self.queues.values())

    async def flush(self, limit_s: float) -> None:
        """Send what waits, for at most ``limit_s`` seconds."""
        loop = asyncio.get_running_loop()
        flushing = [
            loop.create_task(self._jobs.supervise(drain.queue.sender.job, drain.flush_all))
            for drain in self._set.stop()
        ]
        if not flushing:
            return
        _, unfinished = await asyncio.wait(flushing, timeout=limit_s)
        for task in unfinished:
            task.cancel()

    def close(self) -> int:
        """Close all sinks; logs and returns how many entries were never sent."""
        return self._set.close()
