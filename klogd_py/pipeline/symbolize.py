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

Resolve = Callable[[int], SymbolAddress | LookupFailure]
WallTimes = Callable[[Sequence[Record]], tuple[Sequence[int], Sequence[TimestampSource | None]]]
# Why a record's addresses may not be named, or None; it is told the record and what is mentioned in
# it.
CheckProvenance = Callable[[Record, Sequence[AddressMatch]], Withheld | None]

KnownPcs = set[
    int
    # Where processors stood, as far as the lines of a stream have said; filled by `symbolize_text`
]

# Addresses of which the stream is remembered
_MAX_KNOWN_PCS = 64
_TEXT_KINDS = frozenset(
    "tTwWiV"
    # Letters of nm(1) that code can have; V and W are weak, i is an ifunc
)
# Where the kernel sends a return to by hand, on all its architectures.
_RETURN_TRAMPOLINES = re.compile(
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


def symbolize_text(
    text: str, resolve: Resolve, options: FormatOptions, known_pcs: KnownPcs | None = None
) -> tuple[str, tuple[SymbolAddress, ...]]:
    """Put names to the code addresses of one text; returns it with the places that were named, in
    order.

    ``stood`` is what the lines before have said: arm64, mips, riscv, loongarch and parisc begin a
    trace with the processor's place, in the form of a return address.
    """
    if options.style is Style.OFF:
        return text, ()
    matches = address_scanner.find(text, options.resymbolize)
    if not matches:
        return text, ()
    pieces = []
    places = []
    done = 0
    for match in matches:
        place = look_up(match.address, _lookup_kind(match, known_pcs), resolve)
        if isinstance(place, LookupFailure) or match.start < done:
            continue
        pieces += [text[done : match.start], _with_symbol(text, match, place, options.style)]
        places.append(place)
        done = match.end
    return "".join(pieces) + text[done:], tuple(places)


def _lookup_kind(match: AddressMatch, known_pcs: KnownPcs | None) -> Kind:
    """How a mention is to be looked up, after what was said before.

    What it says itself is added to that.
    """
    if known_pcs is None:
        return match.kind
    if match.kind is Kind.PC:
        if len(known_pcs) >= _MAX_KNOWN_PCS:
            known_pcs.clear()
        known_pcs.add(match.address)
    elif match.kind is Kind.RETURN and match.address in known_pcs:
        return Kind.PC
    return match.kind


def look_up(address: int, kind: Kind, resolve: Resolve) -> SymbolAddress | LookupFailure:
    """The place of an address as its kind demands.

    A return address belongs to the caller, whose last byte is the one before it, so
    ``name+size/size`` is possible (kernel/kallsyms.c ``__sprint_symbol`` with its offset of -1). A
    pc or return address in data has no place.
    """
    if kind is Kind.CLASSIC:
        return resolve(address)
    if kind is Kind.PC:
        return _resolve_code(address, resolve)
    return _resolve_caller(address, address & ~1 if kind is Kind.LINK else address, resolve)


def _resolve_caller(
    address: int, following: int, resolve: Resolve
) -> SymbolAddress | LookupFailure:
    """The function behind one of whose calls ``following`` stands, with the offset of ``address``
    in it.

    Not every return address has a call before it: the kernel itself sends returns to
    ``ret_from_fork`` and its like, by the address of their first byte.
    """
    before = _resolve_code(following - 1, resolve)
    if isinstance(before, LookupFailure) or before.offset + 1 == before.size:
        at = _resolve_code(address, resolve)
        if (
            isinstance(at, SymbolAddress)
            and at.offset == 0
            and _RETURN_TRAMPOLINES.fullmatch(at.name)
        ):
            return at
    if isinstance(before, LookupFailure):
        return before
    offset = before.offset + 1 + address - following
    return SymbolAddress(
        before.name, offset, before.size, before.module, before.kind, before.source
    )


def _resolve_code(address: int, resolve: Resolve) -> SymbolAddress | LookupFailure:
    place = resolve(address)
    return (
        LookupFailure.NOT_CODE
        if isinstance(place, SymbolAddress) and place.kind not in _TEXT_KINDS
        else place
    )


def symbolize(
    records: Iterable[Record | Gap],
    resolve: Resolve,
    options: FormatOptions,
    wall_times: WallTimes,
    known_pcs: KnownPcs | None = None,
    check: CheckProvenance | None = None,
) -> list[Entry]:
    """Make a batch ready for the sinks, in order; a Gap becomes the entry that announces it.

    ``stood`` goes from batch to batch of one stream; without it each batch begins anew. ``judge``
    says which records are not trusted enough to be named; without it all are.
    """
    known_pcs = set() if known_pcs is None else known_pcs
    items = list(records)
    said = [item for item in items if isinstance(item, Record)]
    texts = [record.text for record in said]
    walls, qualities = wall_times(said)
    entries = list(
        map(Entry, said, walls, texts, repeat(()), repeat(None), repeat(False), qualities)
    )
    for at in address_scanner.candidate_lines(texts):
        if check is not None and not _is_trusted(said[at], check, options):
            continue
        text, places = symbolize_text(texts[at], resolve, options, known_pcs)
        if places:
            entries[at] = Entry(said[at], walls[at], text, places, None, False, qualities[at])
    if len(said) == len(items) and not options.duplicate_raw:
        return entries
    of_record = iter(entries)
    together = []
    for item in items:
        if isinstance(item, Gap):
            together.append(announce(item, lambda record: wall_times([record])[0][0]))
            continue
        entry = next(of_record)
        together.append(entry)
        if options.duplicate_raw and entry.places:
            together.append(
                Entry(item, entry.wall_us, item.text, (), None, False, entry.time_source)
            )
    return together


def _is_trusted(record: Record, check: CheckProvenance, options: FormatOptions) -> bool:
    matches = address_scanner.find(record.text, options.resymbolize)
    return not matches or check(record, matches) is None


def _with_symbol(text: str, match: AddressMatch, place: SymbolAddress, style: Style) -> str:
    if match.kind in (Kind.CLASSIC, Kind.CLASSIC_RETURN):
        if style is Style.REPLACE:
            return place.classic_form
        return f"{text[match.start : match.end]} {place.classic_form}"
    if match.start == match.end:
        return f" {place.kernel_form}"
    if style is Style.REPLACE:
        return place.kernel_form
    return f"{text[match.start : match.end]} {place.kernel_form}"
