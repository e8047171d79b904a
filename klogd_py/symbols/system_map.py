"""Is this file a System.map, and what does it hold?

A well-formed map (``nm -n``: ascending addresses of one width, one blank between the columns) is mapped and searched in
place. Any other (CRLF, tabs, ``0x``, out of order, lines that are no symbols) is rebuilt once in memory, and says so.
Files up to `READ_WHOLE_BYTES` are checked line by line; larger ones at `PROBES` places, and the order of all their
lines up to `ORDER_CHECKED_BYTES`. So a map of ten million lines opens no slower than a real one. Lookups check the lines
that they land on in any case.

Source of truth: scripts/mksysmap; nm(1); the leniencies of the classic klogd's parser.
"""

import mmap
import os
import re
import stat
from pathlib import Path
from typing import Protocol

from msgspec import Struct

from klogd_py.symbols.table import HOLE, Buffer

ELF = b"\x7fELF"
COPIED_BYTES = 16 << 20  # a distribution's map has 5 to 10 MiB
READ_WHOLE_BYTES = 1 << 20
PROBES = 512
ORDER_CHECKED_BYTES = 16 << 20  # larger than any kernel's map; beyond it only the probes are compared
LONGEST_LINE_BYTES = 4096
LARGEST_WITH_VERSION_BYTES = 8 << 20  # the kernels that had the symbol (before 5.12, no kallsyms) had smaller maps

_STRICT = re.compile(rb"([0-9a-f]{16}|[0-9a-f]{8}|[0-9A-F]{16}|[0-9A-F]{8}) [A-Za-z?-] [^\s]+\n")
_LENIENT = re.compile(rb"\s*(?:0[xX])?([0-9a-fA-F]{8,16})\s+(\S)\s+(\S+)(?:\s+\[(\S+)\])?\s*")
_WITH_ADDRESS = re.compile(rb"\s*(?:0[xX])?([0-9a-fA-F]{8,16})(?:\s|$)")
_NO_SYMBOL = re.compile(rb"\s*(?:$|#.*|[Uwv] \S+\s*)")  # blank, comment, an undefined symbol of nm: harmless
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

    ``lines`` are as `klogd_py.symbols.table.Table` wants them. ``version`` is the number N of the first ``Version_N``
    symbol, if there is one. ``remark`` says in words what had to be mended, and is empty for a map in order. ``stamp``
    changes with the file: its size and when it was written. Only a kernel image has a ``build_id`` and its ``text``.
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
    descriptor = _open(path)
    status = os.fstat(descriptor)
    stamp = (status.st_size, status.st_mtime_ns)
    try:
        lines: Buffer = _content(descriptor, status.st_size)
    except (OSError, ValueError) as error:
        raise NotAMap(path, f"cannot be mapped: {error}") from error
    finally:
        os.close(descriptor)
    placeholder = _PLACEHOLDER.search(lines, 0, 1024)
    if placeholder is not None:
        package = placeholder[1].decode("ascii", "replace").replace("<version>", path.name.removeprefix("System.map-"))
        raise NotAMap(path, f"a placeholder that says the real map is in package {package}")
    if is_in_order(lines):
        return SystemMap(path, lines, version_of(lines), "", stamp)
    if lines[:4] == ELF:
        raise NotAMap(path, "not a map but an ELF file")
    _demand_symbols(path, lines)
    tidy, remark = rebuilt(lines[:])
    return SystemMap(path, tidy, version_of(tidy), remark, stamp)


def _content(descriptor: int, size: int) -> Buffer:
    """A file's bytes: a copy, unless it is large.

    A mapped file that is truncated in place, as ``cp`` does to a map that it replaces, kills whoever touches what it lost.
    """
    if 0 < size <= COPIED_BYTES:
        return os.pread(descriptor, size, 0)
    lines = mmap.mmap(descriptor, 0, access=mmap.ACCESS_READ)
    lines.madvise(mmap.MADV_RANDOM)  # bisection touches a page here and there; reading ahead is all waste
    return lines


def is_in_order(lines: Buffer) -> bool:
    """Whether the lines can be searched as they stand; a large file is judged by probes."""
    if len(lines) <= READ_WHOLE_BYTES:
        rows = lines[:].splitlines(keepends=True)
    else:
        if len(lines) <= ORDER_CHECKED_BYTES:
            digits = lines.find(b" ", 0, 17)
            addresses = [line[:digits] for line in lines[:].splitlines()]
            if addresses != sorted(addresses):
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


def rebuilt(raw: bytes) -> tuple[bytes, str]:
    """A map out of order as lines in order, and a remark that says what was done.

    A line that is no symbol leaves a hole: what stands before it has no known end and names nothing.
    """
    rows: list[tuple[int, bytes]] = []
    damaged = 0
    for line in raw.splitlines():
        symbol = _LENIENT.fullmatch(line)
        if symbol is not None:
            tag = b"\t[" + symbol[4] + b"]" if symbol[4] else b""
            rows.append((int(symbol[1], 16), symbol[2] + b" " + symbol[3] + tag))
        elif not _NO_SYMBOL.fullmatch(line):
            damaged += 1
            address = _WITH_ADDRESS.match(line)
            if address is not None:
                rows.append((int(address[1], 16), HOLE + b" damaged"))
            elif rows:
                rows.append((rows[-1][0], HOLE + b" damaged"))
    unsorted = any(rows[i][0] > rows[i + 1][0] for i in range(len(rows) - 1))
    rows.sort(key=lambda row: row[0])
    remarks = ["sorted in memory"] if unsorted else []
    remarks += [f"{damaged} damaged line{'s' if damaged > 1 else ''}"] if damaged else []
    lines = b"".join(b"%016x %s\n" % row for row in rows)
    return lines, ", ".join(remarks) or "tidied in memory"


def version_of(lines: Buffer) -> int | None:
    """N of the first symbol ``Version_N`` (a.out: ``_Version_N``); 0 if no digits follow, ``None`` without one."""
    if len(lines) > LARGEST_WITH_VERSION_BYTES:
        return None
    step = 1 << 20
    for start in range(0, len(lines), step):
        piece = lines[start : start + step + LONGEST_LINE_BYTES]
        if b"Versi" in piece:  # five bytes are found fastest, and here no others begin so
            found = _VERSION.search(piece)
            if found is not None:
                return int(found[1][:18] or b"0")
    return None


def _open(path: Path) -> int:
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOCTTY)
    except FileNotFoundError:
        raise
    except OSError as error:
        raise NotAMap(path, f"cannot be read: {error.strerror}") from error
    status = os.fstat(descriptor)
    reason = ""
    if stat.S_ISDIR(status.st_mode):
        reason = "a directory"
    elif not stat.S_ISREG(status.st_mode):
        reason = "not a regular file"
    elif status.st_size == 0:
        reason = "empty"
    if reason:
        os.close(descriptor)
        raise NotAMap(path, reason)
    return descriptor


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


def _line_at(lines: Buffer, offset: int) -> bytes:
    """The line that holds the byte at ``offset``, cut to a sane length on both sides."""
    start = lines.rfind(b"\n", max(0, offset - LONGEST_LINE_BYTES), offset) + 1
    start = start or max(0, offset - LONGEST_LINE_BYTES)
    end = lines.find(b"\n", offset, offset + LONGEST_LINE_BYTES) + 1
    return lines[start : end or offset + LONGEST_LINE_BYTES]
