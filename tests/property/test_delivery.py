"""Whatever the device and the sinks do, each sink gets every sequence number, and without a kill it gets it once."""

import asyncio
import errno
from collections import Counter

from hypothesis import event, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule

from klogd_py import kmsg
from klogd_py.carrier import Carrier
from klogd_py.clock import LiveClock
from klogd_py.flood import Limiter
from klogd_py.naming import Naming
from klogd_py.record import Cause, Record, Severity
from klogd_py.sinks.backlog import ENTRY_OVERHEAD_BYTES
from klogd_py.sinks.mailroom import Mailroom, Terms
from klogd_py.sinks.outbox import WhenFull
from klogd_py.symbols.sources import Sources
from tests.entries import announced
from tests.fakes import FakeRing, HurriedLoop, ScriptedSink

RING = 30
ROOM_BYTES = 10 * (ENTRY_OVERHEAD_BYTES + 2 * len("record 10"))
TERMS = {"waits": Terms(ROOM_BYTES), "drops": Terms(ROOM_BYTES, WhenFull.DROP), "roomy": Terms(1 << 22)}
SINKS = st.sampled_from(sorted(TERMS))


class Delivery(RuleBasedStateMachine):
    """A daemon without its edges: the carrier, an intake from a small ring, outboxes, and sinks with a script."""

    @initialize(first=st.sampled_from([0, 0, 7]), may_be_killed=st.booleans())
    def begin(self, first: int, may_be_killed: bool) -> None:
        self.may_be_killed = may_be_killed
        self.runner = asyncio.Runner(loop_factory=HurriedLoop)
        self.ring = FakeRing(RING, first)
        self.sinks = {name: ScriptedSink(name) for name in TERMS}
        self.saved: dict[str, int] = {}  # what stands in the position file
        self.saved_before: dict[str, int] = {}
        self.kills: Counter[str] = Counter()
        self.cut: set[int] = set()
        self.raw_texts: list[str] = []
        self.limiter = Limiter()
        self._run(self._start())

    def _run(self, job: object) -> None:
        assert asyncio.iscoroutine(job)
        self.runner.run(job)

    def _save(self) -> None:
        self.saved_before, self.saved = self.saved, {**self.saved, **self.mailroom.positions}

    async def _start(self) -> None:
        owed = dict(self.saved)
        self.mailroom = Mailroom(announced, owed.get, rereadable=True, moved=self._save)
        self.mailroom.arrange(self.sinks.values(), TERMS.__getitem__)
        self.ring.device.rewind(self.mailroom.first_owed)
        naming = Naming(Sources, lambda reasons: None)
        self.carrier = Carrier(self.ring.device, self.mailroom, naming, LiveClock(), live=True, once=False)
        self.carrier.limiter = self.limiter
        self.carrier.intake.running.set()
        self.task = asyncio.create_task(self.carrier.run())
        await asyncio.sleep(0.1)

    async def _end(self) -> None:
        self.task.cancel()
        await asyncio.wait([self.task])

    @rule(count=st.integers(1, 30), prefix=st.sampled_from([6, 6, 4, 3, 14]))
    def say(self, count: int, prefix: int) -> None:
        self.ring.say(count, prefix=prefix)

    @rule(seconds=st.integers(-(10**6), 10**6), flags=st.sampled_from(["-", "c"]), ending=st.sampled_from(["", ": "]))
    def say_with_a_leap_in_time_or_in_pieces(self, seconds: int, flags: str, ending: str) -> None:
        seq = self.ring.said
        record = Record(f"record {seq}{ending}", 6, seq, max(0, seconds) * 10**6, flags)
        self.ring.say(raw=kmsg.render(record))

    @rule()
    def say_more_than_the_kernels_buffer_holds(self) -> None:
        seq = self.ring.said
        self.cut.add(seq)
        self.ring.say(raw=b"3,%d,%d,-;cut \\xc" % (seq, seq))

    @rule()
    def say_without_a_header(self) -> None:
        self.raw_texts.append(f"no header {self.ring.said}")
        self.ring.say(raw=self.raw_texts[-1].encode())

    @rule(number=st.sampled_from([errno.EINVAL, errno.EPIPE, errno.EINTR, errno.EIO]), then=st.integers(0, 3))
    def refuse(self, number: int, then: int) -> None:
        self.ring.refuse(number)
        if then:
            self.ring.say(then)

    @rule(name=SINKS, how=st.sampled_from(["down", "full", "nearly full", "back"]))
    def change_a_sink(self, name: str, how: str) -> None:
        sink = self.sinks[name]
        sink.down = "away" if how == "down" else ""
        sink.room = {"full": 0, "nearly full": 7}.get(how, 1 << 30)

    @rule(name=SINKS, counts=st.lists(st.integers(1, 40), min_size=1, max_size=5), prefix=st.sampled_from([6, 6, 3]))
    def have_an_outage(self, name: str, counts: list[int], prefix: int) -> None:
        self.sinks[name].down = "away"
        for count in counts:
            self.ring.say(count, prefix=prefix)
            self._run(asyncio.sleep(0.1))
            if self.mailroom.any_behind:
                event("a sink is behind")
        self.sinks[name].down = ""

    @rule(floor=st.sampled_from([Severity.DEBUG, Severity.WARNING]), repeats=st.sampled_from([0, 2]))
    def limit(self, floor: Severity, repeats: int) -> None:
        self.limiter = self.carrier.limiter = Limiter(floor, repeats)

    @rule(seconds=st.floats(0.01, 20))
    def let_time_pass(self, seconds: float) -> None:
        self._run(asyncio.sleep(seconds))

    @rule()
    def reload(self) -> None:
        async def arrange() -> None:
            self.mailroom.arrange(self.sinks.values(), TERMS.__getitem__)

        self._run(arrange())

    @rule()
    def stop_and_start(self) -> None:
        async def restart() -> None:
            await self._end()
            await self.carrier.finish()
            await self.mailroom.empty(1)
            self._save()
            self.mailroom.close()
            await self._start()

        self._run(restart())

    @precondition(lambda self: self.may_be_killed)
    @rule(before_saving=st.booleans())
    def kill_and_start(self, before_saving: bool) -> None:
        async def restart() -> None:
            saved = self.saved_before if before_saving else self.saved
            await self._end()
            await self.mailroom.empty(0)
            self.mailroom.close()
            self.saved = self.saved_before = dict(saved)
            self.kills["all"] += 1
            await self._start()

        self._run(restart())

    def teardown(self) -> None:
        if not hasattr(self, "runner"):
            return
        for sink in self.sinks.values():
            sink.down, sink.room = "", 1 << 30
        self.ring.refusals.clear()
        try:
            self._run(self._settle())
            for sink in self.sinks.values():
                self._check(sink)
        finally:
            self.runner.close()
            self.ring.device.close()

    async def _settle(self) -> None:
        """Let every sink catch up, with a last record that ends whatever is open."""
        await asyncio.sleep(30)
        self.ring.say(prefix=2)
        for _ in range(100):
            await asyncio.sleep(1)
            if not self.mailroom.busy and not self.mailroom.any_behind:
                break
        await self._end()
        await self.carrier.finish()
        await self.mailroom.empty(10)
        assert self.mailroom.close() == 0

    def _check(self, sink: ScriptedSink) -> None:
        covered: Counter[int] = Counter()
        for entry in sink.received:
            if entry.gap is not None:
                covered.update(range(entry.gap.first, entry.gap.last + 1))
            elif entry.record.seq is not None:
                covered.update((entry.record.seq, *entry.record.parts))
        assert set(covered) == set(range(self.ring.said)), "delivered and gaps cover every number"
        if not self.kills:
            assert set(covered.values()) == {1}, "and no number twice"
            firsts = [entry.gap.first if entry.gap else entry.record.seq for entry in sink.received]
            numbers = [number for number in firsts if number is not None]
            assert numbers == sorted(numbers)
        for cause in Cause:
            if any(entry.gap and entry.gap.cause is cause for entry in sink.received):
                event(f"a gap: {cause.value}")
        self._check_forms(sink)

    def _check_forms(self, sink: ScriptedSink) -> None:
        lost = {seq for entry in sink.received if entry.gap for seq in range(entry.gap.first, entry.gap.last + 1)}
        truncated = {entry.record.seq for entry in sink.received if entry.record.truncated}
        assert self.cut - lost <= truncated
        pre_starts = [entry.gap for entry in sink.received if entry.gap and entry.gap.cause is Cause.PRE_START]
        assert len(pre_starts) <= 1 + self.kills["all"]
        if sink.name != "drops":
            dropped = [entry.gap for entry in sink.received if entry.gap and entry.gap.cause is Cause.SINK_DROP]
            assert not dropped


TestDelivery = Delivery.TestCase
TestDelivery.settings = settings(max_examples=60, stateful_step_count=25, deadline=None)
