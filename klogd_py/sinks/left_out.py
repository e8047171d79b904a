# SPDX-License-Identifier: GPL-2.0-or-later
"""Stand for the records that a filter left out of the stream of one sink, in their place.

A run of such records is one `LeftOut`, however long it is. It waits in the queue of the sink like
an entry, so that the position passes over its records neither too early nor too late. A sink never
gets it.
"""

from collections.abc import Sequence
from itertools import groupby
from operator import itemgetter

from msgspec import Struct

from klogd_py.record.sequence import SequenceRange
from klogd_py.record.types import Entry


class LeftOut(Struct, frozen=True, gc=False):
    """Records that follow on each other and that a filter left out.

    ``sequence`` reaches from the first to the last of their numbers, ``None`` without numbers.
    Numbers within it may be those of parts that the sink has had; ``count`` is without them.
    """

    sequence: SequenceRange | None
    count: int

    @classmethod
    def of(cls, entry: Entry) -> "LeftOut":
        """Return what stands for one entry, with the numbers of all records that it is made of."""
        sequence = entry.sequence
        return cls(sequence, 1 if sequence is None else sequence.count)

    @property
    def is_whole(self) -> bool:
        """Whether all numbers of ``sequence`` were left out, and no others."""
        found = self.sequence
        return found is not None and not found.parts and found.count == self.count

    def joined(self, later: "LeftOut") -> "LeftOut":
        """Return this run and the one that follows on it as one."""
        count = self.count + later.count
        before, after = self.sequence, later.sequence
        if before is None or after is None:
            return LeftOut(after or before, count)
        # The numbers of another boot
        if after.first <= before.last:
            return LeftOut(after, count)
        parts = sorted({seq for seq in (*before.parts, *after.parts) if seq > after.last})
        return LeftOut(SequenceRange(before.first, after.last, tuple(parts)), count)


# What waits in a queue
Item = Entry | LeftOut


def mark_left_out(entries: Sequence[Entry], passes: Sequence[bool]) -> list[Item]:
    """Return the entries that pass, with a `LeftOut` in the place of each run of others.

    ``passes`` is the same for both lines of a record that is sent twice.
    """
    items: list[Item] = []
    for is_wanted, run in groupby(zip(entries, passes, strict=True), itemgetter(1)):
        found = [entry for entry, _ in run]
        items += found if is_wanted else [_run_of(found)]
    return items


def _run_of(entries: Sequence[Entry]) -> LeftOut:
    """Return what stands for entries that follow on each other."""
    seqs = [entry.record.seq for entry in entries]
    first, last = seqs[0], seqs[-1]
    # The usual case, which is faster
    if first is not None and last is not None and seqs == [*range(first, last + 1)]:
        parts = [entry for entry in entries if entry.record.parts]
        if not parts:
            return LeftOut(SequenceRange(first, last), len(seqs))
    run, before = LeftOut.of(entries[0]), entries[0]
    for entry in entries[1:]:
        if entry.record is not before.record:
            run = run.joined(LeftOut.of(entry))
        before = entry
    return run


def entries_of(items: Sequence[Item]) -> list[Entry]:
    """Return what a sink gets of some items."""
    return [item for item in items if isinstance(item, Entry)]


def count_done(items: Sequence[Item], accepted: int) -> int:
    """Return how many items are done once the first ``accepted`` entries of them are accepted.

    A run that follows on the last accepted entry is done as well.
    """
    for index, item in enumerate(items):
        if isinstance(item, Entry):
            if not accepted:
                return index
            accepted -= 1
    return len(items)
