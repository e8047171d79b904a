# SPDX-License-Identifier: GPL-2.0-or-later
"""Is this file a System.map, and what does it hold?

A well-formed map (``nm -n``: ascending addresses of one width, one blank between the columns) is
searched in place, in a copy or, where it is large, in its file. Any other (CRLF, tabs, ``0x``, out
of order, lines that are no symbols) is rebuilt once in memory, and says so. Files up to
`READ_WHOLE_BYTES` are checked line by line; larger ones at `PROBES` places, and the order of all
their lines up to `ORDER_CHECKED_BYTES`. So a map of ten million lines opens no slower than a real
one. Lookups check the lines that they land on in any case.

Source of truth: scripts/mksysmap; nm(1); the leniencies of the classic klogd's parser.
"""

import io
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

from msgspec import Struct

from klogd_py.symbols.file_bytes import Buffer, FileBytes
from klogd_py.symbols.symbol_line import HOLE
from klogd_py.system.regular_file import open_regular

ELF = b"\x7fELF"
# A distribution's map has 5 to 10 MiB
COPIED_BYTES = 16 << 20
READ_WHOLE_BYTES = 1 << 20
PROBES = 512
ORDER_CHECKED_BYTES = (
    16 << 20
    # Larger than any kernel's map; beyond it only the probes are compared
)
MAX_LINE_BYTES = 4096
MAX_WITH_VERSION_BYTES = (
    8 << 20
    # The kernels that had the symbol (before 5.12, no kallsyms) had smaller maps
)
# A map of ten million lines has half as many
MAX_BYTES = 1 << 30
MAX_REBUILT_BYTES = 32 << 20
# Lines; a kernel with everything built in has half as many
MAX_REBUILT = 1_000_000
# ``c0100000 T a`` without its line feed
_MIN_LINE_BYTES = 12

_STRICT = re.compile(rb"([0-9a-f]{16}|[0-9a-f]{8}|[0-9A-F]{16}|[0-9A-F]{8}) [A-Za-z?-] [^\s]+\n")
_LENIENT = re.compile(rb"\s*(?:0[xX])?([0-9a-fA-F]{8,16})\s+(\S)\s+(\S+)(?:\s+\[(\S+)\])?\s*")
_WITH_ADDRESS = re.compile(rb"\s*(?:0[xX])?([0-9a-fA-F]{8,16})(?:\s|$)")
_NO_SYMBOL = re.compile(
    rb"\s*(?:$|#.*|[Uwv] \S+\s*)"
    # Blank, comment, an undefined symbol of nm: harmless
)
_PLACEHOLDER = re.compile(rb"The real System\.map is in the (\S+) package")
_VERSION = re.compile(rb" \S _?Version_(\d*)")


class NotAMap(ValueError):
    """A file that cannot serve as a map; carries the path and the reason in words."""

    def __init__(self, path: Path, reason: str) -> None:
        super().__init__(f"{path}: {reason}")
        self.path = path
        self.reason = reason


class Text(Protocol):
    """The kernel's code as bytes, at the addresses of the map."""

    def bytes_at(self, address: int, count: int) -> bytes:
        """Up to ``count`` bytes from an address on; fewer where the code ends."""


class SystemMap(Struct, frozen=True):
    """A map ready to be searched.

    ``lines`` are as `klogd_py.symbols.symbol_table.SymbolTable` wants them. ``version`` is the number N
    of the first ``Version_N`` symbol, if there is one. ``remark`` says in words what had to be
    mended, and is empty for a map in order. ``stamp`` changes with the file: its size and when it
    was written. Only a kernel image has a ``build_id`` and its ``text``.
    """

    path: Path
    lines: Buffer
    version: int | None
    remark: str
    stamp: tuple[int, int] = (0, 0)
    build_id: str = ""
    text: Text | None = None


def load(path: Path) -> SystemMap:
    """Open, check and map a file.

    Raises:
        FileNotFoundError: there is no such file.
        NotAMap: the file is something else, cannot be read, or holds no symbols.
    """
    file = _open(path)
    stamp = file.stamp
    lines: Buffer = file[:] if len(file) <= COPIED_BYTES else file
    placeholder = _PLACEHOLDER.search(lines[:1024])
    if placeholder is not None:
        package = (
            placeholder[1]
            .decode("ascii", "replace")
            .replace("<version>", path.name.removeprefix("System.map-"))
        )
        raise NotAMap(path, f"a placeholder that says the real map is in package {package}")
    if is_in_order(lines):
        return SystemMap(path, lines, version_of(lines), "", stamp)
    if lines[:4] == ELF:
        raise NotAMap(path, "not a map but an ELF file")
    _demand_symbols(path, lines)
    _demand_few(path, lines)
    tidy, remark = rebuilt(lines[:])
    return SystemMap(path, tidy, version_of(tidy), remark, stamp)


def is_in_order(lines: Buffer) -> bool:
    """Whether the lines can be searched as they stand; a large file is judged by probes."""
    if len(lines) <= READ_WHOLE_BYTES:
        rows = lines[:].splitlines(keepends=True)
    else:
        if len(lines) <= ORDER_CHECKED_BYTES and not _ascends(lines[:]):
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


def _ascends(raw: bytes) -> bool:
    """Whether the addresses of all lines do; not said of lines of which some can be no symbols."""
    # With what stands behind the last line feed
    most = len(raw) // (_MIN_LINE_BYTES + 1) + 1
    rows = raw.split(b"\n", most)
    if len(rows) > most:
        return False
    if not rows[-1]:
        rows.pop()
    digits = raw.find(b" ", 0, 17)
    addresses = [row[:digits] for row in rows]
    return addresses == sorted(addresses)


def rebuilt(raw: bytes) -> tuple[bytes, str]:
    """A map out of order as lines in order, and a remark that says what was done.

    A line that is no symbol leaves a hole: what stands before it has no known end and names
    nothing.
    """
    # Each with 16 digits: a tuple with a number takes twice the memory
    rows: list[bytes] = []
    damaged = 0
    for line in _lines_of(raw):
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
    return b"".join(rows), ", ".join(remarks) or "tidied in memory"


def _lines_of(raw: bytes) -> Iterator[bytes]:
    """The lines one by one, since a list of them takes more memory than the map."""
    for line in io.BytesIO(raw):
        # A carriage return alone ends one, too
        yield from line.splitlines()


def version_of(lines: Buffer) -> int | None:
    """N of the first symbol ``Version_N`` (a.out: ``_Version_N``).

    0 if no digits follow, ``None`` without one.
    """
    if len(lines) > MAX_WITH_VERSION_BYTES:
        return None
    step = 1 << 20
    for start in range(0, len(lines), step):
        piece = lines[start : start + step + MAX_LINE_BYTES]
        # Five bytes are found fastest, and here no others begin so
        if b"Versi" in piece:
            found = _VERSION.search(piece)
            if found is not None:
                return int(found[1][:18] or b"0")
    return None


def _open(path: Path) -> FileBytes:
    try:
        descriptor = open_regular(path)
    except FileNotFoundError:
        raise
    except OSError as error:
        raise NotAMap(path, f"cannot be read: {error.strerror}") from error
    file = FileBytes(descriptor)
    if len(file) == 0:
        raise NotAMap(path, "empty")
    if len(file) > MAX_BYTES and file[:4] != ELF:
        raise NotAMap(path, f"not a map: larger than {MAX_BYTES >> 20} MiB")
    return file


def _demand_symbols(path: Path, lines: Buffer) -> None:
    """Refuse a file of which fewer than half the lines (large file: probes) are symbols."""
    if len(lines) <= READ_WHOLE_BYTES:
        rows = [row for row in lines[:].splitlines() if not _NO_SYMBOL.fullmatch(row)]
    else:
        rows = [_line_at(lines, len(lines) * i // PROBES) for i in range(PROBES)]
    symbols = sum(1 for row in rows if _LENIENT.fullmatch(row))
    if symbols == 0:
        raise NotAMap(path, "not a map: it holds no symbols")
    if symbols * 2 < len(rows):
        raise NotAMap(path, f"not a map: only {symbols} of {len(rows)} lines looked at are symbols")


def _demand_few(path: Path, lines: Buffer) -> None:
    """Refuse a file that takes too much memory to be put in order."""
    if len(lines) > MAX_REBUILT_BYTES:
        raise NotAMap(
            path,
            f"out of order, and larger than the {MAX_REBUILT_BYTES >> 20} MiB that are put in order",
        )
    raw = lines[:]
    count = raw.count(b"\n") + raw.count(b"\r")
    if count > MAX_REBUILT:
        raise NotAMap(path, f"out of order, and of {count} lines; {MAX_REBUILT} are put in order")


def _line_at(lines: Buffer, offset: int) -> bytes:
    """The line that holds the byte at ``offset``, cut to a sane length on both sides."""
    start = lines.rfind(b"\n", max(0, offset - MAX_LINE_BYTES), offset) + 1
    start = start or max(0, offset - MAX_LINE_BYTES)
    end = lines.find(b"\n", offset, offset + MAX_LINE_BYTES) + 1
    return lines[start : end or offset + MAX_LINE_BYTES]
