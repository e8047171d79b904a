"""Text in, text out: how is a stream of lines given names, when the slide of the map must be read out of them?

Pieces of text are whole lines, but for the last; their bytes come out as they went in, whatever their encoding. A file is
read twice, first to learn the slide of each boot in it; a pipe once, with the lines of an oops in progress held back.
"""

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence

from klogd_py import addresses
from klogd_py.boots import Boots, lines_of
from klogd_py.record import Gap, Record
from klogd_py.replay import is_readable
from klogd_py.symbols.learning import Learning
from klogd_py.symbols.survey import Survey
from klogd_py.traces import banner_release, from_capture
from klogd_py.translate import Manner, PlaceOf, Stood, rewrite

CHUNK_BYTES = 1 << 18

# CPython looks for up to five bytes in a long text four times as fast as for more.
_SHORT = 5
_QUESTIONS = tuple(question.encode()[-_SHORT:] for question in addresses.QUESTIONS)
_BANNER = b"Linux version "


def pieces(descriptor: int, due_in_s: Callable[[], float | None] = lambda: None) -> Iterator[bytes]:
    """What a descriptor gives, in pieces that end with a line feed except for the last; an empty one when time is up."""
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
    if tail:
        yield tail


def write(descriptor: int, data: bytes) -> None:
    """Write all of it."""
    rest = memoryview(data)
    while rest:
        rest = rest[os.write(descriptor, rest) :]


def renamed(piece: bytes, place_of: PlaceOf, manner: Manner) -> bytes:
    """A piece of text with names for its addresses. Bytes of any encoding come out as they went in."""
    if not any(question in piece for question in _QUESTIONS):
        return piece
    lines: list[str] = []
    stood: Stood = set()
    for line in piece.decode("latin-1").split("\n"):
        lines += _line(line, place_of, manner, stood)
    return "\n".join(lines).encode("latin-1", "replace")


def _line(line: str, place_of: PlaceOf, manner: Manner, stood: Stood) -> list[str]:
    body = line.removesuffix("\r")
    text, places = rewrite(body, place_of, manner, stood)
    translated = text + line[len(body) :]
    return [translated, line] if places and manner.twice else [translated]


def by_boot(piece: bytes) -> Iterator[tuple[str, bytes]]:
    """A piece of text in parts: the release of the kernel whose banner begins a part, and the part; empty in the first.

    For surveys that no trace can change: what tells boots apart without a banner makes no difference to them.
    """
    release = ""
    start = at = 0
    while (at := piece.find(_BANNER[:_SHORT], at)) >= 0:
        if not piece.startswith(_BANNER, at):
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


def learn(text: Iterable[bytes], found: Survey) -> list[Survey]:
    """What is to be had for each boot in a text: one survey up to where the second begins, and so on."""
    known = []
    stream = Stream(found, None)
    for piece in text:
        for line in lines_of(piece):
            record = from_capture(line)
            if (release := stream.boots.begins(record)) is not None:
                stream.end_boot()
                known.append(stream.found)
                stream.found = found.of(release)
            stream.read(record, 0.0)
    stream.end_boot()
    return [*known, stream.found]


class Stream:
    """Translates lines as they come. Mutable: the survey so far, what is held back, where processors stood.

    With ``known`` (from `learn`) nothing is: each boot's survey is known beforehand. ``told`` is what a user should know of
    the boots that have ended, in order.
    """

    def __init__(self, found: Survey, known: Sequence[Survey] | None) -> None:
        self._first = found
        self._known = deque(known) if known is not None else None
        self.found = self._known.popleft() if self._known else found
        self.boots = Boots()
        self.told: dict[str, None] = {}
        self._learning = Learning()
        self._stood: Stood = set()

    def due_in_s(self, now_s: float) -> float | None:
        """How long the lines that are held back may still wait; ``None`` if none are."""
        return self._learning.due_in_s(now_s)

    def take(self, piece: bytes, now_s: float, manner: Manner) -> bytes:
        """A piece of text in; what may go out now."""
        if not piece:
            return self._out(self.read(None, now_s), manner)
        out: list[bytes] = []
        whole = piece.endswith(b"\n")
        lines = lines_of(piece)
        for at, line in enumerate(lines):
            record = from_capture(line if at == len(lines) - 1 and not whole else line + "\n")
            if (release := self.boots.begins(record)) is not None:
                out.append(self._out(self.end_boot(), manner))
                self._stood.clear()
                self.found = self._known.popleft() if self._known else self._first.of(release)
            out.append(self._out(self.read(record, now_s), manner))
        return b"".join(out)

    def end(self, manner: Manner) -> bytes:
        """What is still held back, since the input has ended."""
        out = self._out(self.end_boot(), manner)
        if not self.told:
            self._tell()
        return out

    def read(self, record: Record | None, now_s: float) -> list[Record | Gap]:
        """One line in, or none if only time has passed; the lines that may be translated now."""
        batch: list[Record | Gap] = [record] if record is not None else []
        if self._known is not None:
            return batch
        ready, self.found = self._learning.take(batch, now_s, self.found)
        return ready

    def end_boot(self) -> list[Record | Gap]:
        """Every line that is held back; what they teach is known."""
        ready, self.found = self._learning.end(self.found)
        if self.found is not self._first:  # an oops has changed what is known
            self._tell()
        return ready

    def _tell(self) -> None:
        lines = (*self.found.remarks, self.found.slide_line, *self.found.loaded.summary)
        self.told |= dict.fromkeys(line for line in lines if line)

    def _out(self, ready: Sequence[Record | Gap], manner: Manner) -> bytes:
        texts: list[str] = []
        for item in ready:
            if isinstance(item, Record):
                ending = "\n" if item.text.endswith("\n") else ""
                lines = _line(item.text.removesuffix("\n"), self.found.atlas.place_of, manner, self._stood)
                texts.append("\n".join(lines) + ending)
        return "".join(texts).encode("latin-1", "replace")
