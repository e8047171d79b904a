# SPDX-License-Identifier: GPL-2.0-or-later
import asyncio
import os
import re
import threading
from collections.abc import Mapping, Sequence

import pytest

from klogd_py.record.sequence import Position
from klogd_py.record.types import Entry
from klogd_py.sinks.drop_policy import QueueLimits
from klogd_py.sinks.entry_filter import EntryFilter, Expression
from klogd_py.sinks.manager import SinkManager
from tests.entries import gap_entry, numbered_entries
from tests.fakes import ScriptedSink, has_queued
from tests.virtual_time import run_in_virtual_time


def _roomy(name: str) -> QueueLimits:
    return QueueLimits(1 << 24)


def _manager(next_seqs: Mapping[str, int] | None = None) -> SinkManager:
    return SinkManager(gap_entry, _positions(next_seqs or {}).get)


def _positions(next_seqs: Mapping[str, int]) -> dict[str, Position]:
    return {name: Position(seq) for name, seq in next_seqs.items()}


def _down(name: str) -> ScriptedSink:
    sink = ScriptedSink(name)
    sink.down = "away"
    return sink


@pytest.mark.parametrize("hindrance", ["down", "full", "gone"])
def test_sink_that_accepts_nothing_stops_no_other(hindrance: str) -> None:
    bad, good = ScriptedSink("bad"), ScriptedSink("good")
    bad.down, bad.gone, bad.capacity = "away" if hindrance == "down" else "", hindrance == "gone", 0

    async def carry() -> None:
        sink_manager = _manager()
        sink_manager.configure([bad, good], _roomy)
        for seq in range(5):
            sink_manager.enqueue(numbered_entries([seq]))
        assert good.seqs == [0, 1, 2, 3, 4]
        assert sink_manager.positions == _positions({"good": 5})
        assert not sink_manager.all_gone
        await sink_manager.flush(1)
        assert sink_manager.close() == (0 if hindrance == "gone" else 5)

    run_in_virtual_time(carry())


def test_hanging_thread_of_one_sink_stops_no_other() -> None:
    stuck, good = ScriptedSink("stuck", blocking=True), ScriptedSink("good")
    stuck.unblocked.clear()

    async def carry() -> None:
        sink_manager = _manager()
        sink_manager.configure([stuck, good], _roomy)
        sink_manager.enqueue(numbered_entries([0]))
        await asyncio.to_thread(stuck.attempted.wait, 5)
        sink_manager.enqueue(numbered_entries([1]))
        assert (good.seqs, stuck.seqs) == ([0, 1], [])
        stuck.unblocked.set()
        while has_queued(sink_manager):
            await asyncio.sleep(0)
        sink_manager.close()

    asyncio.run(carry())
    assert stuck.seqs == [0, 1]


def test_stop_during_a_threaded_send_repeats_nothing() -> None:
    slow = ScriptedSink("slow", blocking=True)
    slow.unblocked.clear()

    async def carry() -> None:
        sink_manager = _manager()
        sink_manager.configure([slow], _roomy)
        sink_manager.enqueue(numbered_entries(range(3)))
        await asyncio.to_thread(slow.attempted.wait, 5)
        stopping = asyncio.create_task(sink_manager.flush(5))
        # The drains are cancelled now.
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        slow.unblocked.set()
        await stopping
        assert sink_manager.close() == 0

    asyncio.run(carry())
    assert slow.seqs == [0, 1, 2]


def test_waiting_entries_are_sent_when_sink_returns() -> None:
    sink = _down("a")

    async def carry() -> None:
        sink_manager = _manager()
        sink_manager.configure([sink], _roomy)
        sink_manager.enqueue(numbered_entries(range(3)))
        await asyncio.sleep(60)
        assert (sink.seqs, has_queued(sink_manager)) == ([], True)
        sink.down = ""
        await asyncio.sleep(60)
        assert (sink.seqs, has_queued(sink_manager)) == ([0, 1, 2], False)
        sink_manager.close()

    run_in_virtual_time(carry())


def test_flush_waits_for_a_sink_that_returns() -> None:
    sink = _down("a")

    async def carry() -> None:
        sink_manager = _manager()
        sink_manager.configure([sink], _roomy)
        sink_manager.enqueue(numbered_entries(range(3)))
        asyncio.get_running_loop().call_later(3, lambda: setattr(sink, "down", ""))
        await sink_manager.flush(5)
        assert sink_manager.close() == 0

    run_in_virtual_time(carry())
    assert sink.seqs == [0, 1, 2]


def test_flush_ends_at_its_limit_and_counts_unsent(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def carry() -> None:
        sink_manager = _manager()
        sink_manager.configure([_down("syslog:/gone"), ScriptedSink("good")], _roomy)
        sink_manager.enqueue(numbered_entries(range(3)))
        began_s = asyncio.get_running_loop().time()
        await sink_manager.flush(5)
        assert asyncio.get_running_loop().time() - began_s == pytest.approx(5, abs=0.5)
        assert sink_manager.close() == 3

    run_in_virtual_time(carry())
    assert "syslog:/gone: entries never sent: 3 (away)" in [
        record.getMessage() for record in caplog.records
    ]


def test_manager_without_a_sink_can_be_flushed() -> None:
    async def carry() -> None:
        sink_manager = _manager()
        sink_manager.configure([], _roomy)
        sink_manager.enqueue(numbered_entries(range(3)))
        await sink_manager.flush(1)
        assert sink_manager.close() == 0

    asyncio.run(carry())


@pytest.mark.parametrize("blocking", [False, True])
def test_unselected_entries_are_no_gap_anywhere(blocking: bool) -> None:
    """A sink that starts anew, one that continues, and one with a filter of its own."""
    new, later, filtered = (
        ScriptedSink(name, blocking=blocking) for name in ("new", "later", "filtered")
    )

    def unselected(entries: Sequence[Entry]) -> set[int]:
        return {id(one) for one in entries if one.record.seq is None or one.record.seq % 3}

    async def carry() -> None:
        positions = _positions({"later": 4, "filtered": 2})
        manager = SinkManager(gap_entry, positions.get, rereadable=True, unselected=unselected)
        no_nine = EntryFilter(exclude=(Expression("exclude", re.compile("^record 9$")),))
        manager.configure(
            [new, later, filtered], _roomy, lambda name: no_nine if name == "filtered" else None
        )
        for first in (0, 4, 8):
            manager.enqueue(numbered_entries(range(first, first + 4)))
        while has_queued(manager):
            await asyncio.sleep(0)
        counts = {name: queue.filter.left_out for name, queue in manager.queues.items()}
        assert (counts, manager.positions) == (
            {"new": 8, "later": 6, "filtered": 8},
            _positions({"new": 12, "later": 12, "filtered": 12}),
        )

    asyncio.run(carry())
    assert (new.seqs, later.seqs, filtered.seqs) == ([0, 3, 6, 9], [6, 9], [3, 6])


def test_lowest_next_seq_is_of_the_slowest_sink() -> None:
    async def configure() -> None:
        sink_manager = _manager({"a": 7, "b": 5})
        sink_manager.configure([ScriptedSink("a"), ScriptedSink("b")], _roomy)
        assert sink_manager.lowest_next_seq == 5
        sink_manager.configure([ScriptedSink("a")], _roomy)
        assert sink_manager.lowest_next_seq == 7
        sink_manager.configure([ScriptedSink("a"), ScriptedSink("new")], _roomy)
        assert sink_manager.lowest_next_seq == 0
        sink_manager.close()

    run_in_virtual_time(configure())


def test_each_sink_continues_at_its_own_position() -> None:
    ahead, slow, new = ScriptedSink("ahead"), ScriptedSink("slow"), ScriptedSink("new")
    console = ScriptedSink("console", keeps_position=False)

    async def carry() -> None:
        sink_manager = _manager({"ahead": 8, "slow": 5, "console": 9})
        sink_manager.configure([ahead, slow, new, console], _roomy)
        sink_manager.enqueue(numbered_entries(range(3, 10)))
        assert sink_manager.positions == _positions({"ahead": 10, "slow": 10, "new": 10})
        sink_manager.close()

    run_in_virtual_time(carry())
    assert ahead.seqs == [8, 9]
    assert slow.seqs == [5, 6, 7, 8, 9]
    assert new.seqs == console.seqs == [3, 4, 5, 6, 7, 8, 9]


def test_reconfigured_sink_keeps_its_waiting_entries() -> None:
    before, after, added = _down("a"), ScriptedSink("a"), ScriptedSink("b")

    async def carry() -> None:
        sink_manager = _manager()
        sink_manager.configure([before], _roomy)
        sink_manager.enqueue(numbered_entries(range(3)))
        sink_manager.configure([after, added], _roomy)
        sink_manager.enqueue(numbered_entries(range(3, 5)))
        await sink_manager.flush(5)
        sink_manager.close()

    run_in_virtual_time(carry())
    assert before.closed == 1
    assert after.seqs == [0, 1, 2, 3, 4]
    assert added.seqs == [3, 4]


def test_removed_sink_is_closed_and_gets_nothing() -> None:
    removed, kept = ScriptedSink("a"), ScriptedSink("b")

    async def carry() -> None:
        sink_manager = _manager()
        sink_manager.configure([removed, kept], _roomy)
        sink_manager.enqueue(numbered_entries([0]))
        sink_manager.configure([kept], _roomy)
        sink_manager.enqueue(numbered_entries([1]))
        assert list(sink_manager.queues) == ["b"]
        sink_manager.close()

    run_in_virtual_time(carry())
    assert (removed.seqs, removed.closed, kept.seqs) == ([0], 1, [0, 1])


class _Ring(SinkManager):
    """A manager whose source can read its records again."""

    def __init__(self, next_seqs: Mapping[str, int] | None = None) -> None:
        super().__init__(gap_entry, _positions(next_seqs or {}).get, rereadable=True)


def test_removed_sink_counts_what_its_thread_delivers() -> None:
    sink = ScriptedSink("slow", blocking=True)
    sink.unblocked.clear()

    async def carry() -> None:
        sink_manager = _Ring({"slow": 0})
        sink_manager.configure([sink], _roomy)
        sink_manager.enqueue(numbered_entries(range(3)))
        await asyncio.to_thread(sink.attempted.wait, 5)
        sink_manager.configure([], _roomy)
        assert (sink_manager.positions, sink.closed) == (_positions({"slow": 0}), 0)
        sink_manager.configure([ScriptedSink("slow", blocking=True)], _roomy)
        sink_manager.configure([], _roomy)
        sink.unblocked.set()
        while not sink.closed:
            await asyncio.sleep(0.001)
        sink_manager.close()

    asyncio.run(carry())
    assert sink.seqs == [0, 1, 2]


def test_sink_returning_during_a_send_repeats_nothing() -> None:
    before, after = ScriptedSink("slow", blocking=True), ScriptedSink("slow", blocking=True)
    before.unblocked.clear()

    async def carry() -> None:
        sink_manager = _Ring({"slow": 0})
        sink_manager.configure([before], _roomy)
        sink_manager.enqueue(numbered_entries(range(3)))
        await asyncio.to_thread(before.attempted.wait, 5)
        sink_manager.configure([], _roomy)
        sink_manager.enqueue(numbered_entries(range(3, 5)))
        sink_manager.configure([after], _roomy)
        before.unblocked.set()
        while has_queued(sink_manager):
            await asyncio.sleep(0.001)
        assert sink_manager.reread_from == 3
        sink_manager.resume(3)
        sink_manager.enqueue(numbered_entries(range(6)))
        await sink_manager.flush(5)
        assert sink_manager.positions == _positions({"slow": 6})
        sink_manager.close()

    asyncio.run(carry())
    assert [*before.seqs, *after.seqs] == [0, 1, 2, 3, 4, 5]


def test_sink_added_before_any_record_misses_nothing() -> None:
    async def configure() -> None:
        sink_manager = _Ring({"a": 7})
        sink_manager.configure([ScriptedSink("a")], _roomy)
        sink_manager.configure([ScriptedSink("a"), ScriptedSink("new")], _roomy)
        assert sink_manager.reread_from == 0, (
            "records before 7 may have been left out of the batch being read"
        )
        sink_manager.close()

    run_in_virtual_time(configure())


def test_sink_due_too_late_waits_for_older_records() -> None:
    async def configure() -> None:
        sink_manager = _Ring({"a": 9, "old": 3, "new": 7})
        sink_manager.configure([ScriptedSink("a")], _roomy)
        sink_manager.configure([ScriptedSink(name) for name in ("a", "old", "new")], _roomy)
        sink_manager.resume(7)
        assert sink_manager.reread_from == 3
        assert [queue.needs_reread for queue in sink_manager.queues.values()] == [
            False,
            True,
            False,
        ]
        sink_manager.close()

    run_in_virtual_time(configure())


def test_sink_between_two_numbers_is_found() -> None:
    async def configure() -> None:
        sink_manager = _Ring({"a": 7, "b": 9})
        sink_manager.configure([ScriptedSink("a"), ScriptedSink("b")], _roomy)
        assert [sink_manager.any_sink_between(6, other) for other in (5, 7, 9)] == [
            False,
            True,
            True,
        ]
        assert not sink_manager.any_sink_between(9, 10)
        sink_manager.close()

    run_in_virtual_time(configure())


def test_all_are_gone_only_when_each_is() -> None:
    first, second = ScriptedSink("a"), ScriptedSink("b")

    async def carry() -> None:
        sink_manager = _manager()
        sink_manager.configure([first, second], _roomy)
        first.gone = True
        sink_manager.enqueue(numbered_entries([0]))
        assert not sink_manager.all_gone
        second.gone = True
        sink_manager.enqueue(numbered_entries([1]))
        assert sink_manager.all_gone
        sink_manager.close()

    run_in_virtual_time(carry())


class _Faulty(ScriptedSink):
    """Raises an unexpected error once."""

    def __init__(self) -> None:
        super().__init__("faulty")
        self.down = "away"
        self.failed = False

    def send(self, entries: Sequence[Entry]) -> int:
        if not self.down and not self.failed:
            self.failed = True
            raise RuntimeError("a mistake")
        return super().send(entries)


def test_drain_restarts_after_an_unexpected_error(caplog: pytest.LogCaptureFixture) -> None:
    sink = _Faulty()

    async def carry() -> None:
        sink_manager = _manager()
        sink_manager.configure([sink], _roomy)
        sink_manager.enqueue(numbered_entries(range(3)))
        sink.down = ""
        await asyncio.sleep(60)
        sink_manager.close()

    run_in_virtual_time(carry())
    assert sink.seqs == [0, 1, 2]
    assert "a mistake" in caplog.text


def test_hanging_sink_never_has_a_second_thread() -> None:
    stuck, good = ScriptedSink("stuck", blocking=True), ScriptedSink("good")
    stuck.unblocked.clear()

    async def flap() -> None:
        sink_manager = _manager()
        sink_manager.configure([stuck, good], _roomy)
        sink_manager.enqueue(numbered_entries([0]))
        await asyncio.to_thread(stuck.attempted.wait, 5)
        threads, descriptors = threading.active_count(), len(os.listdir("/proc/self/fd"))
        for number in range(1, 25):
            sink_manager.configure([good], _roomy)
            sink_manager.configure([stuck, good], _roomy)
            sink_manager.enqueue(numbered_entries([number]))
            await asyncio.sleep(0.002)
        assert threading.active_count() <= threads
        assert len(os.listdir("/proc/self/fd")) == descriptors
        stuck.unblocked.set()
        while has_queued(sink_manager):
            await asyncio.sleep(0.001)
        sink_manager.close()

    asyncio.run(flap())
    assert good.seqs == [*range(25)]
    assert stuck.seqs == [*range(25)], "a sink that has not stopped yet keeps its waiting entries"


def test_error_in_one_sink_affects_no_other(caplog: pytest.LogCaptureFixture) -> None:
    class Troubled(ScriptedSink):
        left = 5

        def send(self, entries: Sequence[Entry]) -> int:
            if self.left:
                self.left -= 1
                raise (RuntimeError, MemoryError, RecursionError)[self.left % 3]("trouble")
            return super().send(entries)

        def close(self) -> None:
            raise KeyError("trouble")

    bad, good = Troubled("bad"), ScriptedSink("good")

    async def carry() -> None:
        sink_manager = _manager()
        sink_manager.configure([bad, good], _roomy)
        sink_manager.enqueue(numbered_entries(range(3)))
        assert good.seqs == [0, 1, 2]
        assert sink_manager.queues["bad"].health.down is not None
        await asyncio.sleep(60)
        sink_manager.enqueue(numbered_entries(range(3, 5)))
        await sink_manager.flush(5)
        assert sink_manager.close() == 0

    run_in_virtual_time(carry())
    assert bad.seqs == good.seqs == [0, 1, 2, 3, 4]
    assert good.closed == 1
    assert (
        len([record for record in caplog.records if "unexpected error" in record.getMessage()]) == 1
    )
