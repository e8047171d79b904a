# SPDX-License-Identifier: GPL-2.0-or-later
"""Name a crash in one line: ``KASAN: slab-use-after-free Read in nic_poll``.

A title has no address, number or name of a process in it, so that it is the same for each
occurrence. Its template belongs to the header; what a WARNING or a BUG is about is told by the file
that it is in.

Source of truth: the comments and messages of those files, as of Linux 6.12.
"""

import re

from msgspec import Struct

from klogd_py.record.crash_kind import CrashKind
from klogd_py.reports.blame.demangle import readable_name
from klogd_py.reports.detection.headers import FoundHeader, find_header
from klogd_py.reports.raw_report import RawReport

_FUNCTION = "{function}"
_IN_FUNCTION = " in {function}"
_MAX_TITLE_CHARS = 200
_ACCESS_LINES = 12
_ACCESS_PATTERN = re.compile(r"\s*(Read|Write|read|write)\b(?: of size| at addr| of )")
# Numbers that differ from one occurrence to the next
_MASKS = (
    (re.compile(r"\b0x[0-9a-fA-F]{1,16}\b"), "ADDR"),
    (re.compile(r"\b(?=[a-f]{0,15}[0-9])[0-9a-f]{8,16}\b"), "ADDR"),
    (re.compile(r"\+ADDR/ADDR"), ""),
    (re.compile(r"(?<![A-Za-z_0-9])\d{1,20}\b"), "NUM"),
    (re.compile(r"[^\x20-\x7e]"), ""),
)


class _FileTitle(Struct, frozen=True):
    """What a WARNING or BUG in a file is about, if its function is such."""

    file: str
    title: str
    function: re.Pattern[str] | None = None


_ALLOCATOR_PATTERN = re.compile(r"\w{0,60}k[a-z_]{0,20}alloc\w{0,60}")
_WARNINGS_BY_FILE = (
    _FileTitle("lib/debugobjects.c", "WARNING: ODEBUG bug in {function}"),
    _FileTitle("mm/usercopy.c", "WARNING: bad usercopy in {function}"),
    _FileTitle("lib/kobject.c", "WARNING: kobject bug in {function}"),
    _FileTitle("fs/proc/generic.c", "WARNING: proc registration bug in {function}"),
    _FileTitle("lib/refcount.c", "WARNING: refcount bug in {function}"),
    _FileTitle("kernel/locking/lockdep.c", "WARNING: locking bug in {function}"),
    _FileTitle("mm/vmalloc.c", "WARNING: zero-size vmalloc in {function}"),
    _FileTitle("mm/", "WARNING: kmalloc bug in {function}", _ALLOCATOR_PATTERN),
    _FileTitle("drivers/usb/core/urb.c", "WARNING in {function}/usb_submit_urb"),
)
_BUGS_BY_FILE = (
    _FileTitle("mm/usercopy.c", "BUG: bad usercopy in {function}"),
    _FileTitle("lib/list_debug.c", "BUG: corrupted list in {function}"),
)
_AT_FUNCTION_PATTERN = re.compile(r":\d{1,6} (?:at )?([\w.]{1,200})")


def template_of(raw: RawReport) -> str:
    """Return the title of a report with ``{function}`` in the place of the function to blame.

    A title without it needs no function.
    """
    found = _header_of(raw)
    if found is None:
        return mask(raw.header.text)
    template = _by_file(found) or found.header.title
    values = {key: mask(value) for key, value in found.values.items()}
    if "places" in values:
        # Both functions of a race, or one
        values["places"] = " / ".join(map(readable_name, values["places"].split(" / ")))
    values |= {"access": _access_of(raw), "message": _message_of(raw), "place": "unmount"}
    for key, value in values.items():
        template = template.replace("{" + key + "}", value)
    return template.replace("  ", " ")[:_MAX_TITLE_CHARS].rstrip()


def _header_of(raw: RawReport) -> FoundHeader | None:
    """Return the header, or the later line that tells what the header is about."""
    found = find_header(raw.header.text)
    if found is not None and found.kind is not raw.kind:
        later = (find_header(line.text) for line in raw.lines[1:_ACCESS_LINES])
        return next((one for one in later if one is not None and one.kind is raw.kind), found)
    return found


def fill(template: str, function: str) -> str:
    """Return the title with the function to blame, or without, if it is not known."""
    if function:
        return template.replace(_FUNCTION, function)
    return template.replace(_FUNCTION + "/", "").replace(_IN_FUNCTION, "")


def wants_function(template: str) -> bool:
    """Whether a title lacks something without a function."""
    return _FUNCTION in template


def mask(text: str) -> str:
    """Replace the numbers and addresses of a text."""
    for pattern, word in _MASKS:
        text = pattern.sub(word, text)
    return text.strip().rstrip(".: ")


def _by_file(found: FoundHeader) -> str | None:
    file = found.values.get("file", "")
    if not file:
        return None
    rows = _BUGS_BY_FILE if found.kind is CrashKind.BUG else _WARNINGS_BY_FILE
    named = _AT_FUNCTION_PATTERN.search(found.text)
    function = named[1] if named is not None else ""
    for row in rows:
        # Kernels that were built elsewhere state the whole path.
        if (file.startswith(row.file) or f"/{row.file}" in file) and (
            row.function is None or row.function.fullmatch(function)
        ):
            return row.title
    return None


def _access_of(raw: RawReport) -> str:
    """Return whether a sanitizer has seen a read or a write: ``Read``."""
    for line in raw.lines[1:_ACCESS_LINES]:
        found = _ACCESS_PATTERN.match(line.text)
        if found is not None:
            return found[1].capitalize()
    return ""


def _message_of(raw: RawReport) -> str:
    """Return the text below the header, where that is only a place."""
    return (mask(raw.lines[1].text) if len(raw.lines) > 1 else "") or "panicked"
