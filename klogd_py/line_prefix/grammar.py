# SPDX-License-Identifier: GPL-2.0-or-later
"""Find where the kernel's own text begins and ends in a line of a capture.

A prefix is one unbroken run of the pieces of `klogd_py.line_prefix.pieces` at the head of the line.
A stamp behind other text is text: a process can be named ``[    1.0] RIP: ...``. Only before the
first piece may unknown text stand, such as the prompt of a shell, and only so far as no process can
have chosen it.
"""

import re
from collections.abc import Collection, Iterable

from msgspec import Struct

from klogd_py.line_prefix.pieces import BY_NAME, PIECES, Piece

# Unknown text before the first piece is no longer than this
MAX_UNKNOWN = 128
MAX_TAIL = 256
MAX_PIECES = 16
# A file name, a container or a host, directly before a date
_LABELS = tuple(
    map(
        re.compile,
        (
            r"\S{1,128}?[:-]\d{1,8}[:-] ?",
            r"\S{1,64} {0,16}\| ?",
            r"\S{1,128}?[:-] ?",
            r"[^\s\x1b]{1,64} ?",
        ),
    )
)
# The kernel prints the names of processes and files behind these.
_USER_STRING_FOLLOWS = re.compile(
    r"omm[:=]|[Pp]rocess |PID|pid|task|name|exe|=\\?\"|=\'|\w\[\d{1,10}\]: |"
    r"Product: |Manufacturer: |SerialNumber: |Direct-Access|(?:^| )[VDIWEF](?:/| {1,2}\S)"
)
# Terminals and serial lines leave these behind the text
_TAIL = re.compile(r"(?:[\r\x00\x08]|\x1b(?:\[[0-9;?]{0,16}[@-~]|[()][0-9A-B]|[=>78]))+$")
_TAIL_ENDS = frozenset("\r\x00\x08\x1b" + "".join(map(chr, range(0x40, 0x7F))))


class TextSpan(Struct, frozen=True, gc=False):
    """The half-open span [start, end) of the kernel's own text in a line.

    The pieces before it begin at ``first_piece``.
    """

    first_piece: int
    start: int
    end: int


class Grammar(Struct, frozen=True):
    """The prefixes that consist of some pieces.

    ``whole`` is a prefix at the head of a line, ``run`` one behind unknown text, where it begins
    with ``first``, or with ``first_bracket`` anywhere.
    """

    whole: re.Pattern[str]
    run: re.Pattern[str]
    first: re.Pattern[str]
    first_bracket: re.Pattern[str]

    def text_span(self, line: str) -> TextSpan:
        """Where the kernel's own text begins and ends: terminals leave bytes behind it, too."""
        first, end = 0, len(line)
        found = self.whole.match(line)
        start = found.end() if found is not None else 0
        if not start:
            first = start = self._first_behind_unknown(line)
            if first and (found := self.run.match(line, first)) is not None:
                start = found.end()
        if (
            line
            and line[-1] in _TAIL_ENDS
            and (found := _TAIL.search(line, max(start, end - MAX_TAIL))) is not None
        ):
            end = found.start()
        return TextSpan(first, start, end)

    def _first_behind_unknown(self, line: str) -> int:
        """Where the first piece behind unknown text begins; 0 if there is none."""
        labels = (label.match(line) for label in _LABELS)
        ends = (label.end() for label in labels if label is not None)
        at = next((end for end in ends if self.first.match(line, end)), 0)
        if not at:
            at = line.find("[", 1, MAX_UNKNOWN)
            while at >= 0 and not self.first_bracket.match(line, at):
                at = line.find("[", at + 1, MAX_UNKNOWN)
        return 0 if at < 0 or _USER_STRING_FOLLOWS.search(line, 0, at) else at


def grammar_of(names: Collection[str]) -> Grammar:
    """Return the grammar of the pieces with these names."""
    known = [piece for piece in PIECES if piece.name in names]
    control = BY_NAME["control"].pattern
    skipped = _any_of(piece for piece in known if not piece.ends_prefix)
    ending = _any_of(piece for piece in known if piece.ends_prefix and not piece.only_first)
    first = _any_of(piece for piece in known if piece.only_first)
    run = rf"(?:(?:{skipped}|[ \t]{{1,80}}){{0,16}}+(?:{ending})(?:{control}){{0,8}})"
    run += f"{{0,{MAX_PIECES}}}"
    head = rf"(?:{control}){{0,64}}+(?:(?:{first})(?:{control}){{0,8}}){{0,8}}+"
    may_follow = [piece for piece in known if piece.is_first]
    brackets = [piece for piece in may_follow if piece.pattern.startswith(r"\[")]
    return Grammar(
        re.compile(head + run),
        re.compile(run),
        re.compile(rf"(?:{control}){{0,8}}(?:{_any_of(may_follow)})"),
        re.compile(_any_of(brackets)),
    )


def _any_of(pieces: Iterable[Piece]) -> str:
    """Match any of some pieces; nothing if there is none."""
    # The groups have names for the reader of values; here they only cost time.
    patterns = [re.sub(r"\(\?P<\w+>", "(?:", piece.pattern) for piece in pieces]
    return "|".join(patterns) or r"(?!)"


ANY_PREFIX = grammar_of(BY_NAME)
