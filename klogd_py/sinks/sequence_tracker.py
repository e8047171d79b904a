# SPDX-License-Identifier: GPL-2.0-or-later
"""Which entries of a batch are new to a sink, and which sequence numbers has nobody told it of?

A sink gets every number once: as a record, with a record whose line it continues, or within a Gap.
The same records may come again, after a restart or because the ring is read anew for a sink that
fell behind, and they are left out; a number that never came is announced. What goes with a record
goes ahead of the numbers in between, so a Gap is split around it.
"""

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Sequence

from klogd_py.record.types import Cause, Entry, Gap


class SequenceTracker:
    """What one sink has been handed so far. Mutable.

    ``expected`` is the number that comes next; ``None`` until the first one, for a sink that begins
    wherever the stream is.
    """

    def __init__(
        self,
        announce: Callable[[Gap], Entry],
        expected: int | None,
        cause: Cause,
        ahead: Iterable[int] = (),
    ) -> None:
        """``cause`` is why numbers from ``expected`` on may be missing before the first record that
        comes.

        ``ahead`` are numbers beyond ``expected`` that the sink has had already.
        """
        self.expected = expected
        self.missed: Counter[Cause] = (
            Counter()
            # Records that this sink alone was told to be missing
        )
        self._announce = announce
        self._cause = cause
        # What has no number and comes first was there before
        self._skipping = bool(expected)
        # Of the record before, within a batch
        self._last_seq: int | None = None
        # Numbers to come that have gone with a record before them
        self._ahead = set(ahead)

    def has_had(self, seq: int) -> bool:
        """Whether the sink has been handed this number, as a record or within a Gap."""
        return self.expected is not None and (seq < self.expected or seq in self._ahead)

    def seek(self, seq: int, ahead: Iterable[int] = ()) -> None:
        """Expect this number again.

        Of what came after it only ``ahead`` has been kept, and the ring is read anew.
        """
        self.expected = seq
        self._ahead = {number for number in ahead if number > seq}
        self._cause = Cause.OVERRUN
        self._skipping = True

    def take(self, entries: Sequence[Entry], joined: bool = False) -> Sequence[Entry]:
        """The entries that are new, with a Gap before each number that does not follow on the last.

        ``joined`` says that some of them may have `parts`.
        """
        if not entries:
            return entries
        first, last = entries[0].record.seq, entries[-1].record.seq
        is_plain = not joined and not self._ahead
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
        return [kept for entry in entries for kept in self._one(entry)]

    def _one(self, entry: Entry) -> list[Entry]:
        span = seq_range(entry)
        if (
            span is None or span[0] == self._last_seq
            # Without a number, or a second line: as the entry before it
        ):
            return [] if self._skipping else [entry]
        self._last_seq = entry.record.seq
        first, last = span
        if self.expected is None:
            self.expected = first
        self._skipping = last < self.expected or (entry.gap is None and first in self._ahead)
        if self._skipping:
            return []
        told: list[Entry] = []
        if first > self.expected:
            missing = split_gap(Gap(self.expected, first - 1, self._cause), self._ahead)
            self.missed[self._cause] += sum(gap.count for gap in missing)
            told = [self._announce(gap) for gap in missing]
        if entry.gap is None:
            told.append(entry)
        else:
            own = Gap(max(first, self.expected), last, entry.gap.cause, entry.gap.note)
            told += (
                [entry]
                if own == entry.gap and not self._ahead
                else map(self._announce, split_gap(own, self._ahead))
            )
        self._ahead.update(entry.record.parts)
        self._cause = Cause.OVERRUN
        self.expected, self._ahead = skip_ahead(last + 1, self._ahead)
        return told


def split_gap(gap: Gap, without: Collection[int]) -> list[Gap]:
    """The gaps that remain of one when some numbers are not missing; none if it is empty."""
    remaining = []
    first = gap.first
    for seq in sorted(number for number in without if gap.first <= number <= gap.last):
        remaining.append(Gap(first, seq - 1, gap.cause, gap.note))
        first = seq + 1
    remaining.append(Gap(first, gap.last, gap.cause, gap.note))
    return [part for part in remaining if part.count > 0]


def skip_ahead(seq: int, ahead: set[int]) -> tuple[int, set[int]]:
    """The first number from ``seq`` on that has not gone ahead, and what has gone ahead of that."""
    if not ahead:
        return seq, ahead
    while seq in ahead:
        seq += 1
    return seq, {number for number in ahead if number > seq}


def seq_range(entry: Entry) -> tuple[int, int] | None:
    """The first and the last sequence number that an entry stands for; ``None`` if it has none."""
    if entry.gap is not None:
        return entry.gap.first, entry.gap.last
    seq = entry.record.seq
    return None if seq is None else (seq, seq)
