# SPDX-License-Identifier: GPL-2.0-or-later
"""What do names cost.

Opening maps, looking up, reading kallsyms, translating an oops and a large log?
"""

import resource
import shutil
import subprocess
import sys
import time
from pathlib import Path

from bench.stages import Figure, at_no_time, cpu_s
from klogd_py.config.run_options import RunOptions
from klogd_py.pipeline.symbolize import FormatOptions, symbolize
from klogd_py.record.types import Record
from klogd_py.symbols import kallsyms, system_map
from klogd_py.symbols.symbol_loader import load_symbols
from klogd_py.symbols.symbol_table import SymbolTable

FIRST = 0xFFFFFFFF81000000
APART = 64
LOOKUPS = 10_000
LOG_MIB = 256


def figures(folder: Path, *, quick: bool) -> list[Figure]:
    """All of it; ``quick`` leaves out the longest map and most of the log."""
    found: list[Figure] = []
    for lines in (100_000, 1_000_000) if quick else (100_000, 1_000_000, 10_000_000):
        found += _map(folder / "System.map", lines)
    return [
        *found,
        *_kallsyms(),
        _oops(folder / "System.map"),
        _translate(folder, LOG_MIB // 8 if quick else LOG_MIB),
    ]


def _map(path: Path, lines: int) -> list[Figure]:
    write_map(path, lines)
    table = SymbolTable(system_map.load(path).lines, "")
    addresses = [FIRST + number * APART * lines // LOOKUPS + 5 for number in range(LOOKUPS)]
    before_kib = _resident_kib()
    each_s = cpu_s(lambda: [table.resolve(address) for address in addresses]) / LOOKUPS
    found = [
        Figure(f"map of {lines:,} lines: open", cpu_s(lambda: system_map.load(path)) * 1e3, "ms"),
        Figure("  look up", 1 / each_s, "/s"),
        Figure("  private memory for it", max(0, _resident_kib() - before_kib) / 1024, "MiB"),
    ]
    if shutil.which("addr2line") and lines == 100_000:
        found += _processes()
    return found


def write_map(path: Path, lines: int) -> None:
    """A map of so many functions, from `FIRST` on, `APART` bytes each."""
    with path.open("w") as file:
        file.writelines(
            f"{FIRST + APART * number:016x} T function_number_{number}\n" for number in range(lines)
        )


def _processes() -> list[Figure]:
    """One process for each address, as decode_stacktrace.sh has it.

    The object is the smallest that there is.
    """
    start_s = time.perf_counter()
    for _ in range(20):
        subprocess.run(
            ["addr2line", "-f", "-e", shutil.which("true") or sys.executable, "0x1000"],
            stdout=subprocess.DEVNULL,
        )
    return [
        Figure(
            "  addr2line, a process for each address, on a program without symbols",
            20 / (time.perf_counter() - start_s),
            "/s",
        )
    ]


def _resident_kib() -> int:
    """Memory of this process that no file backs."""
    return int(Path("/proc/self/status").read_text().partition("RssAnon:")[2].split()[0])


def _kallsyms() -> list[Figure]:
    path = Path("/proc/kallsyms")
    if not path.exists():
        return []
    return [
        Figure("read /proc/kallsyms", cpu_s(lambda: kallsyms.parse(path.read_bytes())) * 1e3, "ms"),
        Figure(
            "draw a whole survey of this machine, which is swapped in by one assignment",
            cpu_s(_survey) * 1e3,
            "ms",
        ),
    ]


def _survey() -> object:
    invocation = RunOptions(config_path="/dev/null")
    return load_symbols(
        invocation.build_symbol_sources(invocation.load_config(), may_be_foreign=False)
    )


def _oops(path: Path) -> Figure:
    table = SymbolTable(system_map.load(path).lines, "")
    lines = [
        "BUG: kernel NULL pointer dereference, address: 0000000000000000",
        f"RIP: 0010:{FIRST + 5:#x}",
        "Call Trace:",
    ]
    lines += [f" {FIRST + APART * number + 9:#x}" for number in range(40)]
    records = [Record(line, 4, number, number) for number, line in enumerate(lines)]
    return Figure(
        "translate an oops of 41 addresses",
        cpu_s(lambda: symbolize(records, table.resolve, FormatOptions(), at_no_time)) * 1e3,
        "ms",
    )


def _translate(folder: Path, mib: int) -> Figure:
    """``klogd-py translate`` on a log without an oops."""
    log = folder / "log"
    write_map(folder / "System.map", 100_000)
    line = b"Nov 23 08:13:42 host kernel: [ 1234.567890] eth0: link up, 1000Mbps, full-duplex, lpa 45E1\n"
    with log.open("wb") as file:
        for _ in range(mib):
            file.write(line * ((1 << 20) // len(line)))
    command = [
        sys.executable,
        "-m",
        "klogd_py",
        "translate",
        "--map",
        str(folder / "System.map"),
        str(log),
    ]
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    seconds = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return Figure(
        f"klogd-py translate, {mib} MiB without an oops, start-up included",
        log.stat().st_size / 1e6 / seconds,
        "MB/s",
    )
