# SPDX-License-Identifier: GPL-2.0-or-later
"""Recognise whole lines that kernels print in crash reports.

`klogd_py.oops.crash_patterns` has the forms, and says why only whole lines prove anything.
"""

import re

from klogd_py.oops.crash_patterns import (
    ADDRESS_LINE,
    ADDRESS_OR_REGISTERS,
    END_MARKER,
    EVIDENCE_LINE,
    KERNEL_OFFSET,
    OOPS_HEADER,
    USER_FIRST,
    WARNING_HEADER,
)

# No kernel prints a longer record; a longer one proves nothing
MAX_CHARS = 4096

_FORMS = (ADDRESS_LINE, EVIDENCE_LINE, OOPS_HEADER, WARNING_HEADER, KERNEL_OFFSET, END_MARKER)


def match_address_line(text: str, start: int = 0) -> re.Match[str] | None:
    """Match the whole text with the forms of lines with code addresses; ``start`` skips an
    envelope.

    A line feed can be in it only as part of a process name.
    """
    return None if len(text) > MAX_CHARS else ADDRESS_LINE.fullmatch(text, start)


def process_name_span(found: re.Match[str]) -> tuple[int, int]:
    """The span of the process name in a matched text; (-1, -1) if there is none."""
    spans = (found.span(name) for name, value in found.groupdict().items() if value is not None)
    return next(spans, (-1, -1))


def is_oops_header(text: str, start: int = 0) -> bool:
    """Whether a text is the header of an oops, a panic or another fatal report."""
    return _is_whole(text, start, (OOPS_HEADER,))


def is_report_header(text: str, start: int = 0) -> bool:
    """Whether a text is the header of any crash report, a warning's among them."""
    return _is_whole(text, start, (OOPS_HEADER, WARNING_HEADER))


def is_kernel_offset(text: str, start: int = 0) -> bool:
    """Whether a text is the line in which a panic states the KASLR offset."""
    return _is_whole(text, start, (KERNEL_OFFSET,))


def is_end_marker(text: str, start: int = 0) -> bool:
    """Whether a text is the end marker of a crash report."""
    return _is_whole(text, start, (END_MARKER,))


def kernel_lines(text: str, start: int = 0) -> list[str]:
    """The lines of a text, if all of it is what kernels print in a crash report; else none.

    One form is one line, without the process name in it, which can hold an address or a line feed.
    Records of several lines consist of address lines and registers alone, which have no room for a
    user's string.
    """
    if len(text) > MAX_CHARS or USER_FIRST.search(text, start):
        return []
    for form in _FORMS:
        found = form.fullmatch(text, start)
        if found is not None:
            name_start, name_end = process_name_span(found)
            without_name = text[:name_start] + text[name_end:] if name_start >= 0 else text
            return [without_name.replace("\n", " ")]
    lines = text.split("\n")
    if len(lines) > 1 and all(not line or is_address_or_registers(line) for line in lines):
        return lines
    return []


def is_address_or_registers(line: str) -> bool:
    """Whether a line may be one of several in a record: an address line, or registers."""
    return ADDRESS_OR_REGISTERS.fullmatch(line) is not None


def _is_whole(text: str, start: int, forms: tuple[re.Pattern[str], ...]) -> bool:
    if len(text) > MAX_CHARS or USER_FIRST.search(text, start):
        return False
    return any(form.fullmatch(text, start) is not None for form in forms)
