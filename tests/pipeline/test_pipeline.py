# SPDX-License-Identifier: GPL-2.0-or-later
import asyncio
from collections.abc import Sequence

import pytest

from klogd_py.oops.boot_boundary import NextBoot
from klogd_py.oops.trace_parser import Trace
from klogd_py.pipeline import clock
from klogd_py.pipeline.batch import Batch
from klogd_py.pipeline.pipeline import Pipeline
from klogd_py.pipeline.printk_clock import WallTimes
from klogd_py.pipeline.stage import Stage
from klogd_py.pipeline.stats import Counters
from klogd_py.pipeline.symbol_manager import SymbolManager
from klogd_py.record.types import (
    Cause,
    Entry,
    Gap,
    LookupFailure,
    Record,
    SymbolAddress,
)
from klogd_py.sinks.drop_policy import QueueLimits, WhenFull
from klogd_py.sinks.manager import SinkManager
from klogd_py.sources import kmsg_format
from klogd_py.sources.kmsg_device import BATCH_RECORDS
from klogd_py.symbols.modules.proc_modules import ModulePlace
from klogd_py.symbols.modules.tracker import LoadedModules
from klogd_py.symbols.resolver import SymbolResolver
from klogd_py.symbols.symbol_set import SymbolSet
from klogd_py.symbols.symbol_sources import Sources
from klogd_py.system.jobs import Jobs
from tests.entries import gap_entry
from tests.fakes import FakeRing, ScriptedSink, has_queued
from tests.pipeline.world import RECORD_BYTES, World, delivered
from tests.virtual_time import run_in_virtual_time


def test_burst_within_ring_arrives_whole() -> None:
    ring, sink = FakeRing(capacity=1000), ScriptedSink()

    async def run_world() -> None:
        world = World(ring, [sink], QueueLimits(1 << 20))
        ring.log(1000)
        await world.until(lambda: len(sink.received) == 1000)
        await world.end()

    run_in_virtual_time(run_world())
    assert delivered(sink) == [*range(1000)]


@pytest.mark.parametrize(("next_seq", "line"), [(6, ()), (5, (7,))])
def test_line_is_joined_for_all_sinks_or_none(next_seq: int, line: tuple[int, ...]) -> None:
    ring, first, second = FakeRing(first=5), ScriptedSink("first"), ScriptedSink("second")
    for seq, flags, caller in ((5, "-", "T1"), (6, "-", "C0"), (7, "c", "T1"), (8, "-", "C0")):
        ring.log(raw=kmsg_format.render(Record(f"record {seq}", 6, seq, seq, flags, caller)))

    async def run_world() -> None:
        world = World(
            ring, [first, second], QueueLimits(1 << 20), next_seqs={"first": next_seq, "second": 5}
        )
        await world.until(lambda: 8 in second.seqs)
        await world.end()

    run_in_virtual_time(run_world())
    assert second.received[0].record.parts == line
    had = [seq for entry in first.received for seq in (entry.record.seq, *entry.record.parts)]
    assert sorted(seq for seq in had if seq is not None) == [*range(next_seq, 9)]
    assert not [entry for entry in first.received if entry.gap]


@pytest.mark.parametrize("hindrance", ["down", "full", "hangs"])
def test_waiting_sink_rereads_ring_after_overflow(hindrance: str) -> None:
    ring, good = FakeRing(capacity=2000), ScriptedSink("good")
    bad = ScriptedSink("bad", blocking=hindrance == "hangs")
    bad.down, bad.capacity = (
        "away" if hindrance == "down" else "",
        0 if hindrance == "full" else 1 << 30,
    )
    if hindrance == "hangs":
        bad.unblocked.clear()

    async def run_world() -> None:
        world = World(ring, [bad, good], QueueLimits(100 * RECORD_BYTES))
        for _ in range(15):
            ring.log(100)
            await world.until(lambda: len(good.received) == ring.next_seq)
        assert bad.received == []
        bad.down, bad.capacity = "", 1 << 30
        bad.unblocked.set()
        await world.until(lambda: len(bad.received) >= 1500)
        ring.log(10)
        await world.until(lambda: len(bad.received) == len(good.received) == 1510)
        await world.end()

    (asyncio.run if hindrance == "hangs" else run_in_virtual_time)(run_world())
    assert delivered(bad) == delivered(good) == [*range(1510)]


def test_ring_loss_is_announced_to_affected_sink_only() -> None:
    ring, bad, good = FakeRing(capacity=300), ScriptedSink("bad"), ScriptedSink("good")
    bad.down = "away"

    async def run_world() -> None:
        world = World(ring, [bad, good], QueueLimits(100 * RECORD_BYTES))
        for _ in range(10):
            ring.log(100)
            await world.until(lambda: len(good.received) == ring.next_seq)
        bad.down = ""
        await world.until(lambda: bad.received[-1:] != [] and bad.received[-1].record.seq == 999)
        await world.end()

    run_in_virtual_time(run_world())
    gaps = [item for item in delivered(bad) if isinstance(item, Gap)]
    assert [(gap.last, gap.cause) for gap in gaps] == [(699, Cause.OVERRUN)]
    assert len(bad.received) - 1 + gaps[0].count == 1000
    assert delivered(good) == [*range(1000)]


def test_dropping_sink_keeps_newest_and_counts_loss() -> None:
    ring, bad, good = FakeRing(capacity=BATCH_RECORDS), ScriptedSink("bad"), ScriptedSink("good")
    bad.down = "away"

    async def run_world() -> None:
        world = World(ring, [bad, good], QueueLimits(100 * RECORD_BYTES, WhenFull.DROP))
        for number in range(10):
            ring.log(99)
            ring.log(prefix=3 if number % 2 else 6)
            await world.until(lambda: len(good.received) == ring.next_seq)
        bad.down = ""
        await world.until(lambda: not has_queued(world.sink_manager))
        ring.log()
        await world.until(lambda: bad.received[-1].record.seq == 1000)
        await world.end()

    run_in_virtual_time(run_world())
    gaps = [item for item in delivered(bad) if isinstance(item, Gap)]
    seqs = [item for item in delivered(bad) if isinstance(item, int)]
    assert {gap.cause for gap in gaps} == {Cause.SINK_DROP}
    assert {199, 399, 599, 799, 999} <= {*seqs}, "errors are never dropped"
    assert sorted([*seqs, *(seq for gap in gaps for seq in range(gap.first, gap.last + 1))]) == [
        *range(1001)
    ]


def test_errors_that_do_not_fit_stay_in_ring() -> None:
    ring, bad = FakeRing(capacity=1000), ScriptedSink("bad")
    bad.down = "away"

    async def run_world() -> None:
        world = World(ring, [bad], QueueLimits(100 * RECORD_BYTES, WhenFull.DROP))
        ring.log(900, prefix=2)
        await asyncio.sleep(1)
        assert len(world.sink_manager.queues["bad"].backlog) <= 201
        bad.down = ""
        await world.until(lambda: len(bad.received) == 900)
        await world.end()

    run_in_virtual_time(run_world())
    assert delivered(bad) == [*range(900)]


def test_reading_continues_while_symbols_load() -> None:
    ring, sink = FakeRing(capacity=600), ScriptedSink()

    async def run_world() -> None:
        world = World(ring, [sink], QueueLimits(1 << 22))
        ring.log(10)
        await world.until(lambda: len(sink.received) == 10)
        async with world.symbol_manager.lock:
            # Ten times as much as the ring holds
            for _ in range(10):
                ring.log(600, prefix=3, word="Oops")
                await asyncio.sleep(0.01)
            assert len(sink.received) == 10
        await world.until(lambda: len(sink.received) == ring.next_seq)
        await world.end()

    run_in_virtual_time(run_world())
    assert delivered(sink) == [*range(6010)]


def test_records_without_addresses_pass_during_load_in_order() -> None:
    ring, sink = FakeRing(), ScriptedSink()

    async def run_world() -> None:
        world = World(ring, [sink], QueueLimits(1 << 22))
        async with world.symbol_manager.lock:
            ring.log(10)
            await world.until(lambda: len(sink.received) == 10)
            ring.log(1, prefix=3, word="Oops")
            await asyncio.sleep(0.1)
            ring.log(10)
            await asyncio.sleep(0.1)
            assert len(sink.received) == 10
        await world.until(lambda: len(sink.received) == 21)
        await world.end()

    run_in_virtual_time(run_world())
    assert delivered(sink) == [*range(21)]


def test_read_ahead_is_delivered_at_stop() -> None:
    ring, sink = FakeRing(), ScriptedSink()

    async def run_world() -> None:
        world = World(ring, [sink], QueueLimits(1 << 22))
        async with world.symbol_manager.lock:
            ring.log(2000, prefix=3, word="Oops")
            await asyncio.sleep(0.1)
            stopping = asyncio.create_task(world.stop())
            await asyncio.sleep(0.1)
        await stopping
        await world.end()

    run_in_virtual_time(run_world())
    assert delivered(sink) == [*range(2000)]


def test_each_ring_overrun_is_announced_once() -> None:
    ring, sinks = FakeRing(capacity=100), [ScriptedSink("a"), ScriptedSink("b")]

    async def run_world() -> None:
        world = World(ring, sinks, QueueLimits(1 << 22))
        for _ in range(20):
            ring.log(250)
            await world.until(
                lambda: (
                    sinks[0].received[-1:] != []
                    and sinks[0].received[-1].record.seq == ring.next_seq - 1
                )
            )
        await world.end()

    run_in_virtual_time(run_world())
    for sink in sinks:
        gaps = [item for item in delivered(sink) if isinstance(item, Gap)]
        assert [gap.cause for gap in gaps] == [Cause.PRE_START] + [Cause.OVERRUN] * 19
        assert len(sink.received) - len(gaps) + sum(gap.count for gap in gaps) == 5000


class Trouble:
    """Raises a number of errors, and counts the calls."""

    def __init__(self, errors: int) -> None:
        self.left = errors
        self.asked = 0

    def strike(self) -> None:
        self.asked += 1
        if self.left:
            self.left -= 1
            raise (RuntimeError, MemoryError, RecursionError)[self.left % 3]("trouble")


class TroubledClock(clock.CaptureClock):
    def __init__(self, trouble: Trouble) -> None:
        super().__init__()
        self._trouble = trouble

    def wall_times(self, records: Sequence[Record]) -> WallTimes:
        self._trouble.strike()
        return super().wall_times(records)


class TroubledStage(Stage):
    """A stage that fails after another one has taken the batch, which is the worst moment."""

    def __init__(self, stage: Stage, trouble: Trouble) -> None:
        self.job = stage.job
        self._stage = stage
        self._trouble = trouble

    def push(self, batch: Batch, now_s: float) -> Batch:
        passed = self._stage.push(batch, now_s)
        self._trouble.strike()
        return passed

    def flush(self) -> Batch:
        return self._stage.flush()

    def deadline(self) -> float | None:
        return self._stage.deadline()

    @property
    def pending(self) -> list[Record | Gap]:
        return self._stage.pending

    def restart(self) -> None:
        self._stage.restart()


class TroubledCounters(Counters):
    def __init__(self, trouble: Trouble) -> None:
        super().__init__()
        self._trouble = trouble

    def count_read(self, batch: Sequence[Record | Gap]) -> None:
        self._trouble.strike()

    def count_symbols(
        self, entries: Sequence[Entry], nameless: Sequence[LookupFailure], looked_up: bool
    ) -> None:
        self._trouble.strike()


class TroubledSymbols:
    """Symbols that need traces, and fail to read them."""

    reads_traces, summary, remarks = True, (), ()

    def __init__(self, trouble: Trouble) -> None:
        self._trouble = trouble
        self.resolver, self.module_layout = SymbolResolver(), frozenset[ModulePlace]()
        self.modules = LoadedModules()

    def update_from_trace(self, trace: Trace) -> "TroubledSymbols":
        self._trouble.strike()
        return self


class TroubledResolver(SymbolResolver):
    def resolve(self, address: int) -> SymbolAddress | LookupFailure:
        raise RecursionError("trouble")


def put_trouble(
    place: str, pipeline: Pipeline, symbol_manager: SymbolManager, trouble: Trouble
) -> None:
    stages = pipeline.stages
    if place == "clock":
        stages.symbol_stage._clock = TroubledClock(trouble)
    elif place == "counters":
        pipeline.delivery.counters = TroubledCounters(trouble)
    elif place == "symbols":
        symbol_manager.symbols = TroubledSymbols(trouble)  # type: ignore[assignment]
    else:
        if place == "RateLimiter":
            stages.rate_limiter.configure(burst=1000)
        names = [type(stage).__name__ for stage in stages._stages]
        index = names.index(place)
        stages._stages[index] = TroubledStage(stages._stages[index], trouble)


# The job that is reported for an error in each place
JOBS = {
    "clock": "translation",
    "counters": "counters",
    "symbols": "evidence",
    "Joiner": "joining",
    "BootStage": "boots",
    "TraceStage": "evidence",
    "KaslrStage": "evidence",
    "RateLimiter": "flood limit",
    "SymbolStage": "translation",
    "ReportStage": "reports",
}


def test_every_stage_has_its_trouble() -> None:
    pipeline = Pipeline(
        FakeRing().device,
        SinkManager(gap_entry, lambda name: None),
        SymbolManager(Sources, lambda reasons: None),
        clock.CaptureClock(),
        live=True,
        once=False,
    )
    assert {type(stage).__name__ for stage in pipeline.stages._stages} <= {*JOBS}


@pytest.mark.parametrize("errors", [1, 1 << 30], ids=["once", "always"])
@pytest.mark.parametrize("place", JOBS)
def test_stage_error_loses_no_record(
    place: str, errors: int, caplog: pytest.LogCaptureFixture
) -> None:
    ring, sink, trouble = FakeRing(), ScriptedSink(), Trouble(errors)

    async def run_world() -> Jobs:
        world = World(ring, [sink], QueueLimits(1 << 22))
        ring.log(10)
        await world.until(lambda: len(sink.received) == 10)
        put_trouble(place, world.pipeline, world.symbol_manager, trouble)
        for _ in range(20):
            ring.log(10, prefix=3, word="Oops:" if place == "symbols" else "record")
            ring.log(1, word="a line that goes on:" if place == "Joiner" else "record")
            await asyncio.sleep(0.2)
        await asyncio.sleep(5)
        assert len(sink.received) == ring.next_seq
        await world.end()
        return world.jobs

    jobs = run_in_virtual_time(run_world())
    assert trouble.asked > 1
    assert delivered(sink) == [*range(ring.next_seq)], "in order, each once"
    assert {*jobs.failures} == {JOBS[place]}
    assert (
        len([record for record in caplog.records if "unexpected error" in record.getMessage()]) == 1
    )


def test_only_failing_record_is_delivered_raw() -> None:
    ring, sink = FakeRing(), ScriptedSink()
    named = SymbolAddress("f", 1, 2, "", "t", "map")

    class PartlyTroubled(TroubledResolver):
        def resolve(self, address: int) -> SymbolAddress | LookupFailure:
            return super().resolve(address) if address == 0xC010DEAD else named

    async def run_world() -> None:
        world = World(ring, [sink], QueueLimits(1 << 22))
        world.symbol_manager.symbols = SymbolSet(PartlyTroubled())
        for address in ("c010b860", "c010dead", "c010b861"):
            ring.log(1, word=f"EIP: 0010:[<{address}>] EFLAGS: 00010202 CPU:")
        await world.until(lambda: len(sink.received) == 3)
        await world.end()

    run_in_virtual_time(run_world())
    assert ["f+" in entry.text for entry in sink.received] == [True, False, True]
    assert "[<c010dead>]" in sink.received[1].text


@pytest.mark.parametrize("when_full", WhenFull)
def test_enqueue_error_loses_nothing_for_sink(when_full: WhenFull) -> None:
    ring, good, trouble = FakeRing(capacity=200, first=1000), ScriptedSink("good"), Trouble(7)
    troubled = ScriptedSink("troubled")

    def announce(gap: Gap) -> Entry:
        trouble.strike()
        return gap_entry(gap)

    async def run_world() -> None:
        world = World(ring, [troubled, good], QueueLimits(1 << 22, when_full), announce)
        for _ in range(8):
            ring.log(150)
            await asyncio.sleep(0.001)
            # Overruns
            ring.log(350)
            await asyncio.sleep(1)
        await asyncio.sleep(60)
        await world.end()

    run_in_virtual_time(run_world())
    assert trouble.left == 0
    for sink in (troubled, good):
        numbers = [seq for item in delivered(sink) for seq in _span(item)]
        assert numbers == [*range(ring.next_seq)], "the sum is right"


def _span(item: int | Gap | None) -> range:
    if isinstance(item, Gap):
        return range(item.first, item.last + 1)
    return range(item, item + 1) if item is not None else range(0)


def test_failed_load_keeps_current_symbols() -> None:
    asked: list[bool] = []

    def sources() -> Sources:
        asked.append(True)
        if len(asked) != 2:
            raise MemoryError("trouble")
        return Sources()

    async def load_repeatedly() -> None:
        jobs, changes = Jobs(), list[str]()
        symbol_manager = SymbolManager(
            sources,
            lambda reasons: changes.append(f"{', '.join(reasons)}: {symbol_manager.failure}"),
            jobs,
        )
        await symbol_manager.load_first()
        first = symbol_manager.symbols
        await symbol_manager.reload("SIGUSR1")
        loaded = symbol_manager.symbols
        assert loaded is not first
        await symbol_manager.reload("SIGUSR2")
        assert symbol_manager.symbols is loaded
        assert not await symbol_manager.modules_changed()
        assert changes == [
            "the start: MemoryError('trouble')",
            "SIGUSR1: None",
            "SIGUSR2: MemoryError('trouble')",
        ]
        await symbol_manager.begin_boot(NextBoot("6.1"))
        assert symbol_manager.symbols is not loaded, "names of another kernel would be false"
        assert jobs.failures["symbols"].count == 4

    asyncio.run(load_repeatedly())


def test_lines_without_address_pass_during_load() -> None:
    ring, sink = FakeRing(), ScriptedSink()

    async def run_world() -> None:
        world = World(ring, [sink], QueueLimits(1 << 22))
        async with world.symbol_manager.lock:
            ring.log(1, word="pci: [mem 0xfed00000-0xfed003ff] reserved")
            await world.until(lambda: len(sink.received) == 1)
            ring.log(1, word="EIP: 0010:[<c010b860>] EFLAGS: 00010202 CPU:")
            await asyncio.sleep(0.1)
            assert len(sink.received) == 1
        await world.until(lambda: len(sink.received) == 2)
        await world.end()

    run_in_virtual_time(run_world())
    assert delivered(sink) == [0, 1]


def test_batch_is_delivered_if_enqueueing_fails_once(monkeypatch: pytest.MonkeyPatch) -> None:
    ring, sink, trouble = FakeRing(), ScriptedSink(), Trouble(1)

    async def run_world() -> Jobs:
        world = World(ring, [sink], QueueLimits(1 << 22))
        ring.log(3)
        await world.until(lambda: len(sink.received) == 3)
        enqueue = world.sink_manager.enqueue

        def troubled(entries: Sequence[Entry]) -> None:
            trouble.strike()
            enqueue(entries)

        monkeypatch.setattr(world.sink_manager, "enqueue", troubled)
        ring.log(3)
        await world.until(lambda: len(sink.received) == 6)
        await world.end()
        return world.jobs

    jobs = run_in_virtual_time(run_world())
    assert delivered(sink) == [*range(6)], "no record is taken for a loss"
    assert {*jobs.failures} == {"delivery"}
