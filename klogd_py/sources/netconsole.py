# SPDX-License-Identifier: GPL-2.0-or-later
r"""Join the fragments of records that extended netconsole has sent in several datagrams.

``6,416,1758426,-,ncfrag=0/33;the first chunk,`` and ``6,416,1758426,-,ncfrag=16/33;the 2nd
chunk.\n``: the offset and the length count bytes behind the semicolon. A release may stand before
the header. Where nobody wrote a line feed between two datagrams, both are in one line. Datagrams
may be lost, doubled, or come in another order.

Source of truth: Documentation/networking/netconsole.rst; drivers/net/netconsole.c
``send_fragmented_body``.
"""

import re
from collections.abc import Sequence

from msgspec import Struct

_HEADER = re.compile(
    rb"(?P<start>(?:\d{1,3}\.\d{1,3}[\w.+~-]{0,64},)?"
    rb"\d{1,4},(?P<seq>\d{1,20}),\d{1,20},[^;\n]{0,200}?)"
    rb",ncfrag=(?P<offset>\d{1,5})/(?P<length>\d{1,5});"
)
# A record has some ten.
_MAX_FRAGMENTS = 256
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
    seq: bytes
    length: int
    parts: dict[int, bytes] = {}
    last_offset: int = 0

    def is_of(self, seq: bytes, length: int) -> bool:
        """Whether it is this record."""
        return (self.seq, self.length) == (seq, length)

    def has_room(self, count: int) -> bool:
        """Whether so many bytes may follow the part that has come last."""
        return self.last_offset + len(self.parts[self.last_offset]) + count <= self.length

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


class FragmentJoiner:
    """Joins the fragments of records. Mutable: those of the last two records."""

    def __init__(self) -> None:
        self._open: _Fragments | None = None
        self._last_whole: _Fragments | None = None

    def push(self, line: bytes) -> list[Joined]:
        """Take a line without its line feed; returns the records and lines that are whole now."""
        starts = list(_HEADER.finditer(line))
        done: list[Joined] = []
        before = line[: starts[0].start()] if starts else line
        if before or not starts:
            held = self._open
            # The rest of the line before it, or a line of the dictionary
            if held is None or not held.has_room(1 + len(before)) or before[:1] != b" ":
                done = [*self.flush(), Joined([before])]
            else:
                held.parts[held.last_offset] += b"\n" + before
                done = self._close_if_whole()
        ends = [found.start() for found in starts[1:]]
        for found, end in zip(starts, [*ends, len(line)][: len(starts)], strict=True):
            done += self._add(found, line[found.end() : end])
        return done

    @property
    def is_open(self) -> bool:
        """Whether a record is not whole."""
        return self._open is not None

    def flush(self) -> list[Joined]:
        """Return what has come of an unfinished record."""
        held, self._open = self._open, None
        if held is None:
            return []
        first, *others = held.body().raw.split(b"\n")
        dictionary = [line for line in others if b"=" in line]
        rest = [Joined([line]) for line in others if b"=" not in line]
        return [Joined([held.header + b";" + first, *dictionary], is_cut=True), *rest]

    def _add(self, found: re.Match[bytes], part: bytes) -> list[Joined]:
        offset, length = int(found["offset"]), int(found["length"])
        held, last = self._open, self._last_whole
        if last is not None and last.is_of(found["seq"], length) and last.parts.get(offset) == part:
            # The network has doubled it.
            return []
        begun: list[Joined] = []
        if (
            held is None
            or not held.is_of(found["seq"], length)
            or len(held.parts) >= _MAX_FRAGMENTS
        ):
            begun = self.flush()
            held = self._open = _Fragments(found["start"], found["seq"], length)
        held.parts[offset] = max(part, held.parts.get(offset, b""), key=len)
        held.last_offset = offset
        return [*begun, *self._close_if_whole()]

    def _close_if_whole(self) -> list[Joined]:
        held = self._open
        assert held is not None
        body = held.body()
        if not body.is_whole:
            return []
        self._open, self._last_whole = None, held
        return [Joined((held.header + b";" + body.raw).split(b"\n"))]


def has_fragments(text: bytes) -> bool:
    """Whether there may be a fragment in a text."""
    return b",ncfrag=" in text
