# SPDX-License-Identifier: GPL-2.0-or-later
r"""Parse /proc/kallsyms, the symbols of the running kernel and its modules.

Its lines ``ffffffff81078650 t worker_thread`` are sorted for the kernel itself. The lines of each
module follow unsorted, with ``\\t[module]`` at their ends; pseudo-modules ([bpf],
[__builtin__ftrace], [__builtin__kprobes]) come last. The file is read once into one block of bytes.
The symbols of all modules make one sorted table, since the sections of modules interleave in memory
(Linux 6.4, "module: replace module_layout with module_memory").

Source of truth: kernel/kallsyms.c ``s_show``, ``update_iter_mod``;
Documentation/admin-guide/sysctl/kernel.rst.
"""

import re

from msgspec import Struct

from klogd_py.record.types import LookupFailure
from klogd_py.symbols.errors import SymbolsError
from klogd_py.symbols.symbol_line import HOLE, MODULE_CODE_KINDS
from klogd_py.symbols.symbol_table import PAGE_BYTES, SymbolTable

# In an oops the kernel prints their symbols without a module
PSEUDO_MODULES = frozenset(("bpf", "__builtin__ftrace", "__builtin__kprobes"))
SOURCE = "kallsyms"

# A distribution's kernel with its modules has 10 to 15 MiB
MAX_BYTES = 64 << 20
MAX_SYMBOLS = 1_500_000

_FIRST_LINE = re.compile(rb"(?:[0-9a-fA-F]{8}|[0-9a-fA-F]{16}) \S \S")


class NotKallsyms(SymbolsError):
    """The bytes are not those of /proc/kallsyms; says what is wrong with them."""


class _Allocation(Struct, frozen=True, gc=False):
    """What lines of one allocation have in common: the module, and whether they are code."""

    module: bytes
    is_code: bool


class Kallsyms(Struct, frozen=True):
    """The tables of the kernel and of its modules; a `LookupFailure` where there are no symbols.

    ``symbols`` counts the lines of the file.
    """

    core: SymbolTable | LookupFailure
    modules: SymbolTable | LookupFailure
    symbols: int = 0


def end_of_page(address: int) -> int:
    """Return the upper bound of a module's text: the end of the page that holds its last symbol.

    Text is allocated in whole pages. The size of a module in /proc/modules is no better bound, as
    it includes data.
    """
    return (address // PAGE_BYTES + 1) * PAGE_BYTES


def parse(raw: bytes) -> Kallsyms:
    """Parse a whole /proc/kallsyms.

    Both tables are HIDDEN if all addresses are zero (kptr_restrict), and NO_SYMBOLS if the file is
    empty.

    Raises:
        NotKallsyms: the lines are not an address, a type and a name each, or more than any kernel
            has.
    """
    if not raw or raw.isspace():
        return Kallsyms(LookupFailure.NO_SYMBOLS, LookupFailure.NO_SYMBOLS)
    if not _FIRST_LINE.match(raw):
        raise _not_in_form(raw)
    raw = raw if raw.endswith(b"\n") else raw + b"\n"
    tag = raw.find(b"\t[")
    core_end = len(raw) if tag < 0 else raw.rfind(b"\n", 0, tag) + 1
    symbols = raw.count(b"\n")
    if len(raw) > MAX_BYTES or symbols > MAX_SYMBOLS:
        limit = f"{MAX_SYMBOLS} lines in {MAX_BYTES} bytes are read"
        raise NotKallsyms(f"{symbols} lines in {len(raw)} bytes; {limit}")
    if _all_zero(raw):
        return Kallsyms(LookupFailure.HIDDEN, LookupFailure.HIDDEN, symbols)
    try:
        return Kallsyms(_core(raw, core_end), _modules(raw[core_end:]), symbols)
    except ValueError as error:
        raise _not_in_form(raw) from error


def _not_in_form(raw: bytes) -> NotKallsyms:
    return NotKallsyms(f"not in the form of /proc/kallsyms: {raw[:40]!r}")


def _all_zero(raw: bytes) -> bool:
    """Whether all addresses are masked, by 64 samples of the whole file.

    The per-cpu symbols of x86-64 at its start are zero in any case.
    """
    places = [raw.rfind(b"\n", 0, len(raw) * i // 64) + 1 for i in range(64)]
    return all(not raw[place : raw.find(b" ", place)].strip(b"0") for place in places)


def _core(raw: bytes, end: int) -> SymbolTable | LookupFailure:
    if end == 0:
        return LookupFailure.NO_SYMBOLS
    digits = raw.find(b" ")
    places = [raw.rfind(b"\n", 0, end * i // 512) + 1 for i in range(512)]
    addresses = [raw[place : place + digits] for place in places]
    if addresses == sorted(addresses):
        return SymbolTable(raw, SOURCE, end=end)
    rows = sorted(raw[:end].splitlines(keepends=True), key=lambda row: row[:digits])
    return SymbolTable(b"".join(rows), SOURCE)


def _modules(raw: bytes) -> SymbolTable | LookupFailure:
    digits = raw.find(b" ")
    if digits < 1:
        return LookupFailure.NO_SYMBOLS
    rows = [row for row in raw.splitlines() if row[:digits].strip(b"0")]
    rows.sort(key=lambda row: row[:digits])
    allocation = _allocation(rows[0], digits) if rows else None
    lines = []
    for row, following in zip(rows, [*rows[1:], b""], strict=True):
        lines.append(_untag_pseudo(row))
        before, allocation = allocation, _allocation(following, digits)
        if before != allocation:
            end = end_of_page(int(row[:digits], 16))
            if not following or end < int(following[:digits], 16):
                lines.append(b"%0*x %s end" % (digits, end, HOLE))
    return SymbolTable(b"\n".join(lines) + b"\n", SOURCE) if lines else LookupFailure.NO_SYMBOLS


def _allocation(row: bytes, digits: int) -> _Allocation:
    """Return what says to which allocation a line belongs; where it changes, one ends.

    Each symbol of a pseudo-module (a BPF program, a trampoline) is an allocation of its own.
    """
    if row.partition(b"\t")[2].strip(b"[]").decode("utf-8", "replace") in PSEUDO_MODULES:
        return _Allocation(row, True)
    is_code = row[digits + 1 : digits + 2] in MODULE_CODE_KINDS
    return _Allocation(row.partition(b"\t")[2], is_code)


def _untag_pseudo(row: bytes) -> bytes:
    name, _, tag = row.partition(b"\t")
    return name if tag.strip(b"[]").decode("utf-8", "replace") in PSEUDO_MODULES else row
