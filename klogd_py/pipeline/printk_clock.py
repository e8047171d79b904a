# SPDX-License-Identifier: GPL-2.0-or-later
"""How does the clock of the kernel's stamps run, compared with those that a process can read?

The kernel calls its stamps monotonic, but they are local_clock(): they drift against
CLOCK_MONOTONIC, and across a suspend they go on on machines whose counter does (as CLOCK_BOOTTIME)
and stand still on others (as CLOCK_MONOTONIC). Which it is shows only in records that were made a
moment ago. Pure: the times of all clocks are given.

Source of truth: kernel/sched/clock.c; kernel/printk/printk.c ``vprintk_store``; clock_gettime(2).
"""

from collections import deque

from msgspec import Struct

from klogd_py.record.types import TimestampSource

# Of which the quickest counts: each is late by the time that it took to be read
SAMPLES = 8
SUSPEND_US = (
    # What a suspend adds to CLOCK_BOOTTIME at least; the clocks are not read at one moment
    100_000
)
LIVE_US = 1_000_000
UNSET_BEFORE_US = (
    # 2020: a wall clock that stands earlier has not been set yet
    1_577_836_800_000_000
)


class Times(Struct, frozen=True, gc=False):
    """All clocks at one moment, in microseconds; ``real_us`` since the Unix epoch."""

    real_us: int
    monotonic_us: int
    boot_us: int

    @property
    def suspended_us(self) -> int:
        """How long the machine has slept since it booted."""
        return self.boot_us - self.monotonic_us


class PrintkClock:
    """What the stamps have shown of their clock. Mutable; begins with the times of its first
    moment.

    ``goes_on`` says that the stamps go on in a suspend, as far as is known.
    """

    def __init__(self, now: Times) -> None:
        self.counts_suspend = False
        self._lags_us: deque[tuple[int, int]] = deque(
            maxlen=SAMPLES
            # The stamps, behind MONOTONIC and BOOTTIME
        )
        # The least of them
        self._min_lags_us = (0, 0)
        self._suspended_us = now.suspended_us
        # The newest stamp that was heard
        self._last_us = -1
        self._suspends: list[tuple[int, int]] = [
            (0, now.suspended_us)
            # From which stamp on, for how long before
        ]
        self._uncertain_ranges: list[
            tuple[int, int]
            # Stamps before or after a suspend, which of both is not known
        ] = []
        if now.suspended_us >= SUSPEND_US:
            self._uncertain_ranges.append((0, now.monotonic_us))

    def observe(self, usec: int, now: Times) -> None:
        """Take into account a record that was made just before ``now``."""
        behind = now.monotonic_us - usec, now.boot_us - usec
        slept_more = now.suspended_us - self._suspended_us >= SUSPEND_US
        if slept_more or not self._lags_us:
            # They follow the clock against which they lie where they lay before; at first they lie
            # near it.
            before = self._min_lags_us
            if now.suspended_us >= SUSPEND_US:
                self.counts_suspend = abs(behind[0] - before[0]) > abs(behind[1] - before[1])
            self._lags_us.clear()
        if slept_more:
            self._suspends.append((self._last_us + 1, now.suspended_us))
            self._uncertain_ranges.append((self._last_us + 1, usec))
        self._suspended_us = now.suspended_us
        self._last_us = max(self._last_us, usec)
        self._lags_us.append(behind)
        self._min_lags_us = (
            min(behind for behind, _ in self._lags_us),
            min(behind for _, behind in self._lags_us),
        )

    def zero_us(self, now: Times) -> int:
        """The wall time of stamp 0, by the wall clock as it stands ``now``.

        Holds for stamps since the last suspend.
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
        """The stamp from which on no suspend makes a difference."""
        return (
            0
            if self.counts_suspend
            else max(self._suspends[-1][0], *[end for _, end in self._uncertain_ranges], 0)
        )

    def wall_us(self, usec: int, now: Times) -> int:
        """The wall time of a stamp, by the wall clock as it stands ``now``; never in the future."""
        wall_us = self.zero_us(now) + usec
        if not self.counts_suspend:
            wall_us -= self._suspends[-1][1] - next(
                slept for first, slept in reversed(self._suspends) if usec >= first
            )
        return min(wall_us, now.real_us)

    def time_source(self, usec: int, wall_us: int, now: Times) -> TimestampSource:
        """How far the wall time of a stamp can be relied on."""
        if now.real_us < UNSET_BEFORE_US:
            return TimestampSource.CLOCK_UNSET
        if not self.counts_suspend and any(
            first <= usec < end for first, end in self._uncertain_ranges
        ):
            return TimestampSource.POST_SUSPEND
        return TimestampSource.LIVE if now.real_us - wall_us < LIVE_US else TimestampSource.BACKLOG
