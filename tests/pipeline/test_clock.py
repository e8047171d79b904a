# SPDX-License-Identifier: GPL-2.0-or-later
import time

from klogd_py.pipeline.clock import CaptureClock, LiveClock
from klogd_py.pipeline.printk_clock import WallTime
from klogd_py.record.types import Record


def test_wall_time_is_boot_time_plus_timestamp() -> None:
    clock = LiveClock()
    boot_us = (time.time_ns() - time.monotonic_ns()) // 1000
    assert abs(clock.wall_time(Record("x", usec=1_000_000)).us - boot_us - 1_000_000) < 1_000_000


def test_no_record_is_in_the_future() -> None:
    clock = LiveClock()
    assert clock.wall_time(Record("x", usec=2**62)).us <= time.time_ns() // 1000


def test_record_without_timestamp_gets_current_time() -> None:
    before = time.time_ns() // 1000
    clock = LiveClock()
    assert before <= clock.wall_time(Record("x")).us <= time.time_ns() // 1000


def test_wall_time_of_capture_is_kept() -> None:
    assert CaptureClock().wall_time(Record("x", usec=5, wall_us=7)) == WallTime(7, None)
