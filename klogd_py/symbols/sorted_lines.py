# SPDX-License-Identifier: GPL-2.0-or-later
r"""Read lines that are sorted by the address at their beginning, in memory or in a file.

``ffffffff81078650 t worker_thread\t[module]``: address, letter of nm(1), name, module.
"""

import re
from collections.abc import Iterator

from msgspec import Struct

from klogd_py.symbols.file_bytes import Buffer, FileBytes, bisect_lines
from klogd_py.symbols.symbol_line import HOLE, MAX_LINE_BYTES, SymbolLine

# Of a file, the piece that is bisected in memory
_NEAR_BYTES = 1 << 14
# Searched at once by an expression; stays in the processor's cache
_PIECE_BYTES = 1 << 20


class Match(Struct, frozen=True, gc=False):
    """What an expression has matched, and its offset."""

    offset: int
    content: bytes


class SortedLines:
    """Lines up to the offset ``end``, immutable; a line is known by the offset of its start."""

    def __init__(self, raw: Buffer, end: int) -> None:
        """Every address has as many digits as the first.

        Raises:
            ValueError: the first line does not begin with an address.
        """
        self.end = end
        self._raw = raw
        self._file = raw if isinstance(raw, FileBytes) else None
        self._digits = raw.find(b" ", 0, 17)
        if self._digits < 1:
            raise ValueError("a table begins with an address")

    @property
    def is_cut(self) -> bool:
        """Whether the lines are of a file that was truncated since it was opened."""
        return self._file is not None and self._file.is_cut

    def start_of(self, offset: int) -> int:
        """Return where the line begins that holds the byte at ``offset``."""
        return self._raw.rfind(b"\n", 0, offset) + 1

    def after(self, start: int) -> int:
        """Return where the line after the one at ``start`` begins.

        At least the table's end if it is the last.
        """
        line_feed = self._raw.find(b"\n", start, self.end)
        return self.end if line_feed < 0 else line_feed + 1

    def parse(self, start: int) -> SymbolLine:
        """Parse the line that begins at ``start``.

        Raises:
            ValueError: it is damaged.
        """
        digits = self._digits
        head = self._raw[start : start + digits + 3]
        stop = min(start + MAX_LINE_BYTES, self.end)
        end = self._raw.find(b"\n", start, stop)
        rest = self._raw[start + digits + 3 : end if end >= 0 else stop].rstrip(b"\r")
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
        return int(self._raw[start : start + self._digits], 16)

    def last_at_or_below(self, value: int) -> int:
        """Return the start of the last line whose address is at most ``value``.

        ``value`` is at least the address of the first line.
        """
        if isinstance(self._raw, bytes):
            return bisect_lines(self._raw, self._digits, value, 0, self.end).start
        found = bisect_lines(self._raw, self._digits, value, 0, self.end, _NEAR_BYTES)
        near = self._raw[found.start : min(found.stop, found.start + _NEAR_BYTES)]
        return found.start + bisect_lines(near, self._digits, value, 0, len(near)).start

    def containing(self, wanted: bytes, offset: int = 0) -> Iterator[int]:
        """Yield the start of each line in which these bytes occur from ``offset`` on, in order."""
        at = self._raw.find(wanted, offset, self.end)
        while at >= 0:
            yield self.start_of(at)
            at = self._raw.find(wanted, at + 1, self.end)

    def matches(self, expression: re.Pattern[bytes], longest_bytes: int) -> Iterator[Match]:
        """Yield each match of an expression, in order; one reads no more than ``longest_bytes``.

        The lines are read once, in pieces: a file is not held in memory.
        """
        for at in range(0, self.end, _PIECE_BYTES):
            # A match that begins in this piece may end in the next
            piece = self._raw[at : min(at + _PIECE_BYTES + longest_bytes, self.end)]
            for found in expression.finditer(piece):
                if found.start() >= _PIECE_BYTES:
                    break
                yield Match(at + found.start(), found[0])

    def ending_with(self, wanted: bytes) -> list[bytes]:
        """Return the lines that end with these bytes, in order, without their line feeds."""
        return [line for line in self._raw[: self.end].splitlines() if line.endswith(wanted)]
