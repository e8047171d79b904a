# SPDX-License-Identifier: GPL-2.0-or-later
"""Read what a session of processes has used: CPU time, memory, wake-ups, threads.

CPU time is by the kernel's clock of each process, in nanoseconds; it includes threads that have
ended. /proc/PID/stat counts in hundredths of a second.

Source: clock_getcpuclockid(3), and CPUCLOCK_SCHED in the kernel's include/linux/posix-timers.h;
Documentation/scheduler/sched-stats.rst
"""

import os
import time
from collections.abc import Mapping
from pathlib import Path

from msgspec import Struct

_CPUCLOCK_SCHED = 2
# Programs that wait for others of their session
_WAITING = {"sh", "unshare"}


class Usage(Struct, frozen=True):
    """What a session has used until one moment.

    ``wakeups`` are those of each thread that is there: how often it began to run.
    """

    cpu_us: float
    wakeups: Mapping[int, int]

    def wakeups_since(self, before: "Usage") -> int:
        """Return how often threads have begun to run; those that have ended since are left out."""
        return sum(count - before.wakeups.get(thread, 0) for thread, count in self.wakeups.items())


def usage(leader: int) -> Usage:
    """Return what all processes of a session have used."""
    return Usage(
        sum(_cpu_ns(pid) for pid in members(leader)) / 1000,
        {
            int(path.parent.name): int(text.split()[2])
            for path, text in _of_threads(leader, "schedstat")
        },
    )


def cpu_us(leader: int) -> float:
    """Return the user and system time of a session, in microseconds."""
    return sum(_cpu_ns(pid) for pid in members(leader)) / 1000


def threads(leader: int) -> int:
    """Return the number of threads of a session, without those of programs that only wait."""
    return len([text for _, text in _of_threads(leader, "comm") if text.strip() not in _WAITING])


def rss_mib(leader: int) -> float:
    """Return the resident memory of a session, without programs that only wait."""
    return sum(map(_resident_mib, members(leader)))


def members(leader: int) -> list[int]:
    """Return the processes of a session."""
    pids = [int(name) for name in os.listdir("/proc") if name.isdigit()]
    return [pid for pid in pids if _session(pid) == leader]


def _session(pid: int) -> int:
    try:
        return os.getsid(pid)
    except ProcessLookupError:
        return 0


def _cpu_ns(pid: int) -> int:
    # What clock_getcpuclockid(3) returns; Python has it for threads only.
    clock = ~pid << 3 | _CPUCLOCK_SCHED
    try:
        return time.clock_gettime_ns(clock)
    # The process has ended, so the kernel does not know its clock any more.
    except OSError:
        return 0


def _of_threads(leader: int, name: str) -> list[tuple[Path, str]]:
    """Return a file of each thread of a session, with its contents."""
    found = []
    for pid in members(leader):
        for path in Path(f"/proc/{pid}/task").glob(f"*/{name}"):
            try:
                found.append((path, path.read_text()))
            # The thread has ended.
            except (FileNotFoundError, ProcessLookupError):
                continue
    return found


def _resident_mib(pid: int) -> float:
    """Return the memory of a process, none if it has ended."""
    try:
        rows = Path(f"/proc/{pid}/status").read_text().splitlines()
    except (FileNotFoundError, ProcessLookupError):
        return 0.0
    fields = dict(row.split(":", 1) for row in rows)
    if fields["Name"].strip() in _WAITING or "VmRSS" not in fields:
        return 0.0
    return int(fields["VmRSS"].split()[0]) / 1024
