# SPDX-License-Identifier: GPL-2.0-or-later
"""Measure log daemons while nothing is written: CPU time, wake-ups, threads.

All of them wait side by side, which changes nothing for those that do nothing.
"""

import os
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path

import msgspec

from bench import processes
from bench.accounting import rss_mib, threads, usage
from bench.comparison import running
from bench.log_daemons import Build, Job, LogDaemon, klogd_py_with
from bench.results import Idle
from bench.schedule import Setup, Task
from bench.trees import Tree

IDLE_S, QUICK_IDLE_S = 30.0, 5.0
# After the start; klogd-py begins to watch files when it has delivered what was there.
_SETTLE_S = 8.0
# More than the smallest queue holds
_BACKLOG_RATE, _BACKLOG_RECORDS = 20_000, 1000
_RECORD_BYTES = 8192
_DEAD_SINK = """
[[sinks]]
type = "syslog"
socket = "{folder}/nobody"
queue_kib = 64
"""


def tasks(setup: Setup, contenders: Mapping[str, Build]) -> Iterator[Task]:
    """Plan one measurement of all that can be idle."""
    seconds = QUICK_IDLE_S if setup.quick else IDLE_S
    yield Task("idle", seconds + _SETTLE_S, lambda: _measure(setup, contenders, seconds))


def _measure(setup: Setup, contenders: Mapping[str, Build], seconds: float) -> list[Idle]:
    with ExitStack() as stack:
        daemons = [
            build(Job.FILE, folder / "log", folder)
            for build in contenders.values()
            for folder in [_folder(stack)]
        ]
        daemons += [
            _with_dead_sink(tree, _folder(stack))
            for key, tree in zip(("klogd-py", "before"), setup.trees, strict=False)
            if key in contenders
        ]
        started = [(daemon.name, stack.enter_context(running(daemon))) for daemon in daemons]
        writer = setup.programs["writer"]
        processes.run([writer, str(_BACKLOG_RATE), str(_BACKLOG_RECORDS), "backlog"])
        time.sleep(_SETTLE_S)
        before = {pid: usage(pid) for _, pid in started}
        with counting() as count:
            time.sleep(seconds)
            records = count()
        return [
            Idle(
                program=name,
                cpu_ms_per_minute=(after.cpu_us - before[pid].cpu_us) / 1000 * 60 / seconds,
                wakeups_per_minute=after.wakeups_since(before[pid]) * 60 / seconds,
                threads=threads(pid),
                rss_mib=rss_mib(pid),
                records=records,
            )
            for name, pid in started
            for after in [usage(pid)]
        ]


@contextmanager
def counting() -> Iterator[Callable[[], int]]:
    """Yield what counts the records that were written to the kernel's log since."""
    descriptor = os.open("/dev/kmsg", os.O_RDONLY | os.O_NONBLOCK)
    os.lseek(descriptor, 0, os.SEEK_END)
    try:
        yield lambda: _count(descriptor)
    finally:
        os.close(descriptor)


def _count(descriptor: int) -> int:
    count = 0
    while True:
        try:
            os.read(descriptor, _RECORD_BYTES)
            count += 1
        except BlockingIOError:
            return count
        # The ring has overrun the position; the oldest record that is left comes next.
        except BrokenPipeError:
            continue


def _folder(stack: ExitStack) -> Path:
    return Path(stack.enter_context(tempfile.TemporaryDirectory()))


def _with_dead_sink(tree: Tree, folder: Path) -> LogDaemon:
    """Configure a syslog sink whose socket nobody has, and a queue that the backlog fills."""
    daemon = klogd_py_with(tree, folder, _DEAD_SINK.format(folder=folder), [])
    return msgspec.structs.replace(daemon, name=f"{daemon.name}, dead sink")
