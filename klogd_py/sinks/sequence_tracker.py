# SPDX-License-Identifier: GPL-2.0-or-later
"""Drop duplicates and detect gaps, per sink.

A sink gets each sequence number once: as a record, as a part of a record whose line it continues,
or within a Gap. The same records may come again, after a restart or because the ring buffer is read
again for a sink that had no room; they are left out. A number that never came is announced. A part
is delivered ahead of the numbers between it and its record, so a Gap is split around it.
"""

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Sequence

from msgspec import Struct

from klogd_py.record.types import Cause, Entry, Gap


class StartPosition(Struct, frozen=True):
    """Where a sink starts: the first sequence number that it has not accepted yet.

    ``next_seq`` is ``None`` for a sink that starts with whatever comes first. ``cause`` explains
    numbers from there on that are missing. ``ahead`` are numbers beyond ``next_seq`` that the sink
    has accepted as parts of an earlier record.
    """

    next_seq: int | None = None
    cause: Cause = Cause.RESTART
    ahead: tuple[int, ...] = ()


class SequenceTracker:
    """The sequence numbers that one sink has been given. Mutable.

    ``expected`` is the next number. It is ``None`` until the first record for a sink that starts
    wherever the stream is.
    """

    def __init__(
        self,
        announce: Callable[[Gap], Entry],
        expected: int | None,
        cause: Cause,
        ahead: Iterable[int] = (),
    ) -> None:
        """``announce`` makes the entry for a Gap.

        ``cause`` explains numbers from ``expected`` on that are missing before the first record.
        ``ahead`` are numbers beyond ``expected`` that the sink already has.
        """
        self.expected = expected
        # Records whose loss was announced to this sink alone
        self.missed: Counter[Cause] = Counter()
        self._announce = announce
        self._cause = cause
        # An entry without a number that comes first was delivered before.
        self._skipping = bool(expected)
        # The number of the record before, within a batch
        self._last_seq: int | None = None
        # Numbers beyond `expected` that were delivered as parts of an earlier record
        self._ahead = set(ahead)

    def has_seen(self, seq: int) -> bool:
        """Whether the sink has been given this number, as a record or within a Gap."""
        return self.expected is not None and (seq < self.expected or seq in self._ahead)

    def seek(self, seq: int, ahead: Iterable[int] = ()) -> None:
        """Expect ``seq`` next, because the ring buffer is read again from there.

        The sink keeps only ``ahead`` of the numbers after it.
        """
        self.expected = seq
        self._ahead = {number for number in ahead if number > seq}
        self._cause = Cause.OVERRUN
        self._skipping = True

    def filter(self, entries: Sequence[Entry], may_have_parts: bool = False) -> Sequence[Entry]:
        """Return the entries that are new, with a Gap in the place of each missing number.

        ``may_have_parts``: some of them may have `parts`.
        """
        if not entries:
            return entries
        first, last = entries[0].record.seq, entries[-1].record.seq
        is_plain = not may_have_parts and not self._ahead
        # The usual batch: every number follows on the one before.
        if (
            is_plain
            and first is not None
            and first == self.expected
            and last is not None
            and last - first == len(entries) - 1
        ):
            self.expected = last + 1
            self._skipping = False
            self._cause = Cause.OVERRUN
            return entries
        self._last_seq = None
        return [kept for entry in entries for kept in self._filter_one(entry)]

    def _filter_one(self, entry: Entry) -> list[Entry]:
        span = seq_range(entry)
        # Without a number, or the second line of a record: treated as the entry before it
        if span is None or span[0] == self._last_seq:
            return [] if self._skipping else [entry]
        self._last_seq = entry.record.seq
        first, last = span
        if self.expected is None:
            self.expected = first
        self._skipping = last < self.expected or (entry.gap is None and first in self._ahead)
        if self._skipping:
            return []
        kept: list[Entry] = []
        if first > self.expected:
            missing = split_gap(Gap(self.expected, first - 1, self._cause), self._ahead)
            self.missed[self._cause] += sum(gap.count for gap in missing)
            kept = [self._announce(gap) for gap in missing]
        if entry.gap is None:
            kept.append(entry)
        else:
            kept += self._trim_gap(entry, entry.gap, self.expected)
        self._ahead.update(entry.record.parts)
        self._cause = Cause.OVERRUN
        self.expected, self._ahead = skip_ahead(last + 1, self._ahead)
        return kept

    def _trim_gap(self, entry: Entry, gap: Gap, expected: int) -> list[Entry]:
        """Return the announcement of a gap without the numbers that the sink already has."""
        trimmed = Gap(max(gap.first, expected), gap.last, gap.cause, gap.note)
        if trimmed == gap and not self._ahead:
            return [entry]
        return [self._announce(part) for part in split_gap(trimmed, self._ahead)]


class DeliveredPosition:
    """The sequence numbers that one sink has accepted. Mutable.

    ``next_seq`` is the first number that it has not accepted, ``None`` before the first record.
    ``ahead`` are the numbers beyond it that it has accepted as parts of an earlier record.
    """

    def __init__(self, next_seq: int | None, ahead: Iterable[int] = ()) -> None:
        self.next_seq = next_seq
        self.ahead = set(ahead)

    def advance(self, accepted: Sequence[Entry], may_have_parts: bool) -> None:
        """Move behind the last record, or announced gap, that was accepted.

        ``may_have_parts``: some of the records may have `parts`.
        """
        if may_have_parts:
            self.ahead.update(seq for entry in accepted for seq in entry.record.parts)
        for entry in reversed(accepted):
            span = seq_range(entry)
            if span is not None:
                self.next_seq, self.ahead = skip_ahead(span[1] + 1, self.ahead)
                break


def split_gap(gap: Gap, delivered: Collection[int]) -> list[Gap]:
    """Return the parts of a gap around the numbers that were delivered; none if it is empty."""
    remaining = []
    first = gap.first
    for seq in sorted(number for number in delivered if gap.first <= number <= gap.last):
        remaining.append(Gap(first, seq - 1, gap.cause, gap.note))
        first = seq + 1
    remaining.append(Gap(first, gap.last, gap.cause, gap.note))
    return [part for part in remaining if part.count > 0]


def skip_ahead(seq: int, ahead: set[int]) -> tuple[int, set[int]]:
    """Return the first number from ``seq`` on that is not in ``ahead``, and those after it."""
    if not ahead:
        return seq, ahead
    while seq in ahead:
        seq += 1
    return seq, {number for number in ahead if number > seq}


def seq_range(entry: Entry) -> tuple[int, int] | None:
    """Return the first and the last sequence number of an entry; ``None`` if it has none."""
    if entry.gap is not None:
        return entry.gap.first, entry.gap.last
    seq = entry.record.seq
    return None if seq is None else (seq, seq)


def first_seq(entries: Iterable[Entry]) -> int:
    """Return the first sequence number of a batch; 0 if none of its entries has one."""
    spans = (seq_range(entry) for entry in entries)
    return next((span[0] for span in spans if span is not None), 0)
