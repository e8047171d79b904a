# SPDX-License-Identifier: GPL-2.0-or-later
"""Recognise whole lines that kernels print in crash reports.

`klogd_py.oops.crash_signatures` has the forms of headers, `klogd_py.oops.crash_patterns` those of
all other lines, and says why only whole lines prove anything.
"""

import re

from msgspec import Struct

from klogd_py.oops import print_sites
from klogd_py.oops.crash_patterns import (
    ADDRESS_LINE,
    END_MARKER,
    EVIDENCE_LINE,
    KERNEL_OFFSET,
    REGISTER_ROW,
    USER_FIRST,
)
from klogd_py.oops.crash_signatures import (
    OOPS_HEADER,
    WARNING_HEADER,
    Signature,
    signature_of,
)

# No kernel prints a longer record; a longer one proves nothing
MAX_CHARS = 4096


class NameSpan(Struct, frozen=True, gc=False):
    """The half-open span [start, end) of a process name in a text."""

    start: int
    end: int


_FORMS = (ADDRESS_LINE, EVIDENCE_LINE, OOPS_HEADER, WARNING_HEADER, KERNEL_OFFSET, END_MARKER)


def match_address_line(text: str) -> re.Match[str] | None:
    """Match the whole text with the forms of lines with code addresses.

    A line feed can be in it only as part of a process name.
    """
    return None if len(text) > MAX_CHARS else ADDRESS_LINE.fullmatch(text)


def process_name_span(found: re.Match[str]) -> NameSpan | None:
    """Where the process name is in a matched text; ``None`` if there is none."""
    for group, value in found.groupdict().items():
        if value is not None and group.startswith("comm"):
            return NameSpan(*found.span(group))
    return None


def find_signature(text: str) -> Signature | None:
    """Return the signature of a text that is the header of a crash report; ``None`` for others."""
    if len(text) > MAX_CHARS or USER_FIRST.search(text):
        return None
    found = OOPS_HEADER.fullmatch(text) or WARNING_HEADER.fullmatch(text)
    return signature_of(found) if found is not None else None


def is_kernel_offset(text: str) -> bool:
    """Whether a text is the line in which a panic states the KASLR offset."""
    return _is_whole(text, KERNEL_OFFSET)


def is_end_marker(text: str) -> bool:
    """Whether a text is the end marker of a crash report."""
    return _is_whole(text, END_MARKER)


def kernel_lines(text: str) -> list[str]:
    """The lines of a text, if all of it is what kernels print in a crash report; else none.

    One form is one line, without the process name in it, which can hold an address or a line feed.
    Records of several lines consist of address lines and registers alone, which have no room for a
    user's string.
    """
    if len(text) > MAX_CHARS or USER_FIRST.search(text):
        return []
    for form in _FORMS:
        found = form.fullmatch(text)
        if found is not None:
            name = process_name_span(found)
            without_name = text if name is None else text[: name.start] + text[name.end :]
            return [without_name.replace("\n", " ")]
    lines = text.split("\n")
    if len(lines) > 1 and all(not line or is_address_or_registers(line) for line in lines):
        return lines
    return []


def has_process_name(text: str) -> bool:
    """Whether a text is a form in which the name of a process stands."""
    found = (form.fullmatch(text) for form in _FORMS)
    return any(match is not None and process_name_span(match) is not None for match in found)


def is_address_or_registers(line: str) -> bool:
    """Whether a line may be one of several in a record: an address line, or registers."""
    return any(form.fullmatch(line) is not None for form in (ADDRESS_LINE, REGISTER_ROW))


def is_print_site(text: str) -> bool:
    """Whether a text is one of the kernel's messages that name functions outside of traces."""
    if len(text) > MAX_CHARS or USER_FIRST.search(text):
        return False
    return print_sites.is_print_site(text)


def _is_whole(text: str, form: re.Pattern[str]) -> bool:
    if len(text) > MAX_CHARS or USER_FIRST.search(text):
        return False
    return form.fullmatch(text) is not None
