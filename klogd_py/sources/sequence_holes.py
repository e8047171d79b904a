# SPDX-License-Identifier: GPL-2.0-or-later
"""Announce the sequence numbers that are missing in a capture of numbered records."""

from collections.abc import Sequence

from klogd_py.record.types import Cause, Gap, Record


class SequenceHoles:
    """Finds the holes in the numbers of one capture. Mutable: the last number."""

    def __init__(self) -> None:
        self._next_seq: int | None = None

    def announce(self, records: Sequence[Record]) -> list[Record | Gap]:
        """Return the records with a gap wherever numbers are missing.

        A number that is lower than the one before begins another boot.
        """
        seqs = [record.seq for record in records if record.seq is not None]
        if not seqs:
            return [*records]
        first, last = seqs[0], seqs[-1]
        is_dense = last - first + 1 == len(seqs) and first == (self._next_seq or first)
        if is_dense and seqs == [*range(first, last + 1)]:
            self._next_seq = last + 1
            return [*records]
        found: list[Record | Gap] = []
        for record in records:
            if record.seq is not None:
                if self._next_seq is not None and record.seq > self._next_seq:
                    found.append(Gap(self._next_seq, record.seq - 1, Cause.CAPTURE))
                self._next_seq = record.seq + 1
            found.append(record)
        return found
