# SPDX-License-Identifier: GPL-2.0-or-later
"""Compare the clock of the kernel's timestamps with CLOCK_MONOTONIC and CLOCK_BOOTTIME.

The kernel calls its timestamps monotonic, but they are local_clock(): they drift against
CLOCK_MONOTONIC. Across a suspend they keep counting (as CLOCK_BOOTTIME) or stop (as
CLOCK_MONOTONIC), depending on the hardware; only records that were written a moment ago show which.
Pure: the times of all clocks are arguments.

Source of truth: kernel/sched/clock.c; kernel/printk/printk.c ``vprintk_store``; clock_gettime(2).
"""

from collections import deque

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


class PrintkClock:
    """What the timestamps have shown of their clock. Mutable; starts with the current times.

    ``counts_suspend``: as far as is known, the timestamps keep counting during a suspend.
    """

    def __init__(self, now: Times) -> None:
        self.counts_suspend = False
        # How far recent timestamps were behind CLOCK_MONOTONIC and CLOCK_BOOTTIME
        self._lags_us: deque[tuple[int, int]] = deque(maxlen=SAMPLES)
        self._min_lags_us = (0, 0)
        self._suspended_us = now.suspended_us
        # The newest timestamp that was observed
        self._last_us = -1
        # The first timestamp after each suspend, and the total time suspended before it
        self._suspends: list[tuple[int, int]] = [(0, now.suspended_us)]
        # Timestamps that may be from before or after a suspend
        self._uncertain_ranges: list[tuple[int, int]] = []
        if now.suspended_us >= SUSPEND_US:
            self._uncertain_ranges.append((0, now.monotonic_us))

    def observe(self, usec: int, now: Times) -> None:
        """Take into account a record that was written just before ``now``."""
        lag_us = now.monotonic_us - usec, now.boot_us - usec
        has_suspended = now.suspended_us - self._suspended_us >= SUSPEND_US
        if has_suspended or not self._lags_us:
            # The timestamps follow the clock against which their lag has not changed; at first,
            # the clock to which they are nearer.
            before_us = self._min_lags_us
            if now.suspended_us >= SUSPEND_US:
                self.counts_suspend = abs(lag_us[0] - before_us[0]) > abs(lag_us[1] - before_us[1])
            self._lags_us.clear()
        if has_suspended:
            self._suspends.append((self._last_us + 1, now.suspended_us))
            self._uncertain_ranges.append((self._last_us + 1, usec))
        self._suspended_us = now.suspended_us
        self._last_us = max(self._last_us, usec)
        self._lags_us.append(lag_us)
        self._min_lags_us = (
            min(lag_us for lag_us, _ in self._lags_us),
            min(lag_us for _, lag_us in self._lags_us),
        )

    def zero_us(self, now: Times) -> int:
        """The wall time of timestamp 0, by the wall clock of ``now``.

        Valid for timestamps since the last suspend.
        """
        monotonic_us, boot_us = self._min_lags_us
        if self.counts_suspend:
            return now.real_us - now.boot_us + boot_us
        return (
            now.real_us
            - now.monotonic_us
            + monotonic_us
            - (now.suspended_us - self._suspends[-1][1])
        )

    @property
    def simple_from_us(self) -> int:
        """The timestamp from which on no suspend makes a difference."""
        return (
            0
            if self.counts_suspend
            else max(self._suspends[-1][0], *[end for _, end in self._uncertain_ranges], 0)
        )

    def wall_us(self, usec: int, now: Times) -> int:
        """The wall time of a timestamp, by the wall clock of ``now``; never in the future."""
        wall_us = self.zero_us(now) + usec
        if not self.counts_suspend:
            wall_us -= self._suspends[-1][1] - next(
                suspended_us for first, suspended_us in reversed(self._suspends) if usec >= first
            )
        return min(wall_us, now.real_us)

    def time_source(self, usec: int, wall_us: int, now: Times) -> TimestampSource:
        """How the wall time of a timestamp was derived."""
        if now.real_us < UNSET_BEFORE_US:
            return TimestampSource.CLOCK_UNSET
        if not self.counts_suspend and any(
            first <= usec < end for first, end in self._uncertain_ranges
        ):
            return TimestampSource.POST_SUSPEND
        return TimestampSource.LIVE if now.real_us - wall_us < LIVE_US else TimestampSource.BACKLOG
