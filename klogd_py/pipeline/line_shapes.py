# SPDX-License-Identifier: GPL-2.0-or-later
"""Remember what the lines of a text look like, so that lines of known shapes are not searched.

The shape of a line is the line with ``0`` for each digit up to 7, and ``8`` for 8 and 9, which no
expression here tells apart. Most lines of a log differ in numbers alone, so few shapes are new, and
only those are searched for the markers of addresses, crash reports and boots.
"""

import re
from collections.abc import Iterable, Mapping

from msgspec import Struct

from klogd_py.line_prefix.common_prefix import split_bodies
from klogd_py.oops.address_scanner import ADDRESS_MARKERS, ANYWHERE_MARKERS, HEADS
from klogd_py.oops.boot_boundary import BEGINNING_MARKERS
from klogd_py.oops.crash_signatures import CRASH_MARKERS
from klogd_py.oops.marker_search import MarkerSearch
from klogd_py.oops.print_sites import BEGINNING_CHARS, PRINT_SITES, PrintSite, beginnings_of

_TO_SHAPE = bytes.maketrans(b"0123456789", b"0000000088")
# "[\u003cffffffff81234570\u003e]" in the JSON of programs in Go
ESCAPED_BRACKETS = ("\\u003c", "\\u003C")


def _shape_of(text: str) -> str:
    return text.encode().translate(_TO_SHAPE).decode()


_ADDRESSES = MarkerSearch(map(_shape_of, (*ADDRESS_MARKERS, *ESCAPED_BRACKETS)))
_OTHERS = MarkerSearch((*CRASH_MARKERS, *BEGINNING_MARKERS))
# "6,339,5140900,-;text", behind a line feed
_RAW_SHAPE = re.compile(rb"\n[08]+,[08]+,[08]+,")
# A form that may stand anywhere in a line, or a string of JSON
_ANYWHERE = (*ANYWHERE_MARKERS, '"', *map(_shape_of, ESCAPED_BRACKETS))
_MAX_KNOWN_BYTES = 1 << 20


def _words_by_beginning(sites: Iterable[PrintSite]) -> Mapping[str, frozenset[str]]:
    """Return, by how messages outside of traces begin, one word of each."""
    words: dict[str, frozenset[str]] = {}
    for site in sites:
        for beginning in map(_shape_of, beginnings_of(site)):
            words[beginning] = words.get(beginning, frozenset()) | {_shape_of(site.word)}
    return words


_NO_WORDS = frozenset[str]()
_WORDS = _words_by_beginning(site for site in PRINT_SITES if not site.has_device)
# Behind the name of a device
_DEVICE_WORDS = _words_by_beginning(site for site in PRINT_SITES if site.has_device)


class Found(Struct, frozen=True):
    """What was found in a text: which lines may hold an address, and whether any may hold another
    marker.
    """

    address_lines: list[int]
    has_other_marker: bool


class LineShapes:
    """The shapes of the lines of one text. Mutable."""

    def __init__(self) -> None:
        self._plain: set[bytes] = set()
        self._with_address: set[bytes] = set()
        self._with_other: set[bytes] = set()
        # Of all these
        self.known_bytes = 0

    def find(self, text: bytes) -> Found:
        """Search whole lines."""
        lines = text.translate(_TO_SHAPE).split(b"\n")
        shapes = set(lines)
        new = shapes - self._plain - self._with_address - self._with_other
        if new:
            self._add(list(new))
        address_lines = []
        if not shapes.isdisjoint(self._with_address):
            address_lines = [at for at, line in enumerate(lines) if line in self._with_address]
        found = Found(address_lines, not shapes.isdisjoint(self._with_other))
        if self.known_bytes > _MAX_KNOWN_BYTES:
            self._forget()
        return found

    def _forget(self) -> None:
        for known in (self._plain, self._with_address, self._with_other):
            known.clear()
        self.known_bytes = 0

    def _add(self, shapes: list[bytes]) -> None:
        together = b"\n" + b"\n".join(shapes)
        with_address = {shapes[at] for at in _having_any(shapes, _ADDRESSES.among(together))}
        self._with_address |= _not_harmless(list(with_address))
        others = _OTHERS.among(together)
        self._with_other |= {shapes[at] for at in _having_any(shapes, others)}
        if _RAW_SHAPE.search(together):
            self._with_other |= {shape for shape in shapes if _RAW_SHAPE.match(b"\n" + shape)}
        self._plain |= set(shapes) - self._with_address - self._with_other
        self.known_bytes += len(together)


def _having_any(lines: list[bytes], markers: list[str]) -> list[int]:
    """Return where the lines with any of some markers are, in no order."""
    encoded = [marker.encode() for marker in markers]
    return [at for marker in encoded for at, line in enumerate(lines) if marker in line]


def _not_harmless(shapes: list[bytes]) -> set[bytes]:
    """Return the shapes of lines that may have an address, as far as a quick look tells.

    Neither the first word of a harmless line nor what it begins with is that of a form of the
    kernel, and no form is possible anywhere in it.
    """
    lines = [shape.decode("latin-1") for shape in shapes]
    everything = "\n".join(lines)
    markers = [marker for marker in _ANYWHERE if marker in everything]
    suspects = {shapes[at] for at in _having_any(shapes, markers)}
    for shape, (body, word) in zip(shapes, split_bodies(lines), strict=True):
        behind = body.find(": ") + len(": ")
        words = _WORDS.get(body[:BEGINNING_CHARS], _NO_WORDS)
        device_words = _DEVICE_WORDS.get(body[behind : behind + BEGINNING_CHARS], _NO_WORDS)
        if not body or word in HEADS or any(one in body for one in words | device_words):
            suspects.add(shape)
    return suspects
