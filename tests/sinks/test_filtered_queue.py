# SPDX-License-Identifier: GPL-2.0-or-later
"""The position of a sink passes over what its filter leaves out, neither too early nor too late."""

import asyncio
import re
from collections.abc import Iterable

import pytest

from klogd_py.record.sequence import SequenceRange
from klogd_py.record.types import Cause, Entry, Gap, Record
from klogd_py.sinks import SinkDown
from klogd_py.sinks.backlog import LEFT_OUT_BYTES, Backlog, size_of
from klogd_py.sinks.drop_policy import QueueLimits, WhenFull
from klogd_py.sinks.entry_filter import EntryFilter, Expression
from klogd_py.sinks.left_out import LeftOut, count_done, mark_left_out
from klogd_py.sinks.queue import SinkQueue
from tests.entries import WALL_US, entry, gap_entry, numbered_entries, position_at
from tests.fakes import ScriptedSink
from tests.queues import flush, make_queue

ROOMY = 1 << 24
NO_ODD = EntryFilter(exclude=(Expression("exclude", re.compile("^record [0-9]*[13579]$")),))
NOTHING = EntryFilter(match=(Expression("match", re.compile("never")),))


def filtered_queue(
    sink: ScriptedSink,
    limit_bytes: int = ROOMY,
    conditions: EntryFilter = NO_ODD,
    when_full: WhenFull = WhenFull.WAIT,
    next_seq: int = 0,
) -> SinkQueue:
    queue = make_queue(sink, limit_bytes, next_seq, when_full, rereadable=True)
    queue.filter.configure(conditions)
    return queue


def line(seq: int, *parts: int) -> Entry:
    """A continued line; its parts had these sequence numbers."""
    return Entry(Record(f"record {seq}", 6, seq, parts=parts), WALL_US, f"record {seq}")


def whole(first: int, last: int) -> LeftOut:
    return LeftOut(SequenceRange(first, last), last - first + 1)


def size_of_entries(count: int) -> int:
    """A limit for exactly so many entries with sequence numbers of two digits."""
    return count * size_of(entry("record 10"))


@pytest.mark.parametrize("blocking", [False, True])
def test_position_passes_over_what_is_left_out(blocking: bool) -> None:
    sink = ScriptedSink(blocking=blocking)
    queue = filtered_queue(sink)
    queue.enqueue(numbered_entries(range(8)))
    assert asyncio.run(flush(queue))
    assert (sink.seqs, queue.position) == ([0, 2, 4, 6], position_at(8))
    assert (queue.delivered, queue.filter.left_out, len(queue.backlog)) == (4, 4, 0)


def test_sink_is_not_called_for_nothing() -> None:
    sink = ScriptedSink(blocking=True)
    queue = filtered_queue(sink, conditions=NOTHING)
    queue.enqueue(numbered_entries(range(8)))
    assert asyncio.run(flush(queue))
    assert not sink.attempted.is_set()
    assert (queue.position, queue.filter.left_out) == (position_at(8), 8)


def test_position_waits_for_entries_before_a_run() -> None:
    sink = ScriptedSink()
    sink.capacity = 1
    queue = filtered_queue(sink)
    queue.enqueue(numbered_entries(range(6)))
    # 0 was accepted, and 1 left out; 2 waits.
    assert (queue.position, queue.filter.left_out, queue.backlog.entry_count) == (
        position_at(2),
        1,
        2,
    )
    queue.enqueue(numbered_entries(range(6, 9)))
    sink.capacity = 100
    assert asyncio.run(flush(queue))
    assert (sink.seqs, queue.position) == ([0, 2, 4, 6, 8], position_at(9))
    assert queue.filter.left_out == 4


def test_long_run_is_one_item_of_the_queue() -> None:
    sink = ScriptedSink()
    sink.down = "away"
    queue = filtered_queue(sink, size_of_entries(2), next_seq=10)
    queue.enqueue(numbered_entries([10]))
    for seq in range(11, 4000):
        queue.filter.configure(NOTHING)
        queue.enqueue(numbered_entries([seq]))
    assert (len(queue.backlog), queue.backlog.entry_count, queue.needs_reread) == (2, 1, False)
    sink.down = ""
    assert asyncio.run(flush(queue))
    assert (queue.position, queue.filter.left_out) == (position_at(4000), 3989)


def test_sink_that_is_down_stays_down_without_entries() -> None:
    sink = ScriptedSink()
    queue = filtered_queue(sink, conditions=NOTHING)
    queue.health.on_down(SinkDown("away"), 0)
    queue.enqueue(numbered_entries([0]))
    assert (queue.health.down is None, queue.filter.left_out) == (False, 1)


def test_gap_is_announced_among_what_is_left_out() -> None:
    sink = ScriptedSink()
    queue = filtered_queue(sink, conditions=NOTHING)
    queue.enqueue(numbered_entries([0, 1, 5, 6]))
    assert [found.gap for found in sink.received] == [Gap(2, 4, Cause.OVERRUN)]
    assert (queue.filter.left_out, queue.position) == (4, position_at(7))


def test_records_left_in_the_ring_count_once() -> None:
    sink = ScriptedSink()
    sink.down = "away"
    queue = filtered_queue(sink, size_of_entries(2) + LEFT_OUT_BYTES)
    batch = numbered_entries(range(10, 20))
    queue.enqueue(numbered_entries(range(10)))
    queue.enqueue(batch)
    assert queue.needs_reread
    sink.down = ""
    while not asyncio.run(flush(queue)) or queue.needs_reread:
        assert queue.reread is not None
        queue.resume()
        queue.enqueue([*numbered_entries(range(10)), *batch])
    assert sink.seqs == list(range(0, 20, 2))
    assert (queue.filter.left_out, queue.position) == (10, position_at(20))


def dropped(
    batches: Iterable[list[Entry]], then: list[Entry]
) -> tuple[list[int | tuple[int, int]], SinkQueue]:
    """What a sink gets that was away for some batches, with room for one entry, and the queue.

    A gap is shown as its first and its last number.
    """
    sink = ScriptedSink()
    sink.down = "away"
    queue = filtered_queue(sink, size_of_entries(2) - 50, when_full=WhenFull.DROP, next_seq=10)
    for batch in batches:
        queue.enqueue(batch)
    sink.down = ""
    asyncio.run(flush(queue))
    queue.enqueue(then)
    asyncio.run(flush(queue))
    received: list[int | tuple[int, int]] = []
    for found in sink.received:
        if found.gap is not None:
            received.append((found.gap.first, found.gap.last))
        elif found.record.seq is not None:
            received.append(found.record.seq)
    return received, queue


def test_dropped_run_takes_over_what_lies_between() -> None:
    received, queue = dropped([numbered_entries(range(10, 21))], numbered_entries([21, 22]))
    # 12, 14, 16, 18 and 20 do not fit; 13, 15, 17 and 19 are left out between them.
    assert received == [10, (12, 20), 22]
    assert (queue.backlog.lost, queue.filter.left_out) == (9, 2)
    assert queue.position == position_at(23)


def test_run_behind_dropped_entries_is_no_loss() -> None:
    error = Entry(Record("record 14", 3, 14), WALL_US, "record 14")
    batch = [*numbered_entries([10, 11, 12, 13]), error]
    received, queue = dropped([batch], numbered_entries(range(15, 19)))
    # 11, 13, 15 and 17 are left out; 12 does not fit.
    assert received == [10, (12, 12), 14, 16, 18]
    assert (queue.backlog.lost, queue.filter.left_out) == (1, 4)
    assert queue.position == position_at(19)


def test_gap_never_covers_parts_among_a_run() -> None:
    batch = [line(10, 14), *numbered_entries([11, 12, 13, 15, 16])]
    received, queue = dropped([batch], numbered_entries([17, 18]))
    # 14 came with 10; 13 and 15 are left out around it.
    assert received == [10, (12, 12), (16, 16), 18]
    assert (queue.backlog.lost, queue.filter.left_out) == (2, 4)
    assert queue.position == position_at(19)


def test_parts_are_left_out_with_their_line() -> None:
    sink = ScriptedSink()
    queue = filtered_queue(sink)
    queue.enqueue([line(1, 3, 5), *numbered_entries([2, 4, 6])])
    # Number 0 never came.
    assert [found.record.seq for found in sink.received] == [None, 2, 4, 6]
    assert (queue.filter.left_out, queue.position) == (3, position_at(7))


def test_position_before_parts_remembers_them() -> None:
    sink = ScriptedSink()
    sink.capacity = 1
    queue = filtered_queue(sink)
    queue.enqueue([line(0, 5), *numbered_entries([1]), line(3, 6), *numbered_entries([4])])
    # 2 never came; its gap does not fit.
    assert (sink.seqs, queue.position) == ([0], position_at(2, 5))
    sink.capacity = 100
    assert asyncio.run(flush(queue))
    assert queue.position == position_at(7)
    assert (sink.seqs, queue.filter.left_out) == ([0, None, 4], 3)


def test_numbers_that_cannot_be_relied_on_are_counted() -> None:
    sink = ScriptedSink()
    queue = make_queue(sink, ROOMY)
    queue.filter.configure(NO_ODD)
    queue.enqueue([*numbered_entries([7, 8, 9]), *numbered_entries([0, 1]), entry("record 3")])
    assert (sink.seqs, queue.filter.left_out) == ([8, 0], 4)


def test_unexpected_error_neither_loses_nor_doubles_items() -> None:
    sink = ScriptedSink()
    sink.down = "away"
    calls = 0

    def announce(gap: Gap) -> Entry:
        nonlocal calls
        calls += 1
        if calls == 1:
            raise IndexError("injected")
        return gap_entry(gap)

    queue = make_queue(sink, size_of_entries(1) + 50, announce=announce)
    queue.filter.configure(NO_ODD)
    error = Entry(Record("record 16", 3, 16), WALL_US, "record 16")

    async def run() -> None:
        queue.enqueue([*numbered_entries(range(10, 16)), error, *numbered_entries([17, 18])])
        sink.down = ""
        await flush(queue)

    asyncio.run(run())
    assert [seq for seq in sink.seqs if seq is not None] == [10, 16, 18]
    assert len([found for found in sink.received if found.gap is not None]) <= 1


def test_runs_join_only_where_nothing_lies_between() -> None:
    first, second = whole(1, 3), whole(4, 6)
    assert first.joined(second) == whole(1, 6)
    # 4 was delivered as a part of an earlier line.
    assert first.joined(whole(5, 6)) == LeftOut(SequenceRange(1, 6), 5)
    assert not first.joined(whole(5, 6)).is_whole
    with_part = LeftOut(SequenceRange(7, 7, (9,)), 2)
    assert second.joined(with_part) == LeftOut(SequenceRange(4, 7, (9,)), 5)
    assert with_part.joined(whole(8, 8)) == LeftOut(SequenceRange(7, 8, (9,)), 3)
    assert with_part.joined(whole(8, 10)) == LeftOut(SequenceRange(7, 10), 5)
    # Another boot begins.
    assert second.joined(whole(0, 1)) == LeftOut(SequenceRange(0, 1), 5)
    assert LeftOut(None, 2).joined(second) == LeftOut(SequenceRange(4, 6), 5)


@pytest.mark.parametrize(("accepted", "done"), [(0, 1), (1, 3), (2, 4)])
def test_runs_are_done_with_the_entries_around_them(accepted: int, done: int) -> None:
    items = mark_left_out(numbered_entries(range(6)), [False, True, False, False, True, True])
    assert len(items) == 5
    assert count_done(items, accepted) == done
    assert count_done(items, 3) == len(items)


def test_chunk_counts_all_records_of_lines() -> None:
    backlog = Backlog(QueueLimits(ROOMY), gap_entry, rereadable=True)
    lines = [line(3 * at, 3 * at + 1, 3 * at + 2) for at in range(10)]
    backlog.add_unsent([whole(0, 0), *lines[:2], whole(7, 7), *lines[2:]], 0)
    assert backlog.head(7) == [whole(0, 0), *lines[:2], whole(7, 7)]
    # One line at least, whatever its records are
    assert backlog.head(2) == [whole(0, 0), lines[0]]
    assert len(backlog.head(100)) == 12


def test_items_on_their_way_do_not_change() -> None:
    backlog = Backlog(QueueLimits(ROOMY), gap_entry, rereadable=True)
    backlog.add_unsent([*numbered_entries([0]), whole(1, 2)], 0)
    on_way = backlog.head(512)
    backlog.add_unsent([whole(3, 4)], 0)
    backlog.add_unsent([whole(5, 6)], 0)
    assert on_way[-1] == whole(1, 2)
    backlog.remove(2)
    assert backlog.head(512) == [whole(3, 6)]
    assert (backlog.bytes, backlog.entry_count) == (LEFT_OUT_BYTES, 0)
