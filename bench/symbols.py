# SPDX-License-Identifier: GPL-2.0-or-later
"""Measure the symbols: open maps, look up addresses, read kallsyms, translate an oops and a log."""

import resource
import shutil
import subprocess
import sys
import time
from pathlib import Path

from bench import processes
from bench.stages import Figure, at_epoch, cpu_s
from klogd_py.config.run_options import RunOptions
from klogd_py.pipeline.batch import Batch
from klogd_py.pipeline.symbolize import FormatOptions, symbolize
from klogd_py.record.types import Record
from klogd_py.symbols import kallsyms, system_map
from klogd_py.symbols.symbol_loader import load_symbols
from klogd_py.symbols.symbol_table import SymbolTable

FIRST_ADDRESS = 0xFFFFFFFF81000000
FUNCTION_BYTES = 64
LOOKUPS = 10_000
LOG_MIB = 256


def figures(folder: Path, *, quick: bool) -> list[Figure]:
    """Run all measurements; ``quick`` leaves out the longest map and most of the log."""
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
    addresses = [
        FIRST_ADDRESS + number * FUNCTION_BYTES * lines // LOOKUPS + 5 for number in range(LOOKUPS)
    ]
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
    """Write a map of ``lines`` functions, from `FIRST_ADDRESS` on, `FUNCTION_BYTES` each."""
    with path.open("w") as file:
        file.writelines(
            f"{FIRST_ADDRESS + FUNCTION_BYTES * number:016x} T function_number_{number}\n"
            for number in range(lines)
        )


def _processes() -> list[Figure]:
    """Measure one addr2line process per address, as decode_stacktrace.sh runs it.

    The object file is a small program.
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
    """Return the anonymous memory of this process in KiB."""
    return int(Path("/proc/self/status").read_text().partition("RssAnon:")[2].split()[0])


def _kallsyms() -> list[Figure]:
    path = Path("/proc/kallsyms")
    if not path.exists():
        return []
    return [
        Figure("read /proc/kallsyms", cpu_s(lambda: kallsyms.parse(path.read_bytes())) * 1e3, "ms"),
        Figure(
            "load all symbols of this machine",
            cpu_s(_survey) * 1e3,
            "ms",
        ),
    ]


def _survey() -> object:
    options = RunOptions(config_path="/dev/null")
    return load_symbols(options.build_symbol_sources(options.load_config(), may_be_foreign=False))


def _oops(path: Path) -> Figure:
    table = SymbolTable(system_map.load(path).lines, "")
    lines = [
        "BUG: kernel NULL pointer dereference, address: 0000000000000000",
        f"RIP: 0010:{FIRST_ADDRESS + 5:#x}",
        "Call Trace:",
    ]
    lines += [f" {FIRST_ADDRESS + FUNCTION_BYTES * number + 9:#x}" for number in range(40)]
    records = [Record(line, 4, number, number) for number, line in enumerate(lines)]
    return Figure(
        "translate an oops of 41 addresses",
        cpu_s(lambda: symbolize(Batch(records), table.resolve, FormatOptions(), at_epoch)) * 1e3,
        "ms",
    )


def _translate(folder: Path, mib: int) -> Figure:
    """Measure ``klogd-py translate`` on a log without an oops, with its start."""
    log = folder / "log"
    write_map(folder / "System.map", 100_000)
    line = (
        b"Nov 23 08:13:42 host kernel: [ 1234.567890] "
        b"eth0: link up, 1000Mbps, full-duplex, lpa 45E1\n"
    )
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
    processes.run(command)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    seconds = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return Figure(
        f"klogd-py translate, {mib} MiB without an oops, with its start",
        log.stat().st_size / 1e6 / seconds,
        "MB/s",
    )
