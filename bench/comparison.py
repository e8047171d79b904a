# SPDX-License-Identifier: GPL-2.0-or-later
"""Run a log daemon while records are written; measure its CPU time, memory, loss and latency."""

import os
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from msgspec import Struct

from bench import processes
from bench.accounting import cpu_us, rss_mib
from bench.log_daemons import Build, Job, LogDaemon
from bench.results import Run

# For reading the records that are already in the ring, and for the work after the start
START_MIN_S, START_LIMIT_S = 1.0, 10.0
# The longest time for the last record to arrive
ARRIVAL_LIMIT_S = 8.0
FIRST_LIMIT_S = 2.0
IDLE_PERIOD_S, IDLE_US = 0.2, 1000


class Load(Struct, frozen=True):
    """What is written: one record in ``escaped`` has bytes that the kernel escapes, if not 0."""

    name: str
    rate: int
    seconds: float
    escaped: int = 0
    # Processes that use a processor each
    busy: int = 0

    @property
    def records(self) -> int:
        """The number of records that are written."""
        return max(1, int(self.rate * self.seconds))


def run(build: Build, programs: dict[str, Path], job: Job, load: Load) -> Run:
    """Start a log daemon, wait until it is idle, write records, wait for the last one, stop it."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        target = folder / ("log" if job is Job.FILE else "socket")
        daemon = build(job, target, folder)
        tag = f"bench{os.getpid()}x{time.monotonic_ns()}"
        observer = processes.start(
            [programs["observer"], job.value, target, tag], stdout=subprocess.PIPE
        )
        try:
            time.sleep(0.1)
            started_s = time.monotonic()
            with running(daemon) as pid:
                first_s = _first_record_s(target, started_s) if job is Job.FILE else None
                wait_until_started(pid, started_s)
                with _busy_processors(load.busy):
                    used_us = _write(programs["writer"], pid, load, tag)
                memory_mib = rss_mib(pid)
        finally:
            observer.terminate()
            # Nanoseconds between the writing of a record and its arrival
            delays = observer.communicate()[0].split()
    latencies_us = sorted(int(delay) / 1000 for delay in delays)
    return Run(
        program=daemon.name,
        job=job.value,
        load=load.name,
        rate=load.rate,
        records=load.records,
        arrived=len(latencies_us),
        cpu_us=used_us / len(latencies_us) if latencies_us else None,
        rss_mib=memory_mib,
        first_s=first_s,
        latency_us=percentile(latencies_us, 50),
        latency_99_us=percentile(latencies_us, 99),
    )


@contextmanager
def running(daemon: LogDaemon) -> Iterator[int]:
    """Run a log daemon; yield the number of its first process."""
    process = processes.start(daemon.command, daemon.environment)
    try:
        yield process.pid
    finally:
        processes.end(process)


@contextmanager
def _busy_processors(count: int) -> Iterator[None]:
    started = [processes.start(["sh", "-c", "while :; do :; done"]) for _ in range(count)]
    try:
        yield
    finally:
        for process in started:
            processes.end(process)


def _write(writer: Path, leader: int, load: Load, tag: str) -> float:
    """Write records while a session reads them; return the microseconds of CPU that it used."""
    before_us = cpu_us(leader)
    processes.run([writer, str(load.rate), str(load.records), tag, str(load.escaped)])
    wait_until_idle(leader, ARRIVAL_LIMIT_S)
    return cpu_us(leader) - before_us


def percentile(values: Sequence[float], percent: int) -> float | None:
    """Return a percentile of sorted values: the smallest that so many percent do not exceed."""
    if not values:
        return None
    return values[max(0, -(-len(values) * percent // 100) - 1)]


def _first_record_s(target: Path, started_s: float) -> float | None:
    """Return the seconds until the first record is in the file.

    That is ``None`` for a program that skips the records written before its start.
    """
    while time.monotonic() < started_s + FIRST_LIMIT_S:
        if target.stat().st_size:
            return time.monotonic() - started_s
        time.sleep(0.001)
    return None


def wait_until_started(leader: int, started_s: float) -> None:
    """Wait until a program has done the work of its start, at least `START_MIN_S`."""
    time.sleep(max(0.0, started_s + START_MIN_S - time.monotonic()))
    wait_until_idle(leader, START_LIMIT_S)


def wait_until_idle(leader: int, limit_s: float) -> None:
    """Wait until a session uses less than `IDLE_US` of CPU in `IDLE_PERIOD_S`, or ``limit_s``."""
    end_s = time.monotonic() + limit_s
    before_us = cpu_us(leader)
    while time.monotonic() < end_s:
        time.sleep(IDLE_PERIOD_S)
        now_us = cpu_us(leader)
        if now_us - before_us < IDLE_US:
            return
        before_us = now_us
