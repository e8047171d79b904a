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

from klogd_py.line_prefix.pieces import BY_NAME, OTHER_PROGRAM, PIECES, Piece
from klogd_py.record.lazy_pattern import lazy_pattern

# Unknown text before the first piece is no longer than this
MAX_UNKNOWN = 128
MAX_TAIL = 256
MAX_PIECES = 16
MAX_LABEL = 64
_COLOURS = rf"(?>(?:{BY_NAME['control'].pattern}){{0,8}})"
# A file name, a container, a host or a quotation mark, directly before a date
_LABELS = tuple(
    map(
        re.compile,
        (
            rf"\S{{1,128}}?[:-]{_COLOURS}\d{{1,8}}{_COLOURS}[:-] ?",
            r"[^\s:][^\t:\[\]<>|\x22]{1,64}\.\w{1,8}(?:\.\w{1,8})?:(?:\d{1,8}:)?",
            r"\S{1,64} {0,16}\| ?",
            # "job<TAB>step<TAB>", as gh run view --log writes it
            r"[^\t\n]{1,64}\t[^\t\n]{1,64}\t",
            r"[^\s\x22]{0,64}\x22",
            r"\S{1,128}?[:-] ?",
            r"[^\s\x1b]{1,64} ?",
        ),
    )
)
# The time of a program that copies a terminal or another text: that of a syslog daemon has no
# bracket, but a zone or a "T", and that of dmesg a comma and a zone.
_COPYING_TIME = re.compile(
    rf"(?:{BY_NAME['clock'].pattern}|{BY_NAME['elapsed'].pattern}"
    r"|\[\d{4}[-/]\d\d[^\]\n]{6,30}[\] ]{1,4}"
    r"|\d{4}-\d\d-\d\d \d\d:\d\d:\d\d(?:[.,]\d{1,9})? {1,2}"
    r"|\[?\d\d[./-]\d\d[./-]\d{4}[ T][\d:.,]{8,18}\]? {1,2}"
    r"|[A-Z][a-z]{2} \d\d, \d{4} @ [^,]{8,18},"
    # A field of a table
    r"|\d\d[./-](?:\d\d|[A-Z][a-z]{2})[./-]\d{4}[ T:][^,;\x22]{8,25}\x22?[,;]"
    r"|\d{4}-\d\d-\d\d[ T][^,;\x22]{8,25}(?:,\d{1,9}[^,;\x22]{0,6})?\x22?[,;])$"
)
# Behind such a time stands one word that ends as those of programs do, or the words of a program.
# Any other text may be the kernel's, which prints what users have chosen.
_LEVEL_WORD = "(?:TRACE|DEBUG|INFO|NOTICE|WARN|WARNING|ERROR|CRITICAL|FATAL)"
_COPYING_LABEL = re.compile(
    r"(?:[^\s\x22]{0,64}[:\])}>|] {0,2}"
    r"|VMMDev: Guest Log: |\[[RT]X\] - |[^\x00-\x7f\s]{1,12}|:\t \[Step \d{1,4}/\d{1,4}\] "
    rf"|{_LEVEL_WORD} {{1,4}}[\w.:]{{1,64}}\] |- [\w.]{{1,64}} - {_LEVEL_WORD} - "
    rf"|\[[^\]\s]{{1,32}}\] {_LEVEL_WORD} {{1,4}}[\w.$]{{1,64}} - "
    r"|(?:[^\s\x22]{1,64},)? ?\x22)(?=(?:<\d{1,4}>)?\[ {0,16}\d{1,10}\.\d{6}\])"
)
# The kernel prints the names of processes and files behind these.
_USER_STRING_FOLLOWS = re.compile(
    r"omm[:=]|[Pp]rocess |PID|pid|task|name|exe|=\\?\"|=\'|\w\[\d{1,10}\]: |"
    r"Product: |Manufacturer: |SerialNumber: |Direct-Access|(?:^| )[VDIWEF](?:/| {1,2}\S)"
)
_ONLY_CONTROLS = re.compile(rf"(?:{BY_NAME['control'].pattern})+")
_LEVEL_AND_STAMP = r"(?:<|&lt;)\d{1,4}(?:>|&gt;) ?\[ *\d{1,10}\.\d{6}\]"
# Terminals and serial lines leave these behind the text
_TAIL = re.compile(r"(?:[\r\x00\x08]|\x1b(?:\[[0-9;?]{0,16}[@-~]|[()][0-9A-B]|[=>78]))+$")
_TAIL_ENDS = frozenset("\r\x00\x08\x1b$>" + "".join(map(chr, range(0x40, 0x7F))))
# The same as other programs show it, and what web pages leave there
_TAGS = ("br", "br/", "br /", "/p", "/pre", "/code", "/div", "/span", "/li", "/td")
_SHOWN_TAIL = re.compile(
    rf"(?:{BY_NAME['control'].pattern}|{BY_NAME['shown_control'].pattern}|\^M\$?$"
    rf"|<(?:{'|'.join(_TAGS)})>$)+$"
)
# What a line with such a tail ends with: a mark, or a control with its bracket not far before
SHOWN_ENDS = frozenset("$>MmKJHhl")
# The last character but one
SHOWN_BEFORE_END = frozenset("0123456789;?[^M/rpevnid")
_SHOWN_MARKS = ("^M", "^M$", *(f"<{tag}>" for tag in _TAGS))
_MAX_SHOWN_CONTROL = 20
# A field of a table: CSV doubles the quotation marks within it.
_FIELD_END = re.compile(r"(?:[^\x22]|\x22\x22)*(?P<end>\x22)(?=[,;\t]|$)")


class TextSpan(Struct, frozen=True, gc=False):
    """The half-open span [start, end) of the kernel's own text in a line.

    The pieces before it begin at ``first_piece``. Between two of them may be the label of the
    program that wrote the line.
    """

    first_piece: int
    start: int
    end: int
    label_start: int = -1
    label_end: int = -1


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
        first = at = 0
        label_start = label_end = -1
        found = self.whole.match(line)
        start = found.end() if found is not None else 0
        if not start or (line[0] == "\x1b" and _ONLY_CONTROLS.fullmatch(line, 0, start)):
            first = self._first_behind_unknown(line, start)
            start = first or start
            if first and (found := self.run.match(line, first)) is not None:
                start = found.end()
        if (
            start
            and line.find("[", start + 1, start + MAX_LABEL) > 0
            and (at := _behind_label(line, first, start))
            and (found := self.run.match(line, at)) is not None
        ):
            label_start, label_end, start = start, at, found.end()
        end = len(line)
        if line[-1:] in _TAIL_ENDS and (
            found := _TAIL.search(line, max(start, end - MAX_TAIL)) or _shown_tail(line, start)
        ):
            end = found.start()
        if (first or at) and '"' in (line[first - 1 : first], line[at - 1 : at]):
            found = _FIELD_END.match(line, start, end)
            end = end if found is None else found.start("end")
        return TextSpan(first, start, end, label_start, label_end)

    def _first_behind_unknown(self, line: str, begin: int) -> int:
        """Where the first piece behind unknown text begins; 0 if there is none."""
        labels = (label.match(line, begin) for label in _LABELS)
        ends = (label.end() for label in labels if label is not None)
        at = next((end for end in ends if self.first.match(line, end)), 0)
        if not at:
            at = line.find("[", begin + 1, begin + MAX_UNKNOWN)
            while at >= 0 and not self.first_bracket.match(line, at):
                at = line.find("[", at + 1, begin + MAX_UNKNOWN)
        return 0 if at < 0 or _USER_STRING_FOLLOWS.search(line, 0, at) else at


def may_have_shown_tail(line: str) -> bool:
    """Whether a line that has one of SHOWN_ENDS as its last character may have such a tail."""
    is_control = line.rfind("[", max(0, len(line) - _MAX_SHOWN_CONTROL)) >= 0
    return is_control or line.endswith(_SHOWN_MARKS)


def _shown_tail(line: str, start: int) -> re.Match[str] | None:
    """What other programs leave behind the text, beginning where it does."""
    if line[-1] not in SHOWN_ENDS or not may_have_shown_tail(line):
        return None
    return _SHOWN_TAIL.search(line, max(start, len(line) - MAX_TAIL))


def _behind_label(line: str, first: int, start: int) -> int:
    """Where the kernel's stamp begins behind the label of a program that copies text; 0 if none.

    ``[10:41:07.123] Guest: [   12.345678] eth0: up``: the label is ``Guest: ``.
    """
    found = _COPYING_LABEL.match(line, start)
    if (
        found is None
        or not _COPYING_TIME.match(line[first:start].lstrip())
        or OTHER_PROGRAM.match(line, start)
    ):
        return 0
    return 0 if _USER_STRING_FOLLOWS.search(line, start, found.end()) else found.end()


def grammar_of(names: Collection[str]) -> Grammar:
    """Return the grammar of the pieces with these names."""
    known = [piece for piece in PIECES if piece.name in names]
    control = f"{BY_NAME['control'].pattern}|{BY_NAME['shown_control'].pattern}"
    skipped = _any_of(piece for piece in known if not piece.ends_prefix)
    ending = _any_of(piece for piece in known if piece.ends_prefix and not piece.only_first)
    first = _any_of(piece for piece in known if piece.only_first)
    run = rf"(?:(?>(?:{skipped}|[ \t]{{1,80}}){{0,16}})(?:{ending})(?:{control}){{0,8}})"
    run += f"{{0,{MAX_PIECES}}}"
    head = rf"(?>(?:{control}){{0,64}})(?>(?:(?:{first})(?:{control}){{0,8}}){{0,8}})"
    may_follow = [piece for piece in known if piece.is_first]
    brackets = [piece for piece in may_follow if piece.pattern.startswith(r"\[")]
    return Grammar(
        lazy_pattern(head + run),
        lazy_pattern(run),
        lazy_pattern(rf"(?:{control}){{0,8}}(?:{_any_of(may_follow)}|{_LEVEL_AND_STAMP})"),
        lazy_pattern(_any_of(brackets)),
    )


def _any_of(pieces: Iterable[Piece]) -> str:
    """Match any of some pieces; nothing if there is none."""
    # The groups have names for the reader of values; here they only cost time.
    patterns = [re.sub(r"\(\?P<\w+>", "(?:", piece.pattern) for piece in pieces]
    return "|".join(patterns) or r"(?!)"


ANY_PREFIX = grammar_of(BY_NAME)
