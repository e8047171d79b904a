# SPDX-License-Identifier: GPL-2.0-or-later
"""Hold the entries that wait for one sink, within a limit of bytes.

An entry that does not fit is kept all the same, dropped, or left in the kernel's ring buffer to be
read again. Dropped records are announced by a Gap in their place.
"""

from collections import deque
from collections.abc import Callable, Collection, Sequence

from klogd_py.record.sequence import Position
from klogd_py.record.types import Entry, Gap
from klogd_py.sinks.drop_policy import (
    Disposition,
    DropCounter,
    QueueLimits,
    WhenFull,
    must_not_drop,
)
from klogd_py.sinks.sequence_tracker import advance

# About what an Entry and its Record occupy besides their text
ENTRY_OVERHEAD_BYTES = 400


def size_of(entry: Entry) -> int:
    """Estimate the memory that an entry occupies, in bytes."""
    return ENTRY_OVERHEAD_BYTES + len(entry.text) + len(entry.record.text)


class Backlog:
    """The waiting entries in their order, and the count of those dropped. Mutable."""

    def __init__(
        self, limits: QueueLimits, announce: Callable[[Gap], Entry], *, rereadable: bool
    ) -> None:
        """``announce`` makes the entry for a Gap.

        ``rereadable`` says that the source can read its records again.
        """
        self.limits = limits
        # About what the waiting entries occupy
        self.bytes = 0
        # Records dropped since the start
        self.lost = 0
        self.dropped = DropCounter()
        self._announce = announce
        self._rereadable = rereadable
        self._entries: deque[Entry] = deque()

    def __len__(self) -> int:
        return len(self._entries)

    def position_after(self, accepted: Position | None) -> Position | None:
        """Return the position of a sink once it has accepted what waits, and the announcements.

        ``accepted`` is its position now.
        """
        position = advance(accepted, self._entries)
        for sequence in self.dropped.sequences:
            position = (position or Position(sequence.first)).after(sequence)
        return position

    @property
    def over_limit(self) -> bool:
        """Whether a source that cannot read its records again should pause."""
        if self._rereadable:
            return False
        if self.limits.when_full is WhenFull.WAIT:
            return self.bytes > self.limits.limit_bytes // 2
        return self.bytes > 2 * self.limits.limit_bytes

    @property
    def is_half_empty(self) -> bool:
        """Whether at most half of the limit is in use."""
        return self.bytes <= self.limits.limit_bytes // 2

    def head(self, count: int) -> list[Entry]:
        """Return up to ``count`` of the oldest entries, and keep them."""
        return [self._entries[i] for i in range(min(len(self._entries), count))]

    def remove(self, count: int) -> None:
        """Remove up to ``count`` of the oldest entries."""
        for _ in range(min(count, len(self._entries))):
            self.bytes -= size_of(self._entries.popleft())

    def clear(self) -> None:
        """Remove all entries, and forget what was dropped."""
        self._entries.clear()
        self.bytes = 0
        self.dropped.count = 0

    def append(self, entries: Collection[Entry]) -> None:
        """Append entries, whatever their size."""
        for entry in entries:
            self._entries.append(entry)
            self.bytes += size_of(entry)

    def add_unsent(self, entries: Sequence[Entry], sent: int) -> bool:
        """Keep or drop the entries of a batch from index ``sent`` on.

        Returns False if the rest of them is left in the kernel's ring buffer.
        """
        decision = Disposition.KEEP
        for index in range(sent, len(entries)):
            entry = entries[index]
            size = size_of(entry)
            # The second line of a record is treated as the first one.
            if index and entries[index - 1].record is entry.record:
                if decision is Disposition.KEEP:
                    self._entries.append(entry)
                    self.bytes += size
                continue
            decision = self._decide(entry, self.bytes + size)
            if decision is Disposition.LEAVE:
                self.announce_gaps()
                return False
            if decision is Disposition.DROP:
                self.dropped.add(entry)
                self.lost += entry.gap is None
                continue
            if self.dropped.is_dropping:
                self.announce_gaps()
            self._entries.append(entry)
            self.bytes += size
        return True

    def _decide(self, entry: Entry, total_bytes: int) -> Disposition:
        """Decide about one entry; ``total_bytes`` is the size of the backlog with this entry."""
        limits = self.limits
        if total_bytes <= limits.limit_bytes and not self.dropped.is_dropping:
            return Disposition.KEEP
        # The sink may have written a part of the first entry, so that is kept whatever its size.
        if not self._entries:
            return Disposition.KEEP
        if limits.when_full is WhenFull.DROP and not must_not_drop(entry):
            return Disposition.DROP
        # An entry without a sequence number cannot be read again, and a Gap is small: both may
        # exceed the limit.
        if not self._rereadable or entry.record.seq is None:
            return Disposition.KEEP
        if limits.when_full is WhenFull.WAIT or total_bytes > 2 * limits.limit_bytes:
            return Disposition.LEAVE
        return Disposition.KEEP

    def announce_gaps(self) -> None:
        """Append the announcement of what was dropped, because a kept entry follows."""
        for gap in self.dropped.take_gaps():
            self.append((self._announce(gap),))
