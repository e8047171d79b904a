"""Which entries of a batch are new to a sink, and which sequence numbers has nobody told it of?

A sink gets every number once: as a record or within a Gap. The same records may come again, after a restart or because the
ring is read anew for a sink that fell behind, and they are left out; a number that never came is announced.
"""

from collections import Counter
from collections.abc import Callable, Sequence

from klogd_py.record import Cause, Entry, Gap


class Account:
    """What one sink has been handed so far. Mutable.

    ``expected`` is the number that comes next; ``None`` until the first one, for a sink that begins wherever the stream is.
    """

    def __init__(self, announce: Callable[[Gap], Entry], expected: int | None, cause: Cause) -> None:
        """``cause`` is why numbers from ``expected`` on may be missing before the first record that comes."""
        self.expected = expected
        self.missed: Counter[Cause] = Counter()  # records that this sink alone was told to be missing
        self._announce = announce
        self._cause = cause
        self._skipping = bool(expected)  # what has no number and comes first was there before
        self._last_seq: int | None = None  # of the record before, within a batch
        self._parts: set[int] = set()  # numbers to come that have gone with a record before them

    def go_back(self, seq: int) -> None:
        """Expect this number again: what came after it has not been kept, and the ring is read anew."""
        self.expected = seq
        self._cause = Cause.OVERRUN
        self._skipping = True

    def take(self, entries: Sequence[Entry], joined: bool = False) -> Sequence[Entry]:
        """The entries that are new, with a Gap before each number that does not follow on the last.

        ``joined`` says that some of them may have `parts`.
        """
        if not entries:
            return entries
        first, last = entries[0].record.seq, entries[-1].record.seq
        if not joined and first is not None and first == self.expected and last is not None and last - first == len(entries) - 1:
            self.expected = last + 1
            self._skipping = False
            self._cause = Cause.OVERRUN
            return entries
        self._last_seq = None
        return [kept for entry in entries for kept in self._one(entry)]

    def _one(self, entry: Entry) -> list[Entry]:
        span = numbers_of(entry)
        if span is None or span[0] == self._last_seq:  # without a number, or a second line: as the entry before it
            return [] if self._skipping else [entry]
        self._last_seq = entry.record.seq
        first, last = span
        if self.expected is None:
            self.expected = first
        self._skipping = last < self.expected
        if self._skipping:
            return []
        self._pass_parts()
        missing: list[Entry] = []
        if first > self.expected:
            self.missed[self._cause] += first - self.expected
            missing = [self._announce(Gap(self.expected, first - 1, self._cause))]
        if entry.gap is not None and first < self.expected:
            entry = self._announce(Gap(self.expected, last, entry.gap.cause, entry.gap.note))
        self.expected = last + 1
        self._cause = Cause.OVERRUN
        self._parts.update(entry.record.parts)
        self._pass_parts()
        return [*missing, entry]

    def _pass_parts(self) -> None:
        """Expect no number that has gone with a record before it."""
        while self._parts and self.expected in self._parts:
            self._parts.discard(self.expected)
            self.expected += 1


def numbers_of(entry: Entry) -> tuple[int, int] | None:
    """The first and the last sequence number that an entry stands for; ``None`` if it has none."""
    if entry.gap is not None:
        return entry.gap.first, entry.gap.last
    seq = entry.record.seq
    return None if seq is None else (seq, seq)
