# SPDX-License-Identifier: GPL-2.0-or-later
"""Plan the comparison of log daemons: rates, escaped records, and processors that are busy."""

import os
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path

from bench import log_daemons
from bench.comparison import Load, run
from bench.log_daemons import Build, Job
from bench.packages import Unavailable
from bench.results import Run
from bench.schedule import Setup, Task

PLAIN, BUSY = "plain", "busy processors"
# Records per second, and how long they are written. The slow ones need long to be many.
SECONDS = {
    1: 10.0,
    100: 5.0,
    1000: 3.0,
    10_000: 2.0,
    20_000: 2.0,
    50_000: 2.0,
    100_000: 2.0,
    200_000: 1.5,
    400_000: 1.0,
}
RATES = {
    Job.FILE: (1, 100, 1000, 10_000, 20_000, 50_000, 100_000, 200_000),
    Job.SYSLOG: (1000, 10_000, 100_000),
}
QUICK_RATES = {Job.FILE: (1000, 50_000), Job.SYSLOG: (10_000,)}
ESCAPED_RATE, ESCAPED_SHARES = 50_000, (64, 4)
BUSY_RATES = (10_000, 50_000)
# The start and the end of a run
_AROUND_S = 2.5
# The names for --only
NAMES = ("klogd-py", "before", "imkmsg", "imklog", "syslog-ng", "busybox", "c")
# Those that escaped records concern, and those that are beside busy processors
_ESCAPED_NAMES = ("klogd-py", "before", "imkmsg")
_BUSY_NAMES = (*_ESCAPED_NAMES, "syslog-ng", "c")
# A short run shows a change of klogd-py, not a race.
_QUICK_NAMES = (*_ESCAPED_NAMES, "c")


def builds(setup: Setup) -> dict[str, Build]:
    """Return the log daemons that can be had, by the names for --only; name those that cannot."""
    keys = ("klogd-py", "before")
    found: dict[str, Build] = {
        key: log_daemons.klogd_py(tree) for key, tree in zip(keys, setup.trees, strict=False)
    }
    found |= {
        "imkmsg": log_daemons.rsyslog("imkmsg"),
        "imklog": log_daemons.rsyslog("imklog"),
        "syslog-ng": log_daemons.syslog_ng,
        "busybox": log_daemons.busybox,
        "c": log_daemons.c_reader(setup.programs["reader"]),
    }
    chosen = setup.only or (_QUICK_NAMES if setup.quick else NAMES)
    return {key: build for key, build in found.items() if key in chosen and _is_available(build)}


def _is_available(build: Build) -> bool:
    with tempfile.TemporaryDirectory() as name:
        try:
            build(Job.FILE, Path(name) / "target", Path(name))
        except Unavailable as error:
            print(f"bench: left out: {error}", file=sys.stderr)
            return False
    return True


def rate_tasks(
    setup: Setup, contenders: Mapping[str, Build], job: Job, rates: Sequence[int] | None
) -> Iterator[Task]:
    """Plan each log daemon that can do a job, at each rate; ``None`` is for the usual ones."""
    able = {
        key: build
        for key, build in contenders.items()
        # Its klogd sends to /dev/log only.
        if job is Job.FILE or key != "busybox"
    }
    usual = QUICK_RATES if setup.quick else RATES
    for rate in rates or usual[job]:
        yield from _tasks(setup, able, job, Load(PLAIN, rate, _seconds(setup, rate)))


def escaped_tasks(setup: Setup, contenders: Mapping[str, Build]) -> Iterator[Task]:
    """Plan records with bytes that the kernel escapes, one in so many."""
    able = {key: build for key, build in contenders.items() if key in _ESCAPED_NAMES}
    for share in ESCAPED_SHARES[-1:] if setup.quick else ESCAPED_SHARES:
        seconds = _seconds(setup, ESCAPED_RATE)
        load = Load(f"escaped 1 in {share}", ESCAPED_RATE, seconds, escaped=share)
        yield from _tasks(setup, able, Job.FILE, load)


def busy_tasks(setup: Setup, contenders: Mapping[str, Build]) -> Iterator[Task]:
    """Plan records beside one process on each processor that never waits."""
    able = {key: build for key, build in contenders.items() if key in _BUSY_NAMES}
    for rate in BUSY_RATES[-1:] if setup.quick else BUSY_RATES:
        load = Load(BUSY, rate, _seconds(setup, rate), busy=os.cpu_count() or 1)
        yield from _tasks(setup, able, Job.FILE, load)


def _seconds(setup: Setup, rate: int) -> float:
    if setup.seconds is not None:
        return setup.seconds
    seconds = SECONDS.get(rate, 2.0)
    return min(seconds, 1.0) if setup.quick else seconds


def _tasks(setup: Setup, contenders: Mapping[str, Build], job: Job, load: Load) -> Iterator[Task]:
    for key, build in contenders.items():
        name = f"{key}, {job.value}, {load.rate:,} a second, {load.name}"
        yield Task(name, load.seconds + _AROUND_S, partial(_run, setup, build, job, load))


def _run(setup: Setup, build: Build, job: Job, load: Load) -> list[Run]:
    return [run(build, dict(setup.programs), job, load)]
