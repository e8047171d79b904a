# SPDX-License-Identifier: GPL-2.0-or-later
"""Load a System.map, and rebuild one that is not well-formed.

A well-formed map (``nm -n``: ascending addresses of one width, one blank between the columns) is
searched in place: in a copy in memory, or in the file if it is large. Any other map (CRLF, tabs,
``0x``, out of order, lines that are no symbols) is rebuilt once in memory, with a remark. Files up
to `MAX_READ_WHOLE_BYTES` are checked line by line; larger ones at `PROBES` places, and the order of
all their lines up to `MAX_ORDER_CHECKED_BYTES`. So a map of ten million lines opens no slower than
a real one. Lookups check the lines that they use in any case.

Source of truth: scripts/mksysmap; nm(1); the leniencies of the classic klogd's parser.
"""

import io
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

from msgspec import Struct, field

from klogd_py.symbols.errors import SymbolsError
from klogd_py.symbols.file_bytes import Buffer, FileBytes, FileStamp
from klogd_py.symbols.name_places import NamePlaces
from klogd_py.symbols.packed_files import NotUnpacked, open_unpacked
from klogd_py.symbols.symbol_line import HOLE, MAX_LINE_BYTES, Aliases
from klogd_py.symbols.symbol_table import SymbolTable

ELF = b"\x7fELF"
# How the reason begins for the file that Debian installs in the place of the map
PLACEHOLDER = "a placeholder"
# A distribution's map has 5 to 10 MiB
MAX_COPIED_BYTES = 16 << 20
MAX_READ_WHOLE_BYTES = 1 << 20
PROBES = 512
# Larger than any kernel's map; beyond it only the probes are compared
MAX_ORDER_CHECKED_BYTES = 16 << 20
# The kernels that had the symbol Version_N (before 5.12, no kallsyms) had smaller maps
MAX_WITH_VERSION_BYTES = 8 << 20
# A map of ten million lines has half as many
MAX_BYTES = 1 << 30
MAX_REBUILT_BYTES = 32 << 20
# A kernel with everything built in has half as many
MAX_REBUILT_LINES = 1_000_000
# Of a map whose order is checked, the lines that are compared at once
_PIECE_BYTES = 1 << 20
# ``c0100000 T a`` without its line feed
_MIN_LINE_BYTES = 12

_STRICT = re.compile(rb"([0-9a-f]{16}|[0-9a-f]{8}|[0-9A-F]{16}|[0-9A-F]{8}) [A-Za-z?-] [^\s]+\n")
_LENIENT = re.compile(rb"\s*(?:0[xX])?([0-9a-fA-F]{8,16})\s+(\S)\s+(\S+)(?:\s+\[(\S+)\])?\s*")
_WITH_ADDRESS = re.compile(rb"\s*(?:0[xX])?([0-9a-fA-F]{8,16})(?:\s|$)")
# A blank line, a comment, an undefined symbol of nm: harmless
_NO_SYMBOL = re.compile(rb"\s*(?:$|#.*|[Uwv] \S+\s*)")
_PLACEHOLDER = re.compile(rb"The real System\.map is in the (\S+) package")
_VERSION = re.compile(rb" \S _?Version_(\d*)")


class NotAMap(SymbolsError):
    """A file that cannot be used as a map; has the path and the reason in words."""

    def __init__(self, path: Path, reason: str) -> None:
        super().__init__(f"{path}: {reason}")
        self.path = path
        self.reason = reason


class KernelText(Protocol):
    """The kernel's code as bytes, at the addresses of the map."""

    def bytes_at(self, address: int, count: int) -> bytes:
        """Return up to ``count`` bytes from an address on; fewer where the code ends."""


class SystemMap(Struct, frozen=True):
    """A map ready to be searched.

    ``lines`` are in the form of `klogd_py.symbols.symbol_table.SymbolTable`. ``version`` is the
    number N of the first ``Version_N`` symbol, if there is one. ``remark`` says what was repaired;
    ``None`` for a well-formed map. ``stamp`` is that of the file when it was read. Only a kernel
    image has a ``build_id`` and its ``text``. ``places`` are those of names that were searched.
    """

    path: Path
    lines: Buffer
    version: int | None
    remark: str | None
    stamp: FileStamp = FileStamp()
    build_id: str | None = None
    text: KernelText | None = None
    places: NamePlaces = field(default_factory=NamePlaces)

    def table(
        self, source: str = "", *, slide: int = 0, aliases: Aliases = Aliases.FIRST
    ) -> SymbolTable:
        """Return a table of the symbols; what one table has searched, the others know.

        Raises:
            ValueError: the first or the last line does not begin with an address.
        """
        return SymbolTable(self.lines, source, slide=slide, aliases=aliases, places=self.places)


class RebuiltMap(Struct, frozen=True):
    """The lines of a map that was put in order, and a remark on what was done."""

    lines: bytes
    remark: str


def load(path: Path) -> SystemMap:
    """Open and check a map, and rebuild it if it is not well-formed.

    Raises:
        FileNotFoundError: there is no such file.
        NotAMap: the file is something else, cannot be read, or has no symbols.
    """
    file = _open(path)
    stamp = file.stamp
    lines: Buffer = file[:] if len(file) <= MAX_COPIED_BYTES else file
    placeholder = _PLACEHOLDER.search(lines[:1024])
    if placeholder is not None:
        release = path.name.removeprefix("System.map-")
        package = placeholder[1].decode("ascii", "replace").replace("<version>", release)
        raise NotAMap(path, f"{PLACEHOLDER} that says the real map is in package {package}")
    if is_in_order(lines):
        return SystemMap(path, lines, find_version(lines), None, stamp)
    if lines[:4] == ELF:
        raise NotAMap(path, "not a map but an ELF file")
    _require_symbols(path, lines)
    _require_rebuildable(path, lines)
    tidy = rebuild(lines[:])
    return SystemMap(path, tidy.lines, find_version(tidy.lines), tidy.remark, stamp)


def is_in_order(lines: Buffer) -> bool:
    """Whether the lines can be searched as they are; a large file is checked by probes."""
    if len(lines) <= MAX_READ_WHOLE_BYTES:
        rows = lines[:].splitlines(keepends=True)
    else:
        if len(lines) <= MAX_ORDER_CHECKED_BYTES and not _is_ascending(lines[:]):
            return False
        rows = [_line_at(lines, len(lines) * i // PROBES) for i in range(PROBES)]
        rows.append(_line_at(lines, len(lines) - 1))
    previous, width = b"", rows[0].find(b" ")
    for row in rows:
        address = row[:width]
        if row.find(b" ") != width or address < previous or not _STRICT.fullmatch(row):
            return False
        previous = address
    return True


def _is_ascending(raw: bytes) -> bool:
    """Whether all addresses ascend; false if some lines are too short to be symbols."""
    if raw.count(b"\n") > len(raw) // (_MIN_LINE_BYTES + 1):
        return False
    digits = raw.find(b" ", 0, 17)
    start, highest = 0, b""
    while start < len(raw):
        # In pieces, since a list of all lines takes five times the memory of the map
        end = raw.find(b"\n", start + _PIECE_BYTES) + 1 or len(raw)
        rows = raw[start:end].split(b"\n")
        if not rows[-1]:
            rows.pop()
        addresses = [highest, *(row[:digits] for row in rows)]
        if addresses != sorted(addresses):
            return False
        start, highest = end, addresses[-1]
    return True


def rebuild(raw: bytes) -> RebuiltMap:
    """Put a map that is not well-formed in order.

    A line that is no symbol becomes a `HOLE` at its address, which ends the symbol before it. If it
    has no address, the hole gets that of the symbol before it: where that one ends is not known, so
    that it names nothing.
    """
    # Addresses are padded to 16 digits; a tuple with a number would take twice the memory
    rows: list[bytes] = []
    damaged = 0
    for line in _iter_lines(raw):
        symbol = _LENIENT.fullmatch(line)
        if symbol is not None:
            tag = b"\t[" + symbol[4] + b"]" if symbol[4] else b""
            rows.append(
                b"%s %s %s%s\n" % (symbol[1].lower().rjust(16, b"0"), symbol[2], symbol[3], tag)
            )
        elif not _NO_SYMBOL.fullmatch(line):
            damaged += 1
            address = _WITH_ADDRESS.match(line)
            if address is not None:
                rows.append(b"%s %s damaged\n" % (address[1].lower().rjust(16, b"0"), HOLE))
            elif rows:
                rows.append(b"%s %s damaged\n" % (rows[-1][:16], HOLE))
    unsorted = any(rows[i][:16] > rows[i + 1][:16] for i in range(len(rows) - 1))
    if unsorted:
        rows.sort(key=lambda row: row[:16])
    remarks = ["sorted in memory"] if unsorted else []
    remarks += [f"{damaged} damaged line{'s' if damaged > 1 else ''}"] if damaged else []
    return RebuiltMap(b"".join(rows), ", ".join(remarks) or "tidied in memory")


def _iter_lines(raw: bytes) -> Iterator[bytes]:
    """Yield the lines one by one, since a list of them takes more memory than the map."""
    for line in io.BytesIO(raw):
        # A carriage return alone ends a line, too
        yield from line.splitlines()


def find_version(lines: Buffer) -> int | None:
    """Return N of the first symbol ``Version_N`` (a.out: ``_Version_N``).

    0 if no digits follow; ``None`` if there is no such symbol, or the map is too large to have one.
    """
    if len(lines) > MAX_WITH_VERSION_BYTES:
        return None
    step = 1 << 20
    for start in range(0, len(lines), step):
        piece = lines[start : start + step + MAX_LINE_BYTES]
        # CPython finds up to five bytes several times as fast, and few other symbols begin so
        if b"Versi" in piece:
            found = _VERSION.search(piece)
            if found is not None:
                return int(found[1][:18] or b"0")
    return None


def _open(path: Path) -> FileBytes:
    try:
        file = open_unpacked(path)
    except FileNotFoundError:
        raise
    except NotUnpacked as error:
        raise NotAMap(path, str(error)) from error
    except OSError as error:
        raise NotAMap(path, f"cannot be read: {error.strerror}") from error
    if len(file) == 0:
        raise NotAMap(path, "empty")
    if len(file) > MAX_BYTES and file[:4] != ELF:
        raise NotAMap(path, f"not a map: larger than {MAX_BYTES >> 20} MiB")
    return file


def _require_symbols(path: Path, lines: Buffer) -> None:
    """Refuse a file of whose lines (large file: probes) fewer than half are symbols."""
    if len(lines) <= MAX_READ_WHOLE_BYTES:
        rows = [row for row in lines[:].splitlines() if not _NO_SYMBOL.fullmatch(row)]
    else:
        rows = [_line_at(lines, len(lines) * i // PROBES) for i in range(PROBES)]
    symbols = sum(1 for row in rows if _LENIENT.fullmatch(row))
    if symbols == 0:
        raise NotAMap(path, "not a map: it holds no symbols")
    if symbols * 2 < len(rows):
        raise NotAMap(path, f"not a map: only {symbols} of {len(rows)} lines looked at are symbols")


def _require_rebuildable(path: Path, lines: Buffer) -> None:
    """Refuse a file that would take too much memory to be put in order."""
    if len(lines) > MAX_REBUILT_BYTES:
        limit = f"{MAX_REBUILT_BYTES >> 20} MiB that are put in order"
        raise NotAMap(path, f"out of order, and larger than the {limit}")
    raw = lines[:]
    count = raw.count(b"\n") + raw.count(b"\r")
    if count > MAX_REBUILT_LINES:
        raise NotAMap(
            path, f"out of order, and of {count} lines; {MAX_REBUILT_LINES} are put in order"
        )


def _line_at(lines: Buffer, offset: int) -> bytes:
    """Return the line that holds the byte at ``offset``, at most `MAX_LINE_BYTES` on both sides."""
    start = lines.rfind(b"\n", max(0, offset - MAX_LINE_BYTES), offset) + 1
    start = start or max(0, offset - MAX_LINE_BYTES)
    end = lines.find(b"\n", offset, offset + MAX_LINE_BYTES) + 1
    return lines[start : end or offset + MAX_LINE_BYTES]
