# SPDX-License-Identifier: GPL-2.0-or-later
r"""Read what the header of a report says: the place in the source, the function, a message.

Forms::

    WARNING: CPU: 1 PID: 812 at net/nic.c:306 nic_poll+0x1f/0x40 [nic]
    WARNING: [queue 3 is stuck] net/nic.c:306 at nic_poll+0x1f/0x40, CPU#1: nicd/812        6.19
    kernel BUG at net/nic.c:306!
    UBSAN: array-index-out-of-bounds in net/nic.c:306:12
    BUG: KASAN: slab-use-after-free in nic_poll+0x1f/0x40 [nic]
    BUG: KCSAN: data-race in nic_poll / nic_stop
    Kernel panic - not syncing: nic: no memory

Source of truth: kernel/panic.c ``__warn``; lib/bug.c; lib/ubsan.c; mm/kasan/report.c.
"""

from msgspec import Struct

from klogd_py.record.lazy_pattern import lazy_pattern
from klogd_py.record.report import Frame, Source
from klogd_py.reports.anatomy.frame_lines import first_symbol
from klogd_py.reports.subsystem import in_tree

# Prefixes of pr_fmt() before a header
_PREFIX = lazy_pattern(r"[ \t]{0,64}(?:rcu: |watchdog: |NMI watchdog: |traps: |\[ ){0,2}")
_SOURCE = lazy_pattern(
    r"(?: |^)((?:\./)?[\w.+~-]{0,100}(?:/[\w.+~-]{1,100}){0,24}\.(?:[chS]|rs|inc)):(\d{1,6})(?=[ :!,]|$)"  # noqa: E501
)
_WARN_TEXT = lazy_pattern(r"WARNING: \[(.{1,900})\] \S{1,300} at ")
_PANIC = lazy_pattern(r"Kernel panic(?: - not syncing)?: (.{1,900})")
_IN_FUNCTION = lazy_pattern(
    r"(?:BUG: K[A-Z]{2,5}: .{3,60}?|[kK]ernel BUG) (?:in|at) (?=[A-Za-z_.$])"
)
_CORRUPTED_IN = lazy_pattern(r".{0,60}[kK]ernel stack is corrupted in: ?")
_CONCURRENT = lazy_pattern(
    r"BUG: KCSAN: .{3,40} in ([A-Za-z_][\w.$]{0,200})(?:\+\S{1,40})?(?: / ([A-Za-z_][\w.$]{0,200}))?"  # noqa: E501
)
_BARE = lazy_pattern(r"([A-Za-z_.$][\w.$]{0,511})(?: \[([\w-]{1,64})\])?[ \t]*$")


class HeaderFacts(Struct, frozen=True):
    """What a header says. ``functions`` are those that it names, without offset where it has none."""  # noqa: E501

    text: str
    source: Source | None = None
    functions: tuple[Frame, ...] = ()
    message: str = ""


def read_header(text: str) -> HeaderFacts:
    """Return what a header says."""
    found = _PREFIX.match(text)
    text = text[found.end() :] if found is not None else text
    return HeaderFacts(text, _source(text), _functions(text), _message(text))


def _source(text: str) -> Source | None:
    if not text.startswith(
        ("WARNING: ", "kernel BUG at ", "Kernel BUG at ", "UBSAN: ", "BUG: sleeping")
    ):
        return None
    found = _SOURCE.search(text[:1024])
    return Source(in_tree(found[1]), int(found[2])) if found is not None else None


def _functions(text: str) -> tuple[Frame, ...]:
    if text.startswith("BUG: KCSAN: "):
        found = _CONCURRENT.match(text)
        names = () if found is None else found.groups()
        return tuple(Frame(name) for name in names if name)
    if text.startswith("WARNING: "):
        symbol = first_symbol(text)
        return () if symbol is None else (symbol,)
    found = _IN_FUNCTION.match(text) or _CORRUPTED_IN.match(text)
    if found is None:
        return ()
    symbol = first_symbol(text, found.end())
    if symbol is not None:
        return (symbol,)
    bare = _BARE.match(text, found.end())
    return () if bare is None else (Frame(bare[1].lstrip("."), module=bare[2] or ""),)


def _message(text: str) -> str:
    for form in (_WARN_TEXT, _PANIC):
        found = form.match(text)
        if found is not None:
            return found[1].strip()
    return ""
