# SPDX-License-Identifier: GPL-2.0-or-later
"""Whoever waits for a sink is woken by what happens to it, and by nothing else."""

import asyncio
import os
from collections.abc import Callable, Sequence
from contextlib import closing, suppress
from pathlib import Path

import pytest

from klogd_py.record.types import Entry
from klogd_py.sinks import Sink
from klogd_py.sinks.drain import SinkDrain
from klogd_py.sinks.drop_policy import QueueLimits
from klogd_py.sinks.file import FileSink
from klogd_py.sinks.local_syslog import SyslogSink
from klogd_py.sinks.manager import SinkManager
from klogd_py.sinks.retry import MAX_PAUSE_S, SinkHealth
from klogd_py.system.jobs import Jobs
from tests.entries import entry, gap_entry, numbered_entries
from tests.fakes import ScriptedSink
from tests.queues import make_queue
from tests.sockets import DatagramListener
from tests.virtual_time import run_in_virtual_time, waits

SMALL, ROOMY = QueueLimits(1000), QueueLimits(1 << 24)
IDLE_S = 1000.0
RETRIES = int(IDLE_S / MAX_PAUSE_S)
# Until the pauses have become long
SETTLED_S = 20 * MAX_PAUSE_S


def _return(sink: ScriptedSink, manager: SinkManager) -> None:
    sink.down = ""


def _go(sink: ScriptedSink, manager: SinkManager) -> None:
    sink.gone = True


def _remove(sink: ScriptedSink, manager: SinkManager) -> None:
    manager.configure([], lambda name: SMALL)


def _enlarge(sink: ScriptedSink, manager: SinkManager) -> None:
    manager.configure([sink], lambda name: ROOMY)


@pytest.mark.parametrize("change", [_return, _go, _remove, _enlarge])
def test_reading_goes_on_when_sink_has_changed(
    change: Callable[[ScriptedSink, SinkManager], None],
) -> None:
    """Without a ring, reading waits for the sink; two readers wait, as of two inputs."""
    sink = ScriptedSink()
    sink.down = "away"

    async def carry() -> tuple[int, bool]:
        manager = SinkManager(gap_entry, lambda name: None)
        manager.configure([sink], lambda name: SMALL)
        manager.enqueue(numbered_entries(range(20)))
        readers = [asyncio.create_task(manager.wait_for_room()) for _ in range(2)]
        await asyncio.sleep(SETTLED_S)
        waited = waits()
        await asyncio.sleep(IDLE_S)
        wake_ups, is_early = waits() - waited, any(reader.done() for reader in readers)
        change(sink, manager)
        async with asyncio.timeout(2 * MAX_PAUSE_S):
            await asyncio.gather(*readers)
        manager.close()
        return wake_ups, is_early

    wake_ups, is_early = run_in_virtual_time(carry())
    assert not is_early
    assert wake_ups <= RETRIES + 1


@pytest.mark.parametrize("outcome", ["sent", "gone", "down"])
def test_end_of_input_waits_for_thread(outcome: str) -> None:
    sink = ScriptedSink(blocking=True)
    sink.unblocked.clear()
    sink.gone, sink.down = outcome == "gone", "away" if outcome == "down" else ""

    async def carry() -> int:
        manager = SinkManager(gap_entry, lambda name: None)
        manager.configure([sink], lambda name: ROOMY)
        manager.enqueue(numbered_entries(range(3)))
        drained = asyncio.create_task(manager.wait_until_drained())
        await asyncio.to_thread(sink.attempted.wait, 5)
        assert not drained.done()
        sink.unblocked.set()
        await drained
        wake_ups = waits()
        manager.close()
        return wake_ups

    assert run_in_virtual_time(carry()) == 0
    assert len(sink.received) == (3 if outcome == "sent" else 0)


def _counting(kind: type[FileSink] | type[SyslogSink], path: Path) -> tuple[Sink, list[float]]:
    """A sink, and the times at which something was sent to it."""
    times_s: list[float] = []

    class Counting(kind):  # type: ignore[misc, valid-type]
        def send(self, entries: Sequence[Entry]) -> int:
            times_s.append(asyncio.get_running_loop().time())
            return int(super().send(entries))

    return Counting(str(path)), times_s


def test_full_fifo_is_written_when_read(tmp_path: Path) -> None:
    path = tmp_path / "fifo"
    os.mkfifo(path)
    reader = os.open(path, os.O_RDWR | os.O_NONBLOCK)
    sink, times_s = _counting(FileSink, path)
    text = "x" * 1000

    async def carry() -> tuple[int, float, SinkHealth]:
        queue = make_queue(sink, 1 << 24)
        drain = SinkDrain(queue, Jobs())
        drain.start()
        queue.enqueue([entry(text, seq=seq) for seq in range(200)])
        await asyncio.sleep(SETTLED_S)
        tried = len(times_s)
        await asyncio.sleep(IDLE_S)
        attempts = len(times_s) - tried
        assert queue.health.down is None, "whoever reads may do so later"
        began_s = asyncio.get_running_loop().time()
        while queue.backlog:
            with suppress(BlockingIOError):
                os.read(reader, 1 << 16)
            await asyncio.sleep(0.001)
        took_s = asyncio.get_running_loop().time() - began_s
        drain.close()
        return attempts, took_s, queue.health

    attempts, took_s, health = run_in_virtual_time(carry())
    os.close(reader)
    assert attempts <= RETRIES + 1
    assert took_s < 0.1
    assert health.failures == 0


def test_listener_that_never_reads_costs_retries(tmp_path: Path) -> None:
    path = tmp_path / "log"
    sink, times_s = _counting(SyslogSink, path)

    async def carry(listener: DatagramListener) -> tuple[int, int, float]:
        queue = make_queue(sink, 1 << 24)
        drain = SinkDrain(queue, Jobs())
        drain.start()
        queue.enqueue(numbered_entries(range(2000)))
        await asyncio.sleep(SETTLED_S)
        assert queue.health.down is not None
        tried, waited = len(times_s), waits()
        await asyncio.sleep(IDLE_S)
        attempts, wake_ups = len(times_s) - tried, waits() - waited
        began_s = asyncio.get_running_loop().time()
        while queue.backlog:
            listener.read()
            await asyncio.sleep(0.001)
        took_s = asyncio.get_running_loop().time() - began_s
        assert queue.health.down is None
        drain.close()
        return attempts, wake_ups, took_s

    with closing(DatagramListener(path)) as listener:
        attempts, wake_ups, took_s = run_in_virtual_time(carry(listener))
    assert attempts <= RETRIES + 1
    assert wake_ups <= RETRIES + 2
    assert took_s < 1, "it is written to as soon as it reads"


def test_device_without_poll_is_tried_again() -> None:
    """epoll(7) refuses /dev/null."""
    null = os.open(os.devnull, os.O_WRONLY)

    class Null(ScriptedSink):
        def fileno(self) -> int:
            return null

    sink = Null()
    sink.capacity = 0

    async def carry() -> int:
        queue = make_queue(sink, 1 << 24)
        drain = SinkDrain(queue, Jobs())
        drain.start()
        queue.enqueue(numbered_entries(range(3)))
        await asyncio.sleep(SETTLED_S)
        waited = waits()
        await asyncio.sleep(IDLE_S)
        wake_ups = waits() - waited
        sink.capacity = 1 << 30
        await asyncio.sleep(2 * MAX_PAUSE_S)
        drain.close()
        return wake_ups

    assert run_in_virtual_time(carry()) <= RETRIES + 1
    assert sink.seqs == [0, 1, 2]
    os.close(null)
