# SPDX-License-Identifier: GPL-2.0-or-later
"""Recognise messages outside of traces in which the kernel names functions, and find the numbers
that it prints instead if it has no symbols.

``workqueue: 0xffffffff812a3b40 hogged CPU for >10000us 4 times, consider switching to WQ_UNBOUND``.
Each format of `klogd_py.oops.core_formats` and `klogd_py.oops.driver_formats` becomes an expression
of the whole message. Such a message is no part of a trace, and does not prove where the kernel
lies.

Source of truth: lib/vsprintf.c ``symbol_string``; the files that the table names.
"""

import re
import string
from collections.abc import Iterable
from functools import cache

from msgspec import Struct

from klogd_py.oops.core_formats import CORE_FORMATS
from klogd_py.oops.driver_formats import DRIVER_FORMATS
from klogd_py.oops.line_parts import MODULE_PLACE, SYMBOL

# By which the formats that a message may have are found
BEGINNING_CHARS = 3


class CodePointer(Struct, frozen=True, gc=False):
    """The half-open span [start, end) of a number and of the module that OpenWrt prints behind it.

    ``is_return``: it is a return address. ``module`` is empty if none is printed.
    """

    start: int
    end: int
    address: int
    is_return: bool
    module: str


class PrintSite(Struct, frozen=True):
    """One message: its source file, its format, the longest word that is always in it, and for
    each pointer in it whether that is a return address.

    ``has_device``: the names of a driver and a device stand before it.
    ``is_list``: the pointers are all the numbers in it that begin with 0x.
    """

    source: str
    format: str
    word: str
    returns: tuple[bool, ...]
    has_device: bool
    is_list: bool


_ADDRESS = rf"0x[0-9a-f]{{5,16}}\b(?:{MODULE_PLACE})?"
_NAMED = rf"(?:{SYMBOL}|\(null\))"
_WORK = rf"(?:BAR\(\d{{1,10}}\)|(?:\d{{1,10}}\*)?{SYMBOL})"
# " 12(RESCUER):ieee80211_work BAR(13), 14:flush_work"
_WORKER = r"(?:(?:\d{1,10}|bh(?:-hipri)?)(?:\(RESCUER\))?:)"
_WORKS = rf"(?>(?:,?\s{{0,2}}{_WORKER}?{_WORK}){{1,64}}),?"
_POINTER = r"(?:0x)?[0-9a-f]{8,16}|\(_{0,4}ptrval_{0,4}\)|\(null\)"
_DATA = rf"(?:{_POINTER}|{SYMBOL})"
_WORD = r"[\w.:/@,#+-]{1,64}"
_CONVERSIONS = {
    "%p": _DATA,
    "%d": r"-?\d{1,20}",
    "%x": r"[0-9a-f]{1,32}",
    "%s": _WORD,
    "%*ph": r"[0-9a-f]{2}(?: [0-9a-f]{2}){0,31}",
    "%W": r"[A-Za-z]{1,20}(?:[ /-][A-Za-z]{1,20}){0,9}\??",
    "%F": r".{0,400}?",
    "%L": _WORKS,
}
# A pointer to code
_CODE = ("%pS", "%ps", "%pB")
_PIECE = re.compile(r"%\*ph|%p[SsB]|%[pdxsWFL]|\s+|[^%\s]+")
# "e1000e 0000:00:19.0 eth0: ", but not "Hardware name: ", behind which a user can choose the text
_DEVICE = re.compile(
    r"[\w.@+/-]{1,64} (?=[\w.:@+/-]{0,64}\d)[\w.:@+/-]{0,64}[\w@+/-](?: [\w.@+/-]{1,64})?: "
)
_BLANKS = re.compile(r"\s{0,64}")
_TOKEN = re.compile(_ADDRESS)


def _site(source: str, format_: str) -> PrintSite:
    pieces = _PIECE.findall(format_.removeprefix("%D"))
    return PrintSite(
        source,
        format_,
        word=max((piece for piece in pieces if "%" not in piece), key=len),
        returns=tuple(piece == "%pB" for piece in pieces if piece in _CODE),
        has_device=format_.startswith("%D"),
        is_list="%L" in pieces,
    )


PRINT_SITES = tuple(
    _site(source, format_)
    for source, formats in (*CORE_FORMATS, *DRIVER_FORMATS)
    for format_ in formats
)


@cache
def expression(site: PrintSite) -> re.Pattern[str]:
    """Return the expression of a whole message, behind a device; the groups ``p0``, ``p1`` and so
    on are the numbers of its pointers.

    Each is made when a message may be this one, since all of them would take 0.14 s.
    """
    body = site.format.removeprefix("%D")
    # A process name of 15 bytes must not reach behind "[drm:0x12345] "
    address = _ADDRESS if not body.endswith("%F") else _ADDRESS.replace("{5,16}", "{8,16}", 1)
    pieces: list[str] = []
    count = 0
    for piece in _PIECE.findall(body):
        if piece in _CODE:
            pieces.append(rf"(?:(?P<p{count}>{address})|{_NAMED})")
            count += 1
        elif piece.isspace():
            pieces.append(r"\s{1,16}")
        else:
            pieces.append(_CONVERSIONS.get(piece) or re.escape(piece))
    return re.compile(rf"{''.join(pieces)}\s*\Z", re.ASCII)


def beginnings_of(site: PrintSite) -> Iterable[str]:
    """The first `BEGINNING_CHARS` characters that a message can have, behind its device."""
    format_ = site.format.removeprefix("%D")
    if format_.startswith("%p"):
        # Without a number in this place there is none
        return ["0x" + digit for digit in string.hexdigits]
    if format_[1:].startswith("%d"):
        first, behind = format_[0], string.digits + format_[len("[%d")]
        return [first + digit + other for digit in string.digits for other in behind]
    return [format_[:BEGINNING_CHARS]]


def _by_beginning(sites: Iterable[PrintSite]) -> dict[str, tuple[PrintSite, ...]]:
    found: dict[str, tuple[PrintSite, ...]] = {}
    for site in sites:
        for beginning in beginnings_of(site):
            found[beginning] = (*found.get(beginning, ()), site)
    return found


_SITES = _by_beginning(site for site in PRINT_SITES if not site.has_device)
_DEVICE_SITES = _by_beginning(site for site in PRINT_SITES if site.has_device)
# What a message can begin with, and what can stand behind its first ": "
BEGINNINGS, DEVICE_BEGINNINGS = frozenset(_SITES), frozenset(_DEVICE_SITES)


class _Message(Struct, frozen=True):
    """A text that is a message of the table."""

    site: PrintSite
    found: re.Match[str]


def is_print_site(text: str) -> bool:
    """Whether all of a text is a message of the table, with a number in it."""
    blanks = _BLANKS.match(text)
    return blanks is not None and bool(find_pointers(text, blanks.end()))


def find_pointers(text: str, start: int = 0) -> list[CodePointer]:
    """Find the numbers that stand for functions in a message of the table, in order.

    Empty for any other text. ``start`` is that of its first character that is no blank.
    """
    message = _match_any(_SITES.get(text[start : start + BEGINNING_CHARS], ()), text, start)
    if message is None:
        behind = text.find(": ", start) + len(": ")
        sites = _DEVICE_SITES.get(text[behind : behind + BEGINNING_CHARS], ())
        if not sites or _DEVICE.fullmatch(text, start, behind) is None:
            return []
        message = _match_any(sites, text, behind)
    return _pointers(message, text) if message is not None else []


def _match_any(sites: Iterable[PrintSite], text: str, start: int) -> _Message | None:
    for site in sites:
        # To search for a word costs less than an expression
        if site.word in text and (found := expression(site).match(text, start)) is not None:
            return _Message(site, found)
    return None


def _pointers(message: _Message, text: str) -> list[CodePointer]:
    found, site = message.found, message.site
    if site.is_list:
        spans = [token.span() for token in _TOKEN.finditer(text, found.start())]
        return [_pointer(text, *span, is_return=False) for span in spans]
    spans = [found.span(f"p{number}") for number in range(len(site.returns))]
    return [
        _pointer(text, *span, is_return=is_return)
        for span, is_return in zip(spans, site.returns, strict=True)
        if span != (-1, -1)
    ]


def _pointer(text: str, start: int, end: int, is_return: bool) -> CodePointer:
    number, _, place = text[start:end].partition(" [")
    return CodePointer(start, end, int(number, 16), is_return, place.partition("@")[0])
