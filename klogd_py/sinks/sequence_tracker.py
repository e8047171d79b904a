# SPDX-License-Identifier: GPL-2.0-or-later
"""Drop duplicates and detect gaps, per sink.

A sink gets each sequence number once: as a record, as a part of a record whose line it continues,
or within a Gap. The same records may come again, after a restart or because the ring buffer is read
again for a sink that had no room; they are left out. A number that never came is announced. A part
is delivered ahead of the numbers between it and its record, so a Gap is split around it.
"""

from collections import Counter
from collections.abc import Callable, Sequence

from msgspec import Struct

from klogd_py.record.sequence import Position, SequenceRange
from klogd_py.record.types import Cause, Entry, Gap
from klogd_py.sinks.left_out import Item, LeftOut


class StartPosition(Struct, frozen=True):
    """Where a sink starts: what it has had, and the ``cause`` of numbers missing from there on.

    ``position`` is ``None`` for a sink that starts with whatever comes first.
    """

    position: Position | None = None
    cause: Cause = Cause.RESTART


class SequenceTracker:
    """The sequence numbers that one sink has been given, and those that it has accepted. Mutable.

    ``given`` and ``accepted`` are ``None`` until the first record for a sink that starts wherever
    the stream is.
    """

    def __init__(
        self, announce: Callable[[Gap], Entry], start: StartPosition, *, is_filtering: bool = True
    ) -> None:
        """``announce`` makes the entry for a Gap.

        ``is_filtering``: the numbers of the source can be relied on. If not, everything is new.
        """
        self.given = self.accepted = start.position
        # Records whose loss was announced to this sink alone
        self.missed: Counter[Cause] = Counter()
        self._announce = announce
        # Explains missing numbers before the next record
        self._cause = start.cause
        self._is_filtering = is_filtering
        # An entry without a number that comes first was delivered before.
        self._skipping = start.position is not None and start.position.next_seq > 0
        # The number of the record before, within a batch
        self._last_seq: int | None = None
        # The newest entry that was given: with it, everything is accepted.
        self._newest: Entry | None = None

    def has_seen(self, seq: int) -> bool:
        """Whether the sink has been given this number, as a record or within a Gap."""
        return self._is_filtering and self.given is not None and seq in self.given

    def seek(self, position: Position) -> None:
        """Continue at a position, because the ring buffer is read again from there."""
        self.given = position
        self._cause = Cause.OVERRUN
        self._skipping = True
        self._newest = None

    def filter(
        self, entries: Sequence[Entry], consecutive: SequenceRange | None = None
    ) -> Sequence[Entry]:
        """Return the entries that are new, with a Gap in the place of each missing number.

        ``consecutive`` is the `consecutive_range` of the entries, if the caller knows it.
        """
        if not entries or not self._is_filtering:
            return entries
        # Until all are filtered, which may fail
        self._newest = None
        if consecutive is not None and self.given == Position(consecutive.first):
            self.given = Position(consecutive.next_seq)
            self._skipping = False
            self._cause = Cause.OVERRUN
            kept = entries
        else:
            self._last_seq = None
            kept = [new for entry in entries for new in self._filter_one(entry)]
        if kept:
            self._newest = kept[-1]
        return kept

    def accept(self, items: Sequence[Item]) -> None:
        """Note that the sink is done with these items, the oldest ones of those given to it."""
        if items[-1] is self._newest:
            self.accepted = self.given
        else:
            self.accepted = advance(self.accepted, items, may_restart=not self._is_filtering)

    def _filter_one(self, entry: Entry) -> list[Entry]:
        sequence = entry.sequence
        # Without a number, or the second line of a record: treated as the entry before it. A
        # report is never made twice.
        if sequence is None or sequence.first == self._last_seq:
            return [] if self._skipping and entry.report is None else [entry]
        self._last_seq = entry.record.seq
        given = self.given = self.given or Position(sequence.first)
        self._skipping = sequence.last < given.next_seq or (
            entry.gap is None and sequence.first in given.ahead
        )
        if self._skipping:
            return []
        kept: list[Entry] = []
        if sequence.first > given.next_seq:
            kept += self._announce_missing(given, sequence.first)
        if entry.gap is None:
            kept.append(entry)
        else:
            kept += self._trim_gap(entry, entry.gap, given)
        self._cause = Cause.OVERRUN
        self.given = given.after(sequence)
        return kept

    def _announce_missing(self, given: Position, seq: int) -> list[Entry]:
        """Announce the numbers before ``seq`` that never came."""
        missing = given.missing_in(SequenceRange(given.next_seq, seq - 1))
        self.missed[self._cause] += sum(sequence.count for sequence in missing)
        return [self._announce(Gap.over(sequence, self._cause)) for sequence in missing]

    def _trim_gap(self, entry: Entry, gap: Gap, given: Position) -> list[Entry]:
        """Return the announcement of a gap without the numbers that the sink already has."""
        missing = given.missing_in(gap.sequence)
        if missing == [gap.sequence]:
            return [entry]
        return [self._announce(Gap.over(sequence, gap.cause, gap.note)) for sequence in missing]


def consecutive_range(entries: Sequence[Entry]) -> SequenceRange | None:
    """Return the range of a batch in which each number follows on the one before.

    That is the usual batch, whose entries need not be looked at one by one. ``None`` for any other,
    also if one of its lines has parts.
    """
    if not entries:
        return None
    first, last = entries[0].record.seq, entries[-1].record.seq
    if first is None or last is None or last - first != len(entries) - 1 or _has_parts(entries):
        return None
    return SequenceRange(first, last)


def _has_parts(entries: Sequence[Entry]) -> bool:
    # Faster than any(), which the usual batch would read to its end as well
    return bool([entry for entry in entries if entry.record.parts])


def advance(
    position: Position | None, items: Sequence[Item], *, may_restart: bool = False
) -> Position | None:
    """Return the position after some items that follow on it, in order.

    The second line of a record has the number of the first, and so does not move it back.
    ``may_restart``: numbers may begin again, as they do with each boot in a capture.
    """
    newest = next((found for item in reversed(items) if (found := item.sequence)), None)
    if newest is None:
        return position
    if position is not None and not may_restart and newest.last in position:
        return position
    ahead = position.ahead if position is not None else frozenset[int]()
    with_parts = [item for item in items if isinstance(item, LeftOut) or item.record.parts]
    if with_parts:
        ahead = ahead.union(seq for item in with_parts for seq in _parts_of(item))
    return Position(newest.first, ahead).after(newest)


def _parts_of(item: Item) -> tuple[int, ...]:
    """Return the numbers of later records that an item stands for as well."""
    if isinstance(item, LeftOut):
        return item.sequence.parts if item.sequence is not None else ()
    return item.record.parts
