# SPDX-License-Identifier: GPL-2.0-or-later
import asyncio
import contextlib
import errno
import logging
import socket
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

import pytest

from klogd_py.pipeline.batch import Batch
from klogd_py.pipeline.printk_clock import WallTimes
from klogd_py.pipeline.symbolize import FormatOptions, Style, symbolize
from klogd_py.record.types import Cause, Entry, Gap, Record
from klogd_py.sinks.backlog import ENTRY_OVERHEAD_BYTES
from klogd_py.sinks.drain import CHUNK_ENTRIES
from klogd_py.sinks.drop_policy import WhenFull
from klogd_py.sinks.local_syslog import SyslogSink
from klogd_py.sinks.queue import Reread
from klogd_py.sinks.retry import MAX_PAUSE_S, MIN_PAUSE_S
from klogd_py.sources.kmsg_device import KmsgDevice
from tests.entries import (
    WALL_US,
    entry,
    gap_entry,
    lost_entry,
    numbered_entries,
    position_at,
)
from tests.fakes import FakeKmsg, ScriptedSink
from tests.queues import drain_of, flush, make_queue
from tests.sockets import BackgroundDatagramListener
from tests.virtual_time import run_in_virtual_time

ROOMY = 1 << 24


def _limit_for(count: int) -> int:
    """A limit for exactly so many entries with sequence numbers of two digits."""
    return count * (ENTRY_OVERHEAD_BYTES + 2 * len("record 10"))


def _down(reason: str) -> ScriptedSink:
    sink = ScriptedSink()
    sink.down = reason
    return sink


def _gaps(sink: ScriptedSink) -> list[Gap]:
    return [entry.gap for entry in sink.received if entry.gap is not None]


def test_sink_with_room_gets_everything_at_once() -> None:
    sink = ScriptedSink()
    queue = make_queue(sink, ROOMY)
    queue.enqueue(numbered_entries(range(5)))
    assert sink.seqs == [0, 1, 2, 3, 4]
    assert (len(queue.backlog), queue.delivered, queue.position) == (0, 5, position_at(5))


def test_blocking_sink_is_never_called_on_the_loop() -> None:
    sink = ScriptedSink(blocking=True)
    queue = make_queue(sink, ROOMY)
    queue.enqueue(numbered_entries(range(5)))
    assert (sink.seqs, len(queue.backlog)) == ([], 5)
    assert asyncio.run(flush(queue))
    assert sink.seqs == [0, 1, 2, 3, 4]


@pytest.mark.parametrize("capacity", [0, 1, 4])
def test_rest_of_full_sink_is_sent_in_order(capacity: int) -> None:
    sink = ScriptedSink()
    sink.capacity = capacity
    queue = make_queue(sink, ROOMY)
    queue.enqueue(numbered_entries(range(5)))
    queue.enqueue(numbered_entries(range(5, 8)))
    assert (len(sink.received), len(queue.backlog), queue.position) == (
        capacity,
        8 - capacity,
        position_at(capacity) if capacity else None,
    )
    sink.capacity = 100
    assert asyncio.run(flush(queue))
    assert sink.seqs == list(range(8))
    assert (queue.delivered, queue.backlog.lost) == (8, 0)


def test_many_chunks_are_sent_in_order() -> None:
    sink = _down("away")
    queue = make_queue(sink, ROOMY)
    queue.enqueue(numbered_entries(range(3 * CHUNK_ENTRIES + 1)))
    sink.down = ""
    assert asyncio.run(flush(queue))
    assert sink.seqs == list(range(3 * CHUNK_ENTRIES + 1))


@pytest.mark.parametrize("blocking", [False, True])
@pytest.mark.parametrize(("kept", "posted"), [(3, 4), (3, 10), (2, 3), (10, 500)])
def test_full_queue_drops_the_newest_and_announces_them(
    kept: int, posted: int, blocking: bool
) -> None:
    sink = ScriptedSink(blocking=blocking)
    sink.down = "away"
    queue = make_queue(sink, _limit_for(kept))
    for number in range(posted):
        queue.enqueue(numbered_entries([10 + number]))
    assert (len(queue.backlog), queue.backlog.lost) == (kept, posted - kept)
    sink.down = ""
    assert asyncio.run(flush(queue))
    queue.enqueue(numbered_entries([10 + posted]))
    assert asyncio.run(flush(queue))
    assert sink.seqs == [*range(10, 10 + kept), None, 10 + posted]
    assert _gaps(sink) == [Gap(10 + kept, 9 + posted, Cause.SINK_DROP)]
    assert _gaps(sink)[0].count == posted - kept


def _line(seq: int, *parts: int) -> Entry:
    """A continued line; its parts had these sequence numbers."""
    return Entry(Record(f"record {seq}", 6, seq, parts=parts), WALL_US, f"record {seq}")


def test_dropped_run_never_covers_delivered_parts() -> None:
    sink = _down("away")
    queue = make_queue(sink, _limit_for(1), 10, rereadable=True)
    queue.enqueue([_line(10, 13, 15), *numbered_entries([11, 12, 14, 16, 17])])
    sink.down = ""
    assert asyncio.run(flush(queue))
    assert [(gap.first, gap.last) for gap in _gaps(sink)] == [(11, 12), (14, 14), (16, 17)]
    assert (queue.backlog.lost, queue.position) == (5, position_at(18))


@pytest.mark.parametrize("blocking", [False, True])
@pytest.mark.parametrize("capacity", [0, 1])
def test_second_line_of_a_kept_record_is_kept(capacity: int, blocking: bool) -> None:
    sink = ScriptedSink(blocking=blocking)
    sink.capacity = capacity
    record = Record("record 10", 6, 10)
    twice = [Entry(record, WALL_US, "named"), Entry(record, WALL_US, "record 10")]
    queue = make_queue(sink, _limit_for(1))
    queue.enqueue([*twice, *numbered_entries([11])])
    sink.capacity = 100
    assert asyncio.run(flush(queue))
    assert [entry.text for entry in sink.received[:2]] == ["named", "record 10"]
    assert [gap.first for gap in _gaps(sink)] == [11]


def test_position_within_a_line_remembers_delivered_parts() -> None:
    sink = ScriptedSink()
    queue = make_queue(sink, ROOMY, 5, rereadable=True)
    sink.capacity = 2
    queue.enqueue([_line(5, 8, 9), *numbered_entries([6, 7, 10])])
    assert queue.position == position_at(7, 8, 9)
    again = ScriptedSink()
    make_queue(again, ROOMY, 7, rereadable=True, ahead=(8, 9)).enqueue(
        numbered_entries(range(7, 12))
    )
    assert again.seqs == [7, 10, 11]


def test_second_line_never_moves_position_back() -> None:
    sink = ScriptedSink()
    queue = make_queue(sink, _limit_for(1), 5, WhenFull.WAIT, rereadable=True)
    record = Record("record 6", 6, 6)
    twice = [Entry(record, WALL_US, "named"), Entry(record, WALL_US, "record 6")]
    sink.capacity = 2
    queue.enqueue([_line(5, 7, 9), *twice, *numbered_entries([8, 10])])
    assert queue.position == position_at(8, 9)
    sink.capacity = 10
    assert asyncio.run(flush(queue))
    assert queue.position == position_at(8, 9)
    assert queue.reread == Reread(8, 0.0)
    queue.resume()
    queue.enqueue(numbered_entries(range(5, 12)))
    assert [entry.text for entry in sink.received[-3:]] == ["record 8", "record 10", "record 11"]


def test_reread_within_a_line_repeats_no_part() -> None:
    sink = _down("away")
    queue = make_queue(sink, _limit_for(2), 10, WhenFull.WAIT, rereadable=True)
    queue.enqueue(
        [_line(10, 13), *numbered_entries([11]), _line(12, 14), *numbered_entries([15])],
    )
    assert queue.needs_reread
    sink.down = ""
    assert asyncio.run(flush(queue))
    queue.resume()
    queue.enqueue(numbered_entries(range(10, 17)))
    assert (sink.seqs, _gaps(sink)) == ([10, 11, 12, 14, 15, 16], [])


@pytest.mark.parametrize("when_full", list(WhenFull))
@pytest.mark.parametrize("blocking", [False, True])
def test_empty_queue_accepts_one_record_of_any_size(when_full: WhenFull, blocking: bool) -> None:
    sink = ScriptedSink(blocking=blocking)
    sink.capacity = 0
    queue = make_queue(sink, 1, 10, when_full, rereadable=True)
    queue.enqueue(numbered_entries([10]))
    queue.enqueue(numbered_entries([11]))
    assert (len(queue.backlog), queue.reread) == (1, None)
    sink.capacity = 100
    assert asyncio.run(flush(queue))
    assert queue.reread == (Reread(11, 0.0) if when_full is WhenFull.WAIT else None)
    assert sink.seqs == [10, *([None] if when_full is WhenFull.DROP else [])]


def test_sink_finishes_its_line_before_it_is_replaced() -> None:
    before, after, last = ScriptedSink(), ScriptedSink(), ScriptedSink()
    before.capacity, before.has_partial_write = 1, True
    queue = make_queue(before, ROOMY)
    queue.enqueue(numbered_entries(range(3)))
    queue.sender.replace(after)
    queue.sender.replace(last)
    assert (before.closed, after.closed) == (0, 1)
    before.capacity = 1
    assert not asyncio.run(flush(queue))
    before.has_partial_write = False
    assert asyncio.run(flush(queue))
    assert (before.seqs, last.seqs, before.closed) == ([0, 1], [2], 1)


def test_batch_without_new_records_swaps_replaced_sink() -> None:
    before, after = ScriptedSink(), ScriptedSink()
    before.has_partial_write = True
    queue = make_queue(before, ROOMY)
    queue.enqueue(numbered_entries(range(3)))
    queue.sender.replace(after)
    before.has_partial_write = False
    queue.enqueue([])
    assert (before.closed, before.seqs, after.seqs) == (1, [0, 1, 2], [])


def test_each_run_of_drops_is_announced_separately() -> None:
    sink = ScriptedSink()
    queue = make_queue(sink, _limit_for(2))
    for first in (10, 20):
        sink.down = "away"
        queue.enqueue(numbered_entries(range(first, first + 5)))
        sink.down = ""
        assert asyncio.run(flush(queue))
    assert sink.seqs == [10, 11, None, 20, 21, None]
    assert _gaps(sink) == [Gap(12, 14, Cause.SINK_DROP), Gap(22, 24, Cause.SINK_DROP)]


def test_short_record_does_not_overtake_dropped_ones() -> None:
    sink = _down("away")
    queue = make_queue(sink, _limit_for(2))
    queue.enqueue([*numbered_entries([10]), entry("x" * 1000, seq=11), *numbered_entries([12])])
    sink.down = ""
    assert asyncio.run(flush(queue))
    assert sink.seqs == [10, None]
    assert _gaps(sink) == [Gap(11, 12, Cause.SINK_DROP)]


@pytest.mark.parametrize(
    "posted",
    [
        [*numbered_entries([10, 11]), lost_entry(12, 15, Cause.OVERRUN), *numbered_entries([16])],
        [
            *numbered_entries([10, 11, 12]),
            lost_entry(13, 15, Cause.OVERRUN),
            *numbered_entries([16]),
        ],
        [*numbered_entries([10, 11, 12]), lost_entry(13, 16, Cause.OVERRUN)],
        [*numbered_entries([10, 11]), lost_entry(12, 16, Cause.OVERRUN)],
    ],
    ids=["gap first", "gap in between", "gap last", "gap only"],
)
def test_announcement_covers_a_dropped_gap(posted: Sequence[Entry]) -> None:
    sink = _down("away")
    queue = make_queue(sink, _limit_for(2))
    queue.enqueue(posted)
    sink.down = ""
    assert asyncio.run(flush(queue))
    assert [seq for gap in _gaps(sink) for seq in range(gap.first, gap.last + 1)] == [
        *range(12, 17)
    ]


@pytest.mark.parametrize("down", ["", "away"])
def test_dropped_unnumbered_records_are_reported(
    down: str, caplog: pytest.LogCaptureFixture
) -> None:
    sink = ScriptedSink()
    sink.capacity, sink.down = 0, down
    queue = make_queue(sink, _limit_for(2))
    queue.enqueue([entry("record 10") for _ in range(5)])
    sink.capacity, sink.down = 100, ""
    assert asyncio.run(flush(queue))
    assert queue.backlog.lost == 3
    messages = [record.getMessage() for record in caplog.records] + [
        entry.text for entry in sink.received if entry.gap is not None
    ]
    assert [line for line in messages if "lost" in line and "3" in line]


def test_down_and_back_are_logged_once_each(
    caplog: pytest.LogCaptureFixture,
) -> None:
    sink = _down("nobody listens")
    queue = make_queue(sink, _limit_for(2))

    async def try_often() -> None:
        for number in range(5):
            queue.enqueue(numbered_entries([10 + number]))
            await flush(queue)
        sink.down = ""
        await flush(queue)
        queue.enqueue(numbered_entries([15]))

    asyncio.run(try_often())
    assert [(record.levelno, record.getMessage()) for record in caplog.records] == [
        (logging.WARNING, "scripted is down, retrying: nobody listens"),
        (logging.WARNING, "scripted is back; records lost in between: 3"),
    ]
    assert queue.health.down is None


def test_last_error_is_kept_while_sink_is_down() -> None:
    sink = _down("nobody listens")
    queue = make_queue(sink, ROOMY)
    queue.enqueue(numbered_entries([1]))
    assert queue.health.down is not None
    assert queue.health.down.reason == "nobody listens"


class _Timed(ScriptedSink):
    """Records the times of its calls."""

    def __init__(self) -> None:
        super().__init__()
        self.down = "away"
        self.times_s: list[float] = []

    def send(self, entries: Sequence[Entry]) -> int:
        self.times_s.append(asyncio.get_running_loop().time())
        return super().send(entries)


def test_pause_grows_but_retries_never_end() -> None:
    sink = _Timed()

    async def fail(times: int) -> None:
        queue = make_queue(sink, ROOMY)
        drain = asyncio.create_task(drain_of(queue).run())
        queue.enqueue(numbered_entries([1]))
        while len(sink.times_s) < times:
            await asyncio.sleep(MIN_PAUSE_S)
        sink.down = ""
        while not sink.received:
            await asyncio.sleep(MIN_PAUSE_S)
        drain.cancel()

    run_in_virtual_time(fail(16))
    pauses_s = [
        after - before for before, after in zip(sink.times_s[1:], sink.times_s[2:], strict=False)
    ]
    assert pauses_s == sorted(pauses_s)
    assert pauses_s[0] < 0.2
    assert pauses_s[-1] == pytest.approx(MAX_PAUSE_S)


def test_pause_is_reset_when_the_sink_returns() -> None:
    sink = _Timed()

    async def fail_twice() -> float:
        queue = make_queue(sink, ROOMY)
        drain = asyncio.create_task(drain_of(queue).run())
        for round_of in (1, 2):
            sink.down = "away"
            tried = len(sink.times_s)
            queue.enqueue(numbered_entries([round_of]))
            while len(sink.times_s) < tried + 12:
                await asyncio.sleep(MIN_PAUSE_S)
            sink.down = ""
            while len(sink.received) < round_of:
                await asyncio.sleep(MIN_PAUSE_S)
        drain.cancel()
        return sink.times_s[-10] - sink.times_s[-11]

    assert run_in_virtual_time(fail_twice()) < 0.5


class _Slow(ScriptedSink):
    """Accepts a few entries on each call, like a listener that reads all the time."""

    def send(self, entries: Sequence[Entry]) -> int:
        self.capacity = 10
        return super().send(entries)


def test_slow_sink_does_not_count_as_down() -> None:
    sink = _Slow()

    async def carry() -> float:
        queue = make_queue(sink, ROOMY)
        drain = asyncio.create_task(drain_of(queue).run())
        queue.enqueue(numbered_entries(range(1000)))
        began_s = asyncio.get_running_loop().time()
        while len(sink.received) < 1000:
            await asyncio.sleep(MIN_PAUSE_S)
        drain.cancel()
        return asyncio.get_running_loop().time() - began_s

    assert run_in_virtual_time(carry()) < 10, (
        "100 deliveries, a shortest pause between them, is 2 s"
    )
    assert sink.seqs == list(range(1000))


def test_attentive_listener_gets_a_large_burst_soon(tmp_path: Path) -> None:
    with (
        BackgroundDatagramListener(tmp_path / "log") as listener,
        closing(SyslogSink(str(tmp_path / "log"))) as sink,
    ):

        async def carry() -> None:
            queue = make_queue(sink, ROOMY)
            drain = asyncio.create_task(drain_of(queue).run())
            queue.enqueue(numbered_entries(range(3000)))
            async with asyncio.timeout(8):
                while queue.backlog:
                    await asyncio.sleep(MIN_PAUSE_S)
            drain.cancel()

        asyncio.run(carry())
    assert [datagram.rpartition(b" ")[2] for datagram in listener.received] == [
        b"%d" % seq for seq in range(3000)
    ]


def test_gone_sink_is_not_tried_again() -> None:
    sink = ScriptedSink()
    sink.gone = True
    queue = make_queue(sink, ROOMY)
    queue.enqueue(numbered_entries(range(3)))
    assert queue.health.is_gone
    assert len(queue.backlog) == 0, "no entry waits for a sink that is gone"
    sink.gone = False
    queue.enqueue(numbered_entries(range(3, 6)))
    assert sink.received == []
    assert queue.close() == 0


def test_closing_counts_what_was_never_sent() -> None:
    sink = _down("away")
    queue = make_queue(sink, ROOMY)
    queue.enqueue(numbered_entries(range(7)))
    assert queue.close() == 7
    assert sink.closed == 1


def test_close_counts_drops_not_announced_yet() -> None:
    queue = make_queue(_down("away"), _limit_for(2))
    queue.enqueue(numbered_entries(range(10, 17)))
    assert (len(queue.backlog), queue.backlog.lost) == (2, 5)
    assert queue.close() == 7


def test_replaced_sink_continues_with_waiting_entries() -> None:
    before, after = _down("away"), ScriptedSink()
    queue = make_queue(before, ROOMY)
    queue.enqueue(numbered_entries(range(3)))
    queue.sender.replace(after)
    assert asyncio.run(flush(queue))
    assert (before.closed, after.seqs) == (1, [0, 1, 2])


# After a restart


@pytest.mark.parametrize(
    "batches",
    [[range(10)], [range(3), range(3, 10)], [range(5), range(5, 10)], [[seq] for seq in range(10)]],
)
def test_restart_skips_what_was_delivered_before(batches: Sequence[Sequence[int]]) -> None:
    sink = ScriptedSink()
    queue = make_queue(sink, ROOMY, next_seq=5)
    for batch in batches:
        queue.enqueue(numbered_entries(batch))
    assert sink.seqs == [5, 6, 7, 8, 9]
    assert queue.position == position_at(10)


def test_position_does_not_move_back_during_skipping() -> None:
    queue = make_queue(ScriptedSink(), ROOMY, next_seq=5)
    queue.enqueue(numbered_entries(range(3)))
    assert queue.position == position_at(5)


def test_sink_without_a_position_gets_everything() -> None:
    sink = ScriptedSink(keeps_position=False)
    make_queue(sink, ROOMY).enqueue(numbered_entries(range(3, 6)))
    assert sink.seqs == [3, 4, 5]


def test_records_overwritten_meanwhile_are_announced_first() -> None:
    sink = ScriptedSink()
    queue = make_queue(sink, ROOMY, next_seq=5)
    queue.enqueue(numbered_entries(range(8, 10)))
    assert sink.seqs == [None, 8, 9]
    assert _gaps(sink) == [Gap(5, 7, Cause.RESTART)]


def test_both_lines_of_a_record_come_after_restart() -> None:
    sink = ScriptedSink()
    make_queue(sink, ROOMY, next_seq=5).enqueue(numbered_entries([4, 4, 5, 5, 6]))
    assert sink.seqs == [5, 5, 6]


@pytest.mark.parametrize(
    ("next_seq", "gap"), [(5, Gap(5, 9, Cause.OVERRUN)), (6, Gap(4, 9, Cause.OVERRUN))]
)
def test_announced_loss_is_not_announced_again(next_seq: int, gap: Gap) -> None:
    sink = ScriptedSink()
    make_queue(sink, ROOMY, next_seq=next_seq).enqueue(
        [*numbered_entries([3]), gap_entry(gap), *numbered_entries([10])]
    )
    assert sink.seqs == [None, 10]
    assert _gaps(sink)[0].last == 9


def test_overrun_during_skipping_is_announced_once() -> None:
    kernel = FakeKmsg()
    kernel.log(3, 4)
    kernel.fail_next_read(errno.EPIPE)
    kernel.log(10, 11)
    device = KmsgDevice(kernel.descriptor, read=kernel.read)
    device.skip_below(5)
    sink = ScriptedSink()
    records = device.read_batch()
    device.close()
    kernel.end()

    def wall_times(records: Sequence[Record]) -> WallTimes:
        return WallTimes([WALL_US] * len(records), [None] * len(records))

    entries = symbolize(
        Batch(records),
        lambda address: pytest.fail("no address here"),
        FormatOptions(Style.OFF),
        wall_times,
    ).entries
    make_queue(sink, ROOMY, next_seq=5).enqueue(entries)
    assert sink.seqs == [None, 10, 11]
    assert [(gap.first, gap.last) for gap in _gaps(sink)] == [(5, 9)]


def test_error_within_a_batch_loses_nothing() -> None:
    sink, errors = ScriptedSink(), [MemoryError("trouble"), RecursionError("trouble")]

    def announce(gap: Gap) -> Entry:
        if errors:
            raise errors.pop()
        return gap_entry(gap)

    async def enqueue() -> None:
        queue = make_queue(sink, 1 << 20, 0, announce=announce)
        draining = asyncio.create_task(drain_of(queue).run())
        # Each after a gap
        for first in (5, 20, 30):
            queue.enqueue(numbered_entries(range(first, first + 3)))
            await asyncio.sleep(10)
        assert queue.health.failures >= 1
        assert queue.health.down is None
        draining.cancel()

    run_in_virtual_time(enqueue())
    assert [seq for seq in sink.seqs if seq is not None] == [5, 6, 7, 20, 21, 22, 30, 31, 32]


def test_replaced_socket_leaves_the_event_loop_first() -> None:
    """A reload closes the socket that is waited for; another socket then gets its number."""
    listener, full = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
    full.setblocking(False)

    class SocketSink(ScriptedSink):
        def fileno(self) -> int:
            return full.fileno()

        def close(self) -> None:
            full.close()

    async def reload() -> bytes:
        with contextlib.suppress(BlockingIOError):
            while True:
                full.send(bytes(1 << 16))
        number = full.fileno()
        old = SocketSink("s")
        old.capacity = 0
        box = make_queue(old, ROOMY)
        box.enqueue(numbered_entries([0]))
        draining = asyncio.create_task(drain_of(box).run())
        await asyncio.sleep(0.05)
        box.sender.replace(ScriptedSink("s"))
        one, other = socket.socketpair()
        with one, other:
            assert number in (one.fileno(), other.fileno())
            mine, theirs = (one, other) if one.fileno() == number else (other, one)
            mine.setblocking(False)
            hearing = asyncio.create_task(asyncio.get_running_loop().sock_recv(mine, 10))
            await asyncio.sleep(0.05)
            theirs.send(b"heard")
            received = await asyncio.wait_for(hearing, 5)
        draining.cancel()
        return received

    assert asyncio.run(reload()) == b"heard"
    listener.close()
