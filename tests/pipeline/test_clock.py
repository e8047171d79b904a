# SPDX-License-Identifier: GPL-2.0-or-later
import time

from klogd_py.pipeline.clock import CaptureClock, LiveClock
from klogd_py.record.types import Record


def test_a_stamp_counts_from_boot() -> None:
    clock = LiveClock()
    boot_us = (time.time_ns() - time.monotonic_ns()) // 1000
    assert abs(clock.wall_time(Record("x", usec=1_000_000))[0] - boot_us - 1_000_000) < 1_000_000


def test_no_record_comes_from_the_future() -> None:
    clock = LiveClock()
    assert clock.wall_time(Record("x", usec=2**62))[0] <= time.time_ns() // 1000


def test_a_record_without_a_stamp_is_from_now() -> None:
    before = time.time_ns() // 1000
    clock = LiveClock()
    assert before <= clock.wall_time(Record("x"))[0] <= time.time_ns() // 1000


def test_a_capture_that_states_a_wall_time_keeps_it() -> None:
    assert CaptureClock().wall_time(Record("x", usec=5, wall_us=7)) == (7, None)
