# SPDX-License-Identifier: GPL-2.0-or-later
"""Calculate with sequence numbers: those that an entry stands for, and those that a sink has had.

The kernel numbers its records consecutively. An entry stands for one record, for a line that
several records made, or for a gap. The records of a continued line may lie among those of other
lines, so a sink can have had a number and not the one before it.

Source of truth: Documentation/ABI/testing/dev-kmsg.
"""

from collections.abc import Iterable

from msgspec import Struct


class SequenceRange(Struct, frozen=True, gc=False):
    """The sequence numbers that one entry stands for: ``first`` to ``last``, and ``parts``.

    ``first`` and ``last`` are both included; they differ only for a gap. ``parts`` are the numbers
    of later records that continued the line, in ascending order. All are beyond ``last``.
    """

    first: int
    last: int
    parts: tuple[int, ...] = ()

    @property
    def count(self) -> int:
        """How many numbers these are."""
        return self.last - self.first + 1 + len(self.parts)

    @property
    def next_seq(self) -> int:
        """The number after ``last``, which may be one of ``parts``."""
        return self.last + 1

    def joined(self, later: "SequenceRange") -> "SequenceRange | None":
        """Return this range and the one that follows directly on it as one; ``None`` if none
        does.
        """
        if later.first != self.next_seq or self.parts:
            return None
        return SequenceRange(self.first, later.last, later.parts)

    def without(self, seqs: Iterable[int]) -> "list[SequenceRange]":
        """Return what remains of ``first`` to ``last`` without some numbers, in order."""
        remaining = []
        first = self.first
        for seq in sorted(seq for seq in seqs if first <= seq <= self.last):
            remaining.append(SequenceRange(first, seq - 1))
            first = seq + 1
        remaining.append(SequenceRange(first, self.last))
        return [part for part in remaining if part.first <= part.last]


class Position(Struct, frozen=True, gc=False):
    """The sequence numbers that a sink has had: all below ``next_seq``, and those in ``ahead``.

    ``next_seq`` is the first number that it has not had. The numbers in ``ahead`` lie beyond it:
    they were parts of an earlier line.
    """

    next_seq: int
    ahead: frozenset[int] = frozenset()

    def __contains__(self, seq: int) -> bool:
        return seq < self.next_seq or seq in self.ahead

    def after(self, sequence: SequenceRange) -> "Position":
        """Return the position of a sink that has also had ``sequence``, and all before it."""
        seq = sequence.next_seq
        if not self.ahead and not sequence.parts:
            return Position(seq)
        ahead = self.ahead.union(sequence.parts)
        while seq in ahead:
            seq += 1
        return Position(seq, frozenset(number for number in ahead if number > seq))

    def missing_in(self, sequence: SequenceRange) -> list[SequenceRange]:
        """Return the numbers from ``first`` to ``last`` that the sink has not had, in order."""
        first = max(sequence.first, self.next_seq)
        return SequenceRange(first, sequence.last).without(self.ahead)
