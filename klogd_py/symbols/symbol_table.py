# SPDX-License-Identifier: GPL-2.0-or-later
r"""Look up addresses in one sorted source of symbols.

A table is lines ``ADDRESS TYPE NAME[\t[MODULE]]`` in ascending order of address, searched in place
by bisection of the buffer's bytes: no object per symbol, no start-up cost, and a large file stays
in the page cache.

A symbol reaches to the next higher address in the table; the last line only ends its predecessor.
`klogd_py.symbols.symbol_line` says which lines end a symbol but name nothing.

Source of truth: the lookup of sysklogd's ksym.c with bounds; kernel/kallsyms.c ``get_symbol_pos``
for aliases.
"""

import contextlib
from collections.abc import Iterator

from klogd_py.record.types import LookupFailure, SymbolAddress
from klogd_py.symbols.file_bytes import Buffer, FileBytes, bisect_lines
from klogd_py.symbols.symbol_line import HOLE, Aliases, SymbolLine, is_name, kernel_rank

PAGE_BYTES = 4096
# A 64-bit kernel whose last symbol is above has no code below
KERNEL_HALF = 1 << 63
# Below are offsets from a null pointer
FIRST_PAGE_END = PAGE_BYTES
# A wider distance between two symbols is a gap, not a function
MAX_SYMBOL_BYTES = 1 << 28
# At one address; system calls that a kernel was built without are some hundreds
MAX_ALIASES = 4096
# Of a file, the piece that is bisected in memory
_NEAR_BYTES = 1 << 14
# Of a static call; behind the last one its section is empty
_TRAMPOLINE = b"__SCT__"
_TRAMPOLINE_BYTES = 16
# Enough to tell that a name is too long to be one
_MAX_LINE_BYTES = 4096


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
    ) -> None:
        """``lines`` from its start to ``end``; every address has as many digits as the first.

        Raises:
            ValueError: the first or the last line does not begin with an address.
        """
        self.source = source
        self.slide = slide
        self._lines = lines
        self._file = lines if isinstance(lines, FileBytes) else None
        self._end = len(lines) if end is None else end
        self._aliases = aliases
        self._digits = lines.find(b" ", 0, 17)
        if self._digits < 1:
            raise ValueError("a table begins with an address")
        self._first = self.address_at(0)
        last = self.address_at(self.line_start(self._end - 1))
        self._floor = KERNEL_HALF if last >= KERNEL_HALF else FIRST_PAGE_END

    def resolve(self, address: int) -> SymbolAddress | LookupFailure:
        """Return the symbol that contains a run-time address.

        OUTSIDE if none does; NO_SYMBOLS if the file was truncated since it was opened.
        """
        value = address - self.slide
        if value < self._floor or value < self._first:
            return LookupFailure.OUTSIDE
        if self._file is not None and self._file.is_cut:
            return LookupFailure.NO_SYMBOLS
        start = self._last_at_or_below(value)
        after = self.line_after(start)
        if after >= self._end:
            return LookupFailure.OUTSIDE
        try:
            line, can_name = self._choose(start)
            size = self.address_at(after) - line.address
        except ValueError:
            # A damaged line: where the symbol ends is not known
            return LookupFailure.OUTSIDE
        # The last two tests can fail only in a file that is out of order here and there.
        if not can_name or size > MAX_SYMBOL_BYTES or not 0 <= value - line.address < size:
            return LookupFailure.OUTSIDE
        if value - line.address >= _TRAMPOLINE_BYTES and line.name.startswith(_TRAMPOLINE):
            return LookupFailure.OUTSIDE
        name = line.name.decode("utf-8", "replace")
        return SymbolAddress(
            name, value - line.address, size, line.module, chr(line.kind[0]), self.source
        )

    def names_at(self, address: int) -> set[bytes]:
        """Return the names of all symbols that begin exactly at a run-time address."""
        value = address - self.slide
        if value < self._first:
            return set()
        try:
            lines = self._group(self._last_at_or_below(value))
        except ValueError:
            return set()
        return {line.name for line in lines if line.address == value}

    def address_of(self, name: bytes) -> int | None:
        """Return the address of the first symbol with this name, without the slide.

        The table is read from its start, not bisected. ``None`` if there is no such symbol.
        """
        for ending in (b"\n", b"\t"):
            at = self._lines.find(b" " + name + ending, 0, self._end)
            if at >= 0:
                try:
                    return self.address_at(self.line_start(at))
                except ValueError:
                    return None
        return None

    def addresses_of(self, name: bytes, limit: int = 8) -> list[int]:
        """Return the addresses of the first few symbols with this name, without the slide."""
        found: list[int] = []
        for start in self._lines_with(b" " + name + b"\n"):
            # A damaged line has no address
            with contextlib.suppress(ValueError):
                found.append(self.address_at(start))
            if len(found) >= limit:
                break
        return found

    def find_by_name(self, name: str, limit: int = 64) -> list[tuple[int, SymbolAddress]]:
        """Return the run-time addresses of the first few symbols with this name, each resolved.

        The table is read from its start, not bisected.
        """
        raw = name.encode("utf-8", "surrogateescape")
        if not is_name(raw):
            return []
        found: list[tuple[int, SymbolAddress]] = []
        for ending in (b"\n", b"\t"):
            for start in self._lines_with(b" " + raw + ending):
                if len(found) >= limit:
                    break
                # A damaged line has no address
                with contextlib.suppress(ValueError):
                    line = self.line_at(start)
                    address = line.address + self.slide
                    symbol = self.resolve(address)
                    # Which may be an alias of this one
                    if isinstance(symbol, SymbolAddress):
                        kind = chr(line.kind[0])
                        symbol = SymbolAddress(name, 0, symbol.size, line.module, kind, self.source)
                        found.append((address, symbol))
        return found

    def _lines_with(self, wanted: bytes) -> Iterator[int]:
        """Yield the start of each line in which these bytes occur, in order."""
        at = self._lines.find(wanted, 0, self._end)
        while at >= 0:
            yield self.line_start(at)
            at = self._lines.find(wanted, at + 1, self._end)

    def module_lines(self, module: str) -> list[bytes]:
        """Return the lines of one module, in order, without their line feeds."""
        tag = b"\t[" + module.encode("utf-8", "replace") + b"]"
        return [line for line in self._lines[: self._end].splitlines() if line.endswith(tag)]

    def sample(self, count: int) -> list[SymbolLine]:
        """Return about ``count`` lines from all over the table, in order, without damaged ones."""
        lines = []
        for start in sorted({self.line_start(self._end * i // count) for i in range(count)}):
            try:
                lines.append(self.line_at(start))
            except ValueError:
                continue
        return lines

    @property
    def kernel_range(self) -> tuple[int, int]:
        """The run-time addresses from the first symbol in kernel space to ``_end``."""
        first = self._first
        try:
            if first < self._floor:
                after = self.line_after(self._last_at_or_below(self._floor - 1))
                first = self._floor if after >= self._end else self.address_at(after)
            last = self.address_at(self.line_start(self._end - 1))
        # Damaged lines
        except ValueError:
            last = first + MAX_SYMBOL_BYTES
        end = self.address_of(b"_end") or self.address_of(b"_etext")
        last = end if end is not None and end > first else min(last, first + MAX_SYMBOL_BYTES)
        return first + self.slide, last + self.slide

    def line_start(self, offset: int) -> int:
        """Return where the line begins that holds the byte at ``offset``."""
        return self._lines.rfind(b"\n", 0, offset) + 1

    def line_after(self, start: int) -> int:
        """Return where the line after the one at ``start`` begins.

        At least the table's end if it is the last.
        """
        line_feed = self._lines.find(b"\n", start, self._end)
        return self._end if line_feed < 0 else line_feed + 1

    def line_at(self, start: int) -> SymbolLine:
        """Parse the line that begins at ``start``.

        Raises:
            ValueError: it is damaged.
        """
        digits = self._digits
        head = self._lines[start : start + digits + 3]
        stop = min(start + _MAX_LINE_BYTES, self._end)
        end = self._lines.find(b"\n", start, stop)
        rest = self._lines[start + digits + 3 : end if end >= 0 else stop].rstrip(b"\r")
        name, tab, tag = rest.partition(b"\t")
        if tab and not (tag.startswith(b"[") and tag.endswith(b"]")):
            # Which is no name
            name, tag = rest, b""
        module = tag.strip(b"[]").decode("utf-8", "replace") if tag else ""
        return SymbolLine(
            int(head[:digits], 16), head[digits + 1 : digits + 2] or HOLE, name, module
        )

    def address_at(self, start: int) -> int:
        """Return the address of the line that begins at ``start``, without the slide.

        Raises:
            ValueError: the line has none.
        """
        return int(self._lines[start : start + self._digits], 16)

    def _last_at_or_below(self, value: int) -> int:
        """Return the start of the last line whose address is at most ``value``.

        ``value`` is at least the address of the first line.
        """
        if isinstance(self._lines, bytes):
            return bisect_lines(self._lines, self._digits, value, 0, self._end)[0]
        low, high = bisect_lines(self._lines, self._digits, value, 0, self._end, _NEAR_BYTES)
        near = self._lines[low : min(high, low + _NEAR_BYTES)]
        return low + bisect_lines(near, self._digits, value, 0, len(near))[0]

    def _choose(self, start: int) -> tuple[SymbolLine, bool]:
        """Choose among the lines that share the address of the one at ``start``.

        The second value says whether any of them can name an address.
        """
        group = self._group(start)
        naming = [line for line in group if line.can_name]
        if not naming or group[-1].kind == HOLE:
            return group[-1], False
        if self._aliases is Aliases.KERNEL:
            return min(naming, key=kernel_rank), True
        return naming[-1 if self._aliases is Aliases.LAST else 0], True

    def _group(self, start: int) -> list[SymbolLine]:
        """Return the lines of one address in their order; ``start`` is that of the last.

        Raises:
            ValueError: the line is damaged, or there are more than `MAX_ALIASES`.
        """
        lines = [self.line_at(start)]
        while start > 0:
            start = self.line_start(start - 1)
            try:
                line = self.line_at(start)
            except ValueError:
                break
            if line.address != lines[0].address:
                break
            if len(lines) == MAX_ALIASES:
                raise ValueError(f"more than {MAX_ALIASES} symbols at {line.address:#x}")
            lines.append(line)
        lines.reverse()
        return lines
