# SPDX-License-Identifier: GPL-2.0-or-later
"""Measure whole commands where the cost may grow out of proportion: translate, lookup, a start."""

import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path

from msgspec import Struct

from bench import maps, processes
from bench.accounting import cpu_us, rss_mib
from bench.comparison import running, wait_until_started
from bench.log_daemons import klogd_py_with
from bench.results import Figure
from bench.schedule import Setup, Task
from bench.trees import Tree

LOG_MIB, QUICK_LOG_MIB = 64, 8
LINE_MIB, QUICK_LINE_MIB = (32, 64, 128), (4, 8)
MAP_LINES, QUICK_MAP_LINES = 10_000_000, 100_000
_TRANSLATE_MAP_LINES = 100_000
_MIB = 1 << 20
# lookup ends with 1 where an address has no name: on a kernel that may be randomised, a map names
# nothing until an oops has shown its slide. It has searched the map all the same.
_STATUSES = {0, 1}
_PREFIX = b"Nov 23 08:13:42 host kernel: [ 1234.567890] "
_PLAIN_LINE = _PREFIX + b"eth0: link up, 1000Mbps, full-duplex, lpa 45E1\n"
_ADDRESS_LINE = _PREFIX + b"pci 0000:00:1f.3: [mem 0xfed00000-0xfed003ff] reserved\n"
_NO_NUMBERS = "no numbers like addresses"
# The logs by what is in them: the lines that are repeated
LOGS = {
    _NO_NUMBERS: _PLAIN_LINE,
    "a number like an address in one line of 4": _ADDRESS_LINE + 3 * _PLAIN_LINE,
}


def tasks(setup: Setup) -> Iterator[Task]:
    """Plan all commands, for each tree in turn."""
    commands = [*_translate(setup), *_one_line(setup), *_lookup(setup)]
    for command in commands:
        for tree in setup.trees:
            measure = partial(command.measure, tree)
            yield Task(f"{tree.name}, {command.name}", command.seconds, measure)
    for tree in setup.trees:
        yield Task(f"{tree.name}, start with a map", 6.0, partial(_start, setup, tree))


class Used(Struct, frozen=True):
    """CPU time in seconds, and the largest resident memory."""

    cpu_s: float
    rss_mib: float


class _Command(Struct, frozen=True):
    """A command that is measured with each tree."""

    name: str
    seconds: float
    measure: Callable[[Tree], list[Figure]]


def _translate(setup: Setup) -> Iterator[_Command]:
    mib = QUICK_LOG_MIB if setup.quick else LOG_MIB
    for contents in LOGS:
        for with_map in (False, True):
            name = f"{mib} MiB, {contents}, {'with' if with_map else 'without'} --map"
            measure = partial(_measure_translate, setup, name, contents, mib, with_map)
            # Names that are looked for and not found cost most.
            slowest = with_map and contents != _NO_NUMBERS
            yield _Command(f"translate, {name}", mib * (0.2 if slowest else 0.03), measure)


def _measure_translate(
    setup: Setup, name: str, contents: str, mib: int, with_map: bool, tree: Tree
) -> list[Figure]:
    log = _repeat(setup.folder / f"log-{list(LOGS).index(contents)}-{mib}", LOGS[contents], mib)
    options: list[str | Path] = []
    if with_map:
        options = ["--map", maps.provide(setup.folder, _TRANSLATE_MAP_LINES)]
    used = _run(setup, tree, ["translate", *options, log])
    return [Figure("translate", name, log.stat().st_size / 1e6 / used.cpu_s, "MB/s", tree.name)]


def _one_line(setup: Setup) -> Iterator[_Command]:
    for mib in QUICK_LINE_MIB if setup.quick else LINE_MIB:
        measure = partial(_measure_line, setup, mib)
        yield _Command(f"{mib} MiB without line feeds", 0.03 * mib, measure)


def _measure_line(setup: Setup, mib: int, tree: Tree) -> list[Figure]:
    text = _repeat(setup.folder / f"line-{mib}", _PLAIN_LINE.replace(b"\n", b" "), mib)
    used = _run(setup, tree, ["translate", text])
    part, name = "text without line feeds", f"{mib} MiB"
    return [
        Figure(part, name, used.cpu_s, "s", tree.name),
        Figure(part, f"{name}: for each MiB", used.cpu_s / mib * 1e3, "ms", tree.name),
        Figure(part, f"{name}: memory", used.rss_mib, "MiB", tree.name),
    ]


def _lookup(setup: Setup) -> Iterator[_Command]:
    yield _Command("lookup", 4.0, partial(_measure_lookup, setup))


def _measure_lookup(setup: Setup, tree: Tree) -> list[Figure]:
    path = _long_map(setup)
    name = f"an address in a map of {maps.lines_of(path):,} lines"
    asked = f"{maps.FIRST_ADDRESS + 4 * maps.FUNCTION_BYTES + 5:x}"
    used = _run(setup, tree, ["lookup", "--map", path, asked])
    return [
        Figure("lookup", name, used.cpu_s, "s", tree.name),
        Figure("lookup", f"{name}: memory", used.rss_mib, "MiB", tree.name),
    ]


def _start(setup: Setup, tree: Tree) -> list[Figure]:
    """Measure a daemon until it is idle, with a long map and no other symbols."""
    path = _long_map(setup)
    with tempfile.TemporaryDirectory() as name:
        options = ["--map", str(path), "--sink", f"file:{name}/log"]
        daemon = klogd_py_with(tree, Path(name), '[symbols]\nkallsyms = ""\n', options)
        with running(daemon) as pid:
            wait_until_started(pid, time.monotonic())
            used_s, memory_mib = cpu_us(pid) / 1e6, rss_mib(pid)
    what = f"the daemon, with a map of {maps.lines_of(path):,} lines"
    return [
        Figure("start", what, used_s, "s", tree.name),
        Figure("start", f"{what}: memory", memory_mib, "MiB", tree.name),
    ]


def _long_map(setup: Setup) -> Path:
    return maps.provide(setup.folder, QUICK_MAP_LINES if setup.quick else MAP_LINES)


def _repeat(path: Path, text: bytes, mib: int) -> Path:
    """Return a file of about so many MiB, written when it is asked for the first time."""
    if not path.exists():
        piece = text * (_MIB // len(text))
        with path.open("wb") as file:
            for _ in range(mib):
                file.write(piece)
    return path


def _run(setup: Setup, tree: Tree, arguments: Sequence[str | Path]) -> Used:
    """Run a command of klogd-py and return what it used."""
    measure = setup.programs["measure"]
    command = [measure, *tree.program, *arguments]
    cpu_s, rss_kib, status = processes.run(command, tree.environment).split()
    if int(status) not in _STATUSES:
        raise subprocess.CalledProcessError(int(status), command)
    return Used(float(cpu_s), int(rss_kib) / 1024)
