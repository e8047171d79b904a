# SPDX-License-Identifier: GPL-2.0-or-later
"""Convert kernel timestamps to wall times.

The wall clock and the clock of the timestamps are compared for every batch. After a change of the
wall clock, a suspend or a drift, later records get the right time; no wall time is in the future.

Source of truth: clock_gettime(2); `klogd_py.pipeline.printk_clock` for the timestamps.
"""

import time
from collections.abc import Callable, Sequence
from typing import Protocol

from klogd_py.pipeline.printk_clock import (
    LIVE_US,
    UNSET_BEFORE_US,
    PrintkClock,
    Times,
    WallTime,
    WallTimes,
)
from klogd_py.record.types import Record, TimestampSource


class Clock(Protocol):
    """Converts kernel timestamps to wall times."""

    def sample_clocks(self) -> None:
        """Read all clocks; called once per batch."""

    def observe(self, record: Record) -> None:
        """Learn from a record that was written a moment ago; called after `sample_clocks`."""

    def wall_time(self, record: Record) -> WallTime:
        """When a record was written."""

    def wall_times(self, records: Sequence[Record]) -> WallTimes:
        """`wall_time` of each record."""


def read_clocks() -> Times:
    """Read all clocks of this machine."""
    return Times(
        time.time_ns() // 1000,
        time.monotonic_ns() // 1000,
        time.clock_gettime_ns(time.CLOCK_BOOTTIME) // 1000,
    )


class LiveClock:
    """Wall times for records of the running kernel. Mutable; `sample_clocks` is called per
    batch.
    """

    def __init__(self, read: Callable[[], Times] = read_clocks) -> None:
        """``read`` replaces the clocks of this machine in tests."""
        self._read = read
        self._now = read()
        self._printk = PrintkClock(self._now)
        self._update_offsets()

    def sample_clocks(self) -> None:
        """Read all clocks."""
        self._now = self._read()
        self._update_offsets()

    def observe(self, record: Record) -> None:
        """Learn from a record that was written a moment ago."""
        if record.usec is not None:
            self._printk.observe(record.usec, self._now)
            self._update_offsets()

    def wall_time(self, record: Record) -> WallTime:
        """When the record was written; now, if it has no timestamp."""
        usec = record.usec
        if usec is None:
            return WallTime(
                self._now.real_us,
                TimestampSource.CLOCK_UNSET if self._is_unset else TimestampSource.RECEIPT,
            )
        if not self._is_unset and usec >= self._simple_from_us:
            wall_us = self._zero_us + usec
            if wall_us < self._live_from_us:
                return WallTime(wall_us, TimestampSource.BACKLOG)
            return WallTime(min(wall_us, self._now.real_us), TimestampSource.LIVE)
        wall_us = self._printk.wall_us(usec, self._now)
        return WallTime(wall_us, self._printk.time_source(usec, wall_us, self._now))

    def wall_times(self, records: Sequence[Record]) -> WallTimes:
        """`wall_time` of each record; in most batches all records share one offset."""
        usecs = [record.usec for record in records if record.usec is not None]
        first, last = min(usecs, default=0), max(usecs, default=0)
        source = None
        zero_us = self._zero_us
        if len(usecs) == len(records) and not self._is_unset and first >= self._simple_from_us:
            if zero_us + last < self._live_from_us:
                source = TimestampSource.BACKLOG
            elif self._live_from_us <= zero_us + first and zero_us + last <= self._now.real_us:
                source = TimestampSource.LIVE
        if source is None:
            return _one_by_one(self, records)
        return WallTimes([zero_us + usec for usec in usecs], [source] * len(usecs))

    def _update_offsets(self) -> None:
        """Compute what is the same for every record of a batch."""
        self._zero_us = self._printk.zero_us(self._now)
        self._simple_from_us = self._printk.simple_from_us
        self._live_from_us = self._now.real_us - LIVE_US
        self._is_unset = self._now.real_us < UNSET_BEFORE_US


class CaptureClock:
    """Wall times for records of a capture: what the capture states, else the time of reading."""

    def __init__(self) -> None:
        self._now_us = 0
        self.sample_clocks()

    def sample_clocks(self) -> None:
        """Read the wall clock."""
        self._now_us = time.time_ns() // 1000

    def observe(self, record: Record) -> None:
        """Do nothing: the clock of another machine cannot be compared."""

    def wall_time(self, record: Record) -> WallTime:
        """What the record states; now, if it states nothing."""
        return (
            WallTime(self._now_us, TimestampSource.RECEIPT)
            if record.wall_us is None
            else WallTime(record.wall_us, None)
        )

    def wall_times(self, records: Sequence[Record]) -> WallTimes:
        """`wall_time` of each record; most captures state none."""
        if [record for record in records if record.wall_us is not None]:
            return _one_by_one(self, records)
        count = len(records)
        return WallTimes([self._now_us] * count, [TimestampSource.RECEIPT] * count)


def _one_by_one(clock: Clock, records: Sequence[Record]) -> WallTimes:
    times = [clock.wall_time(record) for record in records]
    return WallTimes([time.us for time in times], [time.source for time in times])
