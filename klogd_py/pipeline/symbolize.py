# SPDX-License-Identifier: GPL-2.0-or-later
"""Records and symbols to Entries: which text leaves the house, and which places were named in it.

Pure: where a name comes from and what time it was are given as functions. A text in which nothing
is named comes out as it went in.
"""

import re
from collections.abc import Callable, Iterable, Sequence
from enum import Enum
from itertools import repeat

from msgspec import Struct

from klogd_py.oops import address_scanner
from klogd_py.oops.address_scanner import AddressMatch, Kind
from klogd_py.oops.provenance import Withheld
from klogd_py.record.gaps import announce
from klogd_py.record.types import Entry, Gap, LookupFailure, Record, SymbolAddress, TimestampSource

PlaceOf = Callable[[int], SymbolAddress | LookupFailure]
WallTimes = Callable[[Sequence[Record]], tuple[Sequence[int], Sequence[TimestampSource | None]]]
# Why a record's addresses may not be named, or None; it is told the record and what is mentioned in
# it.
Judge = Callable[[Record, Sequence[AddressMatch]], Withheld | None]

Stood = set[
    int
    # Where processors stood, as far as the lines of a stream have said; filled by `rewrite`
]

# Addresses of which the stream is remembered
_MAX_STOOD = 64
_TEXT_KINDS = frozenset(
    "tTwWiV"
    # Letters of nm(1) that code can have; V and W are weak, i is an ifunc
)
# Where the kernel sends a return to by hand, on all its architectures.
_LANDINGS = re.compile(
    r"\.?(?:ret_(?:from|to|fast|slow)_\w+|(?:\w+_)?(?:syscall|sys)_exit\w*|intr_\w+|kernel_(?:thread|init)_\w+|kernel_entry"
    r"|return_to_handler|\w*(?:kret|ret)probe_trampoline|arch_rethook_trampoline|work_pending|restore_all)"
)


class Style(Enum):
    """What becomes of an address that has a name."""

    # The name takes its place
    REPLACE = "replace"
    # The name stands behind it
    APPEND = "append"
    # Nothing
    OFF = "off"


class FormatOptions(Struct, frozen=True):
    """How lines are to be translated.

    ``resymbolize`` replaces ``[<address>]`` by its symbol even where the kernel has printed the
    name beside it, as the classic klogd did. ``duplicate_raw`` repeats each changed line as the
    kernel printed it.
    """

    style: Style = Style.REPLACE
    resymbolize: bool = False
    duplicate_raw: bool = False


def rewrite(
    text: str, place_of: PlaceOf, manner: FormatOptions, stood: Stood | None = None
) -> tuple[str, tuple[SymbolAddress, ...]]:
    """Put names to the code addresses of one text; returns it with the places that were named, in
    order.

    ``stood`` is what the lines before have said: arm64, mips, riscv, loongarch and parisc begin a
    trace with the processor's place, in the form of a return address.
    """
    if manner.style is Style.OFF:
        return text, ()
    mentions = address_scanner.find(text, manner.resymbolize)
    if not mentions:
        return text, ()
    pieces = []
    places = []
    done = 0
    for mention in mentions:
        place = look_up(mention.address, _kind(mention, stood), place_of)
        if isinstance(place, LookupFailure) or mention.start < done:
            continue
        pieces += [text[done : mention.start], _named(text, mention, place, manner.style)]
        places.append(place)
        done = mention.end
    return "".join(pieces) + text[done:], tuple(places)


def _kind(mention: AddressMatch, stood: Stood | None) -> Kind:
    """How a mention is to be looked up, after what was said before.

    What it says itself is added to that.
    """
    if stood is None:
        return mention.kind
    if mention.kind is Kind.PC:
        if len(stood) >= _MAX_STOOD:
            stood.clear()
        stood.add(mention.address)
    elif mention.kind is Kind.RETURN and mention.address in stood:
        return Kind.PC
    return mention.kind


def look_up(address: int, kind: Kind, place_of: PlaceOf) -> SymbolAddress | LookupFailure:
    """The place of an address as its kind demands.

    A return address belongs to the caller, whose last byte is the one before it, so
    ``name+size/size`` is possible (kernel/kallsyms.c ``__sprint_symbol`` with its offset of -1). A
    pc or return address in data has no place.
    """
    if kind is Kind.CLASSIC:
        return place_of(address)
    if kind is Kind.PC:
        return _text_at(address, place_of)
    return _caller(address, address & ~1 if kind is Kind.LINK else address, place_of)


def _caller(address: int, following: int, place_of: PlaceOf) -> SymbolAddress | LookupFailure:
    """The function behind one of whose calls ``following`` stands, with the offset of ``address``
    in it.

    Not every return address has a call before it: the kernel itself sends returns to
    ``ret_from_fork`` and its like, by the address of their first byte.
    """
    before = _text_at(following - 1, place_of)
    if isinstance(before, LookupFailure) or before.offset + 1 == before.size:
        at = _text_at(address, place_of)
        if isinstance(at, SymbolAddress) and at.offset == 0 and _LANDINGS.fullmatch(at.name):
            return at
    if isinstance(before, LookupFailure):
        return before
    offset = before.offset + 1 + address - following
    return SymbolAddress(
        before.name, offset, before.size, before.module, before.kind, before.source
    )


def _text_at(address: int, place_of: PlaceOf) -> SymbolAddress | LookupFailure:
    place = place_of(address)
    return (
        LookupFailure.NOT_CODE
        if isinstance(place, SymbolAddress) and place.kind not in _TEXT_KINDS
        else place
    )


def translate(
    records: Iterable[Record | Gap],
    place_of: PlaceOf,
    manner: FormatOptions,
    wall_times: WallTimes,
    stood: Stood | None = None,
    judge: Judge | None = None,
) -> list[Entry]:
    """Make a batch ready for the sinks, in order; a Gap becomes the entry that announces it.

    ``stood`` goes from batch to batch of one stream; without it each batch begins anew. ``judge``
    says which records are not trusted enough to be named; without it all are.
    """
    stood = set() if stood is None else stood
    items = list(records)
    said = [item for item in items if isinstance(item, Record)]
    texts = [record.text for record in said]
    walls, qualities = wall_times(said)
    entries = list(
        map(Entry, said, walls, texts, repeat(()), repeat(None), repeat(False), qualities)
    )
    for at in address_scanner.candidate_lines(texts):
        if judge is not None and not _is_trusted(said[at], judge, manner):
            continue
        text, places = rewrite(texts[at], place_of, manner, stood)
        if places:
            entries[at] = Entry(said[at], walls[at], text, places, None, False, qualities[at])
    if len(said) == len(items) and not manner.duplicate_raw:
        return entries
    of_record = iter(entries)
    together = []
    for item in items:
        if isinstance(item, Gap):
            together.append(announce(item, lambda record: wall_times([record])[0][0]))
            continue
        entry = next(of_record)
        together.append(entry)
        if manner.duplicate_raw and entry.places:
            together.append(
                Entry(item, entry.wall_us, item.text, (), None, False, entry.time_source)
            )
    return together


def _is_trusted(record: Record, judge: Judge, manner: FormatOptions) -> bool:
    mentions = address_scanner.find(record.text, manner.resymbolize)
    return not mentions or judge(record, mentions) is None


def _named(text: str, mention: AddressMatch, place: SymbolAddress, style: Style) -> str:
    if mention.kind in (Kind.CLASSIC, Kind.CLASSIC_RETURN):
        if style is Style.REPLACE:
            return place.classic_form
        return f"{text[mention.start : mention.end]} {place.classic_form}"
    if mention.start == mention.end:
        return f" {place.kernel_form}"
    if style is Style.REPLACE:
        return place.kernel_form
    return f"{text[mention.start : mention.end]} {place.kernel_form}"
