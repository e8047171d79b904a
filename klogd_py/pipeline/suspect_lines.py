# SPDX-License-Identifier: GPL-2.0-or-later
"""Find the lines of a text that may hold a code address, so that all others pass as text.

Many lines have a number that looks like an address: ``pci 0000:00:1f.3: [mem
0xfed00000-0xfed003ff] reserved``. Each line with a marker is therefore read as the stages read it,
which costs less than to carry a record through them.
"""

from itertools import accumulate

from msgspec import Struct

from klogd_py.line_prefix.common_prefix import split_bodies
from klogd_py.line_prefix.reader import PrefixReader
from klogd_py.line_prefix.terminal import ESCAPE
from klogd_py.oops.address_scanner import ADDRESS_MARKERS, ANYWHERE_MARKERS, HEADS, find
from klogd_py.oops.marker_search import MarkerSearch
from klogd_py.oops.print_sites import (
    BEGINNING_CHARS,
    BEGINNINGS,
    DEVICE_BEGINNINGS,
    may_be_message,
)
from klogd_py.sources.object_lines import may_be_object

_ADDRESSES = MarkerSearch(ADDRESS_MARKERS)
# "[\u003cffffffff81234570\u003e]" in the JSON of programs in Go
_ESCAPED_BRACKETS = MarkerSearch(("\\u003c", "\\u003C"))
# Lines that are closer together are handled together
_MAX_GAP_BYTES = 512


class Span(Struct, frozen=True, gc=False):
    """Whole lines of a text: the bytes [start, end)."""

    start: int
    end: int


class SuspectLines:
    """Finds suspect lines in the pieces of one text."""

    def __init__(self, *, resymbolize: bool) -> None:
        """``resymbolize`` is that of the format options."""
        # Not that of the text, since it reads the lines in order.
        self._reader = PrefixReader()
        self._resymbolize = resymbolize

    def find(self, text: bytes) -> list[Span]:
        """Return the spans of all suspect lines, in order, those that are close to each other as
        one.

        In a line outside of them `klogd_py.oops.address_scanner.find` finds nothing.
        """
        markers = _ADDRESSES.among(text)
        brackets = _ESCAPED_BRACKETS.among(text)
        if not markers and not brackets:
            return []
        lines = text.decode("latin-1").split("\n")
        suspects = set(_having_any(lines, brackets))
        marked = sorted(set(_having_any(lines, markers)))
        suspects |= {
            marked[at]
            for at in _not_harmless([lines[at] for at in marked])
            if self._may_have_address(lines[marked[at]])
        }
        return _spans(lines, sorted(suspects)) if suspects else []

    def _may_have_address(self, line: str) -> bool:
        # Such lines are read in another way, so what they mean is not known here.
        if ESCAPE in line or may_be_object(line):
            return True
        return bool(find(self._reader.read_text(line), self._resymbolize))


def _having_any(lines: list[str], markers: list[str]) -> list[int]:
    """Return where the lines with any of some markers are, in no order."""
    return [at for marker in markers for at, line in enumerate(lines) if marker in line]


def _not_harmless(lines: list[str]) -> set[int]:
    """Return which lines may have an address, as far as a quick look tells.

    Neither the first word of a harmless line nor what it begins with is that of a form of the
    kernel, and no form is possible anywhere in it.
    """
    everything = "\n".join(lines)
    markers = [marker for marker in ANYWHERE_MARKERS if marker in everything]
    return {
        at
        for at, (body, word) in enumerate(split_bodies(lines))
        if not body
        or word in HEADS
        or '"' in body
        or (
            (
                body[:BEGINNING_CHARS] in BEGINNINGS
                or body[(at_device := body.find(": ") + 2) : at_device + BEGINNING_CHARS]
                in DEVICE_BEGINNINGS
            )
            and may_be_message(body)
        )
    }.union(_having_any(lines, markers))


def _spans(lines: list[str], chosen: list[int]) -> list[Span]:
    """Return the spans of the chosen lines; each line but the last ends with a line feed."""
    starts = list(accumulate((len(line) + 1 for line in lines), initial=0))
    # Behind the last line there is no line feed.
    starts[-1] -= 1
    spans: list[Span] = []
    for at in chosen:
        start, end = starts[at], starts[at + 1]
        if spans and start - spans[-1].end < _MAX_GAP_BYTES:
            start = spans.pop().start
        spans.append(Span(start, end))
    return spans
