# SPDX-License-Identifier: GPL-2.0-or-later
"""Carry text through the stages: pieces of a file or a pipe in, pieces of text out.

Each line is a record. Lines that all stages ignore, as most of a log, pass as text. A file is read
twice: first to infer the load address of each boot in it, then to write it. A pipe is read once;
the lines of an oops in progress are held back until it ends. Bytes of any encoding come out
unchanged.
"""

from collections.abc import Callable, Iterable, Iterator

import msgspec
from msgspec import Struct

from klogd_py.line_prefix.json_string import escape
from klogd_py.line_prefix.reader import PrefixReader
from klogd_py.line_prefix.terminal import ESCAPE, shown_places, strip_controls
from klogd_py.oops.boot_boundary import split_lines
from klogd_py.oops.provenance import Origin
from klogd_py.oops.trace_buffer import RecognisedTrace
from klogd_py.pipeline.batch import Batch
from klogd_py.pipeline.boot_symbols import BootSymbols
from klogd_py.pipeline.clock import CaptureClock
from klogd_py.pipeline.doubtful_lines import DoubtfulLines
from klogd_py.pipeline.frame_summary import FrameSummary
from klogd_py.pipeline.raw_texts import RawText, RawTexts
from klogd_py.pipeline.stage_list import raise_error
from klogd_py.pipeline.stages import Stages
from klogd_py.pipeline.suspect_lines import SuspectLines
from klogd_py.pipeline.symbol_stage import Naming
from klogd_py.pipeline.symbolize import FormatOptions, Style
from klogd_py.record.types import Entry, Record
from klogd_py.sources.object_lines import may_be_object, read_object_line
from klogd_py.symbols.symbol_set import SymbolSet

# A text that is shorter is read line by line at once; a longer one, after so many parts in a row
# that had to be.
_MIN_BYTES, _DENSE_BYTES = 1 << 11, 1 << 16
_DENSE_PARTS = 4


class InferredBoots(Struct, frozen=True):
    """What was inferred from a text that is read twice.

    ``symbol_sets`` are those of the boots in the text, in order. ``plain_bytes`` is, for each
    piece, its length if it can be written unchanged, else 0.
    """

    symbol_sets: list[SymbolSet]
    plain_bytes: list[int]


class _Part(Struct, frozen=True):
    """Lines of a text, and whether all stages ignore them, so that they pass as text."""

    text: bytes
    is_plain: bool


def infer_boots(
    pieces: Iterable[bytes], symbols: SymbolSet, *, resymbolize: bool = False
) -> InferredBoots:
    """Infer the symbols of each boot in a text, which is symbolized with ``resymbolize`` later."""
    boots = BootSymbols(symbols)
    stream = TextStream(boots, FormatOptions(Style.OFF, resymbolize), discards_output=True)
    plain_bytes = []
    for piece in pieces:
        # No line waits for time to pass, since all of them are there already.
        is_unchanged = stream.push(piece, 0.0) is piece
        plain_bytes.append(len(piece) if is_unchanged else 0)
    stream.flush()
    return InferredBoots(boots.ended, plain_bytes)


class TextStream:
    """Symbolizes text as it comes. Mutable: the stages, the numbers of doubtful lines."""

    def __init__(
        self,
        boots: BootSymbols,
        options: FormatOptions,
        plain_bytes: Iterable[int] = (),
        on_trace: Callable[[RecognisedTrace], None] | None = None,
        *,
        discards_output: bool = False,
    ) -> None:
        """``plain_bytes`` is that of `InferredBoots`, for a text that is read again.

        ``on_trace`` is called with each trace in the text, when it has ended. With
        ``discards_output`` nothing but plain pieces comes out.
        """
        self.doubtful = DoubtfulLines()
        self.frames = FrameSummary()
        self._boots = boots
        self._plain_bytes = iter(plain_bytes)
        self._on_trace = on_trace
        # Parts in a row that some stage did not ignore
        self._parts_in_row = 0
        self._discards_output = discards_output
        self._reader = PrefixReader()
        self._suspect_lines = SuspectLines(resymbolize=options.resymbolize)
        self._raw_texts = RawTexts()
        self._stages = Stages(
            boots,
            CaptureClock(),
            Naming(Origin.CAPTURE, on_weak_grounds=True),
            raise_error,
            live=False,
            only_banners=not boots.first.reads_traces and on_trace is None,
            keeps_all_traces=on_trace is not None,
        )
        self._stages.symbol_stage.format_options = options

    def due_in_s(self, now_s: float) -> float | None:
        """Seconds until held lines must go on; ``None`` if none are held."""
        due_s = self._stages.deadline()
        return None if due_s is None else max(0.0, due_s - now_s)

    def push(self, piece: bytes, now_s: float) -> bytes:
        """Take a piece of text, empty if only time has passed; returns what may be written now.

        That is the piece itself if nothing in it is to be changed. Only the last line of a piece
        may lack its line feed; with it everything goes on.
        """
        # A plain piece may still have a trace that changes no symbols.
        if self._on_trace is None and piece and len(piece) == next(self._plain_bytes, 0):
            self._skip(piece)
            return piece
        out = [
            part.text if part.is_plain else self._push_lines(part.text, now_s)
            for part in self._split(piece)
        ]
        return out[0] if len(out) == 1 else b"".join(out)

    def flush(self) -> bytes:
        """Return what is still held: the text has ended."""
        out = self._encode(self._run(Batch([], is_last=True), 0.0))
        self._boots.end()
        return out

    def _split(self, text: bytes) -> Iterator[_Part]:
        """Split a text into parts of whole lines.

        Each part must be pushed before the next one is asked for.
        """
        # A part of a long line, or nothing
        if b"\n" not in text:
            yield _Part(text, is_plain=False)
            return
        start, suspects = 0, self._suspect_lines.find(text)
        has_marker = suspects.may_have_marker
        for span in suspects.spans:
            if start < span.start:
                yield from self._split_plain(text[start : span.start], has_marker)
            yield _Part(text[span.start : span.end], is_plain=False)
            start = span.end
        if start < len(text):
            yield from self._split_plain(text[start:] if start else text, has_marker)

    def _split_plain(self, text: bytes, has_marker: bool) -> Iterator[_Part]:
        """Split lines without an address into parts that all stages ignore, and others."""
        if text.endswith(b"\n") and self._stages.ignores(text, may_have_marker=has_marker):
            self._parts_in_row = 0
            self._skip(text)
            yield _Part(text, is_plain=True)
            return
        middle = text.find(b"\n", len(text) // 2) + 1
        is_dense = self._parts_in_row >= _DENSE_PARTS
        if len(text) > (_DENSE_BYTES if is_dense else _MIN_BYTES) and 0 < middle < len(text):
            yield from self._split_plain(text[:middle], has_marker)
            yield from self._split_plain(text[middle:], has_marker)
        else:
            self._parts_in_row += 1
            yield _Part(text, is_plain=False)

    def _skip(self, text: bytes) -> None:
        self._stages.skip(text)
        if not self._discards_output:
            self.doubtful.skip(text)
            if self.frames.is_sampling:
                self.frames.sample(text.decode("latin-1"))

    def _push_lines(self, text: bytes, now_s: float) -> bytes:
        lines = split_lines(text) if text else []
        is_whole = text.endswith(b"\n") or not text
        is_as_meant = ESCAPE.encode() not in text and not may_be_object(text.decode("latin-1"))
        records = list(map(self._reader.read if is_as_meant else self._read_meant, lines))
        batch = Batch(records, is_last=not is_whole)
        out = self._encode(self._run(batch, now_s))
        return out if is_whole else out.removesuffix(b"\n")

    def _run(self, batch: Batch, now_s: float) -> Iterator[Batch]:
        """Run a batch, and what follows it, through the stages; yields what comes out."""
        is_last, batch = batch.is_last, Batch(batch.items)
        while True:
            passed = self._stages.push(batch, now_s)
            yield passed
            if passed.next_boot is not None:
                self._boots.begin_boot(passed.next_boot)
            elif is_last:
                is_last = False
                batch = Batch([], is_last=True)
                continue
            elif self.due_in_s(now_s) != 0.0:
                return
            batch = Batch([])

    def _encode(self, batches: Iterable[Batch]) -> bytes:
        lines: list[str] = []
        for batch in batches:
            if self._on_trace is not None:
                for trace in batch.traces:
                    self._on_trace(trace)
            if not self._discards_output:
                assert batch.symbolized is not None
                entries = batch.symbolized.entries
                self.doubtful.check(entries)
                self.frames.observe(batch, batch.symbolized)
                lines += map(self._line_of, entries)
        return "".join([f"{line}\n" for line in lines]).encode("latin-1", "replace")

    def _read_meant(self, line: str) -> Record:
        """Make a record of a line with what its text means, and remember how it is written."""
        found, raw = read_object_line(line, self._reader), None
        record = self._reader.read(line) if found is None else found.record
        if found is not None:
            raw = RawText(found.raw, found.places, escape)
        if ESCAPE in record.text:
            shown = shown_places(record.text)
            raw = (
                RawText(record.text, shown)
                if raw is None
                else RawText(raw.text, [raw.places[at] for at in shown], escape)
            )
            record = msgspec.structs.replace(record, text=strip_controls(record.text))
        if raw is not None and not self._discards_output:
            self._raw_texts.remember(record, raw)
        return record

    def _line_of(self, entry: Entry) -> str:
        record = entry.record
        return f"{record.head}{self._raw_texts.take(record, entry.text)}{record.tail}"
