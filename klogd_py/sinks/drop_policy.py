# SPDX-License-Identifier: GPL-2.0-or-later
"""Define what becomes of entries that do not fit into the queue of a sink; count dropped ones.

Errors and worse are never dropped.
"""

from enum import Enum

from msgspec import Struct

from klogd_py.record.sequence import SequenceRange
from klogd_py.record.types import Cause, Entry, Gap, Severity


class WhenFull(Enum):
    """What to do with records when the queue of a sink is full."""

    # Leave them where they are: in the kernel's ring buffer, or in the pipe that is read
    WAIT = "wait"
    # Drop the newest, count them and announce them
    DROP = "drop"


class QueueLimits(Struct, frozen=True):
    """How many bytes may wait for a sink, and what to do with the rest."""

    limit_bytes: int
    when_full: WhenFull = WhenFull.WAIT


class Disposition(Enum):
    """What to do with an entry that the sink did not take at once."""

    KEEP = "keep"
    DROP = "drop"
    # Leave it in the kernel's ring buffer
    LEAVE = "leave"


def must_not_drop(entry: Entry) -> bool:
    """Whether an entry is an error or worse, or a line with parts among the entries after it."""
    if entry.record.parts:
        return True
    return (
        entry.gap is None
        and entry.record.prefix is not None
        and entry.record.severity <= Severity.ERR
    )


class DropCounter:
    """The dropped entries that are not announced yet, and their count. Mutable.

    A sequence number that is missing between two dropped entries was delivered as a part of an
    earlier record. The announcement is therefore one Gap for each contiguous range.
    """

    def __init__(self) -> None:
        # Everything is dropped until the queue has been emptied
        self.is_dropping = False
        # Records, without Gaps
        self.count = 0
        # What is to be announced, in order
        self.sequences: list[SequenceRange] = []
        self._logged_count = 0

    def add(self, entry: Entry) -> None:
        """Count a dropped entry; a dropped Gap becomes part of the announcement."""
        self.is_dropping = True
        self.count += entry.gap is None
        sequence = entry.sequence
        if sequence is None:
            return
        joined = self.sequences[-1].joined(sequence) if self.sequences else None
        if joined is None:
            self.sequences.append(sequence)
        else:
            self.sequences[-1] = joined

    def take_gaps(self) -> list[Gap]:
        """Return the gaps to announce now, because a kept entry follows; clear them."""
        sequences, self.sequences = self.sequences, []
        return [Gap.over(sequence, Cause.SINK_DROP) for sequence in sequences]

    def count_to_log(self) -> int:
        """Return how many were dropped, and remember that this is being logged."""
        self._logged_count = self.count
        return self.count

    def stop(self) -> int:
        """Stop dropping, because there is room again.

        Returns how many were dropped; 0 if that has been logged already.
        """
        unlogged = self.count if self.count > self._logged_count else 0
        self.is_dropping = False
        self.count = self._logged_count = 0
        return unlogged
