# SPDX-License-Identifier: GPL-2.0-or-later
"""Make a queue for each configured sink, and remove the queues of sinks that no longer are."""

import logging
from collections.abc import Callable, Iterable
from functools import partial

from klogd_py.record.sequence import Position
from klogd_py.record.types import Cause, Entry, Gap
from klogd_py.sinks import Sink
from klogd_py.sinks.drain import SinkDrain
from klogd_py.sinks.drop_policy import QueueLimits
from klogd_py.sinks.entry_filter import EntryFilter
from klogd_py.sinks.queue import SinkQueue
from klogd_py.sinks.sender import SinkSender
from klogd_py.sinks.sequence_tracker import StartPosition
from klogd_py.system.jobs import Jobs
from klogd_py.system.worker_thread import WorkerThreads

logger = logging.getLogger(__name__)


class QueueSet:
    """The queues of the configured sinks, each with the task that drains it. Mutable.

    Lives on the event loop.
    """

    def __init__(
        self,
        announce: Callable[[Gap], Entry],
        position_of: Callable[[str], Position | None],
        *,
        rereadable: bool,
        on_progress: Callable[[], None],
        on_change: Callable[[], None],
        jobs: Jobs,
    ) -> None:
        """``on_change`` is that of `SinkDrain`; the other arguments are those of `SinkManager`."""
        self.queues: dict[str, SinkQueue] = {}
        self._announce = announce
        self._position_of = position_of
        self._rereadable = rereadable
        self._on_progress = on_progress
        self._on_change = on_change
        self._jobs = jobs
        self._workers = WorkerThreads()
        self._is_configured = False
        self._drains: dict[str, SinkDrain] = {}
        # No longer configured, but a thread is still sending for them
        self._closing: dict[str, SinkDrain] = {}

    def configure(
        self,
        sinks: Iterable[Sink],
        limits_of: Callable[[str], QueueLimits],
        filter_of: Callable[[str], EntryFilter | None],
    ) -> None:
        """Have exactly these sinks, each with its limits and its filter.

        A sink of the same name as before keeps its queue, unless only one of both keeps a position:
        standard output has had other records than a file has. Nothing is changed if ``limits_of``
        or ``filter_of`` raises or a queue cannot be made.
        """
        wanted = {sink.name: (sink, limits_of(sink.name)) for sink in sinks}
        filters = {name: filter_of(name) for name in wanted}
        kept = {
            name
            for name, queue in self.queues.items()
            if name in wanted and queue.sink.keeps_position == wanted[name][0].keeps_position
        }
        new = {
            name: SinkDrain(self._make_queue(sink, limits), self._jobs, self._on_change)
            for name, (sink, limits) in wanted.items()
            if name not in kept and name not in self._closing
        }
        for name in [name for name in self.queues if name not in kept]:
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
            self.queues[name].backlog.limits = limits
            self.queues[name].sender.replace(sink)
        for name, conditions in filters.items():
            self.queues[name].filter.configure(conditions)
        self._is_configured = True

    def _make_queue(self, sink: Sink, limits: QueueLimits) -> SinkQueue:
        start = StartPosition(self._position_of(sink.name) if sink.keeps_position else None)
        if start.position is None and self._rereadable:
            if sink.keeps_position:
                start = StartPosition(Position(0), Cause.PRE_START)
            elif self._is_configured:
                # What is read again for others is no news on standard output.
                start = StartPosition(self._newest_position)
        return SinkQueue(
            SinkSender(sink, self._jobs, self._workers.get(sink.name)),
            limits,
            self._announce,
            start,
            rereadable=self._rereadable,
            on_progress=self._on_progress,
        )

    @property
    def _newest_position(self) -> Position | None:
        """The position of the sink that has come furthest."""
        positions = [queue.position for queue in self.queues.values() if queue.position is not None]
        return max(positions, key=lambda position: position.next_seq, default=None)

    def _add(self, name: str, drain: SinkDrain, needs_reread: bool) -> None:
        self.queues[name] = drain.queue
        self._drains[name] = drain
        drain.queue.needs_reread = needs_reread
        drain.start()

    def _remove(self, name: str) -> None:
        del self.queues[name]
        drain = self._drains.pop(name)
        drain.stop()
        if drain.is_sending:
            self._closing[name] = drain
            drain.when_sent(partial(self._finish_closing, name, drain))
        else:
            self._close(name, drain)

    def _finish_closing(self, name: str, drain: SinkDrain) -> None:
        """Close a removed sink when its thread has finished; what the thread has sent counts."""
        if self._closing.get(name) is drain:
            self._on_progress()
            del self._closing[name]
            self._close(name, drain)

    def _close(self, name: str, drain: SinkDrain) -> None:
        logger.info("%s is no longer a sink; left unsent: %d", name, drain.close())
        self._workers.release(name, drain.queue.sender.worker)

    @property
    def positions(self) -> dict[str, Position]:
        """The position of each sink that keeps one, also of those that are being removed."""
        queues = {name: drain.queue for name, drain in self._closing.items()} | self.queues
        return {
            name: queue.position
            for name, queue in queues.items()
            if queue.sink.keeps_position and queue.position is not None
        }

    def stop(self) -> list[SinkDrain]:
        """Stop all drains, and return them."""
        for drain in self._drains.values():
            drain.stop()
        return [*self._drains.values()]

    def close(self) -> int:
        """Close all sinks; logs and returns how many entries were never sent."""
        for name in list(self._closing):
            self._close(name, self._closing.pop(name))
        total = 0
        for name, drain in self._drains.items():
            down = drain.queue.health.down
            unsent = drain.close()
            if unsent:
                reason = "it was full" if down is None else down.reason
                logger.error("%s: entries never sent: %d (%s)", name, unsent, reason)
            total += unsent
        return total
