# SPDX-License-Identifier: GPL-2.0-or-later
r"""Join the fragments of records that extended netconsole has sent in several datagrams.

``6,416,1758426,-,ncfrag=0/33;the first chunk,`` and ``6,416,1758426,-,ncfrag=16/33;the 2nd
chunk.\n``: the offset and the length count bytes behind the semicolon. A release may stand before
the header. Where nobody wrote a line feed between two datagrams, both are in one line.

Source of truth: Documentation/networking/netconsole.rst; drivers/net/netconsole.c
``send_fragmented_body``.
"""

import re

from msgspec import Struct

_HEADER = re.compile(
    rb"(?:\d{1,3}\.\d{1,3}[\w.+~-]{0,64},)?"
    rb"(?P<start>\d{1,4},(?P<seq>\d{1,20}),\d{1,20},[^;\n]{0,200}?)"
    rb",ncfrag=(?P<offset>\d{1,7})/(?P<length>\d{1,7});"
)


class _Fragments(Struct):
    """What has come of one record. Mutable."""

    header: bytes
    seq: bytes
    length: int
    body: bytes = b""

    def has_room(self, count: int) -> bool:
        """Whether so many bytes may be part of it."""
        return len(self.body) + count <= self.length


class FragmentJoiner:
    """Joins fragments in the order of their offsets. Mutable: those of the last record."""

    def __init__(self) -> None:
        self._open: _Fragments | None = None

    def push(self, line: bytes) -> list[bytes]:
        """Take a line without its line feed; returns the records that are whole now.

        A record of which a fragment is missing comes out without its end: it has no line feed.
        """
        starts = list(_HEADER.finditer(line))
        whole: list[bytes] = []
        before = line[: starts[0].start()] if starts else line
        if before or not starts:
            if self._open is None or not self._open.has_room(1 + len(before)):
                return [*self.flush(), line + b"\n"]
            # A dictionary line
            whole += self._extend(b"\n" + before)
            if not starts:
                return whole
        ends = [found.start() for found in starts[1:]]
        for found, end in zip(starts, [*ends, len(line)], strict=True):
            whole += self._add(found, line[found.end() : end])
        return whole

    @property
    def is_open(self) -> bool:
        """Whether a record is not whole."""
        return self._open is not None

    def flush(self) -> list[bytes]:
        """Return what has come of an unfinished record."""
        held, self._open = self._open, None
        return [] if held is None else [held.header + b";" + held.body]

    def _add(self, found: re.Match[bytes], part: bytes) -> list[bytes]:
        offset, length = int(found["offset"]), int(found["length"])
        held = self._open
        begun: list[bytes] = []
        if held is None or held.seq != found["seq"] or held.length != length:
            begun = self.flush()
            held = self._open = _Fragments(found["start"], found["seq"], length)
        if offset == len(held.body) + 1:
            # The line feed was taken for the end of a line.
            part = b"\n" + part
        elif offset != len(held.body):
            return begun
        return [*begun, *self._extend(part)]

    def _extend(self, part: bytes) -> list[bytes]:
        """Add bytes to the open record; returns it if it is whole now."""
        held = self._open
        assert held is not None
        held.body += part
        # The last line feed ends the line, and has been removed.
        if len(held.body) + 1 < held.length:
            return []
        self._open = None
        return [held.header + b";" + held.body.removesuffix(b"\n") + b"\n"]


def has_fragments(text: bytes) -> bool:
    """Whether there may be a fragment in a text."""
    return b",ncfrag=" in text
