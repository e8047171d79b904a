# SPDX-License-Identifier: GPL-2.0-or-later
"""A sink that takes nothing costs its retries and nothing else, and gets all records afterwards.

Wake-ups are counted: how often a wait of the event loop has ended because its time had passed.
"""

import asyncio
import errno
import os
from collections.abc import Sequence

import pytest

from klogd_py.record.types import Entry, Gap
from klogd_py.sinks.drop_policy import QueueLimits, WhenFull
from klogd_py.sinks.retry import MAX_PAUSE_S
from tests.entries import gap_entry
from tests.fakes import FakeRing, ScriptedSink, falls_behind
from tests.pipeline.world import RECORD_BYTES, World, delivered
from tests.virtual_time import run_in_virtual_time, waits

LIMITS = QueueLimits(100 * RECORD_BYTES)
RETRIES = 20


class Counted(ScriptedSink):
    """Records the times at which entries are sent to it."""

    def __init__(self, hindrance: str) -> None:
        super().__init__("bad")
        self.times_s: list[float] = []
        self.hinder(hindrance)

    def hinder(self, hindrance: str) -> None:
        self.down = "away" if hindrance == "down" else ""
        self.capacity = 0 if hindrance == "full" else 1 << 30

    def send(self, entries: Sequence[Entry]) -> int:
        self.times_s.append(asyncio.get_running_loop().time())
        return super().send(entries)


async def settle(world: World, ring: FakeRing, records: int) -> None:
    """Log records until the sink has fallen behind and is tried as seldom as possible."""
    ring.log(records)
    await asyncio.sleep(20 * MAX_PAUSE_S)
    assert falls_behind(world.sink_manager)


@pytest.mark.parametrize("hindrance", ["down", "full"])
def test_dead_sink_wakes_only_for_retries(hindrance: str) -> None:
    ring, bad = FakeRing(), Counted(hindrance)

    async def run_world() -> tuple[int, int]:
        world = World(ring, [bad, ScriptedSink("good")], LIMITS)
        await settle(world, ring, 900)
        tried, waited = len(bad.times_s), waits()
        await asyncio.sleep(RETRIES * MAX_PAUSE_S)
        counts = len(bad.times_s) - tried, waits() - waited
        await world.end()
        return counts

    attempts, wake_ups = run_in_virtual_time(run_world())
    assert RETRIES - 1 <= attempts <= RETRIES + 1
    # And the end of the sleep itself
    assert wake_ups <= attempts + 1


@pytest.mark.parametrize("when_full", WhenFull)
@pytest.mark.parametrize("hindrance", ["down", "full"])
def test_returning_sink_gets_all_at_one_retry(hindrance: str, when_full: WhenFull) -> None:
    ring, bad = FakeRing(), Counted(hindrance)

    async def run_world() -> float:
        world = World(ring, [bad], QueueLimits(LIMITS.limit_bytes, when_full))
        ring.log(900, prefix=2)
        await asyncio.sleep(20 * MAX_PAUSE_S)
        tried = len(bad.times_s)
        bad.hinder("back")
        await world.until(lambda: len(bad.received) == 900)
        took_s = asyncio.get_running_loop().time() - bad.times_s[tried]
        await world.end()
        return took_s

    took_s = run_in_virtual_time(run_world())
    assert delivered(bad) == [*range(900)]
    assert took_s < 0.1, "the ring is read again as soon as the queue has room"


def test_larger_queue_is_filled_without_new_record() -> None:
    ring, bad = FakeRing(), Counted("down")

    async def run_world() -> tuple[int, int]:
        world = World(ring, [bad], LIMITS)
        await settle(world, ring, 900)
        before = len(world.sink_manager.queues["bad"].backlog)
        larger = QueueLimits(3 * LIMITS.limit_bytes)
        world.sink_manager.configure([Counted("down")], lambda name: larger)
        await asyncio.sleep(0.1)
        after = len(world.sink_manager.queues["bad"].backlog)
        await world.end()
        return before, after

    before, after = run_in_virtual_time(run_world())
    assert before <= 101
    assert after >= 2.9 * before


def test_trouble_is_followed_by_few_wakeups() -> None:
    """Errors while a batch is taken have the ring read again, after ever longer pauses."""
    errors, times_s, sink = 10, list[float](), ScriptedSink()
    ring = FakeRing(first=1000)

    def announce(gap: Gap) -> Entry:
        times_s.append(asyncio.get_running_loop().time())
        if len(times_s) <= errors:
            raise RuntimeError("trouble")
        return gap_entry(gap)

    async def run_world() -> tuple[int, float]:
        world = World(ring, [sink], LIMITS, announce)
        ring.log(3)
        await asyncio.sleep(errors * MAX_PAUSE_S)
        wake_ups = waits()
        await world.end()
        return wake_ups, times_s[-1] - times_s[-2]

    wake_ups, last_pause_s = run_in_virtual_time(run_world())
    assert sink.seqs == [None, 1000, 1001, 1002]
    assert last_pause_s == pytest.approx(MAX_PAUSE_S, abs=0.1)
    assert wake_ups <= 3 * errors


class Unseekable(FakeRing):
    """A ring that cannot be read again, such as a pipe in its place."""

    seeks = 0

    def _to_oldest(self, descriptor: int) -> None:
        self.seeks += 1
        raise OSError(errno.ESPIPE, os.strerror(errno.ESPIPE))


def test_ring_that_cannot_seek_costs_little() -> None:
    ring, bad = Unseekable(), Counted("down")

    async def run_world() -> tuple[int, int]:
        world = World(ring, [bad], LIMITS)
        await settle(world, ring, 900)
        bad.hinder("back")
        await asyncio.sleep(MAX_PAUSE_S)
        before, waited = ring.seeks, waits()
        await asyncio.sleep(RETRIES * MAX_PAUSE_S)
        counts = ring.seeks - before, waits() - waited
        await world.end()
        return counts

    seeks, wake_ups = run_in_virtual_time(run_world())
    assert RETRIES - 1 <= seeks <= RETRIES + 1
    assert wake_ups <= seeks + 1
