# SPDX-License-Identifier: GPL-2.0-or-later
"""Records and gaps make up the sum for each sink, whatever device and sinks do, and without a kill
no number comes twice."""

import asyncio
import errno
import tempfile
import time
from collections import Counter
from pathlib import Path

from hypothesis import event, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule

from klogd_py.pipeline.clock import LiveClock
from klogd_py.pipeline.pipeline import Pipeline
from klogd_py.pipeline.ratelimit import RateLimiter
from klogd_py.pipeline.symbol_manager import SymbolManager
from klogd_py.record.types import Cause, Record, Severity
from klogd_py.sinks import Sink
from klogd_py.sinks.backlog import ENTRY_OVERHEAD_BYTES
from klogd_py.sinks.drop_policy import QueueLimits, WhenFull
from klogd_py.sinks.manager import SinkManager
from klogd_py.sources import kmsg_format
from klogd_py.symbols.symbol_sources import Sources
from tests.entries import gap_entry
from tests.fakes import FakeRing, ScriptedSink, has_queued
from tests.media import KINDS, Arrival, Console, medium, of_entries
from tests.virtual_time import VirtualTimeLoop

RING = 60
ROOM_BYTES = 10 * (ENTRY_OVERHEAD_BYTES + 2 * len("record 10;"))
TERMS = {
    "waits": QueueLimits(ROOM_BYTES),
    "drops": QueueLimits(ROOM_BYTES, WhenFull.DROP),
    "roomy": QueueLimits(1 << 22),
    "drops in a thread": QueueLimits(ROOM_BYTES, WhenFull.DROP),
}
SCRIPTED = st.sampled_from(sorted(TERMS))
PIECES = st.lists(
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
# Characters: more than a pipe takes at once, less than the kernel's buffer
LONG = 6000
Positions = tuple[
    dict[str, int], dict[str, tuple[int, ...]]
    # The next numbers, and those ahead of them
]


class Delivery(RuleBasedStateMachine):
    """A daemon without its edges: the carrier, an intake from a small ring, outboxes, sinks with a
    script and real ones.

    The real ones are of one kind, one for each `when_full`; what they write to is hindered like the
    others.
    """

    @initialize(
        kind=st.sampled_from(KINDS), first=st.sampled_from([0, 0, 7]), may_be_killed=st.booleans()
    )
    def begin(self, kind: str, first: int, may_be_killed: bool) -> None:
        event(kind)
        self.may_be_killed = may_be_killed
        self.runner = asyncio.Runner(loop_factory=VirtualTimeLoop)
        self.ring = FakeRing(RING, first)
        self.folder = tempfile.TemporaryDirectory(prefix="klogd-")
        self.sinks = {name: ScriptedSink(name, blocking="thread" in name) for name in TERMS}
        self.media = [medium(kind, Path(self.folder.name, how.value)) for how in WhenFull]
        self.consoles: list[Console] = []
        self.terms = dict(TERMS)
        for way, how in zip(self.media, WhenFull, strict=True):
            self.terms[way.name] = QueueLimits(ROOM_BYTES, how)
        self.removed: set[str] = set()
        # What stands in the position file
        self.saved: Positions = ({}, {})
        self.saved_before = self.saved
        self.kills: Counter[str] = (
            Counter()
            # Of all, and those that came within a line of one medium
        )
        self.cut: set[int] = set()
        self.raw_texts: list[str] = []
        self.limiter = RateLimiter()
        self._run(self._start())

    def _run(self, job: object) -> None:
        assert asyncio.iscoroutine(job)
        self.runner.run(job)

    def _save(self) -> None:
        positions = self.sink_manager.positions
        others = {name: seqs for name, seqs in self.saved[1].items() if name not in positions}
        self.saved_before, self.saved = (
            self.saved,
            ({**self.saved[0], **positions}, others | self.sink_manager.ahead),
        )

    def _arrange(self) -> None:
        opened = [
            self.consoles[-1].open(),
            *(way.open() for way in self.media if way.name not in self.removed),
        ]
        kept: list[Sink] = [sink for name, sink in self.sinks.items() if name not in self.removed]
        self.sink_manager.configure(
            [*kept, *opened], lambda name: self.terms.get(name, QueueLimits(1 << 22))
        )

    async def _start(self) -> None:
        self.removed.clear()
        self.sink_manager = SinkManager(
            gap_entry,
            lambda name: self.saved[0].get(name),
            rereadable=True,
            on_progress=self._save,
            ahead=lambda name: self.saved[1].get(name, ()),
        )
        self.consoles.append(Console())
        self._arrange()
        self.ring.device.seek(self.sink_manager.lowest_next_seq)
        naming = SymbolManager(Sources, lambda reasons: None)
        self.pipeline = Pipeline(
            self.ring.device, self.sink_manager, naming, LiveClock(), live=True, once=False
        )
        self.pipeline.stages.limiter = self.limiter
        self.pipeline.reader.running.set()
        self.task = asyncio.create_task(self.pipeline.run())
        await asyncio.sleep(0.1)

    def _note_what_is_begun(self) -> None:
        """What ends now within a line is begun anew with the whole of it, unless the first part can
        be taken back."""
        for name, queue in self.sink_manager.queues.items():
            self.kills[name] += queue.sink.has_partial_write

    async def _end(self) -> None:
        self.task.cancel()
        await asyncio.wait([self.task])

    @rule(count=st.integers(1, 30), prefix=st.sampled_from([6, 6, 4, 3, 14]))
    def say(self, count: int, prefix: int) -> None:
        for _ in range(count):
            self._say("", prefix)

    @rule(pieces=PIECES)
    def say_lines_in_pieces_of_several_callers(self, pieces: list[tuple[str, str, int]]) -> None:
        for caller, flags, prefix in pieces:
            self._say("", prefix, flags, caller)

    @rule(count=st.integers(2, 60), every=EVERY, prefix=st.sampled_from([6, 6, 4]))
    def say_one_line_in_pieces_among_others(self, count: int, every: int, prefix: int) -> None:
        """Every so often a piece of the one line, and the records of another caller in between."""
        for at in range(count):
            is_piece = at % every == 0
            self._say("", prefix, "c" if is_piece and at else "-", "T1" if is_piece else "C0")

    @rule(count=st.integers(1, 30))
    def say_long_lines(self, count: int) -> None:
        for _ in range(count):
            self._say("x" * LONG + ";")

    @rule(
        seconds=st.integers(-(10**6), 10**6),
        flags=st.sampled_from(["-", "c"]),
        ending=st.sampled_from(["", ": "]),
    )
    def say_with_a_leap_in_time_or_in_pieces(self, seconds: int, flags: str, ending: str) -> None:
        self._say(ending, flags=flags, usec=max(0, seconds) * 10**6)

    def _say(
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
    def say_more_than_the_kernels_buffer_holds(self) -> None:
        seq = self.ring.next_seq
        self.cut.add(seq)
        self.ring.log(raw=b"3,%d,%d,-;record %d; cut \\xc;" % (seq, seq, seq))

    @rule()
    def say_without_a_header(self) -> None:
        self.raw_texts.append(f"no header {self.ring.next_seq}")
        self.ring.log(raw=self.raw_texts[-1].encode())

    @rule(
        number=st.sampled_from([errno.EINVAL, errno.EPIPE, errno.EINTR, errno.EIO]),
        then=st.integers(0, 3),
    )
    def refuse(self, number: int, then: int) -> None:
        self.ring.fail_next_read(number)
        for _ in range(then):
            self._say("")

    @rule(at=st.sampled_from([0, 1]), how=st.sampled_from(["full", "nearly full", "back"]))
    def change_a_medium(self, at: int, how: str) -> None:
        self.media[at].hinder(how)

    @rule(at=st.sampled_from([0, 1]), counts=COUNTS, how=st.booleans(), every=EVERY)
    def have_a_medium_fill_up(self, at: int, counts: list[int], how: bool, every: int) -> None:
        self.media[at].hinder("nearly full" if how else "full")
        for count in counts:
            self.say_one_line_in_pieces_among_others(count, every, 6)
            self._run(asyncio.sleep(0.1))
        self.media[at].hinder("back")

    @rule(
        name=SCRIPTED,
        room=st.integers(0, 12),
        count=st.integers(2, 60),
        every=EVERY,
        then=st.integers(0, 40),
    )
    def stop_while_a_sink_is_full_within_a_line(
        self, name: str, room: int, count: int, every: int, then: int
    ) -> None:
        self._run(asyncio.sleep(0.1))
        self.sinks[name].capacity = room
        self.say_one_line_in_pieces_among_others(count, every, 6)
        self._run(asyncio.sleep(0.1))
        self.stop_and_start()
        self.say(then, 6)
        self.sinks[name].capacity = 1 << 30

    @rule(name=SCRIPTED, how=st.sampled_from(["down", "full", "nearly full", "back"]))
    def change_a_sink(self, name: str, how: str) -> None:
        sink = self.sinks[name]
        sink.down = "away" if how == "down" else ""
        sink.capacity = {"full": 0, "nearly full": 7}.get(how, 1 << 30)

    @rule(name=SCRIPTED, counts=COUNTS, prefix=st.sampled_from([6, 6, 3]), every=EVERY)
    def have_an_outage(self, name: str, counts: list[int], prefix: int, every: int) -> None:
        self.sinks[name].down = "away"
        for count in counts:
            self.say_one_line_in_pieces_among_others(count, every, prefix)
            self._run(asyncio.sleep(0.1))
            if self.sink_manager.needs_reread:
                event("a sink is behind")
        self.sinks[name].down = ""

    @rule(
        min_severity=st.sampled_from([Severity.DEBUG, Severity.WARNING]),
        burst=st.sampled_from([0, 2]),
    )
    def limit(self, min_severity: Severity, burst: int) -> None:
        self.limiter = self.pipeline.stages.limiter = RateLimiter(min_severity, burst)

    @rule(seconds=st.floats(0.01, 20))
    def let_time_pass(self, seconds: float) -> None:
        self._run(self._passing(seconds))

    async def _passing(self, seconds: float) -> None:
        for way in self.media:
            way.read()
        await asyncio.sleep(seconds)

    @rule(at=st.sampled_from([-1, 0, 1]), name=st.one_of(st.none(), SCRIPTED))
    def reload(self, at: int, name: str | None) -> None:
        """With one medium and one sink fewer perhaps; what was missing until now is there again."""

        async def arrange() -> None:
            self._save()
            gone = {name} if name else set()
            gone |= {self.media[at].name} if at >= 0 else set()
            for path in gone - self.removed:
                self.kills[path] += self.sink_manager.queues[path].sink.has_partial_write
            self.removed = gone
            self._arrange()
            self.pipeline.reader.wake()

        self._run(arrange())

    @rule()
    def stop_and_start(self) -> None:
        async def restart() -> None:
            await self._end()
            await self.pipeline.finish()
            await self.sink_manager.flush(1)
            while any(queue.is_sending for queue in self.sink_manager.queues.values()):
                # A thread needs time that passes really
                time.sleep(0.001)
                await asyncio.sleep(0)
            self._save()
            self._note_what_is_begun()
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
            self._note_what_is_begun()
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
        for way in self.media:
            way.hinder("back")
        self.ring.failures.clear()
        try:
            self._run(self._settle())
            for console in self.consoles:
                console.close()
            for sink in self.sinks.values():
                self._check(sink.name, of_entries(sink.received))
                self._check_forms(sink)
            for way in self.media:
                self._check(way.name, way.arrivals())
            for console in self.consoles:
                self._check_session(console.arrivals())
        finally:
            self.runner.close()
            self.ring.device.close()
            for way in self.media:
                way.close()
            self.folder.cleanup()

    async def _settle(self) -> None:
        """Let every sink catch up, with a last record that ends whatever is open."""
        await self._passing(30)
        self.removed.clear()
        self._arrange()
        self.pipeline.reader.wake()
        self._say("", prefix=2)
        for _ in range(300):
            await self._passing(1)
            # Threads need time that passes really
            time.sleep(0.001)
            if not has_queued(self.sink_manager) and not self.sink_manager.needs_reread:
                break
        await self._end()
        await self.pipeline.finish()
        await self.sink_manager.flush(10)
        for way in self.media:
            way.read()
        assert self.sink_manager.close() == 0

    def _check(self, name: str, arrivals: list[Arrival]) -> None:
        torn = sum(arrival.is_torn for arrival in arrivals)
        assert torn <= self.kills["all"] + self.kills[name], "what is torn was ended within a line"
        times = Counter(number for arrival in arrivals for number in arrival.numbers)
        assert set(times) == set(range(self.ring.next_seq)), "records and gaps cover every number"
        if not self.kills["all"]:
            repeated = [number for number, count in times.items() if count > 1]
            assert len(repeated) <= self.kills[name], f"and no number twice: {name} {repeated}"
            firsts = [arrival.numbers[0] for arrival in arrivals if arrival.numbers]
            assert self.kills[name] or firsts == sorted(firsts)

    def _check_session(self, arrivals: list[Arrival]) -> None:
        """Of a sink that keeps no position: the sum from the first that it was told on.

        It may have ended within a line.
        """
        told = [arrival for arrival in arrivals if arrival.numbers]
        if not told:
            return
        numbers = [number for arrival in told for number in arrival.numbers]
        assert len(set(numbers)) == len(numbers)
        end = told[-1].numbers[-1 if told[-1].is_gap else 0]
        assert set(range(min(numbers), end + 1)) <= set(numbers)

    def _check_forms(self, sink: ScriptedSink) -> None:
        for cause in Cause:
            if any(entry.gap and entry.gap.cause is cause for entry in sink.received):
                event(f"a gap: {cause.value}")
        if any(entry.record.parts for entry in sink.received):
            event("a line in pieces")
        lost = {
            seq
            for entry in sink.received
            if entry.gap
            for seq in range(entry.gap.first, entry.gap.last + 1)
        }
        truncated = {entry.record.seq for entry in sink.received if entry.record.truncated}
        assert self.cut - lost <= truncated
        pre_starts = [
            entry.gap for entry in sink.received if entry.gap and entry.gap.cause is Cause.PRE_START
        ]
        assert len(pre_starts) <= 1 + self.kills["all"]
        if "drops" not in sink.name:
            dropped = [
                entry.gap
                for entry in sink.received
                if entry.gap and entry.gap.cause is Cause.SINK_DROP
            ]
            assert not dropped


TestDelivery = Delivery.TestCase
TestDelivery.settings = settings(max_examples=120, stateful_step_count=25, deadline=None)
