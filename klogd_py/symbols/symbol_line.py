# SPDX-License-Identifier: GPL-2.0-or-later
r"""Describe one line of a symbol table, and decide whether it can name an address.

``ffffffff81078650 t worker_thread\t[module]``: address, letter of nm(1), name, module. Absolute
symbols (type A), `HOLE` lines and the markers of the linker script (``_etext``,
``__kprobes_text_end``) end the symbol before them but name nothing: up to the next section there
may be megabytes behind a marker.

Source of truth: include/asm-generic/vmlinux.lds.h for the markers; scripts/kallsyms.c
``compare_symbols`` for the order of aliases.
"""

import re
from enum import Enum

from msgspec import Struct

from klogd_py.record.types import SymbolAddress

# The type of a line that ends the symbol before it and names nothing
HOLE = b"!"
# The letters of nm(1) that code can have; V and W are weak, i is an ifunc
CODE_KINDS = frozenset("tTwWiV")
# Those that the code of a module has in /proc/kallsyms
MODULE_CODE_KINDS = frozenset((b"t", b"T", b"w", b"W"))
# The kernel's own limit is KSYM_NAME_LEN, 512
MAX_NAME_BYTES = 1024
# Enough to tell that a name is too long to be one
MAX_LINE_BYTES = 4096
_LINKER_PREFIXES = (b"start_", b"stop_", b"end_")
_END_MARKERS = frozenset(
    (
        b"_etext",
        b"etext",
        b"_edata",
        b"edata",
        b"_end",
        b"end",
        b"__bss_stop",
        b"__brk_limit",
        b"_einittext",
    )
)
# What an assembler lets C, Rust and assembly name a symbol: no blank, no control character, and
# nothing beyond ASCII.
_NAME = re.compile(rb"[!-~]{1,%d}" % MAX_NAME_BYTES)


class Aliases(Enum):
    """Which of several symbols at one address names it."""

    # The kernel's choice in its own kallsyms
    FIRST = "first"
    # The same choice in a System.map, which has not been sorted for it yet
    KERNEL = "kernel"
    # The classic klogd's choice in a System.map
    LAST = "last"


class SymbolLine(Struct, frozen=True, gc=False):
    """One line of a table; ``module`` is empty for the kernel itself."""

    address: int
    kind: bytes
    name: bytes
    module: str

    @property
    def can_name(self) -> bool:
        """Whether an address inside may be named by this line."""
        if self.kind in b"Aa!" or not is_name(self.name) or _is_marker(self.name):
            return False
        return not self.module or is_name(self.module.encode("utf-8", "replace"))


class SymbolStart(Struct, frozen=True):
    """The run-time address at which a symbol begins, and the symbol."""

    address: int
    symbol: SymbolAddress


def is_name(name: bytes) -> bool:
    """Whether a symbol or a module can have this name."""
    return _NAME.fullmatch(name) is not None


def kernel_rank(line: SymbolLine) -> tuple[bool, bool, int]:
    """Return the rank of a symbol among those at its address; the kernel prefers the lowest."""
    name = line.name
    by_linker = len(name) >= 8 and name.startswith(b"__")
    by_linker = by_linker and (
        name.startswith(_LINKER_PREFIXES, 2) or name.endswith((b"_start", b"_end"))
    )
    return line.kind in b"wW", by_linker, len(name) - len(name.lstrip(b"_"))


def _is_marker(name: bytes) -> bool:
    """Whether a linker script gives this name to an address without a symbol of its own.

    ``__..._start`` is no marker, since there are functions such as ``__unwind_start``. None that
    matters in an oops is called ``__..._end``.
    """
    if name in _END_MARKERS:
        return True
    if name.endswith((b"_text_start", b"_text_end")):
        return True
    return name.startswith(b"__") and (
        name.endswith(b"_end") or name.startswith(_LINKER_PREFIXES, 2)
    )
