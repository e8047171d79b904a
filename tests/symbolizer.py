# SPDX-License-Identifier: GPL-2.0-or-later
"""The pipeline from records to entries, without a daemon and without sinks."""

from collections.abc import Sequence
from pathlib import Path

from klogd_py.oops import provenance
from klogd_py.oops.address_scanner import AddressMatch
from klogd_py.oops.provenance import Origin, Withheld
from klogd_py.pipeline.kaslr import KaslrStage
from klogd_py.pipeline.printk_clock import WallTimes
from klogd_py.pipeline.stats import Counters
from klogd_py.pipeline.symbolize import FormatOptions, symbolize
from klogd_py.record.types import Entry, Gap, Record, SymbolAddress
from klogd_py.symbols.symbol_loader import load_symbols
from klogd_py.symbols.symbol_set import SymbolSet
from klogd_py.symbols.symbol_sources import Sources


def wall_times(records: Sequence[Record]) -> WallTimes:
    return WallTimes([0] * len(records), [None] * len(records))


class Symbolizer:
    """Infers the KASLR offset from records and resolves their addresses, as the daemon does.

    Mutable: ``symbols`` is the symbol set in use, ``entries`` holds all results.
    """

    def __init__(self, found: SymbolSet, origin: Origin = Origin.RECORDS) -> None:
        self.symbols = found
        self.counters = Counters(origin)
        self.withheld: list[Withheld] = []
        self.entries: list[Entry] = []
        self._origin = origin
        self._stage = KaslrStage(origin)

    def process(self, records: Sequence[Record]) -> None:
        """Process records, and then the timeout after the last one."""
        self.counters.count_read(records)
        self.counters.count_crashes(records)
        ready, self.symbols = self._stage.push(records, 0.0, self.symbols)
        held, self.symbols = self._stage.flush(self.symbols)
        self._symbolize([*ready, *held])

    @property
    def resolved(self) -> list[SymbolAddress]:
        """Return every resolved address."""
        return [place for entry in self.entries for place in entry.symbols]

    def _symbolize(self, ready: Sequence[Record | Gap]) -> None:
        resolve = self.symbols.resolver.resolve
        self.entries += symbolize(
            ready, resolve, FormatOptions(), wall_times, check=self._check_provenance
        )

    def _check_provenance(self, record: Record, matches: Sequence[AddressMatch]) -> Withheld | None:
        reason = provenance.withheld_reason(record, matches, self._origin)
        self.withheld += [reason] if reason is not None else []
        return reason


def symbol_set_of(map_file: Path, slide: int | None = None) -> SymbolSet:
    """Load a map for a kernel with KASLR and without kallsyms."""
    return load_symbols(Sources("6.1.0", Path("/"), map_file, slide=slide))
