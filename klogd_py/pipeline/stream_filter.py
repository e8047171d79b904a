# SPDX-License-Identifier: GPL-2.0-or-later
"""Symbolize a stream of lines whose own traces show the load address of the kernel.

A file is read twice: first to infer the load address of each boot in it, then to write it. A pipe
is read once; the lines of an oops in progress are held back until it ends.
"""

from collections import deque
from collections.abc import Iterable, Iterator, Sequence

from msgspec import Struct

from klogd_py.oops.boot_boundary import BootBoundary, split_lines
from klogd_py.oops.capture_line import record_from_line
from klogd_py.oops.crash_signatures import CRASH_MARKERS
from klogd_py.pipeline.kaslr import KaslrStage
from klogd_py.pipeline.symbolize import FormatOptions, KnownPcs
from klogd_py.pipeline.text_symbolizer import (
    SHORT_MARKER_BYTES,
    DoubtfulLines,
    has_address_marker,
    symbolize_line,
)
from klogd_py.record.types import Gap, Record
from klogd_py.symbols import description
from klogd_py.symbols.symbol_set import SymbolSet

# Markers by their last bytes, for which CPython searches faster
_CRASH_MARKERS = {
    marker.encode()[-SHORT_MARKER_BYTES:]: [
        whole.encode() for whole in CRASH_MARKERS if whole.endswith(marker[-SHORT_MARKER_BYTES:])
    ]
    for marker in CRASH_MARKERS
}
# Text that is shorter is read line by line at once
_MIN_BYTES = 1 << 11


class InferredBoots(Struct, frozen=True):
    """What was inferred from a text that is read twice.

    ``symbol_sets`` are those of the boots in the text, in order. ``plain_bytes`` is, for each
    piece, its length if it can be written unchanged, else 0.
    """

    symbol_sets: list[SymbolSet]

    plain_bytes: list[int]


def infer_boots(text: Iterable[bytes], symbols: SymbolSet) -> InferredBoots:
    """Infer the symbols of each boot in a text, given in pieces."""
    symbol_sets = []
    plain_bytes = []
    stream = StreamFilter(symbols, None)
    for piece in text:
        is_plain = True
        for part, is_plain_part in stream.split_plain(piece):
            if is_plain_part:
                continue
            is_plain = False
            for line in split_lines(part):
                record = record_from_line(line)
                if (release := stream.boots.detect(record)) is not None:
                    stream.flush_boot()
                    symbol_sets.append(stream.symbols)
                    stream.symbols = symbols.for_release(release)
                stream.push_record(record, 0.0)
        plain_bytes.append(len(piece) if is_plain else 0)
    stream.flush_boot()
    return InferredBoots([*symbol_sets, stream.symbols], plain_bytes)


class StreamFilter:
    """Symbolizes lines as they come. Mutable: the symbols, held lines, known program counters.

    ``symbols`` are those of the current boot. ``messages`` are what a user should know of the
    boots that have ended, in order.
    """

    def __init__(self, symbols: SymbolSet, inferred: InferredBoots | None) -> None:
        self._first = symbols
        self._known = deque(inferred.symbol_sets) if inferred is not None else None
        self._plain_bytes = iter(inferred.plain_bytes if inferred is not None else ())
        self.symbols = self._known.popleft() if self._known else symbols
        self.boots = BootBoundary()
        self.messages: dict[str, None] = {}
        self.doubtful = DoubtfulLines()
        self._kaslr = KaslrStage()
        self._known_pcs: KnownPcs = set()

    def due_in_s(self, now_s: float) -> float | None:
        """Seconds until held lines must go on; ``None`` if none are held."""
        return self._kaslr.due_in_s(now_s)

    def push(self, piece: bytes, now_s: float, options: FormatOptions) -> bytes:
        """Take a piece of text, empty if only time has passed; returns what may be written now."""
        if not piece:
            return self._encode(self.push_record(None, now_s), options)
        if len(piece) == next(self._plain_bytes, 0):
            self.boots.skip(piece)
            self.doubtful.skip(piece)
            return piece
        out: list[bytes] = []
        for part, is_plain in self.split_plain(piece):
            if is_plain:
                self.doubtful.skip(part)
            out.append(part if is_plain else self._push_lines(part, now_s, options))
        return b"".join(out)

    def split_plain(self, text: bytes) -> Iterator[tuple[bytes, bool]]:
        """Split a text into parts of whole lines, each with whether it can be written unchanged.

        A plain part proves nothing and has been taken into account. Each part must be pushed before
        the next one is asked for.
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
        """Whether a text has neither addresses nor traces nor another boot, as most of a log."""
        if not self._kaslr.is_idle or not text.endswith(b"\n"):
            return False
        if has_address_marker(text):
            return False
        if any(
            short in text and any(marker in text for marker in markers)
            for short, markers in _CRASH_MARKERS.items()
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
        """Return what is still held: the input has ended."""
        out = self._encode(self.flush_boot(), options)
        if not self.messages:
            self._add_messages()
        return out

    def push_record(self, record: Record | None, now_s: float) -> list[Record | Gap]:
        """Take one line, or ``None`` if only time has passed; returns the lines to symbolize
        now.
        """
        batch: list[Record | Gap] = [record] if record is not None else []
        if self._known is not None:
            return batch
        ready, self.symbols = self._kaslr.push(batch, now_s, self.symbols)
        return ready

    def flush_boot(self) -> list[Record | Gap]:
        """Return every held line, after inferring what they show."""
        ready, self.symbols = self._kaslr.flush(self.symbols)
        # An oops has changed the symbols.
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
                lines = symbolize_line(text, resolve, options, self._known_pcs, self.doubtful)
                texts.append("\n".join(lines) + ending)
        return "".join(texts).encode("latin-1", "replace")
