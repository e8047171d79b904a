# SPDX-License-Identifier: GPL-2.0-or-later
"""Write reports as one HTML page that needs nothing else: no script, no picture, no other file.

Everything that a log or a user may have chosen is escaped.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from datetime import tzinfo
from html import escape
from itertools import groupby

from klogd_py.record.quantity import quantity
from klogd_py.record.report import Confidence, Frame, Report, Stack
from klogd_py.reports.blame.demangle import readable_name
from klogd_py.reports.documents.facts import (
    Fact,
    describe_frame,
    describe_place,
    main_facts,
    more_facts,
)
from klogd_py.reports.documents.html_style import STYLE
from klogd_py.reports.documents.occurrences import Occurrences
from klogd_py.reports.documents.timeline import timeline

# Nothing is loaded from anywhere, and no script runs, even if an escape were forgotten.
_POLICY = "default-src 'none'; style-src 'unsafe-inline'"
# The byte at the program counter, in the code bytes
_AT_COUNTER = re.compile(r"[<(][0-9a-f]{2,8}[>)]")


def html_page(
    reports: Sequence[tuple[Report, Occurrences]], zone: tzinfo | None, version: str
) -> str:
    """Return the page of one report or several, each with the occurrences of its issue."""
    head = reports[0][0].title if len(reports) == 1 else quantity(len(reports), "crash", "crashes")
    parts = [
        f'<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">\n'
        f'<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{_clean(head)}</title>\n<style>\n{STYLE}</style>\n</head>\n<body>\n"
    ]
    if len(reports) > 1:
        parts.append(_contents(report for report, _ in reports))
    parts += [
        _article(f"report-{number}", report, occurrences, zone)
        for number, (report, occurrences) in enumerate(reports, 1)
    ]
    parts.append(f"<footer>Written by klogd-py {_clean(version)}</footer>\n</body>\n</html>\n")
    return "".join(parts)


def _contents(reports: Iterable[Report]) -> str:
    items = "".join(
        f'<li><a href="#report-{number}">{_clean(report.title)}</a></li>'
        for number, report in enumerate(reports, 1)
    )
    return f"<nav><ol>{items}</ol></nav>\n"


def _article(name: str, report: Report, occurrences: Occurrences, zone: tzinfo | None) -> str:
    severity = report.severity.value
    chips = f'<span class="severity {severity}">{severity}</span>'
    chips += '<span class="severity fatal">panic</span>' if report.panicked else ""
    if report.confidence is Confidence.LOW:
        chips += '<span class="severity low">low confidence</span>'
    facts = [fact for fact in main_facts(report, occurrences, zone) if fact.label != "where"]
    parts = [
        f'<article id="{name}">\n<h1>{_clean(report.title)}</h1>\n'
        f'<p class="where">{_clean(describe_place(report))}</p>\n{chips}\n',
        _facts(facts),
        timeline(occurrences, zone),
        *(_stack(stack, report.function) for stack in report.stacks),
        _code(report.code),
        f"<h2>Details</h2>\n{_facts(more_facts(report, occurrences))}",
        _lines("Before the crash", report.context_before, is_open=False),
        _lines("Lines of the kernel", report.text, is_open=not report.stacks),
        "</article>\n",
    ]
    return "".join(parts)


def _facts(facts: Iterable[Fact]) -> str:
    rows = "".join(f"<dt>{_clean(fact.label)}</dt><dd>{_clean(fact.text)}</dd>\n" for fact in facts)
    return f"<dl>\n{rows}</dl>\n"


def _stack(stack: Stack, blamed: str) -> str:
    """Return a stack in which runs of noise are folded."""
    items = []
    for is_noise, run in groupby(_marked(stack.frames, blamed), lambda one: one[1] == "noise"):
        frames = list(run)
        rows = "".join(_frame(frame, kind) for frame, kind in frames)
        if is_noise:
            names = quantity(len(frames), "frame")
            text = f"{names} of helpers, never to blame"
            rows = f"<li><details><summary>{text}</summary><ol>{rows}</ol></details></li>\n"
        items.append(rows)
    return f'<h2>{_clean(stack.label)}</h2>\n<ol class="stack">\n{"".join(items)}</ol>\n'


def _marked(frames: Iterable[Frame], blamed: str) -> Iterator[tuple[Frame, str]]:
    """Yield each frame with its class; the first reliable one of the blamed function has its
    own.
    """
    is_marked = False
    for frame in frames:
        if not is_marked and frame.reliable and readable_name(frame.function) == blamed:
            is_marked = True
            yield frame, "blamed"
        elif frame.noise:
            yield frame, "noise"
        else:
            yield frame, "frame" if frame.reliable else "unreliable"


def _frame(frame: Frame, kind: str) -> str:
    text, _, source = describe_frame(frame).partition("  ")
    place = f'<span class="source">{_clean(source)}</span>' if source else ""
    return f'<li class="{kind}">{_clean(text)}{place}</li>\n'


def _code(code: str) -> str:
    if not code:
        return ""
    # Long lines are broken: the bytes are read one by one.
    shown = _clean(code)
    found = _AT_COUNTER.search(code)
    if found is not None:
        before, after = code[: found.start()], code[found.end() :]
        shown = f"{_clean(before)}<mark>{_clean(found[0])}</mark>{_clean(after)}"
    return f'<h2>Code at the program counter</h2>\n<pre class="code">{shown}</pre>\n'


def _lines(title: str, lines: Sequence[str], *, is_open: bool) -> str:
    if not lines:
        return ""
    text = "\n".join(map(_clean, lines))
    return (
        f"<details{' open' if is_open else ''}><summary>{title} ({len(lines)})</summary>"
        f"<pre>{text}</pre></details>\n"
    )


def _clean(text: str) -> str:
    """Return text for HTML, with escapes for characters that cannot be shown."""
    shown = (char if char.isprintable() or char == "\t" else f"\\x{ord(char):02x}" for char in text)
    return escape("".join(shown))
