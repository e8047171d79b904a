# SPDX-License-Identifier: GPL-2.0-or-later
"""Find the lines of a text that may hold a code address, so that all others pass as text.

Many lines have a number that looks like an address: ``pci 0000:00:1f.3: [mem
0xfed00000-0xfed003ff] reserved``. Each line whose shape does not show that it is harmless is
therefore read as the stages read it, which costs less than to carry a record through them.
"""

from collections.abc import Sequence
from itertools import accumulate

from msgspec import Struct

from klogd_py.line_prefix.reader import PrefixReader
from klogd_py.line_prefix.terminal import ESCAPE
from klogd_py.oops.address_scanner import find
from klogd_py.pipeline.line_shapes import ESCAPED_BRACKETS, LineShapes
from klogd_py.sources.object_lines import may_be_object

# Lines that are closer together are handled together
_MAX_GAP_BYTES = 512


class Span(Struct, frozen=True, gc=False):
    """Whole lines of a text: the bytes [start, end)."""

    start: int
    end: int


class Suspects(Struct, frozen=True):
    """The suspect lines of a text, in order, those that are close to each other as one span.

    ``may_have_marker``: the marker of a crash report or of another boot may be in the text, too.
    """

    spans: Sequence[Span]
    may_have_marker: bool


class SuspectLines:
    """Finds suspect lines in the pieces of one text. Mutable: the shapes of lines."""

    def __init__(self, *, resymbolize: bool) -> None:
        """``resymbolize`` is that of the format options."""
        # Not that of the text, since it reads the lines in order.
        self._reader = PrefixReader()
        self._shapes = LineShapes()
        self._resymbolize = resymbolize

    def find(self, text: bytes) -> Suspects:
        """Search whole lines.

        In a line outside of the spans, as it is written, `klogd_py.oops.address_scanner.find` finds
        nothing.
        """
        found = self._shapes.find(text)
        if not found.address_lines:
            return Suspects((), found.has_other_marker)
        lines = text.decode("latin-1").split("\n")
        suspects = [at for at in found.address_lines if self._may_have_address(lines[at])]
        return Suspects(_spans(lines, suspects) if suspects else (), found.has_other_marker)

    def _may_have_address(self, line: str) -> bool:
        # Such lines are read in another way, so what they mean is not known here.
        if ESCAPE in line or may_be_object(line):
            return True
        if any(bracket in line for bracket in ESCAPED_BRACKETS):
            return True
        return bool(find(self._reader.read_text(line), self._resymbolize))


def _spans(lines: Sequence[str], chosen: Sequence[int]) -> list[Span]:
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
