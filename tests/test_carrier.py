import asyncio
from collections.abc import Callable, Sequence

import pytest

from klogd_py import clock
from klogd_py.carrier import Carrier
from klogd_py.device import BATCH_RECORDS
from klogd_py.naming import Naming
from klogd_py.record import Cause, Gap
from klogd_py.sinks.mailroom import Mailroom, Terms
from klogd_py.sinks.outbox import ENTRY_OVERHEAD_BYTES, WhenFull
from klogd_py.symbols.sources import Sources
from tests.entries import announced
from tests.fakes import FakeRing, ScriptedSink, hurried

RECORD_BYTES = ENTRY_OVERHEAD_BYTES + 2 * len("record 100")


class World:
    """A ring, a carrier and some sinks, on the loop that is running."""

    def __init__(self, ring: FakeRing, sinks: Sequence[ScriptedSink], terms: Terms) -> None:
        self.mailroom = Mailroom(announced, lambda name: None, rereadable=True)
        self.mailroom.arrange(sinks, lambda name: terms)
        naming = Naming(Sources, lambda: None)
        self.carrier = Carrier(ring.device, self.mailroom, naming, clock.ReplayClock(), live=True, once=False)
        self.carrier.running.set()
        self._task = asyncio.create_task(self.carrier.run())

    async def until(self, so: Callable[[], bool]) -> None:
        """Let time pass until something is so."""
        for _ in range(100_000):
            if so():
                return
            await asyncio.sleep(0.01)
        pytest.fail("never came")

    async def end(self) -> None:
        """Stop, and let go."""
        self._task.cancel()
        await asyncio.wait([self._task])
        await self.mailroom.empty(1)
        self.mailroom.close()


def told(sink: ScriptedSink) -> list[int | Gap | None]:
    """What a sink has had: numbers and gaps."""
    return [entry.gap or entry.record.seq for entry in sink.received]


def test_a_burst_that_the_ring_holds_arrives_whole() -> None:
    ring, sink = FakeRing(capacity=1000), ScriptedSink()

    async def carry() -> None:
        world = World(ring, [sink], Terms(1 << 20))
        ring.say(1000)
        await world.until(lambda: len(sink.received) == 1000)
        await world.end()

    hurried(carry())
    assert told(sink) == [*range(1000)]


@pytest.mark.parametrize("hindrance", ["down", "full", "hangs"])
def test_what_a_sink_that_waits_has_no_room_for_is_read_anew_from_the_ring(hindrance: str) -> None:
    ring, good = FakeRing(capacity=2000), ScriptedSink("good")
    bad = ScriptedSink("bad", blocking=hindrance == "hangs")
    bad.down, bad.room = "away" if hindrance == "down" else "", 0 if hindrance == "full" else 1 << 30
    if hindrance == "hangs":
        bad.may_go_on.clear()

    async def carry() -> None:
        world = World(ring, [bad, good], Terms(100 * RECORD_BYTES))
        for _ in range(15):
            ring.say(100)
            await world.until(lambda: len(good.received) == ring.said)
        assert bad.received == []
        bad.down, bad.room = "", 1 << 30
        bad.may_go_on.set()
        await world.until(lambda: len(bad.received) >= 1500)
        ring.say(10)
        await world.until(lambda: len(bad.received) == len(good.received) == 1510)
        await world.end()

    (asyncio.run if hindrance == "hangs" else hurried)(carry())
    assert told(bad) == told(good) == [*range(1510)]


def test_what_the_ring_has_lost_meanwhile_is_announced_to_the_sink_that_missed_it_alone() -> None:
    ring, bad, good = FakeRing(capacity=300), ScriptedSink("bad"), ScriptedSink("good")
    bad.down = "away"

    async def carry() -> None:
        world = World(ring, [bad, good], Terms(100 * RECORD_BYTES))
        for _ in range(10):
            ring.say(100)
            await world.until(lambda: len(good.received) == ring.said)
        bad.down = ""
        await world.until(lambda: bad.received[-1:] != [] and bad.received[-1].record.seq == 999)
        await world.end()

    hurried(carry())
    gaps = [item for item in told(bad) if isinstance(item, Gap)]
    assert [(gap.last, gap.cause) for gap in gaps] == [(699, Cause.OVERRUN)]
    assert len(bad.received) - 1 + gaps[0].count == 1000
    assert told(good) == [*range(1000)]


def test_a_sink_that_drops_goes_on_with_the_newest_and_its_loss_is_counted_exactly() -> None:
    ring, bad, good = FakeRing(capacity=BATCH_RECORDS), ScriptedSink("bad"), ScriptedSink("good")
    bad.down = "away"

    async def carry() -> None:
        world = World(ring, [bad, good], Terms(100 * RECORD_BYTES, WhenFull.DROP))
        for number in range(10):
            ring.say(99)
            ring.say(prefix=3 if number % 2 else 6)
            await world.until(lambda: len(good.received) == ring.said)
        bad.down = ""
        await world.until(lambda: not world.mailroom.busy)
        ring.say()
        await world.until(lambda: bad.received[-1].record.seq == 1000)
        await world.end()

    hurried(carry())
    gaps = [item for item in told(bad) if isinstance(item, Gap)]
    seqs = [item for item in told(bad) if isinstance(item, int)]
    assert {gap.cause for gap in gaps} == {Cause.SINK_DROP}
    assert {199, 399, 599, 799, 999} <= {*seqs}, "errors are never dropped"
    assert sorted([*seqs, *(seq for gap in gaps for seq in range(gap.first, gap.last + 1))]) == [*range(1001)]


def test_errors_alone_stay_in_the_ring_when_no_more_fit() -> None:
    ring, bad = FakeRing(capacity=1000), ScriptedSink("bad")
    bad.down = "away"

    async def carry() -> None:
        world = World(ring, [bad], Terms(100 * RECORD_BYTES, WhenFull.DROP))
        ring.say(900, prefix=2)
        await asyncio.sleep(1)
        assert world.mailroom.outboxes["bad"].queued <= 201
        bad.down = ""
        await world.until(lambda: len(bad.received) == 900)
        await world.end()

    hurried(carry())
    assert told(bad) == [*range(900)]
