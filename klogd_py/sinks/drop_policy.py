# SPDX-License-Identifier: GPL-2.0-or-later
"""Define what becomes of entries that do not fit into the queue of a sink; count dropped ones.

Errors and worse are never dropped. Records that a filter left out between two dropped ones become
part of the same gap: there would otherwise be one announcement for each dropped record.
"""

from enum import Enum

from msgspec import Struct

from klogd_py.record.sequence import SequenceRange
from klogd_py.record.types import Cause, Entry, Gap, Severity
from klogd_py.sinks.left_out import LeftOut


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
        # What is to be announced, and the runs that were left out in between, in order
        self.found: list[SequenceRange | LeftOut] = []
        self._logged_count = 0

    def add(self, entry: Entry) -> int:
        """Count a dropped entry; a dropped Gap becomes part of the announcement.

        Returns how many records are lost with it, those included that were left out before it.
        """
        # A report has no number that a gap could announce.
        self.is_dropping = self.is_dropping or entry.report is None
        lost = int(entry.gap is None)
        sequence = entry.sequence
        if sequence is not None:
            lost += self._announce_later(sequence)
        self.count += lost
        return lost

    def _announce_later(self, sequence: SequenceRange) -> int:
        """Add to the announcement; returns how many records that were left out it takes over."""
        last = self.found[-1] if self.found else None
        if isinstance(last, LeftOut):
            over = self._joined_over(last, sequence)
            if over is not None:
                self.found[-2:] = [over]
                return last.count
        joined = last.joined(sequence) if isinstance(last, SequenceRange) else None
        if joined is None:
            self.found.append(sequence)
        else:
            self.found[-1] = joined
        return 0

    def _joined_over(self, run: LeftOut, sequence: SequenceRange) -> SequenceRange | None:
        """Return the last range, a run behind it and ``sequence`` as one, if nothing lies between.

        Numbers between them were delivered as parts of an earlier record.
        """
        before = self.found[-2]
        if isinstance(before, LeftOut) or run.sequence is None or not run.is_whole:
            return None
        between = before.joined(run.sequence)
        return None if between is None else between.joined(sequence)

    def add_run(self, found: LeftOut) -> bool:
        """Keep a run that was left out behind dropped entries; returns False if there are none."""
        if not self.found:
            return False
        last = self.found[-1]
        if isinstance(last, LeftOut):
            self.found[-1] = last.joined(found)
        else:
            self.found.append(found)
        return True

    def take(self) -> list[Gap | LeftOut]:
        """Return the gaps to announce now, because a kept entry follows, and the runs in between.

        They are not kept.
        """
        taken, self.found = self.found, []
        return [
            one if isinstance(one, LeftOut) else Gap.over(one, Cause.SINK_DROP) for one in taken
        ]

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
