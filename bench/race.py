# SPDX-License-Identifier: GPL-2.0-or-later
"""One run: a contender does a job while the writer writes.

What did it cost, and what has come out?
"""

import os
import signal
import subprocess
import tempfile
import time
from pathlib import Path

from msgspec import Struct

from bench.contenders import Build, Job

# For reading what is in the ring already, and for what comes after the start
SETTLED_S = 2.0
# So long at most for the last record
ARRIVAL_S = 8.0
POLL_S = 0.02


class Run(Struct, frozen=True):
    """What one run has shown. ``wanted_rate`` and ``rate`` count records a second.

    Latencies are microseconds.
    """

    contender: str
    job: str
    wanted_rate: int
    rate: float
    records: int
    arrived: int
    # User and system, per record written
    cpu_us: float
    rss_mib: float
    first_s: float
    latency_us: float = 0.0
    latency_99_us: float = 0.0


def run(build: Build, programs: dict[str, Path], job: Job, rate: int, seconds: float) -> Run:
    """Start, wait until it has settled, write, wait for the last record, stop."""
    with tempfile.TemporaryDirectory(prefix="klogd-bench-") as name:
        folder = Path(name)
        target = folder / ("log" if job is Job.FILE else "socket")
        contender = build(job, target, folder)
        tag = f"bench{os.getpid()}x{time.monotonic_ns()}"
        observer = subprocess.Popen(
            [programs["observer"], job.value, target, tag], stdout=subprocess.PIPE
        )
        time.sleep(0.1)
        started_s = time.monotonic()
        process = subprocess.Popen(
            contender.command,
            env={**os.environ, **contender.environment},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        try:
            first_s = _first(target, started_s) if job is Job.FILE else 0.0
            time.sleep(SETTLED_S)
            before_us = cpu_us(process.pid)
            count = int(rate * seconds)
            written = subprocess.run(
                [programs["writer"], str(rate), str(count), tag], check=True, capture_output=True
            )
            settled(process.pid)
            used_us, rss = cpu_us(process.pid) - before_us, rss_mib(process.pid)
        finally:
            os.killpg(process.pid, signal.SIGTERM)
            _end(process)
            observer.terminate()
            seen = sorted(int(line) / 1000 for line in observer.communicate()[0].split())
        middle, late = (seen[len(seen) // 2], seen[len(seen) * 99 // 100]) if seen else (0.0, 0.0)
        return Run(
            contender.name,
            job.value,
            rate,
            float(written.stdout),
            count,
            len(seen),
            used_us / count,
            rss,
            first_s,
            middle,
            late,
        )


def cpu_us(leader: int) -> float:
    """User and system time of all threads of all processes of a session."""
    return (
        sum(int(path.read_text().split()[0]) for pid in _members(leader) for path in _tasks(pid))
        / 1000
    )


def rss_mib(leader: int) -> float:
    """Resident memory of all processes of a session but for a shell that only waits."""
    return sum(
        _resident_mib(pid)
        for pid in _members(leader)
        if Path(f"/proc/{pid}/comm").read_text() != "sh\n"
    )


def _members(leader: int) -> list[int]:
    pids = [int(path.name) for path in Path("/proc").iterdir() if path.name.isdigit()]
    return [pid for pid in pids if _session(pid) == leader]


def _session(pid: int) -> int:
    try:
        return os.getsid(pid)
    except ProcessLookupError:
        return 0


def _tasks(pid: int) -> list[Path]:
    return list(Path(f"/proc/{pid}/task").glob("*/schedstat"))


def _resident_mib(pid: int) -> float:
    status = Path(f"/proc/{pid}/status").read_text()
    return int(status.partition("VmRSS:")[2].split()[0]) / 1024


def _first(target: Path, started_s: float) -> float:
    """Seconds until the first record is in the file.

    0 for a contender that leaves out what was there before.
    """
    while time.monotonic() < started_s + 2:
        if target.stat().st_size:
            return time.monotonic() - started_s
        time.sleep(0.001)
    return 0.0


def settled(leader: int) -> None:
    """Wait until the contender has nothing more to do."""
    end_s = time.monotonic() + ARRIVAL_S
    before_us = -1.0
    while time.monotonic() < end_s:
        time.sleep(10 * POLL_S)
        now_us = cpu_us(leader)
        if now_us - before_us < 1000:
            return
        before_us = now_us


def _end(process: subprocess.Popen[bytes]) -> None:
    try:
        process.wait(10)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
