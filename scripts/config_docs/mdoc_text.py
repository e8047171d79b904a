# SPDX-License-Identifier: GPL-2.0-or-later
"""Turn the text of a description into lines of mdoc: one sentence per line, marks as macros.

Source of truth: mdoc(7) of mandoc.
"""

import re
import textwrap
from collections.abc import Iterator

from scripts.config_docs.values import LINE_WIDTH

# The end of a sentence, with what may stand in front of the next one
_SENTENCE_END = re.compile(r'(?<=[.!?]) +(?=[("`$]*[A-Z0-9/]|klogd-py |journald )')
_MARK = re.compile(
    r"""
    ``(?P<Ql>.+?)``
    | `(?P<Ic>.+?)`
    | "(?P<Qq>[^"]+)"
    | (?P<Xr>[\w.-]+\([1-9]\))
    | (?<![\w.])(?P<Pa>/[\w.{}/-]*[\w}])
    | \b(?P<Pa2>[\w-]+\.conf)\b
    | (?<!\S)--(?P<Fl>[a-z][a-z-]+)
    | \b(?P<Dv>(?:CAP_|SIG)[A-Z_]+)\b
    | \$(?P<Ev>[A-Z_]+)
    """,
    re.VERBOSE,
)
_CLOSING = re.compile(r"[.,:;?!)]*(?= |$)")
# A value with a name for a part that differs: unix:PATH
_PLACEHOLDER = re.compile(r"(.+:)([A-Z]+)")
# What mdoc would take for a macro or for punctuation
_SPECIAL = re.compile(r"%?[A-Z][a-z0-9]{1,2}|[.,:;()\[\]?!|]+")


def sentences(text: str) -> Iterator[str]:
    """Yield the lines of mdoc for a paragraph.

    Raises:
        ValueError: a mark touches a word, which mdoc would set apart.
    """
    for sentence in _SENTENCE_END.split(text):
        yield from _sentence_lines(sentence)


def _sentence_lines(sentence: str) -> Iterator[str]:
    rest = sentence
    while mark := _MARK.search(rest):
        before, opening = rest[: mark.start()], ""
        if before.endswith("("):
            before, opening = before[:-1], "( "
        closing = _CLOSING.match(rest, mark.end())
        if closing is None or not (before == "" or before.endswith(" ")):
            raise ValueError(f"the mark {mark[0]!r} touches a word in {sentence!r}")
        yield from _text_lines(before)
        yield f".{_macro(mark, opening)}{''.join(f' {sign}' for sign in closing[0])}"
        rest = rest[closing.end() :].lstrip()
    yield from _text_lines(rest)


def _macro(mark: re.Match[str], opening: str) -> str:
    kind = str(mark.lastgroup)
    content = mark[kind]
    if kind == "Xr":
        page, section = content[:-1].split("(")
        return f"Xr {opening}{page} {section}"
    if kind == "Fl":
        return f"Fl {opening}Fl {content}"
    return f"{kind[:2]} {opening}{argument(content)}"


def argument(content: str) -> str:
    """Return a value as arguments of a macro; ``unix:PATH`` as ``unix: Ns Ar path``."""
    if found := _PLACEHOLDER.fullmatch(content):
        return f"{_escape(found[1])} Ns Ar {found[2].lower()}"
    return " ".join(
        rf"\&{word}" if _SPECIAL.fullmatch(word) else _escape(word) for word in content.split()
    )


def literal(line: str) -> str:
    """Return a line of a display, which must not be taken for a request."""
    text = line.replace("\\", r"\e")
    return rf"\&{text}" if text.startswith((".", "'")) else text


def _text_lines(text: str) -> Iterator[str]:
    yield from map(literal, textwrap.wrap(text, LINE_WIDTH, break_on_hyphens=False))


def _escape(text: str) -> str:
    return text.replace("\\", r"\e").replace('"', r"\(dq")
