# SPDX-License-Identifier: GPL-2.0-or-later
"""Make the map and the kallsyms of a small kernel, and move them to other addresses."""

from pathlib import Path

from klogd_py.record.types import LookupFailure
from klogd_py.symbols.map_check import KernelIdentity, Verdict, check
from klogd_py.symbols.symbol_table import SymbolTable
from klogd_py.symbols.system_map import SystemMap

BASE = 0xFFFFFFFF81000000
_FUNCTIONS = [(BASE + 0x40 * i, b"T", b"function_%d" % i) for i in range(1, 40)]
MAP = b"".join(
    b"%016x %s %s\n" % symbol
    for symbol in [(BASE, b"T", b"_stext"), *_FUNCTIONS, (BASE + 0x40 * 40, b"T", b"_etext")]
)
KALLSYMS = MAP


def moved(lines: bytes, distance: int) -> bytes:
    """Return the same symbols at other addresses."""
    return b"".join(
        b"%016x%s" % (int(line[:16], 16) + distance, line[16:])
        for line in lines.splitlines(keepends=True)
    )


def check_map(
    lines: bytes,
    kallsyms: bytes | LookupFailure | None,
    *,
    version: int | None = None,
    release: str = "6.1.0",
    given: bool = False,
    named: bool = False,
    remark: str | None = None,
) -> Verdict:
    """Check a map with these lines; ``None`` is a machine without kallsyms."""
    candidate = SystemMap(Path("/boot/System.map"), lines, version, remark)
    core = (
        SymbolTable(kallsyms, "kallsyms")
        if isinstance(kallsyms, bytes)
        else kallsyms or LookupFailure.NO_SYMBOLS
    )
    return check(candidate, KernelIdentity(release, core), named, given)
