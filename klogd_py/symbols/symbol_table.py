# SPDX-License-Identifier: GPL-2.0-or-later
r"""Look up addresses in one sorted source of symbols.

A table is lines ``ADDRESS TYPE NAME[\t[MODULE]]`` in ascending order of address, searched in place
by bisection of the buffer's bytes: no object per symbol, no start-up cost, and a large file stays
in the page cache.

A symbol reaches to the next higher address in the table; the last line only ends its predecessor.
`klogd_py.symbols.symbol_line` says which lines end a symbol but name nothing.

Source of truth: the lookup of sysklogd's ksym.c with bounds.
"""

import contextlib
from collections.abc import Iterable, Iterator

from klogd_py.record.types import LookupFailure, SymbolAddress
from klogd_py.symbols.alias_groups import AliasGroups
from klogd_py.symbols.file_bytes import Buffer
from klogd_py.symbols.name_places import ENDINGS, NamePlaces
from klogd_py.symbols.sorted_lines import SortedLines
from klogd_py.symbols.symbol_line import Aliases, SymbolLine, SymbolStart, is_name

PAGE_BYTES = 4096
# A 64-bit kernel whose last symbol is above has no code below
KERNEL_HALF = 1 << 63
# Below are offsets from a null pointer
FIRST_PAGE_END = PAGE_BYTES
# A wider distance between two symbols is a gap, not a function
MAX_SYMBOL_BYTES = 1 << 28
# Of a static call; behind the last one its section is empty
_TRAMPOLINE = b"__SCT__"
_TRAMPOLINE_BYTES = 16


class SymbolTable:
    """One sorted source of symbols, immutable.

    ``slide`` is what the running kernel adds to every address in it.
    """

    def __init__(
        self,
        lines: Buffer,
        source: str,
        *,
        end: int | None = None,
        slide: int = 0,
        aliases: Aliases = Aliases.FIRST,
        places: NamePlaces | None = None,
    ) -> None:
        """``lines`` from its start to ``end``; every address has as many digits as the first.

        ``places`` is shared with other tables of the same lines.

        Raises:
            ValueError: the first or the last line does not begin with an address.
        """
        self.source = source
        self.slide = slide
        self._lines = SortedLines(lines, len(lines) if end is None else end)
        self._groups = AliasGroups(self._lines, aliases)
        self._places = places if places is not None else NamePlaces()
        self._first = self._lines.address_at(0)
        last = self._lines.address_at(self._lines.start_of(self._lines.end - 1))
        self._floor = KERNEL_HALF if last >= KERNEL_HALF else FIRST_PAGE_END

    def resolve(self, address: int) -> SymbolAddress | LookupFailure:
        """Return the symbol that contains a run-time address.

        OUTSIDE if none does; NO_SYMBOLS if the file was truncated since it was opened.
        """
        value = address - self.slide
        if value < self._floor or value < self._first:
            return LookupFailure.OUTSIDE
        lines = self._lines
        if lines.is_cut:
            return LookupFailure.NO_SYMBOLS
        start = lines.last_at_or_below(value)
        after = lines.after(start)
        if after >= lines.end:
            return LookupFailure.OUTSIDE
        try:
            line = self._groups.choose(start)
            end = lines.address_at(after)
        except ValueError:
            # A damaged line: where the symbol ends is not known
            return LookupFailure.OUTSIDE
        if line is None:
            return LookupFailure.OUTSIDE
        size = end - line.address
        # Both can be true only in a file that is out of order here and there.
        if size > MAX_SYMBOL_BYTES or not 0 <= value - line.address < size:
            return LookupFailure.OUTSIDE
        if value - line.address >= _TRAMPOLINE_BYTES and line.name.startswith(_TRAMPOLINE):
            return LookupFailure.OUTSIDE
        name = line.name.decode("utf-8", "replace")
        return SymbolAddress(
            name, value - line.address, size, line.module, chr(line.kind[0]), self.source
        )

    def names_at(self, address: int) -> frozenset[bytes]:
        """Return the names of all symbols that begin exactly at a run-time address."""
        value = address - self.slide
        if value < self._first:
            return frozenset()
        start = self._lines.last_at_or_below(value)
        try:
            is_start = self._lines.address_at(start) == value
            return self._groups.names(start) if is_start else frozenset()
        except ValueError:
            return frozenset()

    def expect(self, names: Iterable[bytes]) -> None:
        """State names that will be asked for, so that one pass through the table finds them all."""
        self._places.expect(names)

    def address_of(self, name: bytes) -> int | None:
        """Return the address of the first symbol with this name, without the slide.

        The table is read from its start, not bisected. ``None`` if there is no such symbol.
        """
        for ending in ENDINGS:
            start = next(self._starts_of(name, ending), None)
            if start is not None:
                try:
                    return self._lines.address_at(start)
                except ValueError:
                    return None
        return None

    def addresses_of(self, name: bytes, limit: int = 8) -> list[int]:
        """Return the addresses of the first few symbols with this name, without the slide."""
        found: list[int] = []
        for start in self._starts_of(name, b"\n"):
            # A damaged line has no address
            with contextlib.suppress(ValueError):
                found.append(self._lines.address_at(start))
            if len(found) >= limit:
                break
        return found

    def find_by_name(self, name: str, limit: int = 64) -> list[SymbolStart]:
        """Return the run-time addresses of the first few symbols with this name, each resolved.

        The table is read from its start, not bisected.
        """
        raw = name.encode("utf-8", "surrogateescape")
        if not is_name(raw):
            return []
        found: list[SymbolStart] = []
        for ending in ENDINGS:
            for start in self._starts_of(raw, ending):
                if len(found) >= limit:
                    break
                # A damaged line has no address
                with contextlib.suppress(ValueError):
                    line = self._lines.parse(start)
                    address = line.address + self.slide
                    symbol = self.resolve(address)
                    # Which may be an alias of this one
                    if isinstance(symbol, SymbolAddress):
                        kind = chr(line.kind[0])
                        symbol = SymbolAddress(name, 0, symbol.size, line.module, kind, self.source)
                        found.append(SymbolStart(address, symbol))
        return found

    def module_lines(self, module: str) -> list[bytes]:
        """Return the lines of one module, in order, without their line feeds."""
        return self._lines.ending_with(b"\t[" + module.encode("utf-8", "replace") + b"]")

    def sample(self, count: int) -> list[SymbolLine]:
        """Return about ``count`` lines from all over the table, in order, without damaged ones."""
        lines = []
        offsets = (self._lines.end * i // count for i in range(count))
        for start in sorted({self._lines.start_of(offset) for offset in offsets}):
            try:
                lines.append(self._lines.parse(start))
            except ValueError:
                continue
        return lines

    @property
    def kernel_range(self) -> range:
        """The run-time addresses from the first symbol in kernel space to ``_end``."""
        first = self._first
        try:
            if first < self._floor:
                after = self._lines.after(self._lines.last_at_or_below(self._floor - 1))
                first = self._floor if after >= self._lines.end else self._lines.address_at(after)
            last = self._lines.address_at(self._lines.start_of(self._lines.end - 1))
        # Damaged lines
        except ValueError:
            last = first + MAX_SYMBOL_BYTES
        end = self.address_of(b"_end") or self.address_of(b"_etext")
        last = end if end is not None and end > first else min(last, first + MAX_SYMBOL_BYTES)
        return range(first + self.slide, last + self.slide)

    def _starts_of(self, name: bytes, ending: bytes) -> Iterator[int]:
        return self._places.find(self._lines, name, ending)
