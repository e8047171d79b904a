# SPDX-License-Identifier: GPL-2.0-or-later
"""The queue of one sink, with defaults for all that a test does not care about."""

from collections.abc import Callable, Collection

from klogd_py.record.types import Entry, Gap
from klogd_py.sinks import Sink
from klogd_py.sinks.drain import SinkDrain
from klogd_py.sinks.drop_policy import QueueLimits, WhenFull
from klogd_py.sinks.queue import SinkQueue
from klogd_py.sinks.sender import SinkSender
from klogd_py.sinks.sequence_tracker import StartPosition
from klogd_py.system.jobs import Jobs
from tests.entries import gap_entry, position_at


def make_queue(
    sink: Sink,
    limit_bytes: int,
    next_seq: int | None = None,
    when_full: WhenFull = WhenFull.DROP,
    *,
    ahead: Collection[int] = (),
    announce: Callable[[Gap], Entry] = gap_entry,
    rereadable: bool = False,
) -> SinkQueue:
    """Return a queue whose sink has had all before ``next_seq``; without it, the sink is new."""
    position = None if next_seq is None else position_at(next_seq, *ahead)
    return SinkQueue(
        SinkSender(sink, Jobs()),
        QueueLimits(limit_bytes, when_full),
        announce,
        StartPosition(position),
        rereadable=rereadable,
    )


def drain_of(queue: SinkQueue) -> SinkDrain:
    """Return the task that sends what waits in a queue; it has not been started."""
    return SinkDrain(queue, Jobs())


async def flush(queue: SinkQueue) -> bool:
    """Send what waits until all is sent or the sink refuses; returns whether all is sent."""
    return await drain_of(queue).flush()
