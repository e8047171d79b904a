# SPDX-License-Identifier: GPL-2.0-or-later
"""What was dropped before one sink, and has not been told yet."""

from klogd_py.record.types import Cause, Entry, Gap
from klogd_py.sinks.sequence_tracker import seq_range


class DropCounter:
    """The dropped entries that nothing kept stands between, and how many were dropped since there
    was room. Mutable.

    A number that is missing among them has gone with a record before them, so the run is told as
    one Gap for each stretch.
    """

    def __init__(self) -> None:
        # Nothing fits until the queue has been emptied
        self.is_going_on = False
        # Of records
        self.count = 0
        self._run: list[Gap] = []
        self._told_count = 0

    @property
    def end_seq(self) -> int | None:
        """The number behind the run that is not told yet; ``None`` if there is none."""
        return self._run[-1].last + 1 if self._run else None

    def add(self, entry: Entry) -> None:
        """Drop an entry; a Gap that is dropped is covered by the run."""
        self.is_going_on = True
        span = seq_range(entry)
        self.count += entry.gap is None
        if span is None:
            return
        first, last = span
        if self._run and first == self._run[-1].last + 1:
            first = self._run.pop().first
        self._run.append(Gap(first, last, Cause.SINK_DROP))

    def end_run(self) -> list[Gap]:
        """The run, to be announced in its place, since something follows that is not dropped."""
        run, self._run = self._run, []
        return run

    def tell(self) -> int:
        """How many were dropped; the operator hears of them now."""
        self._told_count = self.count
        return self.count

    def end(self) -> int:
        """There is room again: how many the operator has not heard of, if it is news at all."""
        untold = self.count if self.count > self._told_count else 0
        self.is_going_on = False
        self.count = self._told_count = 0
        return untold
