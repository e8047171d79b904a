# SPDX-License-Identifier: GPL-2.0-or-later
"""What does klogd-py cost as things grow.

Its sinks, its symbols, its modules, the time that it has been running?
"""

import os
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from msgspec import Struct

from bench.contenders import klogd_py_with
from bench.race import SETTLED_S, cpu_us, rss_mib, settled
from bench.symbols import write_map

RATE, COUNT = 50_000, 200_000
SOAK_RATE, SOAK_PORTIONS = 150_000, 10
SOAK_RECORDS = 50_000_000


class Point(Struct, frozen=True):
    """What it costs at one size: microseconds of CPU per record, resident memory."""

    size: int
    cpu_us: float
    rss_mib: float


class Curve(Struct, frozen=True):
    """The cost as one thing grows."""

    name: str
    points: list[Point]


def curves(writer: Path, soak_records: int) -> list[Curve]:
    """All of them; ``soak_records`` are what the last one carries."""
    return [
        Curve("file sinks", [_once(writer, size, _sinks(size)) for size in (1, 2, 4, 8)]),
        Curve(
            "lines of the map",
            [_once(writer, size, _map(size)) for size in (10_000, 100_000, 1_000_000, 10_000_000)],
        ),
        Curve("modules", [_once(writer, size, _modules(size)) for size in (10, 100, 1000)]),
        _soak(writer, soak_records),
    ]


Setting = Callable[[Path], tuple[str, list[str]]]
"""What is to stand in the configuration, and which options are to be given, for a run in a folder."""


def _sinks(count: int) -> Setting:
    return lambda folder: (
        "",
        [word for number in range(count) for word in ("--sink", f"file:{folder}/log{number}")],
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


def _once(writer: Path, size: int, setting: Setting) -> Point:
    with _running(setting) as pid:
        return _portion(writer, pid, size, RATE, COUNT)


def _soak(writer: Path, records: int) -> Curve:
    """One run, whose lines are thrown away: ten portions, and what each cost."""
    count = records // SOAK_PORTIONS
    with _running(lambda folder: ("", ["--sink", "file:/dev/null"])) as pid:
        sizes = range(count, records + 1, count)
        return Curve(
            "records carried so far",
            [_portion(writer, pid, size, SOAK_RATE, count) for size in sizes],
        )


def _portion(writer: Path, pid: int, size: int, rate: int, count: int) -> Point:
    before_us = cpu_us(pid)
    subprocess.run([writer, str(rate), str(count), "growth"], check=True, stdout=subprocess.DEVNULL)
    settled(pid)
    return Point(size, (cpu_us(pid) - before_us) / count, rss_mib(pid))


@contextmanager
def _running(setting: Setting) -> Iterator[int]:
    """The klogd-py of this tree, once it has settled; its process number."""
    with tempfile.TemporaryDirectory(prefix="klogd-bench-") as name:
        folder = Path(name)
        contender = klogd_py_with(folder, *setting(folder))
        process = subprocess.Popen(
            contender.command, env={**os.environ, **contender.environment}, start_new_session=True
        )
        try:
            time.sleep(SETTLED_S)
            yield process.pid
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(10)
