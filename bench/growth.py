# SPDX-License-Identifier: GPL-2.0-or-later
"""Measure how the cost of klogd-py grows with its sinks, symbols and modules, and over time."""

import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from msgspec import Struct

from bench import processes
from bench.comparison import START_LIMIT_S, cpu_us, rss_mib, wait_until_idle
from bench.log_daemons import klogd_py_with
from bench.symbols import write_map

RATE_PER_S, RECORDS = 50_000, 200_000
SOAK_RATE_PER_S, SOAK_POINTS = 150_000, 10
SOAK_RECORDS = 50_000_000


class Point(Struct, frozen=True):
    """The cost at one size: microseconds of CPU per record, resident memory in MiB."""

    size: int
    cpu_us: float
    rss_mib: float


class Curve(Struct, frozen=True):
    """The cost over the size of one thing."""

    name: str
    points: list[Point]


def curves(writer: Path, soak_records: int) -> list[Curve]:
    """Return all curves; the last one carries ``soak_records`` records in a single run."""
    return [
        Curve("file sinks", [_measure(writer, size, _sinks(size)) for size in (1, 2, 4, 8)]),
        Curve(
            "lines of the map",
            [
                _measure(writer, size, _map(size))
                for size in (10_000, 100_000, 1_000_000, 10_000_000)
            ],
        ),
        Curve("modules", [_measure(writer, size, _modules(size)) for size in (10, 100, 1000)]),
        _soak(writer, soak_records),
    ]


# For a run in a directory: the text of its configuration, and its options
Setting = Callable[[Path], tuple[str, list[str]]]


def _sinks(count: int) -> Setting:
    return lambda folder: (
        "",
        [f"--sink=file:{folder}/log{number}" for number in range(count)],
    )


def _map(lines: int) -> Setting:
    def setting(folder: Path) -> tuple[str, list[str]]:
        write_map(folder / "System.map", lines)
        return '[symbols]\nkallsyms = ""\n', [
            "--map",
            str(folder / "System.map"),
            "--sink",
            f"file:{folder}/log",
        ]

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


def _measure(writer: Path, size: int, setting: Setting) -> Point:
    with _running(setting) as pid:
        return _measure_point(writer, pid, size, RATE_PER_S, RECORDS)


def _soak(writer: Path, records: int) -> Curve:
    """Measure one run to /dev/null at `SOAK_POINTS` points."""
    count = records // SOAK_POINTS
    with _running(lambda folder: ("", ["--sink", "file:/dev/null"])) as pid:
        sizes = range(count, records + 1, count)
        return Curve(
            "records carried so far",
            [_measure_point(writer, pid, size, SOAK_RATE_PER_S, count) for size in sizes],
        )


def _measure_point(writer: Path, pid: int, size: int, rate: int, count: int) -> Point:
    before_us = cpu_us(pid)
    processes.run([writer, str(rate), str(count), "growth"])
    wait_until_idle(pid)
    return Point(size, (cpu_us(pid) - before_us) / count, rss_mib(pid))


@contextmanager
def _running(setting: Setting) -> Iterator[int]:
    """Run klogd-py of this tree; yield its process ID once it is idle."""
    with tempfile.TemporaryDirectory(prefix="klogd-bench-") as name:
        folder = Path(name)
        daemon = klogd_py_with(folder, *setting(folder))
        process = processes.start(daemon.command, daemon.environment, stderr=None)
        try:
            time.sleep(START_LIMIT_S)
            yield process.pid
        finally:
            processes.end(process)
