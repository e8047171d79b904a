# SPDX-License-Identifier: GPL-2.0-or-later
"""Match the prefixes that most lines have, at a fraction of the cost of the whole grammar.

``[ 1234.567890] `` alone, behind a level, or behind the head of a syslog line; and that head
without a stamp.
"""

import re

from klogd_py.line_prefix.grammar import SHOWN_BEFORE_END, SHOWN_ENDS, may_have_shown_tail
from klogd_py.line_prefix.pieces import FACILITIES, LEVEL_NAME

# The letter that follows the stamp of most lines cannot begin another piece, unless it is that of
# the word "kernel".
LETTER = r"(?= ?[A-Za-z])(?! ?(?:c\d|I\[))"
# Behind "kernel: " and without a stamp, these may begin another piece: a blank, a date, a level, a
# control, and what programs print that copy lines.
_NO_PIECE = (
    r"(?![ \t]|[^\n]{0,200}vmunix|(?:\S{1,20} {1,2}){1,4}\d\d:\d\d:\d\d|\S{1,16} \d{4}-\d\d-\d\d "
    r"|[a-z0-7]{3,8} {0,8}:[a-z]"
    rf"|(?:\S{{1,128}} )?[<\[]?(?:{'|'.join(FACILITIES)})[. ]"
    r"|[VDIWEF][/(]|ESC|section_|[A-Za-z]{2,3}[|(]|[\w.-]{1,64} {0,16}(?:L\d|\|))"
)
_COMMON = (
    r"(?:<(?P<n>[0-7])>)?"
    r"(?:(?:(?P<bsd>[A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d)"
    r"|(?P<iso>\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,6})?(?:Z|[+-]\d\d:\d\d)))"
    rf" (?!{LEVEL_NAME})(?P<host>[\w.:%-]{{1,64}}) kernel: )?"
    r"(?:\[ *(?P<s>\d{1,10})\.(?P<us>\d{6})\](?: ?\[ *(?P<caller>[TC]\d{1,10})\])? "
    rf"|(?(host){_NO_PIECE}|(?!)))" + LETTER
)
_PREFIX = re.compile(_COMMON)
# No line ends as one with a tail may do
_NO_TAIL = rf"(?<![{re.escape(''.join(SHOWN_BEFORE_END))}][{re.escape(''.join(SHOWN_ENDS))}])"
_NO_GROUPS = re.sub(r"[(][?]P<(?!host>)[a-z]+>", "(?:", _COMMON)
_BODIES = re.compile(
    rf"^(?:{_NO_GROUPS} ?(([A-Za-z]{{1,20}})[^\n]*){_NO_TAIL}|[^\n]*)$", re.MULTILINE
)


def match_prefix(line: str) -> re.Match[str] | None:
    """Match a line with a common prefix, and nothing but the text behind it.

    The groups are ``n``, ``bsd`` or ``iso``, ``host``, ``s``, ``us`` and ``caller``; ``None`` for
    a line that the whole grammar must read.
    """
    found = _PREFIX.match(line)
    if (
        found is None
        or line.find("kernel", found.end()) >= 0
        or (line[-1] in SHOWN_ENDS and line[-2] in SHOWN_BEFORE_END and may_have_shown_tail(line))
        or not line.isprintable()
    ):
        return None
    return found


def split_bodies(lines: list[str]) -> list[tuple[str, str]]:
    """Return the text of each line from its first letter on, and its first word.

    ``("eth0: link up", "eth")``; two empty strings for a line for which `match_prefix` may be
    ``None``.
    """
    if not lines:
        return []
    return [
        ("", "") if not body.isprintable() or "kernel" in body else (body, word)
        for _host, body, word in _BODIES.findall("\n".join(lines))
    ]
