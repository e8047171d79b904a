# SPDX-License-Identifier: GPL-2.0-or-later
"""Symbolize text with known symbols: pieces of a file or a pipe in, pieces of text out.

Pieces are whole lines, except for the last. Bytes of any encoding come out unchanged.
"""

import os
from collections.abc import Callable, Iterator

from klogd_py.oops import address_scanner, provenance
from klogd_py.oops.boot_boundary import BANNER
from klogd_py.oops.capture_line import banner_release, record_from_line
from klogd_py.oops.provenance import Origin
from klogd_py.pipeline.symbolize import FormatOptions, KnownPcs, symbolize_text
from klogd_py.sources.capture import is_readable
from klogd_py.symbols.resolver import Resolve

CHUNK_BYTES = 1 << 18
# A longer line comes in several pieces
MAX_PIECE_BYTES = 1 << 20
# Line numbers that a message lists
_MAX_LISTED = 10

# CPython searches a long text for up to five bytes four times as fast as for more.
SHORT_MARKER_BYTES = 5
_ADDRESS_MARKERS = tuple(
    marker.encode()[-SHORT_MARKER_BYTES:] for marker in address_scanner.ADDRESS_MARKERS
)


def has_address_marker(text: bytes) -> bool:
    """Whether any line of a text may hold an address."""
    return any(marker in text for marker in _ADDRESS_MARKERS)


def read_pieces(
    descriptor: int, due_in_s: Callable[[], float | None] = lambda: None
) -> Iterator[bytes]:
    """Read a descriptor in pieces that end with a line feed, except for the last.

    ``due_in_s`` limits each wait in seconds; an empty piece means that this time has passed. A
    line that is longer than MAX_PIECE_BYTES comes in several pieces, so that memory and time have
    a bound.
    """
    tail = b""
    while True:
        wait_s = due_in_s()
        if wait_s is not None and not is_readable(descriptor, wait_s):
            yield b""
            continue
        chunk = os.read(descriptor, CHUNK_BYTES)
        if not chunk:
            break
        head, line_feed, rest = chunk.rpartition(b"\n")
        if line_feed:
            yield tail + head + line_feed
            tail = rest
        else:
            tail += chunk
            if len(tail) > MAX_PIECE_BYTES:
                yield tail
                tail = b""
    if tail:
        yield tail


def write_all(descriptor: int, data: bytes) -> None:
    """Write all of ``data``."""
    rest = memoryview(data)
    while rest:
        rest = rest[os.write(descriptor, rest) :]


class DoubtfulLines:
    """The lines of one text that were symbolized although no kernel prints such a line. Mutable.

    ``count`` is their number, ``first`` the numbers of the first of them, from 1.
    """

    def __init__(self) -> None:
        self.count = 0
        self.first: list[int] = []
        self._lines = 0

    def skip(self, text: bytes) -> None:
        """Count whole lines in which nothing was symbolized."""
        self._lines += text.count(b"\n")

    def check(self, line: str, is_named: bool) -> None:
        """Count one line, and check its form if ``is_named``: something in it was symbolized."""
        self._lines += 1
        if (
            not is_named
            or provenance.withheld_reason(
                record_from_line(line), address_scanner.find(line), Origin.CAPTURE
            )
            is None
        ):
            return
        self.count += 1
        if len(self.first) < _MAX_LISTED:
            self.first.append(self._lines)

    def remarks(self, where: str = "") -> list[str]:
        """Return the message for the user, or no message; it begins with ``where``."""
        if not self.count:
            return []
        more = f" and {self.count - len(self.first)} more" if self.count > len(self.first) else ""
        lines = "line" if self.count == 1 else "lines"
        numbers = ", ".join(map(str, self.first))
        return [
            f"{where}{lines} {numbers}{more} named on weak grounds: "
            "no kernel prints an address in this form"
        ]


def symbolize_piece(
    piece: bytes, resolve: Resolve, options: FormatOptions, doubtful: DoubtfulLines | None = None
) -> bytes:
    """Symbolize the addresses in a piece of text."""
    doubtful = doubtful or DoubtfulLines()
    if not has_address_marker(piece):
        doubtful.skip(piece)
        return piece
    lines: list[str] = []
    known_pcs: KnownPcs = set()
    rows = piece.decode("latin-1").split("\n")
    rest = rows.pop()
    for row in rows:
        lines += symbolize_line(row, resolve, options, known_pcs, doubtful)
    lines += symbolize_line(rest, resolve, options, known_pcs, doubtful) if rest else [rest]
    return "\n".join(lines).encode("latin-1", "replace")


def symbolize_line(
    line: str,
    resolve: Resolve,
    options: FormatOptions,
    known_pcs: KnownPcs,
    doubtful: DoubtfulLines,
) -> list[str]:
    """Symbolize one line without its line feed; returns also the original with
    ``duplicate_raw``.
    """
    body = line.removesuffix("\r")
    text, symbols = symbolize_text(body, resolve, options, known_pcs)
    doubtful.check(body, bool(symbols))
    symbolized = text + line[len(body) :]
    return [symbolized, line] if symbols and options.duplicate_raw else [symbolized]


def split_by_boot(piece: bytes) -> Iterator[tuple[str, bytes]]:
    """Split a piece of text at kernel banners, for symbols that no trace can change.

    Yields the release of the kernel whose banner begins a part, and the part; the release is empty
    for the first. Other signs of a boot make no difference to such symbols.
    """
    release = ""
    start = at = 0
    while (at := piece.find(BANNER[:SHORT_MARKER_BYTES], at)) >= 0:
        if not piece.startswith(BANNER, at):
            at += SHORT_MARKER_BYTES
            continue
        line_start = piece.rfind(b"\n", 0, at) + 1
        line_end = piece.find(b"\n", at)
        line_end = len(piece) if line_end < 0 else line_end
        next_release = banner_release(piece[line_start:line_end].decode("latin-1"))
        if next_release:
            yield release, piece[start:line_start]
            release, start = next_release, line_start
        at = line_end
    yield release, piece[start:]
