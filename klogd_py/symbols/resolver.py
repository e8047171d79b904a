# SPDX-License-Identifier: GPL-2.0-or-later
"""Resolve an address by all symbol sources in their order.

The map comes first, then kallsyms (the kernel, then its modules), then /proc/modules, which can at
least name the module. A resolver is immutable; a reload makes another one.
"""

from collections.abc import Callable, Sequence
from typing import Protocol

from klogd_py.record.types import LookupFailure, SymbolAddress
from klogd_py.symbols.symbol_line import SymbolStart
from klogd_py.symbols.symbol_table import SymbolTable

# The symbol that contains a run-time address, or why there is none
Resolve = Callable[[int], SymbolAddress | LookupFailure]


class SymbolSource(Protocol):
    """Anything that can resolve an address."""

    def resolve(self, address: int) -> SymbolAddress | LookupFailure:
        """Return the symbol that contains a run-time address, or why there is none."""

    def find_by_name(self, name: str) -> list[SymbolStart]:
        """Return where symbols with this name begin at run time."""


class CrossCheckedTable:
    """A map that was accepted because its samples agree with kallsyms.

    Each further answer is compared with kallsyms, too.
    """

    def __init__(self, table: SymbolTable, kallsyms: SymbolTable) -> None:
        self._table = table
        self._kallsyms = kallsyms

    def resolve(self, address: int) -> SymbolAddress | LookupFailure:
        """Return the map's symbol; OUTSIDE if kallsyms has another one, which then counts."""
        symbol = self._table.resolve(address)
        if isinstance(symbol, LookupFailure):
            return symbol
        expected = self._kallsyms.resolve(address)
        if isinstance(expected, LookupFailure):
            return symbol
        names = self._kallsyms.names_at(address - expected.offset)
        agrees = (
            expected.offset == symbol.offset
            and symbol.name.encode("utf-8", "surrogateescape") in names
        )
        return symbol if agrees else LookupFailure.OUTSIDE

    def find_by_name(self, name: str) -> list[SymbolStart]:
        """Return where the map has a symbol, and kallsyms has no other one."""
        return [
            found
            for found in self._table.find_by_name(name)
            if isinstance(self.resolve(found.address), SymbolAddress)
        ]


class SymbolResolver:
    """All symbol sources, the most trusted first.

    ``default`` is the answer where none of them has the address.
    """

    def __init__(
        self,
        sources: Sequence[SymbolSource] = (),
        default: LookupFailure = LookupFailure.NO_SYMBOLS,
    ) -> None:
        self._sources = tuple(sources)
        self.default = default

    @property
    def has_sources(self) -> bool:
        """Whether anything can be named at all."""
        return bool(self._sources)

    def resolve(self, address: int) -> SymbolAddress | LookupFailure:
        """Return the symbol of the first source that has a run-time address."""
        for source in self._sources:
            symbol = source.resolve(address)
            if isinstance(symbol, SymbolAddress):
                return symbol
        return self.default

    def find_by_name(self, name: str) -> list[SymbolStart]:
        """Return where symbols with this name begin at run time, in ascending order.

        At each address the first source that knows it counts.
        """
        found: dict[int, SymbolAddress] = {}
        for source in self._sources:
            for start in source.find_by_name(name):
                found.setdefault(start.address, start.symbol)
        return [SymbolStart(address, found[address]) for address in sorted(found)]
