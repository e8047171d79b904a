# SPDX-License-Identifier: GPL-2.0-or-later
import pytest
from hypothesis import given
from hypothesis import strategies as st

from klogd_py.pipeline.clock import LiveClock
from klogd_py.pipeline.printk_clock import LIVE_US, SAMPLES, Times, WallTime
from klogd_py.record.types import Record, TimestampSource

SECOND = 1_000_000
HOUR = 3600 * SECOND
EPOCH_US = 1_795_000_000 * SECOND


class Host:
    """Clocks of a machine whose timestamps count during a suspend or not, with a drift in ppm."""

    def __init__(self, goes_on: bool, drift_ppm: int = 0, ahead_us: int = 0) -> None:
        self.real_us = EPOCH_US
        self.monotonic_us = self.slept_us = 0
        self._goes_on = goes_on
        self._stamp_us = float(ahead_us)
        self._rate = 1 + drift_ppm / 1e6
        self.step_us = 0

    def run(self, us: int) -> None:
        self.real_us += us
        self.monotonic_us += us
        self._stamp_us += us * self._rate

    def sleep(self, us: int) -> None:
        self.real_us += us
        self.slept_us += us
        self._stamp_us += us * self._rate if self._goes_on else 0

    def record(self) -> Record:
        return Record("x", 6, usec=int(self._stamp_us))

    def times(self) -> Times:
        return Times(
            self.real_us + self.step_us, self.monotonic_us, self.monotonic_us + self.slept_us
        )


def live(machine: Host, clock: LiveClock, late_us: int = 200) -> tuple[int, TimestampSource | None]:
    """Write a record, and read it a moment later; returns the error of its wall time."""
    record, made_us = machine.record(), machine.real_us + machine.step_us
    machine.run(late_us)
    clock.sample_clocks()
    clock.observe(record)
    found = clock.wall_time(record)
    return found.us - made_us, found.source


both_kinds = pytest.mark.parametrize("goes_on", [False, True])


@both_kinds
@pytest.mark.parametrize("ahead_us", [0, 1900, -700])
def test_live_record_has_time_of_writing(goes_on: bool, ahead_us: int) -> None:
    machine = Host(goes_on, ahead_us=ahead_us)
    clock = LiveClock(machine.times)
    for _ in range(5):
        machine.run(SECOND)
        off_us, quality = live(machine, clock)
        assert abs(off_us) <= 200
        assert quality is TimestampSource.LIVE


@both_kinds
def test_suspend_is_handled_on_both_clocks(goes_on: bool) -> None:
    machine = Host(goes_on)
    clock = LiveClock(machine.times)
    for _ in range(3):
        machine.run(60 * SECOND)
        assert abs(live(machine, clock)[0]) <= 200
        machine.sleep(8 * HOUR)
        machine.run(2 * SECOND)
        assert abs(live(machine, clock)[0]) <= 200


@both_kinds
def test_start_after_suspend_learns_from_live_record(goes_on: bool) -> None:
    machine = Host(goes_on)
    machine.run(HOUR)
    early, made_us = machine.record(), machine.real_us
    machine.sleep(8 * HOUR)
    machine.run(HOUR)
    clock = LiveClock(machine.times)
    assert abs(live(machine, clock)[0]) <= 200
    wall = clock.wall_time(early)
    wall_us, quality = wall.us, wall.source
    if goes_on:
        assert (abs(wall_us - made_us) <= 1000, quality) == (True, TimestampSource.BACKLOG)
    else:
        assert quality is TimestampSource.POST_SUSPEND, (
            "whether it is from before the suspend cannot be known"
        )


def test_record_before_observed_suspend_keeps_time() -> None:
    machine = Host(goes_on=False)
    clock = LiveClock(machine.times)
    machine.run(HOUR)
    live(machine, clock)
    before, made_us = Record("x", 6, usec=machine.record().usec), machine.real_us - 200
    assert before.usec is not None
    before = Record("x", 6, usec=before.usec - 200)
    machine.sleep(8 * HOUR)
    machine.run(SECOND)
    live(machine, clock)
    wall = clock.wall_time(before)
    wall_us, quality = wall.us, wall.source
    assert abs(wall_us - made_us) <= 1000
    assert quality is TimestampSource.BACKLOG


@both_kinds
@pytest.mark.parametrize("step_us", [10 * HOUR, -10 * HOUR])
def test_wall_clock_step_applies_from_next_batch(goes_on: bool, step_us: int) -> None:
    machine = Host(goes_on)
    clock = LiveClock(machine.times)
    machine.run(HOUR)
    live(machine, clock)
    machine.step_us = step_us
    machine.run(SECOND)
    assert abs(live(machine, clock)[0]) <= 200


def test_unset_wall_clock_is_marked() -> None:
    machine = Host(goes_on=False)
    machine.step_us = -EPOCH_US
    clock = LiveClock(machine.times)
    machine.run(SECOND)
    assert live(machine, clock)[1] is TimestampSource.CLOCK_UNSET
    assert clock.wall_time(Record("x")).source is TimestampSource.CLOCK_UNSET
    machine.step_us = 0
    machine.run(SECOND)
    off_us, quality = live(machine, clock)
    assert (abs(off_us) <= 200, quality) == (True, TimestampSource.LIVE)


def test_backlog_differs_from_live_records() -> None:
    machine = Host(goes_on=False)
    old = machine.record()
    machine.run(LIVE_US + 1)
    clock = LiveClock(machine.times)
    assert clock.wall_time(old).source is TimestampSource.BACKLOG
    assert clock.wall_time(machine.record()).source is TimestampSource.LIVE


@both_kinds
@pytest.mark.parametrize("drift_ppm", [-100, 100])
def test_clock_drift_does_not_accumulate_over_days(goes_on: bool, drift_ppm: int) -> None:
    machine = Host(goes_on, drift_ppm)
    clock = LiveClock(machine.times)
    for _ in range(24 * 4):
        machine.run(HOUR)
        off_us, _ = live(machine, clock)
    assert abs(off_us) <= abs(drift_ppm) * 3600 * (SAMPLES + 1), (
        "the drift of the samples that are kept"
    )


@given(
    st.lists(
        st.tuples(st.sampled_from(["run", "sleep", "live"]), st.integers(0, 10 * HOUR)), max_size=20
    ),
    st.booleans(),
)
def test_any_clocks_give_no_future_time(steps: list[tuple[str, int]], goes_on: bool) -> None:
    machine = Host(goes_on)
    clock = LiveClock(machine.times)
    for what, us in steps:
        if what == "live":
            live(machine, clock)
        else:
            getattr(machine, what)(us)
        clock.sample_clocks()
        for record in (machine.record(), Record("x", usec=2**62), Record("x", usec=0), Record("x")):
            assert clock.wall_time(record).us <= machine.times().real_us


@both_kinds
@given(
    st.lists(st.one_of(st.none(), st.integers(0, 3 * HOUR)), max_size=6), st.sampled_from((0, HOUR))
)
def test_batch_has_times_of_its_records(
    goes_on: bool, usecs: list[int | None], slept_us: int
) -> None:
    machine = Host(goes_on)
    clock = LiveClock(machine.times)
    machine.run(HOUR)
    live(machine, clock)
    machine.sleep(slept_us)
    live(machine, clock)
    records = [Record("x", 6, usec=usec) for usec in usecs]
    found = clock.wall_times(records)
    assert list(map(WallTime, found.us, found.sources)) == [
        clock.wall_time(record) for record in records
    ]
    assert len(found.us) == len(found.sources)


@given(st.lists(st.integers(-LIVE_US - SECOND, SECOND), min_size=1, max_size=4))
def test_live_batch_has_times_of_its_records(offsets_us: list[int]) -> None:
    machine = Host(goes_on=False)
    clock = LiveClock(machine.times)
    machine.run(HOUR)
    live(machine, clock)
    records = [Record("x", 6, usec=HOUR + offset_us) for offset_us in offsets_us]
    found = clock.wall_times(records)
    assert list(map(WallTime, found.us, found.sources)) == [
        clock.wall_time(record) for record in records
    ]
    assert len(found.us) == len(found.sources)
