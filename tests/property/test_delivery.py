# SPDX-License-Identifier: GPL-2.0-or-later
"""Each sink gets every sequence number as a record or in a gap, and without a kill only once.

Device and sinks fail in random ways.
"""

import asyncio
import errno
import re
import tempfile
import time
from collections import Counter
from pathlib import Path

from hypothesis import event, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule

from klogd_py.pipeline.clock import LiveClock
from klogd_py.pipeline.pipeline import Pipeline
from klogd_py.pipeline.symbol_manager import SymbolManager
from klogd_py.record.sequence import Position
from klogd_py.record.types import Cause, Record, Severity
from klogd_py.sinks import Sink
from klogd_py.sinks.backlog import ENTRY_OVERHEAD_BYTES
from klogd_py.sinks.drop_policy import QueueLimits, WhenFull
from klogd_py.sinks.entry_filter import EntryFilter, Expression
from klogd_py.sinks.manager import SinkManager
from klogd_py.sinks.queue import SinkQueue
from klogd_py.sources import kmsg_format
from klogd_py.symbols.symbol_sources import Sources
from tests.entries import gap_entry
from tests.fakes import FakeRing, ScriptedSink, falls_behind, has_queued
from tests.media import KINDS, Arrival, Console, medium, of_entries
from tests.virtual_time import VirtualTimeLoop

RING_RECORDS = 60
LIMIT_BYTES = 10 * (ENTRY_OVERHEAD_BYTES + 2 * len("record 10;"))
LIMITS = {
    "waits": QueueLimits(LIMIT_BYTES),
    "filters and waits": QueueLimits(LIMIT_BYTES),
    "filters and drops": QueueLimits(LIMIT_BYTES, WhenFull.DROP),
    "filters in a thread": QueueLimits(LIMIT_BYTES),
    "drops": QueueLimits(LIMIT_BYTES, WhenFull.DROP),
    "large": QueueLimits(1 << 22),
    "drops in a thread": QueueLimits(LIMIT_BYTES, WhenFull.DROP),
}
# What is not an even number, or else not a warning
FILTERS = (
    EntryFilter(exclude=(Expression("exclude", re.compile("^record [0-9]*[13579];")),)),
    EntryFilter(min_severity=4),
    None,
)
SCRIPTED = st.sampled_from(sorted(LIMITS))
CONTINUED = st.lists(
    st.tuples(
        st.sampled_from(["", "T1", "T1", "C0"]),
        st.sampled_from("-ccc"),
        st.sampled_from([6, 6, 6, 3]),
    ),
    min_size=1,
    max_size=20,
)
COUNTS = st.lists(st.integers(1, 60), min_size=1, max_size=5)
EVERY = st.integers(2, 9)
# Characters: more than a pipe accepts at once, less than the kernel's buffer
LONG_CHARS = 6000


class Delivery(RuleBasedStateMachine):
    """A pipeline with a small ring buffer, the queues of all sinks, scripted sinks and real ones.

    The real sinks are of one kind, one for each `when_full`. Their media are full or down at times,
    as the scripted sinks are.
    """

    @initialize(
        kind=st.sampled_from(KINDS), first=st.sampled_from([0, 0, 7]), may_be_killed=st.booleans()
    )
    def begin(self, kind: str, first: int, may_be_killed: bool) -> None:
        event(kind)
        self.may_be_killed = may_be_killed
        self.runner = asyncio.Runner(loop_factory=VirtualTimeLoop)
        self.ring = FakeRing(RING_RECORDS, first)
        self.folder = tempfile.TemporaryDirectory(prefix="klogd-")
        self.sinks = {name: ScriptedSink(name, blocking="thread" in name) for name in LIMITS}
        self.media = [medium(kind, Path(self.folder.name, how.value)) for how in WhenFull]
        self.consoles: list[Console] = []
        self.limits = dict(LIMITS)
        for target, how in zip(self.media, WhenFull, strict=True):
            self.limits[target.name] = QueueLimits(LIMIT_BYTES, how)
        self.removed: set[str] = set()
        self.filter: EntryFilter | None = FILTERS[0]
        # Of all runs: a thread may still send for one that was removed
        self.filtered_queues: list[SinkQueue] = []
        # The content of the cursor file
        self.saved: dict[str, Position] = {}
        self.saved_before = self.saved
        # All kills ("all"), and for each sink the ends within a line
        self.kills: Counter[str] = Counter()
        self.cut: set[int] = set()
        self.raw_texts: list[str] = []
        self.limit_settings = (Severity.DEBUG, 0)
        self._run(self._start())

    def _run(self, job: object) -> None:
        assert asyncio.iscoroutine(job)
        self.runner.run(job)

    def _save(self) -> None:
        self.saved_before, self.saved = self.saved, self.saved | self.sink_manager.positions

    def _configure(self) -> None:
        opened = [
            self.consoles[-1].open(),
            *(target.open() for target in self.media if target.name not in self.removed),
        ]
        kept: list[Sink] = [sink for name, sink in self.sinks.items() if name not in self.removed]
        self.sink_manager.configure(
            [*kept, *opened],
            lambda name: self.limits.get(name, QueueLimits(1 << 22)),
            lambda name: self.filter if "filters" in name else None,
        )
        self.filtered_queues += [
            queue
            for name, queue in self.sink_manager.queues.items()
            if "filters" in name and queue not in self.filtered_queues
        ]

    async def _start(self) -> None:
        self.removed.clear()
        self.sink_manager = SinkManager(
            gap_entry,
            lambda name: self.saved.get(name),
            rereadable=True,
            on_progress=self._save,
        )
        self.consoles.append(Console())
        self._configure()
        self.ring.device.seek(self.sink_manager.lowest_next_seq)
        naming = SymbolManager(Sources, lambda reasons: None)
        self.pipeline = Pipeline(
            self.ring.device, self.sink_manager, naming, LiveClock(), live=True, once=False
        )
        self.pipeline.stages.rate_limiter.configure(*self.limit_settings)
        self.pipeline.reader.running.set()
        self.task = asyncio.create_task(self.pipeline.run())
        await asyncio.sleep(0.1)

    def _count_partial_writes(self) -> None:
        """Count the sinks that end within a line: the whole line is sent again, and the first part
        may stay."""
        for name, queue in self.sink_manager.queues.items():
            self.kills[name] += queue.sink.has_partial_write

    async def _end(self) -> None:
        self.task.cancel()
        await asyncio.wait([self.task])

    @rule(count=st.integers(1, 30), prefix=st.sampled_from([6, 6, 4, 3, 14]))
    def write(self, count: int, prefix: int) -> None:
        for _ in range(count):
            self._write("", prefix)

    @rule(pieces=CONTINUED)
    def write_continued_lines_of_several_callers(self, pieces: list[tuple[str, str, int]]) -> None:
        for caller, flags, prefix in pieces:
            self._write("", prefix, flags, caller)

    @rule(count=st.integers(2, 60), every=EVERY, prefix=st.sampled_from([6, 6, 4]))
    def write_one_continued_line_among_others(self, count: int, every: int, prefix: int) -> None:
        """A continued line of one caller, with the records of another caller in between."""
        for at in range(count):
            is_piece = at % every == 0
            self._write("", prefix, "c" if is_piece and at else "-", "T1" if is_piece else "C0")

    @rule(count=st.integers(1, 30))
    def write_long_lines(self, count: int) -> None:
        for _ in range(count):
            self._write("x" * LONG_CHARS + ";")

    @rule(
        seconds=st.integers(-(10**6), 10**6),
        flags=st.sampled_from(["-", "c"]),
        ending=st.sampled_from(["", ": "]),
    )
    def write_with_a_time_leap_or_continued(self, seconds: int, flags: str, ending: str) -> None:
        self._write(ending, flags=flags, usec=max(0, seconds) * 10**6)

    def _write(
        self,
        ending: str,
        prefix: int = 6,
        flags: str = "-",
        caller: str = "",
        usec: int | None = None,
    ) -> None:
        seq = self.ring.next_seq
        text = f"record {seq};{ending}"
        self.ring.log(
            raw=kmsg_format.render(
                Record(text, prefix, seq, seq * 1000 if usec is None else usec, flags, caller)
            )
        )

    @rule()
    def write_more_than_the_kernel_buffer_holds(self) -> None:
        seq = self.ring.next_seq
        self.cut.add(seq)
        self.ring.log(raw=b"3,%d,%d,-;record %d; cut \\xc;" % (seq, seq, seq))

    @rule()
    def write_without_a_header(self) -> None:
        self.raw_texts.append(f"no header {self.ring.next_seq}")
        self.ring.log(raw=self.raw_texts[-1].encode())

    @rule(
        number=st.sampled_from([errno.EINVAL, errno.EPIPE, errno.EINTR, errno.EIO]),
        then=st.integers(0, 3),
    )
    def refuse(self, number: int, then: int) -> None:
        self.ring.fail_next_read(number)
        for _ in range(then):
            self._write("")

    @rule(at=st.sampled_from([0, 1]), how=st.sampled_from(["full", "nearly full", "back"]))
    def change_a_medium(self, at: int, how: str) -> None:
        self.media[at].hinder(how)

    @rule(at=st.sampled_from([0, 1]), counts=COUNTS, nearly=st.booleans(), every=EVERY)
    def fill_a_medium(self, at: int, counts: list[int], nearly: bool, every: int) -> None:
        self.media[at].hinder("nearly full" if nearly else "full")
        for count in counts:
            self.write_one_continued_line_among_others(count, every, 6)
            self._run(asyncio.sleep(0.1))
        self.media[at].hinder("back")

    @rule(
        name=SCRIPTED,
        capacity=st.integers(0, 12),
        count=st.integers(2, 60),
        every=EVERY,
        then=st.integers(0, 40),
    )
    def stop_while_a_sink_is_full_within_a_line(
        self, name: str, capacity: int, count: int, every: int, then: int
    ) -> None:
        self._run(asyncio.sleep(0.1))
        self.sinks[name].capacity = capacity
        self.write_one_continued_line_among_others(count, every, 6)
        self._run(asyncio.sleep(0.1))
        self.stop_and_start()
        self.write(then, 6)
        self.sinks[name].capacity = 1 << 30

    @rule(name=SCRIPTED, how=st.sampled_from(["down", "full", "nearly full", "back"]))
    def change_a_sink(self, name: str, how: str) -> None:
        sink = self.sinks[name]
        sink.down = "away" if how == "down" else ""
        sink.capacity = {"full": 0, "nearly full": 7}.get(how, 1 << 30)

    @rule(name=SCRIPTED, counts=COUNTS, prefix=st.sampled_from([6, 6, 3]), every=EVERY)
    def interrupt_a_sink(self, name: str, counts: list[int], prefix: int, every: int) -> None:
        self.sinks[name].down = "away"
        for count in counts:
            self.write_one_continued_line_among_others(count, every, prefix)
            self._run(asyncio.sleep(0.1))
            if falls_behind(self.sink_manager):
                event("a sink needs a reread")
        self.sinks[name].down = ""

    @rule(
        min_severity=st.sampled_from([Severity.DEBUG, Severity.WARNING]),
        burst=st.sampled_from([0, 2]),
    )
    def limit(self, min_severity: Severity, burst: int) -> None:
        self.limit_settings = min_severity, burst
        self.pipeline.stages.rate_limiter.configure(min_severity, burst)

    @rule(conditions=st.sampled_from(FILTERS))
    def change_the_filters(self, conditions: EntryFilter | None) -> None:
        async def configure() -> None:
            self.filter = conditions
            self._configure()

        self._run(configure())

    @rule(seconds=st.floats(0.01, 20))
    def let_time_pass(self, seconds: float) -> None:
        self._run(self._passing(seconds))

    async def _passing(self, seconds: float) -> None:
        for target in self.media:
            target.read()
        await asyncio.sleep(seconds)

    @rule(at=st.sampled_from([-1, 0, 1]), name=st.one_of(st.none(), SCRIPTED))
    def reload(self, at: int, name: str | None) -> None:
        """Remove up to one medium and one sink; those removed before are configured again."""

        async def configure() -> None:
            self._save()
            gone = {name} if name else set()
            gone |= {self.media[at].name} if at >= 0 else set()
            for path in gone - self.removed:
                self.kills[path] += self.sink_manager.queues[path].sink.has_partial_write
            self.removed = gone
            self._configure()
            self.pipeline.reader.wake()

        self._run(configure())

    @rule()
    def stop_and_start(self) -> None:
        async def restart() -> None:
            await self._end()
            await self.pipeline.finish()
            await self.sink_manager.flush(1)
            while any(queue.sender.is_busy for queue in self.sink_manager.queues.values()):
                # A thread needs real time.
                time.sleep(0.001)
                await asyncio.sleep(0)
            self._save()
            self._count_partial_writes()
            self.sink_manager.close()
            await self._start()

        self._run(restart())

    @precondition(lambda self: self.may_be_killed)
    @rule(before_saving=st.booleans())
    def kill_and_start(self, before_saving: bool) -> None:
        async def restart() -> None:
            saved = self.saved_before if before_saving else self.saved
            await self._end()
            await self.sink_manager.flush(0)
            self._count_partial_writes()
            self.sink_manager.close()
            self.saved = self.saved_before = saved
            self.kills["all"] += 1
            await self._start()

        self._run(restart())

    def teardown(self) -> None:
        if not hasattr(self, "runner"):
            return
        for sink in self.sinks.values():
            sink.down, sink.capacity = "", 1 << 30
        for target in self.media:
            target.hinder("back")
        self.ring.failures.clear()
        try:
            self._run(self._finish())
            for console in self.consoles:
                console.close()
            for sink in self.sinks.values():
                self._check(sink.name, of_entries(sink.received))
                self._check_forms(sink)
            for target in self.media:
                self._check(target.name, target.arrivals())
            for console in self.consoles:
                self._check_session(console.arrivals())
        finally:
            self.runner.close()
            self.ring.device.close()
            for target in self.media:
                target.close()
            self.folder.cleanup()

    async def _finish(self) -> None:
        """Let every sink receive all records, with a last one that ends an open line."""
        await self._passing(30)
        self.removed.clear()
        self._configure()
        self.pipeline.reader.wake()
        self._write("", prefix=2)
        for _ in range(300):
            await self._passing(1)
            # Threads need real time.
            time.sleep(0.001)
            if not has_queued(self.sink_manager) and not falls_behind(self.sink_manager):
                break
        await self._end()
        await self.pipeline.finish()
        await self.sink_manager.flush(10)
        for target in self.media:
            target.read()
        assert self.sink_manager.close() == 0

    def _check(self, name: str, arrivals: list[Arrival]) -> None:
        torn = sum(arrival.is_torn for arrival in arrivals)
        assert torn <= self.kills["all"] + self.kills[name], (
            "a torn line is the end of a daemon within it"
        )
        times = Counter(number for arrival in arrivals for number in arrival.numbers)
        if "filters" in name:
            self._check_filtered(name, times)
            return
        assert set(times) == set(range(self.ring.next_seq)), "records and gaps cover every number"
        if not self.kills["all"]:
            repeated = [number for number, count in times.items() if count > 1]
            assert len(repeated) <= self.kills[name], f"a number came twice: {name} {repeated}"
            firsts = [arrival.numbers[0] for arrival in arrivals if arrival.numbers]
            assert self.kills[name] or firsts == sorted(firsts)

    def _check_filtered(self, name: str, times: Counter[int]) -> None:
        """Check a sink with a filter: records, gaps and what was left out are all numbers."""
        missing = self.ring.next_seq - len(times)
        queues = [queue for queue in self.filtered_queues if queue.sink.name == name]
        left_out = sum(queue.filter.left_out for queue in queues)
        if missing:
            event("a filter left out records")
        if not self.kills["all"]:
            assert max(times.values()) == 1, "a number came twice"
            assert missing == left_out, name
        else:
            assert missing <= left_out

    def _check_session(self, arrivals: list[Arrival]) -> None:
        """Check a sink without a position: every number from its first one on.

        It may have ended within a line.
        """
        numbered = [arrival for arrival in arrivals if arrival.numbers]
        if not numbered:
            return
        numbers = [number for arrival in numbered for number in arrival.numbers]
        assert len(set(numbers)) == len(numbers)
        end = numbered[-1].numbers[-1 if numbered[-1].is_gap else 0]
        assert set(range(min(numbers), end + 1)) <= set(numbers)

    def _check_forms(self, sink: ScriptedSink) -> None:
        """Check what the entries say of their records and gaps."""
        gaps = [entry.gap for entry in sink.received if entry.gap is not None]
        causes = Counter(gap.cause for gap in gaps)
        for cause in causes:
            event(f"a gap: {cause.value}")
        if any(entry.record.parts for entry in sink.received):
            event("a continued line")
        lost = {seq for gap in gaps for seq in range(gap.first, gap.last + 1)}
        truncated = {entry.record.seq for entry in sink.received if entry.record.truncated}
        assert "filters" in sink.name or self.cut - lost <= truncated
        assert causes[Cause.PRE_START] <= 1 + self.kills["all"]
        assert "drops" in sink.name or not causes[Cause.SINK_DROP]


TestDelivery = Delivery.TestCase
TestDelivery.settings = settings(max_examples=60, stateful_step_count=25, deadline=None)
