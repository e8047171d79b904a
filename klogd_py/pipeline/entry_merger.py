# SPDX-License-Identifier: GPL-2.0-or-later
"""Merge the entries of several streams into one order, with little memory.

By time if the first lines of every stream have a wall time, or are of one boot and have kernel
timestamps; else one stream after the other. The order within a stream stays, and an entry without a
time follows the one before it. Pure.
"""

from collections import deque
from collections.abc import Sequence
from enum import Enum

from klogd_py.record.types import Entry, Record

# So many equal lines, with equal timestamps, are of one boot.
_MIN_COMMON_LINES = 3


class Order(Enum):
    """How streams are merged; the value is what a user reads."""

    WALL_TIME = "merged by their wall times"
    KERNEL_TIME = "merged by their kernel timestamps, since they are of one boot"
    AS_GIVEN = "one after the other, since not all have a time of day"


class _Stream:
    """The entries of one stream that wait. Mutable."""

    def __init__(self) -> None:
        self.entries: deque[Entry] = deque()
        self.times_us: deque[int] = deque()
        self.last_us = 0
        self.has_ended = False


class EntryMerger:
    """The streams and what waits of them. Mutable.

    ``order`` is ``None`` until each stream has an entry, or has ended.
    """

    def __init__(self, count: int) -> None:
        self.order: Order | None = None
        self._streams = [_Stream() for _ in range(count)]

    def add(self, number: int, entries: Sequence[Entry]) -> None:
        """Add entries to a stream."""
        stream = self._streams[number]
        stream.entries.extend(entries)
        if self.order is not None:
            self._add_times(stream, entries)

    def end(self, number: int) -> None:
        """Note that a stream has no more entries."""
        self._streams[number].has_ended = True

    def needs(self, number: int) -> bool:
        """Whether nothing goes on before a stream has given more."""
        stream = self._streams[number]
        if stream.has_ended or stream.entries:
            return False
        return self.order is not Order.AS_GIVEN or not any(
            not other.has_ended or other.entries for other in self._streams[:number]
        )

    def take(self) -> list[Entry]:
        """Return what may go on now."""
        if self.order is None:
            if any(not stream.entries and not stream.has_ended for stream in self._streams):
                return []
            self._decide()
        return self._take_as_given() if self.order is Order.AS_GIVEN else self._take_by_time()

    def _take_as_given(self) -> list[Entry]:
        taken: list[Entry] = []
        for stream in self._streams:
            taken += stream.entries
            stream.entries.clear()
            stream.times_us.clear()
            if not stream.has_ended:
                break
        return taken

    def _take_by_time(self) -> list[Entry]:
        taken: list[Entry] = []
        while True:
            if any(not stream.entries and not stream.has_ended for stream in self._streams):
                return taken
            waiting = [stream for stream in self._streams if stream.entries]
            if not waiting:
                return taken
            first = min(waiting, key=lambda stream: stream.times_us[0])
            others = [stream.times_us[0] for stream in waiting if stream is not first]
            limit_us = min(others, default=None)
            while first.entries and (limit_us is None or first.times_us[0] <= limit_us):
                taken.append(first.entries.popleft())
                first.times_us.popleft()

    def _decide(self) -> None:
        filled = [stream for stream in self._streams if stream.entries]
        records = [[entry.record for entry in stream.entries] for stream in filled]
        if all(any(record.wall_us is not None for record in some) for some in records):
            self.order = Order.WALL_TIME
        elif all(_are_of_one_boot(records[0], some) for some in records[1:]):
            self.order = Order.KERNEL_TIME
        else:
            self.order = Order.AS_GIVEN
        for stream in filled:
            self._add_times(stream, stream.entries)

    def _add_times(self, stream: _Stream, entries: Sequence[Entry]) -> None:
        by_kernel_time = self.order is Order.KERNEL_TIME
        for entry in entries:
            record = entry.record
            time_us = record.usec if by_kernel_time else record.wall_us
            if time_us is not None:
                stream.last_us = time_us
            stream.times_us.append(stream.last_us)


def _are_of_one_boot(records: Sequence[Record], others: Sequence[Record]) -> bool:
    """Whether two streams hold the same boot: they name it, or have lines in common.

    A timestamp of whole milliseconds may be that of a coarse clock, which shows the same at each
    boot.
    """
    named = [
        {record.machine.boot_id for record in some if record.machine is not None} - {""}
        for some in (records, others)
    ]
    if named[0] and named[0] == named[1]:
        return all(any(record.usec is not None for record in some) for some in (records, others))
    stamped = [
        {(record.usec, record.text) for record in some if record.usec and record.usec % 1000}
        for some in (records, others)
    ]
    return len(stamped[0] & stamped[1]) >= _MIN_COMMON_LINES
