# SPDX-License-Identifier: GPL-2.0-or-later
"""Find the function of a module that contains an address, by the module's file and its base.

A layout is one allocation of a module at its address. Layouts of unloaded modules are kept, so that
addresses logged before can still be resolved: ``probe+0x10/0x40 [nic, unloaded]``.
"""

import bisect
from collections.abc import Iterable

import msgspec
from msgspec import Struct

from klogd_py.record.types import LookupFailure, SymbolAddress
from klogd_py.symbols.modules import module_elf
from klogd_py.symbols.modules.base_inference import ModuleBase
from klogd_py.symbols.modules.module_elf import ModuleFile
from klogd_py.symbols.modules.proc_modules import ModuleLoad
from klogd_py.symbols.symbol_line import SymbolStart
from klogd_py.symbols.symbol_table import SymbolTable

# Layouts of unloaded modules; the newest are kept
MAX_UNLOADED = 64
UNLOADED = "unloaded"


class ModuleLayout(Struct, frozen=True):
    """The functions of a module at ``start`` or above and below ``end``.

    ``loaded_with`` are the modules that were loaded together with one
    that ``is_unloaded`` now: none of them can have taken its place.
    """

    module: str
    start: int
    end: int
    table: SymbolTable
    is_unloaded: bool = False
    loaded_with: frozenset[ModuleLoad] = frozenset()

    def resolve(self, address: int) -> SymbolAddress | LookupFailure:
        """Return the function at a run-time address; its module says whether it is unloaded."""
        symbol = self.table.resolve(address)
        if isinstance(symbol, LookupFailure) or not self.is_unloaded:
            return symbol
        return msgspec.structs.replace(symbol, module=f"{self.module}, {UNLOADED}")


class ModuleIndex:
    """Layouts by address, immutable. Of two that overlap the later one in the sequence counts."""

    def __init__(self, layouts: Iterable[ModuleLayout] = ()) -> None:
        kept: list[ModuleLayout] = []
        for layout in reversed(list(layouts)):
            if not any(layout.start < other.end and other.start < layout.end for other in kept):
                kept.append(layout)
        self._layouts = sorted(kept, key=lambda layout: layout.start)
        self._starts = [layout.start for layout in self._layouts]

    def resolve(self, address: int) -> SymbolAddress | LookupFailure:
        """Return the function at a run-time address."""
        at = bisect.bisect_right(self._starts, address) - 1
        if at < 0 or address >= self._layouts[at].end:
            return LookupFailure.OUTSIDE
        return self._layouts[at].resolve(address)

    def find_by_name(self, name: str) -> list[SymbolStart]:
        """Return where functions with this name begin at run time."""
        starts = [
            start.address for layout in self._layouts for start in layout.table.find_by_name(name)
        ]
        return [
            SymbolStart(address, symbol)
            for address in starts
            if isinstance(symbol := self.resolve(address), SymbolAddress)
        ]


def lay_out(file: ModuleFile, base: ModuleBase) -> ModuleLayout | None:
    """Return a module's functions at a base; ``None`` if its file has none in this allocation."""
    code = file.init if base.init else file.core
    if not code.functions or not 0 < base.address < base.address + len(code.text) < 1 << 64:
        return None
    lines = b"\n".join(module_elf.table_lines(code, file.name, base.address)) + b"\n"
    return ModuleLayout(
        file.name, base.address, base.address + len(code.text), SymbolTable(lines, str(file.path))
    )
