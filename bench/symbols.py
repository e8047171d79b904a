# SPDX-License-Identifier: GPL-2.0-or-later
"""Measure the symbols: open maps, look up addresses, read kallsyms, translate an oops.

``python -m bench.symbols MAP...`` prints the figures as JSON, as `bench.stages` does. The maps are
those of `bench.maps`.
"""

import shutil
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import msgspec

from bench.maps import FIRST_ADDRESS, FUNCTION_BYTES, lines_of
from bench.results import Figure
from bench.stages import at_epoch, cpu_s
from klogd_py.config.run_options import RunOptions
from klogd_py.pipeline.batch import Batch
from klogd_py.pipeline.symbolize import FormatOptions, symbolize
from klogd_py.record.types import Record
from klogd_py.symbols import kallsyms, system_map
from klogd_py.symbols.symbol_loader import load_symbols
from klogd_py.symbols.symbol_table import SymbolTable

LOOKUPS = 2000


def figures(paths: Sequence[Path]) -> list[Figure]:
    """Measure each map, and what else names addresses."""
    maps = [figure for path in paths for figure in _map(path, lines_of(path))]
    return [*maps, *_kallsyms(), _oops(paths[0])]


def _map(path: Path, lines: int) -> list[Figure]:
    table = SymbolTable(system_map.load(path).lines, "")
    addresses = [
        FIRST_ADDRESS + number * FUNCTION_BYTES * lines // LOOKUPS + 5 for number in range(LOOKUPS)
    ]
    before_kib = _resident_kib()
    each_s = cpu_s(lambda: [table.resolve(address) for address in addresses]) / LOOKUPS
    found = [
        Figure(
            "symbols",
            f"map of {lines:,} lines: open",
            cpu_s(lambda: system_map.load(path)) * 1e3,
            "ms",
        ),
        Figure("symbols", f"map of {lines:,} lines: look up", each_s * 1e6, "us"),
        Figure(
            "symbols",
            f"map of {lines:,} lines: private memory",
            max(0, _resident_kib() - before_kib) / 1024,
            "MiB",
        ),
    ]
    if shutil.which("addr2line") and lines == 100_000:
        found += _processes()
    return found


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
            "symbols",
            "addr2line, a process for each address, on a program without symbols",
            (time.perf_counter() - start_s) / 20 * 1e6,
            "us",
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
        Figure(
            "symbols",
            "read /proc/kallsyms",
            cpu_s(lambda: kallsyms.parse(path.read_bytes())) * 1e3,
            "ms",
        ),
        Figure(
            "symbols",
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
        "symbols",
        "translate an oops of 41 addresses",
        cpu_s(lambda: symbolize(Batch(records), table.resolve, FormatOptions(), at_epoch)) * 1e3,
        "ms",
    )


if __name__ == "__main__":
    sys.stdout.buffer.write(msgspec.json.encode(figures([Path(word) for word in sys.argv[1:]])))
