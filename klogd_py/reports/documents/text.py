# SPDX-License-Identifier: GPL-2.0-or-later
r"""Write a report as text for people, no wider than a terminal where the facts allow it.

Title and place come first, then the facts, the stacks, and the lines of the kernel. Each line has a
look, which a terminal shows in colours. Characters that control a terminal become ``\x1b``.
"""

import textwrap
from collections.abc import Iterator, Sequence
from datetime import tzinfo
from enum import Enum

from msgspec import Struct

from klogd_py.record.report import Frame, Report, Stack
from klogd_py.reports.blame.demangle import readable_name
from klogd_py.reports.documents.facts import Fact, describe_frame, main_facts, more_facts
from klogd_py.reports.documents.occurrences import Occurrences

WIDTH = 80
_LABEL = 12


class Look(Enum):
    """How a line is to look."""

    PLAIN = "plain"
    TITLE = "title"
    HEADING = "heading"
    # What a reader may pass over
    NOISE = "noise"
    # The frame of the function to blame
    BLAMED = "blamed"


class TextLine(Struct, frozen=True, gc=False):
    """A line without its line feed, and how it is to look."""

    text: str
    look: Look = Look.PLAIN


def text_lines(report: Report, occurrences: Occurrences, zone: tzinfo | None) -> list[TextLine]:
    """Return the text of a report; times are in ``zone``, or in that of this machine."""
    lines = [TextLine(report.title, Look.TITLE), TextLine("")]
    lines += _fact_lines(main_facts(report, occurrences, zone))
    lines.append(TextLine(""))
    lines += _fact_lines(more_facts(report, occurrences))
    for stack in report.stacks:
        lines += [TextLine(""), *_stack_lines(stack, report.function)]
    for heading, texts in (("Before", report.context_before), ("Text", report.text)):
        if texts:
            lines += [TextLine(""), TextLine(heading, Look.HEADING)]
            lines += [TextLine(f"  {text}") for text in texts]
    return [TextLine(_escape(line.text), line.look) for line in lines]


def plain_text(report: Report, occurrences: Occurrences, zone: tzinfo | None) -> str:
    """Return the text without looks."""
    return "".join(f"{line.text}\n" for line in text_lines(report, occurrences, zone))


def _fact_lines(facts: Sequence[Fact]) -> Iterator[TextLine]:
    before = ""
    for fact in facts:
        label = "" if fact.label == before else fact.label
        before = fact.label
        wrapped = textwrap.wrap(
            fact.text, WIDTH - _LABEL, break_long_words=False, break_on_hyphens=False
        )
        for text in wrapped:
            yield TextLine(f"{label:{_LABEL}}{text}")
            label = ""


def _stack_lines(stack: Stack, blamed: str) -> Iterator[TextLine]:
    yield TextLine(stack.label, Look.HEADING)
    is_marked = False
    for frame in stack.frames:
        is_blamed = not is_marked and frame.reliable and readable_name(frame.function) == blamed
        is_marked |= is_blamed
        yield TextLine(
            f"{'> ' if is_blamed else '  '}{describe_frame(frame)}", _look(frame, is_blamed)
        )


def _look(frame: Frame, is_blamed: bool) -> Look:
    if is_blamed:
        return Look.BLAMED
    return Look.NOISE if frame.noise or not frame.reliable else Look.PLAIN


def _escape(text: str) -> str:
    # A tab is printed as it is by every terminal.
    return "".join(
        char if char.isprintable() or char == "\t" else f"\\x{ord(char):02x}" for char in text
    )
