# SPDX-License-Identifier: GPL-2.0-or-later
"""Compare the clock of the kernel's timestamps with CLOCK_MONOTONIC and CLOCK_BOOTTIME.

The kernel calls its timestamps monotonic, but they are local_clock(): they drift against
CLOCK_MONOTONIC. Across a suspend they keep counting (as CLOCK_BOOTTIME) or stop (as
CLOCK_MONOTONIC), depending on the hardware; only records that were written a moment ago show which.
Pure: the times of all clocks are arguments.

Source of truth: kernel/sched/clock.c; kernel/printk/printk.c ``vprintk_store``; clock_gettime(2).
"""

from collections import deque
from collections.abc import Sequence

from msgspec import Struct

from klogd_py.record.types import TimestampSource

# The smallest of so many lags counts: each includes the time until the record was read
SAMPLES = 8
# What a suspend adds to CLOCK_BOOTTIME at least; the clocks are not read at one moment
SUSPEND_US = 100_000
LIVE_US = 1_000_000
# 2020: a wall clock that stands earlier has not been set yet
UNSET_BEFORE_US = 1_577_836_800_000_000


class Times(Struct, frozen=True, gc=False):
    """All clocks at one moment, in microseconds; ``real_us`` since the Unix epoch."""

    real_us: int
    monotonic_us: int
    boot_us: int

    @property
    def suspended_us(self) -> int:
        """How long the machine has been suspended since it booted."""
        return self.boot_us - self.monotonic_us


class WallTime(Struct, frozen=True, gc=False):
    """When a record was written, in microseconds since the Unix epoch, and how that is known.

    ``source`` is ``None`` where the record's own source states the wall time.
    """

    us: int
    source: TimestampSource | None


class WallTimes(Struct, frozen=True):
    """The wall times of a batch: the fields of `WallTime` as two lists of the same length."""

    us: Sequence[int]
    sources: Sequence[TimestampSource | None]


class _Lag(Struct, frozen=True, gc=False):
    """How far a timestamp was behind CLOCK_MONOTONIC and CLOCK_BOOTTIME, in microseconds."""

    monotonic_us: int
    boot_us: int


class _Suspend(Struct, frozen=True, gc=False):
    """The first timestamp after a suspend, and the time suspended in total until then."""

    first_us: int
    suspended_us: int


class PrintkClock:
    """What the timestamps have shown of their clock. Mutable; starts with the current times.

    ``counts_suspend``: as far as is known, the timestamps keep counting during a suspend.
    """

    def __init__(self, now: Times) -> None:
        self.counts_suspend = False
        self._lags: deque[_Lag] = deque(maxlen=SAMPLES)
        self._min_lag = _Lag(0, 0)
        self._suspended_us = now.suspended_us
        # The newest timestamp that was observed
        self._last_us = -1
        self._suspends = [_Suspend(0, now.suspended_us)]
        # Timestamps that may be from before or after a suspend
        self._uncertain_ranges: list[range] = []
        if now.suspended_us >= SUSPEND_US:
            self._uncertain_ranges.append(range(now.monotonic_us))

    def observe(self, usec: int, now: Times) -> None:
        """Take into account a record that was written just before ``now``."""
        lag = _Lag(now.monotonic_us - usec, now.boot_us - usec)
        has_suspended = now.suspended_us - self._suspended_us >= SUSPEND_US
        if has_suspended or not self._lags:
            # The timestamps follow the clock against which their lag has not changed; at first,
            # the clock to which they are nearer.
            before = self._min_lag
            if now.suspended_us >= SUSPEND_US:
                monotonic_change_us = abs(lag.monotonic_us - before.monotonic_us)
                self.counts_suspend = monotonic_change_us > abs(lag.boot_us - before.boot_us)
            self._lags.clear()
        if has_suspended:
            self._suspends.append(_Suspend(self._last_us + 1, now.suspended_us))
            self._uncertain_ranges.append(range(self._last_us + 1, usec))
        self._suspended_us = now.suspended_us
        self._last_us = max(self._last_us, usec)
        self._lags.append(lag)
        self._min_lag = _Lag(
            min(lag.monotonic_us for lag in self._lags), min(lag.boot_us for lag in self._lags)
        )

    def zero_us(self, now: Times) -> int:
        """The wall time of timestamp 0, by the wall clock of ``now``.

        Valid for timestamps since the last suspend.
        """
        if self.counts_suspend:
            return now.real_us - now.boot_us + self._min_lag.boot_us
        return (
            now.real_us
            - now.monotonic_us
            + self._min_lag.monotonic_us
            - (now.suspended_us - self._suspends[-1].suspended_us)
        )

    @property
    def simple_from_us(self) -> int:
        """The timestamp from which on no suspend makes a difference."""
        if self.counts_suspend:
            return 0
        ends_us = [uncertain.stop for uncertain in self._uncertain_ranges]
        return max(self._suspends[-1].first_us, *ends_us, 0)

    def wall_us(self, usec: int, now: Times) -> int:
        """The wall time of a timestamp, by the wall clock of ``now``; never in the future."""
        wall_us = self.zero_us(now) + usec
        if not self.counts_suspend:
            wall_us -= self._suspends[-1].suspended_us - next(
                suspend.suspended_us
                for suspend in reversed(self._suspends)
                if usec >= suspend.first_us
            )
        return min(wall_us, now.real_us)

    def time_source(self, usec: int, wall_us: int, now: Times) -> TimestampSource:
        """How the wall time of a timestamp was derived."""
        if now.real_us < UNSET_BEFORE_US:
            return TimestampSource.CLOCK_UNSET
        if not self.counts_suspend and any(usec in times for times in self._uncertain_ranges):
            return TimestampSource.POST_SUSPEND
        return TimestampSource.LIVE if now.real_us - wall_us < LIVE_US else TimestampSource.BACKLOG
