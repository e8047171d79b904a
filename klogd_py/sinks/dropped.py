"""What was dropped before one sink, and has not been told yet."""

from klogd_py.record import Cause, Entry, Gap
from klogd_py.sinks.account import numbers_of


class Dropped:
    """An unbroken run of dropped entries, and how many were dropped since there was room. Mutable."""

    def __init__(self) -> None:
        self.is_going_on = False  # nothing fits until the queue has been emptied
        self.count = 0  # of records
        self._run: Gap | None = None
        self._told_count = 0

    @property
    def end_seq(self) -> int | None:
        """The number behind the run that is not told yet; ``None`` if there is none."""
        return None if self._run is None else self._run.last + 1

    def add(self, entry: Entry) -> None:
        """Drop an entry; a Gap that is dropped is covered by the run."""
        self.is_going_on = True
        span = numbers_of(entry)
        self.count += entry.gap is None
        if span is not None:
            self._run = Gap(self._run.first if self._run else span[0], span[1], Cause.SINK_DROP)

    def end_run(self) -> Gap | None:
        """The run, to be announced in its place, since something follows that is not dropped."""
        run, self._run = self._run, None
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
