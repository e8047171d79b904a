# SPDX-License-Identifier: GPL-2.0-or-later
"""Text in, text out: how is a stream of lines given names, when the slide of the map must be read
out of them?

Pieces of text are whole lines, but for the last; their bytes come out as they went in, whatever
their encoding. A file is read twice, first to learn the slide of each boot in it; a pipe once, with
the lines of an oops in progress held back.
"""

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence

from msgspec import Struct

from klogd_py.oops import address_scanner, provenance
from klogd_py.oops.boot_boundary import BANNER, BootBoundary, split_lines
from klogd_py.oops.provenance import Origin
from klogd_py.oops.trace_buffer import CRASH_MARKERS
from klogd_py.oops.trace_parser import banner_release, record_from_line
from klogd_py.pipeline.kaslr import KaslrStage
from klogd_py.pipeline.symbolize import FormatOptions, KnownPcs, Resolve, symbolize_text
from klogd_py.record.types import Gap, Record
from klogd_py.sources.capture import is_readable
from klogd_py.symbols import description
from klogd_py.symbols.symbol_set import SymbolSet

CHUNK_BYTES = 1 << 18
_MAX_LISTED = 10
MAX_BYTES = 1 << 20

# CPython looks for up to five bytes in a long text four times as fast as for more.
_SHORT = 5
_ADDRESS_MARKERS = tuple(
    question.encode()[-_SHORT:] for question in address_scanner.ADDRESS_MARKERS
)
_CRASH_MARKERS = {
    sign.encode()[-_SHORT:]: [one.encode() for one in CRASH_MARKERS if one.endswith(sign[-_SHORT:])]
    for sign in CRASH_MARKERS
}
# Text that is shorter is read line by line at once
_MIN_BYTES = 1 << 11


def read_pieces(
    descriptor: int, due_in_s: Callable[[], float | None] = lambda: None
) -> Iterator[bytes]:
    """What a descriptor gives, in pieces that end with a line feed except for the last; an empty
    one when time is up.

    A line that is longer than LONGEST_BYTES comes in pieces, too, so that memory and time have a
    bound.
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
            if len(tail) > MAX_BYTES:
                yield tail
                tail = b""
    if tail:
        yield tail


def write_all(descriptor: int, data: bytes) -> None:
    """Write all of it."""
    rest = memoryview(data)
    while rest:
        rest = rest[os.write(descriptor, rest) :]


class DoubtfulLines:
    """Counts the lines of one text, and remembers which were named though no kernel prints such a
    line. Mutable.
    """

    def __init__(self) -> None:
        self.count = 0
        # The numbers of the first of them, from 1
        self.first: list[int] = []
        self._lines = 0

    def skip(self, text: bytes) -> None:
        """Take whole lines in which nothing was named."""
        self._lines += text.count(b"\n")

    def check(self, line: str, is_named: bool) -> None:
        """Take one line, and look at it if something was named in it."""
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
        """What a user should know of them; ``where`` stands in front of it."""
        if not self.count:
            return []
        more = f" and {self.count - len(self.first)} more" if self.count > len(self.first) else ""
        lines = "line" if self.count == 1 else "lines"
        numbers = ", ".join(map(str, self.first))
        return [
            f"{where}{lines} {numbers}{more} named on weak grounds: no kernel prints an address in this form"
        ]


def symbolize_piece(
    piece: bytes, resolve: Resolve, options: FormatOptions, doubtful: DoubtfulLines | None = None
) -> bytes:
    """A piece of text with names for its addresses.

    Bytes of any encoding come out as they went in.
    """
    doubtful = doubtful or DoubtfulLines()
    if not any(question in piece for question in _ADDRESS_MARKERS):
        doubtful.skip(piece)
        return piece
    lines: list[str] = []
    known_pcs: KnownPcs = set()
    rows = piece.decode("latin-1").split("\n")
    rest = rows.pop()
    for row in rows:
        lines += _symbolize_line(row, resolve, options, known_pcs, doubtful)
    lines += _symbolize_line(rest, resolve, options, known_pcs, doubtful) if rest else [rest]
    return "\n".join(lines).encode("latin-1", "replace")


def _symbolize_line(
    line: str,
    resolve: Resolve,
    options: FormatOptions,
    known_pcs: KnownPcs,
    doubtful: DoubtfulLines,
) -> list[str]:
    body = line.removesuffix("\r")
    text, places = symbolize_text(body, resolve, options, known_pcs)
    doubtful.check(body, bool(places))
    translated = text + line[len(body) :]
    return [translated, line] if places and options.duplicate_raw else [translated]


def split_by_boot(piece: bytes) -> Iterator[tuple[str, bytes]]:
    """A piece of text in parts: the release of the kernel whose banner begins a part, and the part;
    empty in the first.

    For surveys that no trace can change: what tells boots apart without a banner makes no
    difference to them.
    """
    release = ""
    start = at = 0
    while (at := piece.find(BANNER[:_SHORT], at)) >= 0:
        if not piece.startswith(BANNER, at):
            at += _SHORT
            continue
        line_start = piece.rfind(b"\n", 0, at) + 1
        line_end = piece.find(b"\n", at)
        line_end = len(piece) if line_end < 0 else line_end
        told = banner_release(piece[line_start:line_end].decode("latin-1"))
        if told:
            yield release, piece[start:line_start]
            release, start = told, line_start
        at = line_end
    yield release, piece[start:]


class InferredBoots(Struct, frozen=True):
    """What a text has to teach.

    A survey for each boot in it, and which of its pieces, by their lengths, hold nothing else.
    """

    symbol_sets: list[SymbolSet]
    # Of each piece that may go out as it is; 0 for the others
    plain_bytes: list[int]


def infer_boots(text: Iterable[bytes], found: SymbolSet) -> InferredBoots:
    """What is to be had for each boot in a text.

    One survey up to where the second begins, and so on.
    """
    known = []
    plain_bytes = []
    stream = StreamFilter(found, None)
    for piece in text:
        is_plain = True
        for part, passed in stream.split_plain(piece):
            if passed:
                continue
            is_plain = False
            for line in split_lines(part):
                record = record_from_line(line)
                if (release := stream.boots.detect(record)) is not None:
                    stream.flush_boot()
                    known.append(stream.symbols)
                    stream.symbols = found.for_release(release)
                stream.push_record(record, 0.0)
        plain_bytes.append(len(piece) if is_plain else 0)
    stream.flush_boot()
    return InferredBoots([*known, stream.symbols], plain_bytes)


class StreamFilter:
    """Translates lines as they come. Mutable: the survey so far, what is held back, where
    processors stood.

    With ``learnt`` nothing is: each boot's survey is known beforehand. ``told`` is what a user
    should know of the boots that have ended, in order.
    """

    def __init__(self, found: SymbolSet, learnt: InferredBoots | None) -> None:
        self._first = found
        self._known = deque(learnt.symbol_sets) if learnt is not None else None
        self._plain_bytes = iter(learnt.plain_bytes if learnt is not None else ())
        self.symbols = self._known.popleft() if self._known else found
        self.boots = BootBoundary()
        self.messages: dict[str, None] = {}
        self.doubtful = DoubtfulLines()
        self._kaslr = KaslrStage()
        self._known_pcs: KnownPcs = set()

    def due_in_s(self, now_s: float) -> float | None:
        """How long the lines that are held back may still wait; ``None`` if none are."""
        return self._kaslr.due_in_s(now_s)

    def push(self, piece: bytes, now_s: float, options: FormatOptions) -> bytes:
        """A piece of text in; what may go out now."""
        if not piece:
            return self._encode(self.push_record(None, now_s), options)
        if len(piece) == next(self._plain_bytes, 0):
            self.boots.skip(piece)
            self.doubtful.skip(piece)
            return piece
        out: list[bytes] = []
        for part, passed in self.split_plain(piece):
            if passed:
                self.doubtful.skip(part)
            out.append(part if passed else self._push_lines(part, now_s, options))
        return b"".join(out)

    def split_plain(self, text: bytes) -> Iterator[tuple[bytes, bool]]:
        """A text in parts of whole lines, and whether each may go out as it is, having taught
        nothing.

        Each part must have been taken before the next one is asked for.
        """
        if self._is_plain(text):
            yield text, True
            return
        middle = text.find(b"\n", len(text) // 2) + 1
        if len(text) > _MIN_BYTES and 0 < middle < len(text):
            yield from self.split_plain(text[:middle])
            yield from self.split_plain(text[middle:])
        else:
            yield text, False

    def _is_plain(self, text: bytes) -> bool:
        """Whether nothing in a text has to do with addresses, traces or another boot.

        Most of a log is so.
        """
        if not self._kaslr.is_idle or not text.endswith(b"\n"):
            return False
        if any(question in text for question in _ADDRESS_MARKERS):
            return False
        if any(
            short in text and any(sign in text for sign in signs)
            for short, signs in _CRASH_MARKERS.items()
        ):
            return False
        return self.boots.skip_if_same_boot(text)

    def _push_lines(self, piece: bytes, now_s: float, options: FormatOptions) -> bytes:
        out: list[bytes] = []
        whole = piece.endswith(b"\n")
        lines = split_lines(piece)
        for at, line in enumerate(lines):
            record = record_from_line(line if at == len(lines) - 1 and not whole else line + "\n")
            if (release := self.boots.detect(record)) is not None:
                out.append(self._encode(self.flush_boot(), options))
                self._known_pcs.clear()
                self.symbols = (
                    self._known.popleft() if self._known else self._first.for_release(release)
                )
            out.append(self._encode(self.push_record(record, now_s), options))
        return b"".join(out)

    def flush(self, options: FormatOptions) -> bytes:
        """What is still held back, since the input has ended."""
        out = self._encode(self.flush_boot(), options)
        if not self.messages:
            self._add_messages()
        return out

    def push_record(self, record: Record | None, now_s: float) -> list[Record | Gap]:
        """One line in, or none if only time has passed; the lines that may be translated now."""
        batch: list[Record | Gap] = [record] if record is not None else []
        if self._known is not None:
            return batch
        ready, self.symbols = self._kaslr.push(batch, now_s, self.symbols)
        return ready

    def flush_boot(self) -> list[Record | Gap]:
        """Every line that is held back; what they teach is known."""
        ready, self.symbols = self._kaslr.flush(self.symbols)
        # An oops has changed what is known
        if self.symbols is not self._first:
            self._add_messages()
        return ready

    def _add_messages(self) -> None:
        lines = (
            *self.symbols.remarks,
            description.slide_line(self.symbols),
            *description.base_lines(self.symbols.modules),
        )
        self.messages |= dict.fromkeys(line for line in lines if line)

    def _encode(self, ready: Sequence[Record | Gap], options: FormatOptions) -> bytes:
        texts: list[str] = []
        for item in ready:
            if isinstance(item, Record):
                ending = "\n" if item.text.endswith("\n") else ""
                text, resolve = item.text.removesuffix("\n"), self.symbols.resolver.resolve
                lines = _symbolize_line(text, resolve, options, self._known_pcs, self.doubtful)
                texts.append("\n".join(lines) + ending)
        return "".join(texts).encode("latin-1", "replace")
