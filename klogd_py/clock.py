"""What wall time does a kernel stamp stand for?

The printk clock counts from boot, close to CLOCK_MONOTONIC; whether it runs through suspend depends on the machine. It
is anchored to the wall clock anew for every batch, and never yields a time in the future.

Source of truth: kernel/printk/printk.c ``local_clock()``; clock_gettime(2).
"""

import time
from typing import Protocol

from klogd_py.record import Record


class Clock(Protocol):
    """Turns kernel stamps into wall times."""

    def anchor(self) -> None:
        """Take the time; called once per batch."""

    def wall_us_of(self, record: Record) -> int:
        """Microseconds since the Unix epoch."""


class LiveClock:
    """Wall times for records of the running kernel. Mutable: `anchor` is called once per batch."""

    def __init__(self) -> None:
        self._now_us = 0
        self._boot_us = 0
        self.anchor()

    def anchor(self) -> None:
        """Take the time."""
        self._now_us = time.time_ns() // 1000
        self._boot_us = self._now_us - time.monotonic_ns() // 1000

    def wall_us_of(self, record: Record) -> int:
        """Microseconds since the Unix epoch at which the record was made; now, if it does not say."""
        if record.usec is None:
            return self._now_us
        return min(self._boot_us + record.usec, self._now_us)


class ReplayClock:
    """Wall times for records from elsewhere: what the capture itself states, else the time of reading."""

    def __init__(self) -> None:
        self._now_us = 0
        self.anchor()

    def anchor(self) -> None:
        """Take the time."""
        self._now_us = time.time_ns() // 1000

    def wall_us_of(self, record: Record) -> int:
        """Microseconds since the Unix epoch."""
        return self._now_us if record.wall_us is None else record.wall_us
