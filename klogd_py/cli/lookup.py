# SPDX-License-Identifier: GPL-2.0-or-later
"""``klogd-py lookup``: print the symbol at an address, or the address of a symbol."""

import re
from collections.abc import Sequence

import msgspec
from msgspec import Struct

from klogd_py.cli.output import (
    how_to_name_symbols,
    print_error,
    print_json,
    print_remarks,
    report_errors,
    slide_document,
)
from klogd_py.cli.usage_error import UsageError, quote
from klogd_py.config.run_options import RunOptions
from klogd_py.config.symbol_choice import choose_sources, choose_sources_of_question
from klogd_py.oops.address_scanner import Kind
from klogd_py.pipeline.symbolize import look_up
from klogd_py.record.types import LookupFailure, SymbolAddress
from klogd_py.symbols import description
from klogd_py.symbols.kaslr.inference import SlideSource
from klogd_py.symbols.symbol_loader import load_symbols
from klogd_py.symbols.symbol_set import SymbolSet
from klogd_py.system.terminal import align_columns

# fmt: off
_NAME = re.compile(
    r"(?:(?P<before>\w+):)?(?P<name>[A-Za-z_.$][\w.$]*)"
    r"(?:\+(?:0x)?(?P<offset>[0-9a-f]+)(?:/(?:0x)?(?P<size>[0-9a-f]+))?)?(?: \[(?P<behind>\w+)\])?"
)
# fmt: on
_ADDRESS = re.compile(r"\[?<?(?:0x)?([0-9a-f]{1,16})>?\]?", re.IGNORECASE)


class _Answer(Struct, frozen=True):
    """One line of the answer.

    ``word`` is the address in hexadecimal or the symbol as it was typed, ``address`` is ``None`` if
    there is none of that symbol.
    """

    word: str
    address: int | None
    result: SymbolAddress | LookupFailure


def lookup(options: RunOptions, words: Sequence[str], *, as_json: bool) -> int:
    """Print the symbol for each address, and the addresses of each symbol, or why there is none.

    Returns the exit status: 1 if there is none for one of the words, or a named source is unusable.

    Raises:
        UsageError: a word is neither an address nor a symbol.
    """
    for word in words:
        _check(word)
    configured = options.load_config().symbols
    sources = (
        choose_sources(options.symbols, configured, may_be_foreign=True)
        if options.symbols.names_sources
        else choose_sources_of_question(options.symbols, configured)
    )
    found = load_symbols(msgspec.structs.replace(sources, names=_names_in(words)))
    status = report_errors(found, options)
    if not status and not found.resolver.has_sources and not found.hidden and not found.lacks_slide:
        print_error(f"{how_to_name_symbols(sources.release)}; see klogd-py maps")
    answers: list[_Answer] = []
    for word in words:
        address, name = _ADDRESS.fullmatch(word), _NAME.fullmatch(word)
        if address is not None:
            value = int(address[1], 16)
            result = look_up(value, Kind.CLASSIC, found.resolver.resolve)
            answers.append(_Answer(f"{value:#x}", value, result))
        elif name is not None:
            answers += _find_by_name(word, name, found)
    if as_json:
        print_json([_document(answer) | _slide_used(answer.result, found) for answer in answers])
    else:
        print("\n".join(align_columns([_row(answer) for answer in answers])))
        slide = description.slide_line(found)
        if slide is not None and found.map_in_use is not None and _slide_used(None, found):
            print_remarks([slide])
    return status if all(isinstance(answer.result, SymbolAddress) for answer in answers) else 1


def _check(word: str) -> None:
    if _ADDRESS.fullmatch(word) is None and _NAME.fullmatch(word) is None:
        raise UsageError(
            f"{quote(word)} is neither an address (up to 16 hexadecimal digits) "
            "nor a symbol such as vfs_write+0x1d/0x40",
            "klogd-py: see klogd-py lookup --help",
        )


def _names_in(words: Sequence[str]) -> frozenset[bytes]:
    """Return the names of the words that are symbols."""
    return frozenset(
        _encode(found["name"])
        for word in words
        if _ADDRESS.fullmatch(word) is None and (found := _NAME.fullmatch(word)) is not None
    )


def _encode(name: str) -> bytes:
    return name.encode("utf-8", "surrogateescape")


def _find_by_name(word: str, match: re.Match[str], found: SymbolSet) -> list[_Answer]:
    """Return every address of a symbol.

    Several functions may share a name: a size or a module in the word selects among them.
    """
    offset = int(match["offset"] or "0", 16)
    size = int(match["size"], 16) if match["size"] else None
    module = match["before"] or match["behind"]
    named = found.resolver.find_by_name(match["name"])
    fitting = [
        _Answer(
            f"{start.address + offset:#x}",
            start.address + offset,
            msgspec.structs.replace(start.symbol, offset=offset),
        )
        for start in named
        if offset < start.symbol.size
        and (size is None or size == start.symbol.size)
        and module in (None, start.symbol.module.partition(",")[0])
    ]
    if fitting:
        return fitting
    failure = LookupFailure.NO_MATCH if named else _failure_of_name(match["name"], found)
    return [_Answer(word, None, failure)]


def _failure_of_name(name: str, found: SymbolSet) -> LookupFailure:
    """Tell a symbol that is in the map, but whose KASLR slide is unknown, from one that is not."""
    if not found.resolver.has_sources and not found.lacks_slide:
        return found.resolver.default
    if found.map_in_use is None or not found.map_in_use.lacks_slide:
        return LookupFailure.NO_SUCH_NAME
    return (
        LookupFailure.NO_SUCH_NAME
        if found.map_in_use.system_map.table().address_of(_encode(name)) is None
        else LookupFailure.KASLR_UNKNOWN
    )


def _row(answer: _Answer) -> list[str]:
    """Return the cells of an answer: the word, the symbol, and its source or why there is none."""
    if isinstance(answer.result, SymbolAddress):
        return [answer.word, answer.result.kernel_form, answer.result.source]
    return [answer.word, "-", answer.result.value]


def _document(answer: _Answer) -> dict[str, object]:
    result = answer.result
    if isinstance(result, LookupFailure):
        key = "word" if answer.address is None else "address"
        return {key: answer.word, "reason": result.value}
    return {
        "address": f"{answer.address:#x}",
        "text": result.kernel_form,
        "symbol": result.name,
        "offset": result.offset,
        "size": result.size,
        "module": result.module,
        "type": result.kind,
        "source": result.source,
    }


def _slide_used(
    result: SymbolAddress | LookupFailure | None, found: SymbolSet
) -> dict[str, object]:
    """Return the slide that a result depends on, as an entry of its document.

    Empty where the result does not come from the map, or where the map has no slide.
    """
    moved = found.lacks_slide or (
        found.slide is not None and found.slide.source is not SlideSource.FIXED
    )
    from_map = found.in_use is not None and (
        not isinstance(result, SymbolAddress) or result.source == str(found.in_use.path)
    )
    return {"slide": slide_document(found)} if moved and from_map else {}
