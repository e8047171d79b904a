# SPDX-License-Identifier: GPL-2.0-or-later
"""Which place does an address have, asked of all sources in their order?

The map comes first, then kallsyms (the kernel, then its modules), then /proc/modules, which can at
least name the module. An atlas is immutable; a change of the map draws a new one.
"""

from collections.abc import Sequence
from typing import Protocol

from klogd_py.record.types import LookupFailure, SymbolAddress
from klogd_py.symbols.symbol_table import SymbolTable


class SymbolSource(Protocol):
    """Anything that can place an address."""

    def resolve(self, address: int) -> SymbolAddress | LookupFailure:
        """The place of a run-time address, or why there is none."""

    def find_by_name(self, name: str) -> list[tuple[int, SymbolAddress]]:
        """Where symbols with this name begin at run time, and the place there."""


class CrossCheckedTable:
    """A map that was accepted since it agreed with kallsyms at many places.

    At all others each answer is compared, too.
    """

    def __init__(self, chart: SymbolTable, witness: SymbolTable) -> None:
        self._chart = chart
        self._witness = witness

    def resolve(self, address: int) -> SymbolAddress | LookupFailure:
        """The map's place, unless kallsyms has another symbol there.

        Then it is kallsyms' to say.
        """
        place = self._chart.resolve(address)
        if isinstance(place, LookupFailure):
            return place
        said = self._witness.resolve(address)
        if isinstance(said, LookupFailure):
            return place
        names = self._witness.names_at(address - said.offset)
        agreed = (
            said.offset == place.offset and place.name.encode("utf-8", "surrogateescape") in names
        )
        return place if agreed else LookupFailure.OUTSIDE

    def find_by_name(self, name: str) -> list[tuple[int, SymbolAddress]]:
        """Where the map has a symbol and kallsyms no other one."""
        return [
            (address, place)
            for address, place in self._chart.find_by_name(name)
            if isinstance(self.resolve(address), SymbolAddress)
        ]


class SymbolResolver:
    """All charts, the most trusted first.

    ``blank`` is the answer where none of them has the place.
    """

    def __init__(
        self, charts: Sequence[SymbolSource] = (), blank: LookupFailure = LookupFailure.NO_SYMBOLS
    ) -> None:
        self._charts = tuple(charts)
        self._blank = blank

    def resolve(self, address: int) -> SymbolAddress | LookupFailure:
        """The first chart's place of a run-time address."""
        for chart in self._charts:
            place = chart.resolve(address)
            if isinstance(place, SymbolAddress):
                return place
        return self._blank

    def find_by_name(self, name: str) -> list[tuple[int, SymbolAddress]]:
        """Where symbols with this name begin at run time, as the first chart has it that knows the
        address.
        """
        found: dict[int, SymbolAddress] = {}
        for chart in self._charts:
            for address, place in chart.find_by_name(name):
                found.setdefault(address, place)
        return sorted(found.items())
