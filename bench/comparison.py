# SPDX-License-Identifier: GPL-2.0-or-later
"""Run a log daemon while records are written; measure its CPU time, memory, loss and latency."""

import os
import subprocess
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from msgspec import Struct

from bench import processes
from bench.log_daemons import Build, Job

# For reading the records that are already in the ring, and for the work after the start
START_LIMIT_S = 2.0
# The longest time for the last record to arrive
ARRIVAL_LIMIT_S = 8.0
POLL_S = 0.02


class Run(Struct, frozen=True):
    """The measurements of one run.

    ``wanted_rate`` and ``rate`` (the real one) are records per second. ``first_s`` is the time from
    the start of the program to the first record in its file, 0 if it skips older records.
    """

    program: str
    job: str
    wanted_rate: int
    rate: float
    records: int
    arrived: int
    # User and system time per record written
    cpu_us: float
    rss_mib: float
    first_s: float
    latency_us: float = 0.0
    latency_99_us: float = 0.0


class _Load(Struct, frozen=True):
    """The cost of one series of records: the real rate, and CPU time per record."""

    rate: float
    records: int
    cpu_us: float
    rss_mib: float


def run(build: Build, programs: dict[str, Path], job: Job, rate: int, seconds: float) -> Run:
    """Start a log daemon, wait until it is idle, write records, wait for the last one, stop it."""
    with tempfile.TemporaryDirectory(prefix="klogd-bench-") as name:
        folder = Path(name)
        target = folder / ("log" if job is Job.FILE else "socket")
        daemon = build(job, target, folder)
        tag = f"bench{os.getpid()}x{time.monotonic_ns()}"
        observer = processes.start(
            [programs["observer"], job.value, target, tag], stdout=subprocess.PIPE
        )
        time.sleep(0.1)
        started_s = time.monotonic()
        process = processes.start(daemon.command, daemon.environment)
        try:
            first_s = _first_record_s(target, started_s) if job is Job.FILE else 0.0
            time.sleep(START_LIMIT_S)
            load = _write_records(programs["writer"], process.pid, rate, int(rate * seconds), tag)
        finally:
            processes.end(process)
            observer.terminate()
            # Nanoseconds between the writing of a record and its arrival
            delays = observer.communicate()[0].split()
    latencies_us = sorted(int(delay) / 1000 for delay in delays)
    return Run(
        program=daemon.name,
        job=job.value,
        wanted_rate=rate,
        rate=load.rate,
        records=load.records,
        arrived=len(latencies_us),
        cpu_us=load.cpu_us,
        rss_mib=load.rss_mib,
        first_s=first_s,
        latency_us=_percentile(latencies_us, 50),
        latency_99_us=_percentile(latencies_us, 99),
    )


def _write_records(writer: Path, leader: int, rate: int, count: int, tag: str) -> _Load:
    """Write ``count`` records while the session of ``leader`` reads them."""
    before_us = cpu_us(leader)
    written = processes.run([writer, str(rate), str(count), tag])
    wait_until_idle(leader)
    used_us = cpu_us(leader) - before_us
    return _Load(float(written), count, used_us / count, rss_mib(leader))


def _percentile(values: Sequence[float], percent: int) -> float:
    """Return a percentile of sorted values, 0 if there are none."""
    return values[len(values) * percent // 100] if values else 0.0


def cpu_us(leader: int) -> float:
    """Return the user and system time of all threads of a session, in microseconds."""
    return (
        sum(
            int(path.read_text().split()[0])
            for pid in _processes(leader)
            for path in _thread_statistics(pid)
        )
        / 1000
    )


def rss_mib(leader: int) -> float:
    """Return the resident memory of a session, without programs that only wait."""
    return sum(
        _resident_mib(pid)
        for pid in _processes(leader)
        if Path(f"/proc/{pid}/comm").read_text().strip() not in {"sh", "unshare"}
    )


def _processes(leader: int) -> list[int]:
    pids = [int(path.name) for path in Path("/proc").iterdir() if path.name.isdigit()]
    return [pid for pid in pids if _session(pid) == leader]


def _session(pid: int) -> int:
    try:
        return os.getsid(pid)
    except ProcessLookupError:
        return 0


def _thread_statistics(pid: int) -> list[Path]:
    return list(Path(f"/proc/{pid}/task").glob("*/schedstat"))


def _resident_mib(pid: int) -> float:
    status = Path(f"/proc/{pid}/status").read_text()
    return int(status.partition("VmRSS:")[2].split()[0]) / 1024


def _first_record_s(target: Path, started_s: float) -> float:
    """Return the seconds until the first record is in the file.

    That is 0 for a program that skips the records written before its start.
    """
    while time.monotonic() < started_s + 2:
        if target.stat().st_size:
            return time.monotonic() - started_s
        time.sleep(0.001)
    return 0.0


def wait_until_idle(leader: int) -> None:
    """Wait until a session uses less than 1 ms of CPU in 0.2 s, at most `ARRIVAL_LIMIT_S`."""
    end_s = time.monotonic() + ARRIVAL_LIMIT_S
    before_us = -1.0
    while time.monotonic() < end_s:
        time.sleep(10 * POLL_S)
        now_us = cpu_us(leader)
        if now_us - before_us < 1000:
            return
        before_us = now_us
