# SPDX-License-Identifier: GPL-2.0-or-later
r"""Which symbol of one sorted source contains an address?

A table is lines ``ADDRESS TYPE NAME[\\t[MODULE]]`` in ascending order of address, searched in place
by bisection of the buffer's bytes: no object per symbol, no start-up cost, and a large file stays
in the page cache.

A symbol reaches to the next higher address in the table; the last line only ends its predecessor.
Absolute symbols (type A), `HOLE` lines and what the linker's script marks (``_etext``,
``__kprobes_text_end``) end a symbol, too, but name nothing: up to the next section there may be
megabytes behind a marker.

Source of truth: the lookup of sysklogd's ksym.c with bounds; kernel/kallsyms.c ``get_symbol_pos``
for aliases.
"""

import contextlib
import re
from enum import Enum

from msgspec import Struct

from klogd_py.record.types import LookupFailure, SymbolAddress
from klogd_py.symbols.file_bytes import Buffer, FileBytes

# The type of a line that ends the symbol before it and names nothing
HOLE = b"!"
# No 64-bit kernel whose symbols lie above here has code below
KERNEL_HALF = 1 << 63
# Offsets from a null pointer
FIRST_PAGE_END = 4096
# Bytes; a wider distance between two symbols is a hole, not a function
MAX_SYMBOL = 1 << 28
# The kernel's own limit is KSYM_NAME_LEN, 512
MAX_NAME_BYTES = 1024
# Of a file that are looked through in memory
_NEAR_BYTES = 1 << 14
MAX_ALIASES = (
    # At one address; system calls that a kernel was built without are some hundreds
    4096
)
# By the linker's script
_PROVIDED = (b"start_", b"stop_", b"end_")
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
# Of a static call; behind the last one its section is empty
_TRAMPOLINE = b"__SCT__"
_TRAMPOLINE_BYTES = 16
# Of which a name that is too long to be one can be told
_MAX_LINE_BYTES = 4096
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


class Line(Struct, frozen=True, gc=False):
    """One line of a table, taken apart; ``module`` is empty for the kernel itself."""

    address: int
    kind: bytes
    name: bytes
    module: str

    @property
    def names_something(self) -> bool:
        """Whether an address inside may be named by this line."""
        if self.kind in b"Aa!" or not is_name(self.name) or _is_marker(self.name):
            return False
        return not self.module or is_name(self.module.encode("utf-8", "replace"))


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
        """The symbol that contains a run-time address, or OUTSIDE."""
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
            line, names_something = self._choose(start)
            size = self.address_at(after) - line.address
        except ValueError:
            # A damaged line: where the symbol ends is not known
            return LookupFailure.OUTSIDE
        # The last two tests can fail only in a file that is out of order here and there.
        if not names_something or size > MAX_SYMBOL or not 0 <= value - line.address < size:
            return LookupFailure.OUTSIDE
        if value - line.address >= _TRAMPOLINE_BYTES and line.name.startswith(_TRAMPOLINE):
            return LookupFailure.OUTSIDE
        name = line.name.decode("utf-8", "replace")
        return SymbolAddress(
            name, value - line.address, size, line.module, chr(line.kind[0]), self.source
        )

    def names_at(self, address: int) -> set[bytes]:
        """The names of all symbols that begin exactly at a run-time address."""
        value = address - self.slide
        if value < self._first:
            return set()
        try:
            lines = self._group(self._last_at_or_below(value))
        except ValueError:
            return set()
        return {line.name for line in lines if line.address == value}

    def address_of(self, name: bytes) -> int | None:
        """The address, as the table has it, of the first symbol with this name.

        Found by reading, not by bisection.
        """
        for ending in (b"\n", b"\t"):
            at = self._lines.find(b" " + name + ending, 0, self._end)
            if at >= 0:
                try:
                    return self.address_at(self.line_start(at))
                except ValueError:
                    return None
        return None

    def addresses_of(self, name: bytes, most: int = 8) -> list[int]:
        """The addresses of the first few symbols with this name, as the table has them."""
        found: list[int] = []
        wanted = b" " + name + b"\n"
        at = self._lines.find(wanted, 0, self._end)
        while at >= 0 and len(found) < most:
            # A damaged line has no address
            with contextlib.suppress(ValueError):
                found.append(self.address_at(self.line_start(at)))
            at = self._lines.find(wanted, at + 1, self._end)
        return found

    def named(self, name: str, most: int = 64) -> list[tuple[int, SymbolAddress]]:
        """The first few symbols with this name.

        The run-time address of each, and its place there. Found by reading.
        """
        if not is_name(name.encode("utf-8", "surrogateescape")):
            return []
        found: list[tuple[int, SymbolAddress]] = []
        for ending in (b"\n", b"\t"):
            wanted = b" " + name.encode("utf-8", "surrogateescape") + ending
            at = self._lines.find(wanted, 0, self._end)
            while at >= 0 and len(found) < most:
                # A damaged line has no address
                with contextlib.suppress(ValueError):
                    line = self.line_at(self.line_start(at))
                    place = self.resolve(line.address + self.slide)
                    # Which may name the address by another symbol
                    if isinstance(place, SymbolAddress):
                        kind = chr(line.kind[0])
                        place = SymbolAddress(name, 0, place.size, line.module, kind, self.source)
                        found.append((line.address + self.slide, place))
                at = self._lines.find(wanted, at + 1, self._end)
        return found

    def lines_of(self, module: str) -> list[bytes]:
        """The lines of one module, in order, without their line feeds."""
        tag = b"\t[" + module.encode("utf-8", "replace") + b"]"
        return [line for line in self._lines[: self._end].splitlines() if line.endswith(tag)]

    def spread(self, count: int) -> list[Line]:
        """About ``count`` lines from all over the table, in order, damaged ones left out."""
        lines = []
        for start in sorted({self.line_start(self._end * i // count) for i in range(count)}):
            try:
                lines.append(self.line_at(start))
            except ValueError:
                continue
        return lines

    @property
    def image(self) -> tuple[int, int]:
        """From where to where the kernel reaches by this table: its first symbol in kernel space,
        and ``_end``.

        Run-time addresses, as everywhere.
        """
        first = self._first
        try:
            if first < self._floor:
                after = self.line_after(self._last_at_or_below(self._floor - 1))
                first = self._floor if after >= self._end else self.address_at(after)
            last = self.address_at(self.line_start(self._end - 1))
        # Damaged lines
        except ValueError:
            last = first + MAX_SYMBOL
        end = self.address_of(b"_end") or self.address_of(b"_etext")
        last = end if end is not None and end > first else min(last, first + MAX_SYMBOL)
        return first + self.slide, last + self.slide

    def line_start(self, offset: int) -> int:
        """Where the line begins that holds the byte at ``offset``."""
        return self._lines.rfind(b"\n", 0, offset) + 1

    def line_after(self, start: int) -> int:
        """Where the line after the one at ``start`` begins.

        At least the table's end if it is the last.
        """
        line_feed = self._lines.find(b"\n", start, self._end)
        return self._end if line_feed < 0 else line_feed + 1

    def line_at(self, start: int) -> Line:
        """The line that begins at ``start``, taken apart; raises ValueError if it is damaged."""
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
        return Line(int(head[:digits], 16), head[digits + 1 : digits + 2] or HOLE, name, module)

    def address_at(self, start: int) -> int:
        """The address of the line that begins at ``start``; raises ValueError if it has none."""
        return int(self._lines[start : start + self._digits], 16)

    def _last_at_or_below(self, value: int) -> int:
        """Start of the last line whose address is at most ``value``, which is at least the first
        line's.
        """
        if isinstance(self._lines, bytes):
            return _bisected(self._lines, self._digits, value, 0, self._end)[0]
        low, high = _bisected(self._lines, self._digits, value, 0, self._end, _NEAR_BYTES)
        near = self._lines[low : min(high, low + _NEAR_BYTES)]
        return low + _bisected(near, self._digits, value, 0, len(near))[0]

    def _choose(self, start: int) -> tuple[Line, bool]:
        """Of the lines that share the address of the one at ``start``, the one whose name counts.

        The second value says whether any of them names something.
        """
        group = self._group(start)
        naming = [line for line in group if line.names_something]
        if not naming or group[-1].kind == HOLE:
            return group[-1], False
        if self._aliases is Aliases.KERNEL:
            return min(naming, key=_kernel_rank), True
        return naming[-1 if self._aliases is Aliases.LAST else 0], True

    def _group(self, start: int) -> list[Line]:
        """The lines of one address in their order, ``start`` that of the last.

        Raises ValueError if there are more than `MAX_ALIASES`.
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


def is_name(name: bytes) -> bool:
    """Whether a symbol or a module can be called so.

    Whatever else a file has there names nothing.
    """
    return _NAME.fullmatch(name) is not None


def _bisected(
    lines: Buffer, digits: int, value: int, low: int, high: int, near: int = 0
) -> tuple[int, int]:
    """Narrow two offsets down: a line at or below ``value``, and a line above it or the end.

    They end up at most ``near`` bytes apart, or with no line between them.
    """
    while high - low > near:
        middle = (low + high) // 2
        start = lines.rfind(b"\n", low, middle) + 1
        if start <= low:
            start = lines.find(b"\n", middle, high) + 1
            if start == 0 or start >= high:
                break
        try:
            below = int(lines[start : start + digits], 16) <= value
        except ValueError:
            below = False
        if below:
            low = start
        else:
            high = start
    return low, high


def _is_marker(name: bytes) -> bool:
    """Whether a name is one that a linker's script gives to a place where nothing of its own lies.

    Functions are called ``__unwind_start``, and none ``__.._end`` that an oops could not do
    without.
    """
    if name in _END_MARKERS:
        return True
    if name.endswith((b"_text_start", b"_text_end")):
        return True
    return name.startswith(b"__") and (name.endswith(b"_end") or name.startswith(_PROVIDED, 2))


def _kernel_rank(line: Line) -> tuple[bool, bool, int]:
    """How far behind the kernel puts a symbol among those of its address (scripts/kallsyms.c
    ``compare_symbols``).
    """
    name = line.name
    provided = len(name) >= 8 and name.startswith(b"__")
    provided = provided and (name.startswith(_PROVIDED, 2) or name.endswith((b"_start", b"_end")))
    return line.kind in b"wW", provided, len(name) - len(name.lstrip(b"_"))
