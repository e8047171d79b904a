# SPDX-License-Identifier: GPL-2.0-or-later
"""Hold the entries that wait for one sink, within a limit of bytes.

An entry that does not fit is kept all the same, dropped, or left in the kernel's ring buffer to be
read again. Dropped records are announced by a Gap in their place. Runs of records that a filter
left out wait among the entries.
"""

from collections import deque
from collections.abc import Callable, Collection, Sequence
from itertools import accumulate, islice

from klogd_py.record.sequence import Position
from klogd_py.record.types import Entry, Gap
from klogd_py.sinks.drop_policy import (
    Disposition,
    DropCounter,
    QueueLimits,
    WhenFull,
    must_not_drop,
)
from klogd_py.sinks.left_out import Item, LeftOut, count_done
from klogd_py.sinks.sequence_tracker import advance

# About what an Entry and its Record occupy besides their text
ENTRY_OVERHEAD_BYTES = 400
LEFT_OUT_BYTES = 200
# About what a frame of a stack occupies in the report of a crash, which all sinks share
FRAME_BYTES = 200


def size_of(item: Item) -> int:
    """Estimate the memory that an entry occupies, or a run that was left out, in bytes."""
    if isinstance(item, LeftOut):
        return LEFT_OUT_BYTES
    size = ENTRY_OVERHEAD_BYTES + len(item.text) + len(item.record.text)
    if item.report is not None:
        size += FRAME_BYTES * sum(len(stack.frames) for stack in item.report.stacks)
    return size


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
        # Items of batches that were kept or dropped since the start
        self.taken = 0
        self.dropped = DropCounter()
        self._announce = announce
        self._rereadable = rereadable
        self._items: deque[Item] = deque()
        # How many of the items are runs that were left out
        self._runs = 0
        # How many items may be on their way to the sink: these do not change any more
        self._on_way = 0

    def __len__(self) -> int:
        return len(self._items)

    @property
    def entry_count(self) -> int:
        """How many entries wait, without runs that were left out."""
        return len(self._items) - self._runs

    def position_after(self, accepted: Position | None) -> Position | None:
        """Return the position of a sink once it has accepted what waits, and the announcements.

        ``accepted`` is its position now.
        """
        position = advance(accepted, self._items)
        for found in self.dropped.found:
            sequence = found.sequence if isinstance(found, LeftOut) else found
            if sequence is not None:
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

    def head(self, count: int) -> list[Item]:
        """Return the oldest items, and keep them: up to ``count``, and about so many records.

        A line of several records counts as all of them.
        """
        found = list(islice(self._items, count))
        extra = [len(item.record.parts) for item in found if isinstance(item, Entry)]
        if any(extra):
            records = accumulate(1 + more for more in extra)
            entry_count = max(1, sum(total <= count for total in records))
            found = found[: count_done(found, entry_count)]
        self._on_way = len(found)
        return found

    def remove(self, count: int) -> None:
        """Remove up to ``count`` of the oldest items."""
        for _ in range(min(count, len(self._items))):
            item = self._items.popleft()
            self.bytes -= size_of(item)
            self._runs -= isinstance(item, LeftOut)
        self._on_way = 0

    def clear(self) -> None:
        """Remove all items, and forget what was dropped."""
        self._items.clear()
        self.bytes = self._runs = 0
        self.dropped.count = 0

    def append(self, items: Collection[Item]) -> None:
        """Append items, whatever their size."""
        for item in items:
            if isinstance(item, LeftOut):
                self._append_run(item)
            else:
                self._items.append(item)
                self.bytes += size_of(item)

    def add_unsent(self, items: Sequence[Item], sent: int) -> bool:
        """Keep or drop the items of a batch from index ``sent`` on.

        Returns False if the rest of them is left in the kernel's ring buffer.
        """
        decision = Disposition.KEEP
        before: Item | None = items[sent - 1] if sent else None
        for item in islice(items, sent, None):
            if isinstance(item, LeftOut):
                if not self.dropped.add_run(item):
                    self._append_run(item)
            # The second line of a record is treated as the first one.
            elif isinstance(before, Entry) and before.record is item.record:
                if decision is Disposition.KEEP:
                    self.append((item,))
            else:
                decision = self._decide(item, self.bytes + size_of(item))
                if decision is Disposition.LEAVE:
                    self.announce_gaps()
                    return False
                if decision is Disposition.DROP:
                    self.lost += self.dropped.add(item)
                else:
                    if self.dropped.is_dropping:
                        self.announce_gaps()
                    self.append((item,))
            before = item
            self.taken += 1
        return True

    def _append_run(self, found: LeftOut) -> None:
        """Append a run that was left out, or join it to the one that waits last."""
        last = self._items[-1] if len(self._items) > self._on_way else None
        if isinstance(last, LeftOut):
            self._items[-1] = last.joined(found)
            return
        self._items.append(found)
        self._runs += 1
        self.bytes += size_of(found)

    def _decide(self, entry: Entry, total_bytes: int) -> Disposition:
        """Decide about one entry; ``total_bytes`` is the size of the backlog with this entry."""
        limits = self.limits
        if total_bytes <= limits.limit_bytes and not self.dropped.is_dropping:
            return Disposition.KEEP
        # The sink may have written a part of the first entry, so that is kept whatever its size.
        if not self._items:
            return Disposition.KEEP
        if limits.when_full is WhenFull.DROP and not must_not_drop(entry):
            return Disposition.DROP
        # A report cannot be read again either, but more may come than there is memory.
        if entry.report is not None and self._rereadable:
            is_too_much = self.bytes > 2 * limits.limit_bytes
            return Disposition.DROP if is_too_much else Disposition.KEEP
        # An entry without a sequence number cannot be read again, and a Gap is small: both may
        # exceed the limit.
        if not self._rereadable or entry.record.seq is None:
            return Disposition.KEEP
        if limits.when_full is WhenFull.WAIT or total_bytes > 2 * limits.limit_bytes:
            return Disposition.LEAVE
        return Disposition.KEEP

    def announce_gaps(self) -> None:
        """Append the announcement of what was dropped, because a kept entry follows."""
        for found in self.dropped.take():
            self.append((found if isinstance(found, LeftOut) else self._announce(found),))
