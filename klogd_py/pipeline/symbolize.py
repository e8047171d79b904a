# SPDX-License-Identifier: GPL-2.0-or-later
"""Replace code addresses in texts with symbols, and make entries of a batch.

Pure: the symbol lookup and the wall times are arguments. A text without a known address comes out
unchanged.
"""

import re
from collections import Counter
from collections.abc import Callable, Sequence
from enum import Enum
from itertools import repeat

from msgspec import Struct

from klogd_py.oops import address_scanner
from klogd_py.oops.address_scanner import AddressMatch, Kind
from klogd_py.oops.provenance import Withheld
from klogd_py.pipeline.batch import Batch, Symbolized
from klogd_py.pipeline.printk_clock import WallTimes
from klogd_py.record.gaps import announce
from klogd_py.record.types import Entry, Gap, LookupFailure, Record, SymbolAddress
from klogd_py.symbols.resolver import Resolve
from klogd_py.symbols.symbol_line import CODE_KINDS

WallTimesOf = Callable[[Sequence[Record]], WallTimes]
# Why the addresses of a record may not be symbolized, or None
CheckProvenance = Callable[[Record, Sequence[AddressMatch]], Withheld | None]

# Program counters in earlier lines of a stream; filled by `symbolize_text`
KnownPcs = set[int]

# Limit of known program counters
_MAX_KNOWN_PCS = 64
# Functions to which the kernel returns without a call, on all its architectures
_RETURN_TRAMPOLINES = re.compile(
    r"\.?(?:ret_(?:from|to|fast|slow)_\w+|(?:\w+_)?(?:syscall|sys)_exit\w*|intr_\w+|kernel_(?:thread|init)_\w+|kernel_entry"
    r"|return_to_handler|\w*(?:kret|ret)probe_trampoline|arch_rethook_trampoline|work_pending|restore_all)"
)


class Style(Enum):
    """What is printed for an address with a symbol."""

    # The symbol instead of it
    REPLACE = "replace"
    # The symbol after it
    APPEND = "append"
    # No symbol
    OFF = "off"


class FormatOptions(Struct, frozen=True):
    """How lines are symbolized.

    ``duplicate_raw``: send a symbolized line a second time, unchanged.
    """

    style: Style = Style.REPLACE
    resymbolize: bool = False
    duplicate_raw: bool = False


class SymbolizedText(Struct, frozen=True):
    """A text with symbols in the place of addresses, these symbols, and why others have none."""

    text: str
    symbols: tuple[SymbolAddress, ...] = ()
    failures: tuple[LookupFailure, ...] = ()


def symbolize_text(
    text: str,
    resolve: Resolve,
    options: FormatOptions,
    known_pcs: KnownPcs | None = None,
    matches: Sequence[AddressMatch] | None = None,
) -> SymbolizedText:
    """Replace the code addresses of one text.

    ``matches`` are these addresses, if they have been searched. ``known_pcs`` are program counters
    in the lines before; arm64, mips, riscv, loongarch and parisc repeat the program counter at the
    beginning of a trace in the form of a return address.
    """
    if options.style is Style.OFF:
        return SymbolizedText(text)
    if matches is None:
        matches = address_scanner.find(text, options.resymbolize)
    pieces = []
    symbols: list[SymbolAddress] = []
    failures: list[LookupFailure] = []
    done = 0
    for match in matches:
        symbol = look_up(match.address, _lookup_kind(match, known_pcs), resolve)
        if match.start < done:
            continue
        if isinstance(symbol, LookupFailure) or not _may_be(symbol, match):
            failures.append(symbol if isinstance(symbol, LookupFailure) else LookupFailure.OUTSIDE)
            continue
        pieces += [text[done : match.start], _with_symbol(text, match, symbol, options.style)]
        symbols.append(symbol)
        done = match.end
    if not symbols:
        return SymbolizedText(text, (), tuple(failures))
    return SymbolizedText("".join(pieces) + text[done:], tuple(symbols), tuple(failures))


def _may_be(symbol: SymbolAddress, match: AddressMatch) -> bool:
    """Whether a symbol is in the module that the line states for its address, if it states one."""
    return not match.module or symbol.module.partition(",")[0] == match.module


def _lookup_kind(match: AddressMatch, known_pcs: KnownPcs | None) -> Kind:
    """How an address is to be looked up, given the known program counters; updates these."""
    if known_pcs is None:
        return match.kind
    if match.kind is Kind.PC and match.in_trace:
        if len(known_pcs) >= _MAX_KNOWN_PCS:
            known_pcs.clear()
        known_pcs.add(match.address)
    elif match.kind is Kind.RETURN and match.address in known_pcs:
        return Kind.PC
    return match.kind


def look_up(address: int, kind: Kind, resolve: Resolve) -> SymbolAddress | LookupFailure:
    """Look up an address as its kind demands.

    A return address belongs to the caller, whose last byte is the one before it, so
    ``name+size/size`` is possible (kernel/kallsyms.c ``__sprint_symbol`` with its offset of -1). A
    pc or return address in data has no symbol.
    """
    if kind is Kind.CLASSIC:
        return resolve(address)
    if kind is Kind.PC:
        return _resolve_code(address, resolve)
    return _resolve_caller(address, address & ~1 if kind is Kind.LINK else address, resolve)


def _resolve_caller(
    address: int, following: int, resolve: Resolve
) -> SymbolAddress | LookupFailure:
    """Look up the function with a call before ``following``, at the offset of ``address`` in it.

    Not every return address has a call before it: the kernel itself sends returns to
    ``ret_from_fork`` and similar functions, by the address of their first byte.
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
    symbol = resolve(address)
    return (
        LookupFailure.NOT_CODE
        if isinstance(symbol, SymbolAddress) and symbol.kind not in CODE_KINDS
        else symbol
    )


def symbolize(
    batch: Batch,
    resolve: Resolve,
    options: FormatOptions,
    wall_times: WallTimesOf,
    known_pcs: KnownPcs | None = None,
    check: CheckProvenance | None = None,
) -> Symbolized:
    """Make the entries of a batch, in order; a Gap becomes the entry that announces it.

    ``known_pcs`` is kept from batch to batch of one stream. ``check`` returns why the addresses of
    a record may not be symbolized; without it all are.
    """
    known_pcs = set() if known_pcs is None else known_pcs
    records, texts = batch.records, batch.texts
    times = wall_times(records)
    walls, time_sources = times.us, times.sources
    entries = list(
        map(Entry, records, walls, texts, repeat(()), repeat(None), repeat(False), time_sources)
    )
    lookups: list[SymbolAddress | LookupFailure] = []
    withheld: Counter[Withheld] = Counter()

    for at in batch.address_lines if options.style is not Style.OFF else ():
        matches = address_scanner.find(texts[at], options.resymbolize)
        if not matches:
            continue
        reason = check(records[at], matches) if check is not None else None
        if reason is not None:
            known = [isinstance(resolve(match.address), SymbolAddress) for match in matches]
            withheld[reason] += sum(known)
            continue
        found = symbolize_text(texts[at], resolve, options, known_pcs, matches)
        lookups += found.symbols
        lookups += found.failures
        if found.symbols:
            entries[at] = Entry(
                records[at], walls[at], found.text, found.symbols, None, False, time_sources[at]
            )
    if len(records) < len(batch.items) or options.duplicate_raw:
        entries = _merge_announcements(batch.items, entries, wall_times, options)
    return Symbolized(entries, lookups, withheld)


def _merge_announcements(
    items: Sequence[Record | Gap],
    entries: list[Entry],
    wall_times: WallTimesOf,
    options: FormatOptions,
) -> list[Entry]:
    """Return the entries with those of gaps, and with raw duplicates, in the order of ``items``."""
    of_record = iter(entries)
    merged = []
    for item in items:
        if isinstance(item, Gap):
            merged.append(announce(item, lambda record: wall_times([record]).us[0]))
            continue
        entry = next(of_record)
        merged.append(entry)
        if options.duplicate_raw and entry.symbols:
            merged.append(Entry(item, entry.wall_us, item.text, (), None, False, entry.time_source))
    return merged


def _with_symbol(text: str, match: AddressMatch, symbol: SymbolAddress, style: Style) -> str:
    if match.kind in (Kind.CLASSIC, Kind.CLASSIC_RETURN):
        if style is Style.REPLACE:
            return symbol.classic_form
        return f"{text[match.start : match.end]} {symbol.classic_form}"
    if match.start == match.end:
        return f" {symbol.kernel_form}"
    if style is Style.REPLACE:
        return symbol.kernel_form
    return f"{text[match.start : match.end]} {symbol.kernel_form}"
