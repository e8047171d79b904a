# SPDX-License-Identifier: GPL-2.0-or-later
r"""Join the fragments of records that extended netconsole has sent in several datagrams.

``6,416,1758426,-,ncfrag=0/33;the first chunk,`` and ``6,416,1758426,-,ncfrag=16/33;the 2nd
chunk.\n``: the offset and the length count bytes behind the semicolon. A release may stand before
the header. Where nobody wrote a line feed between two datagrams, both are in one line. Datagrams
may be lost, doubled, or come in another order, also those of several records and of whole ones.

Source of truth: Documentation/networking/netconsole.rst; drivers/net/netconsole.c
``send_fragmented_body``.
"""

import re
from collections import deque
from collections.abc import Sequence

from msgspec import Struct

# The release that may stand before a header
RELEASE = rb"\d{1,3}\.\d{1,3}[\w.+~-]{0,64}"
_HEADER = re.compile(
    rb"(?P<start>(?:" + RELEASE + rb",)?"
    rb"\d{1,4},(?P<seq>\d{1,20}),\d{1,20},[^;\n]{0,200}?)"
    rb",ncfrag=(?P<offset>\d{1,5})/(?P<length>\d{1,5});"
)
_WHOLE_HEADER = re.compile(
    rb"(?:" + RELEASE + rb",)?\d{1,4},(?P<seq>\d{1,20}),\d{1,20},[^;\n]{0,200};"
)
# A record has some ten.
_MAX_FRAGMENTS = 256
# Records that are not whole at the same time, and all that waits with them
_MAX_OPEN = 4
_MAX_HELD = 16
# A number that is lower by more is that of another boot.
_MAX_OVERTAKEN = 64
# In the place of fragments that are missing, so that no number is made of two others
_HOLE = b"..."


class Joined(Struct, frozen=True):
    """The lines of a record, or one other line, without the last line feed.

    ``is_cut``: parts of the record are missing.
    """

    lines: Sequence[bytes]
    is_cut: bool = False


class _Body(Struct, frozen=True):
    raw: bytes
    is_whole: bool


class _Fragments(Struct):
    """What has come of one record: its parts by their offsets. Mutable."""

    header: bytes
    seq: int
    length: int
    parts: dict[int, bytes] = {}
    last_offset: int = 0
    is_whole: bool = False

    def is_of(self, seq: int, length: int) -> bool:
        """Whether it is this record."""
        return (self.seq, self.length) == (seq, length)

    def has_room(self, count: int) -> bool:
        """Whether so many bytes may follow the part that has come last."""
        return self.last_offset + len(self.parts[self.last_offset]) + count <= self.length

    def add(self, offset: int, part: bytes) -> None:
        """Take a part; the longer one if there are two."""
        self.parts[offset] = max(part, self.parts.get(offset, b""), key=len)
        self.last_offset = offset
        self.is_whole = self.body().is_whole

    def body(self) -> _Body:
        """The parts in their order."""
        found, end, is_whole = b"", 0, True
        for offset, part in sorted(self.parts.items()):
            if offset == end + 1 and end:
                # The line feed was taken for the end of a line.
                found += b"\n"
            elif offset > end:
                found, is_whole = found + _HOLE, False
            found += part[max(0, end - offset) :]
            end = max(end, offset + len(part))
        # The last line feed ends the line, and has been removed.
        return _Body(found.removesuffix(b"\n"), is_whole and end + 1 >= self.length)

    def joined(self) -> list[Joined]:
        """The record, and the lines that may be none of it if parts are missing."""
        lines = (self.header + b";" + self.body().raw).split(b"\n")
        if self.is_whole:
            return [Joined(lines)]
        first, *others = lines
        dictionary = [line for line in others if b"=" in line]
        rest = [Joined([line]) for line in others if b"=" not in line]
        return [Joined([first, *dictionary], is_cut=True), *rest]


class _Line(Struct):
    """A line that is no fragment, with the dictionary behind it. Mutable."""

    seq: int | None
    lines: list[bytes]
    is_whole: bool = True

    def joined(self) -> list[Joined]:
        """The line with its dictionary."""
        return [Joined(self.lines)]


class FragmentJoiner:
    """Joins the fragments of records. Mutable: what waits for a record that is not whole.

    The first that waits is not whole. The others leave in the order of their numbers.
    Size: short methods on the same queue.
    """

    def __init__(self) -> None:
        self._held: deque[_Fragments | _Line] = deque()
        # What the next line may continue
        self._latest: _Fragments | _Line | None = None
        self._last_whole: deque[_Fragments] = deque(maxlen=_MAX_OPEN)

    @property
    def is_open(self) -> bool:
        """Whether a record is not whole."""
        return bool(self._held)

    @property
    def holds_whole(self) -> bool:
        """Whether whole records wait for one that is not."""
        return any(one.is_whole for one in self._held)

    def push(self, line: bytes) -> list[Joined]:
        """Take a line without its line feed; returns the records and lines that are whole now."""
        starts = list(_HEADER.finditer(line))
        done: list[Joined] = []
        before = line[: starts[0].start()] if starts else line
        if before or not starts:
            done = self._add_line(before)
        ends = [found.start() for found in starts[1:]]
        for found, end in zip(starts, [*ends, len(line)][: len(starts)], strict=True):
            self._add_part(found, line[found.end() : end])
            done += self._leaving()
        return done

    def flush(self) -> list[Joined]:
        """Return what has come of unfinished records, and what waits for them."""
        done = [joined for held in self._held for joined in held.joined()]
        self._held.clear()
        self._latest = None
        return done

    def _add_line(self, line: bytes) -> list[Joined]:
        """Take a line that is no fragment: the rest of one, a dictionary, or any other."""
        latest = self._latest
        if line[:1] == b" " and self._held:
            if latest is None:
                # That of a record that has left
                return [Joined([line])]
            if isinstance(latest, _Line):
                latest.lines.append(line)
                return []
            if latest.has_room(1 + len(line)):
                offset = latest.last_offset
                latest.add(offset, latest.parts[offset] + b"\n" + line)
                return self._leaving()
        found = _WHOLE_HEADER.match(line)
        self._latest = held = _Line(int(found["seq"]) if found is not None else None, [line])
        self._insert(held)
        return self._leaving()

    def _add_part(self, found: re.Match[bytes], part: bytes) -> None:
        seq, offset, length = int(found["seq"]), int(found["offset"]), int(found["length"])
        if any(
            one.is_of(seq, length) and one.parts.get(offset) == part for one in self._last_whole
        ):
            # The network has doubled it.
            return
        held = next((one for one in self._open() if one.is_of(seq, length)), None)
        if held is None or len(held.parts) >= _MAX_FRAGMENTS:
            held = _Fragments(found["start"], seq, length)
            self._insert(held)
        self._latest = held
        held.add(offset, part)
        if held.is_whole:
            self._last_whole.append(held)

    def _open(self) -> list[_Fragments]:
        """The records that are not whole; of two that are alike the last is first."""
        held = reversed(self._held)
        return [one for one in held if isinstance(one, _Fragments) and not one.is_whole]

    def _insert(self, new: _Fragments | _Line) -> None:
        """Hold a record or a line: in front of those that have overtaken it."""
        seq, at = new.seq, len(self._held)
        if seq is not None:
            at = next(
                (
                    at
                    for at, one in enumerate(self._held)
                    if one.seq is not None and seq < one.seq <= seq + _MAX_OVERTAKEN
                ),
                at,
            )
        self._held.insert(at, new)

    def _leaving(self) -> list[Joined]:
        """Let go what is first and whole, and the first if too much waits for it."""
        done: list[Joined] = []
        while self._held and (
            self._held[0].is_whole or len(self._held) > _MAX_HELD or len(self._open()) > _MAX_OPEN
        ):
            first = self._held.popleft()
            done += first.joined()
            if first is self._latest:
                self._latest = None
        return done


def has_fragments(text: bytes) -> bool:
    """Whether there may be a fragment in a text."""
    return b",ncfrag=" in text
