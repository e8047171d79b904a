# SPDX-License-Identifier: GPL-2.0-or-later
"""Measure how the cost of klogd-py grows with its sinks, symbols and modules, and over time."""

import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from msgspec import Struct

from bench import maps, processes
from bench.accounting import cpu_us, rss_mib
from bench.comparison import ARRIVAL_LIMIT_S, running, wait_until_idle, wait_until_started
from bench.log_daemons import klogd_py_with
from bench.results import Point
from bench.schedule import Setup, Task

RATE_PER_S, RECORDS = 50_000, 200_000
SOAK_RATE_PER_S, SOAK_POINTS = 150_000, 10
SOAK_RECORDS, QUICK_SOAK_RECORDS = 10_000_000, 300_000
LENGTHS = (10_000, 100_000, 1_000_000, 10_000_000)
# The start and the end of a run
_AROUND_S = 4.0


class Size(Struct, frozen=True):
    """One point of a curve, and the records that are written for it."""

    curve: str
    size: int
    rate: int
    records: int


def tasks(setup: Setup, soak_records: int) -> Iterator[Task]:
    """Plan every size of every curve; the last one carries ``soak_records`` in a single run."""
    for curve, sizes, setting in (
        ("file sinks", (1, 2, 4, 8), _sinks),
        ("lines of the map", LENGTHS[:-1] if setup.quick else LENGTHS, partial(_map, setup.folder)),
        ("modules", (10, 100, 1000), _modules),
    ):
        for size in sizes:
            measure = partial(_measure, setup, curve, size, setting(size))
            yield Task(f"{size:,} {curve}", RECORDS / RATE_PER_S + _AROUND_S, measure, once=True)
    soak_s = soak_records / SOAK_RATE_PER_S + _AROUND_S
    yield Task(f"{soak_records:,} records", soak_s, partial(_soak, setup, soak_records), once=True)


# For a run in a directory: the text of its configuration, and its options
Setting = Callable[[Path], tuple[str, list[str]]]


def _sinks(count: int) -> Setting:
    return lambda folder: (
        "",
        [f"--sink=file:{folder}/log{number}" for number in range(count)],
    )


def _map(maps_folder: Path, lines: int) -> Setting:
    def setting(folder: Path) -> tuple[str, list[str]]:
        path = maps.provide(maps_folder, lines)
        options = ["--map", str(path), "--sink", f"file:{folder}/log"]
        return '[symbols]\nkallsyms = ""\n', options

    return setting


def _modules(count: int) -> Setting:
    def setting(folder: Path) -> tuple[str, list[str]]:
        rows = [
            f"module_{number} 16384 0 - Live {0xFFFFFFFFC0000000 + number * 0x10000:#x}\n"
            for number in range(count)
        ]
        (folder / "modules").write_text("".join(rows))
        return f'[symbols]\nmodules = "{folder}/modules"\n', ["--sink", f"file:{folder}/log"]

    return setting


def _measure(setup: Setup, curve: str, size: int, setting: Setting) -> list[Point]:
    with _running(setup, setting) as pid:
        return [_measure_point(setup, pid, Size(curve, size, RATE_PER_S, RECORDS))]


def _soak(setup: Setup, records: int) -> list[Point]:
    """Measure one run to /dev/null at `SOAK_POINTS` points."""
    count = records // SOAK_POINTS
    with _running(setup, lambda folder: ("", ["--sink", "file:/dev/null"])) as pid:
        return [
            _measure_point(setup, pid, Size("records carried so far", size, SOAK_RATE_PER_S, count))
            for size in range(count, records + 1, count)
        ]


def _measure_point(setup: Setup, pid: int, size: Size) -> Point:
    before_us = cpu_us(pid)
    processes.run([setup.programs["writer"], str(size.rate), str(size.records), "growth"])
    wait_until_idle(pid, ARRIVAL_LIMIT_S)
    used_us = cpu_us(pid) - before_us
    return Point(size.curve, size.size, used_us / size.records, rss_mib(pid))


@contextmanager
def _running(setup: Setup, setting: Setting) -> Iterator[int]:
    """Run klogd-py of this tree; yield its process ID once it is idle."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with running(klogd_py_with(setup.trees[0], folder, *setting(folder))) as pid:
            wait_until_started(pid, time.monotonic())
            yield pid
