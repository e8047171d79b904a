# SPDX-License-Identifier: GPL-2.0-or-later
"""The stages from records to entries, without a daemon and without sinks."""

from collections.abc import Sequence
from pathlib import Path

from klogd_py.oops.provenance import Origin
from klogd_py.pipeline.batch import Batch
from klogd_py.pipeline.boot_symbols import BootSymbols
from klogd_py.pipeline.clock import CaptureClock
from klogd_py.pipeline.stage_list import raise_error
from klogd_py.pipeline.stages import Stages
from klogd_py.pipeline.stats import Counters
from klogd_py.pipeline.symbol_stage import Naming
from klogd_py.pipeline.symbolize import FormatOptions
from klogd_py.pipeline.text_stream import TextStream
from klogd_py.record.types import Entry, Gap, LookupFailure, Record, SymbolAddress
from klogd_py.symbols.resolver import Resolve, SymbolResolver
from klogd_py.symbols.symbol_loader import load_symbols
from klogd_py.symbols.symbol_set import SymbolSet
from klogd_py.symbols.symbol_sources import Sources


def everywhere(address: int) -> SymbolAddress | LookupFailure:
    """A symbol at every address: as dense as a table can be."""
    return SymbolAddress("f", address & 0xF, 16, "", "t", "")


def nowhere(_address: int) -> SymbolAddress | LookupFailure:
    """No symbol at all."""
    return LookupFailure.NO_SYMBOLS


class Symbolizer:
    """Infers the KASLR offset from records and resolves their addresses, as the daemon does.

    Mutable: ``entries`` holds all results.
    """

    def __init__(self, found: SymbolSet, origin: Origin = Origin.RECORDS) -> None:
        self.counters = Counters(origin)
        self.entries: list[Entry] = []
        self._current = BootSymbols(found)
        self._stages = Stages(
            self._current,
            CaptureClock(),
            Naming(origin),
            raise_error,
            live=origin is not Origin.CAPTURE,
        )

    @property
    def symbols(self) -> SymbolSet:
        """The symbols in use."""
        return self._current.symbols

    @property
    def resolved(self) -> list[SymbolAddress]:
        """Return every resolved address."""
        return [place for entry in self.entries for place in entry.symbols]

    def process(self, records: Sequence[Record | Gap]) -> None:
        """Process records, and then the timeout after the last one."""
        self.counters.count_read(records)
        batch = Batch(records)
        self.counters.crashes.count(batch.records[at] for at in batch.crash_lines)
        self._push(batch)
        self._push(Batch([], is_last=True))

    def _push(self, batch: Batch) -> None:
        passed = self._stages.push(batch, 0.0)
        self._take(passed)
        while self._stages.request is not None or passed.next_boot is not None:
            if passed.next_boot is not None:
                self._current.begin_boot(passed.next_boot)
                passed = self._stages.push(Batch([]), 0.0)
            else:
                passed = self._stages.resume(0.0)
            self._take(passed)

    def _take(self, passed: Batch) -> None:
        if passed.symbolized is not None:
            self.entries += passed.symbolized.entries


class FixedResolver(SymbolResolver):
    """Resolves every address with one function."""

    def __init__(self, resolve: Resolve) -> None:
        super().__init__()
        self._resolve = resolve

    def resolve(self, address: int) -> SymbolAddress | LookupFailure:
        return self._resolve(address)


def symbolize_piece(piece: bytes, resolve: Resolve, options: FormatOptions) -> bytes:
    """Symbolize a piece of text as ``translate`` does, with known symbols."""
    return text_stream(resolve, options).push(piece, 0.0)


def text_stream(resolve: Resolve, options: FormatOptions) -> TextStream:
    """Return a stream for text whose addresses a function resolves."""
    return TextStream(BootSymbols(SymbolSet(FixedResolver(resolve))), options)


def symbol_set_of(map_file: Path, slide: int | None = None) -> SymbolSet:
    """Load a map for a kernel with KASLR and without kallsyms."""
    return load_symbols(Sources("6.1.0", Path("/"), map_file, slide=slide))
