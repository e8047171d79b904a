# SPDX-License-Identifier: GPL-2.0-or-later
"""The way of records from the source to the sinks, without a daemon around it."""

from collections.abc import Sequence
from pathlib import Path

from klogd_py.oops import provenance
from klogd_py.oops.address_scanner import AddressMatch
from klogd_py.oops.provenance import Origin, Withheld
from klogd_py.pipeline.kaslr import KaslrStage
from klogd_py.pipeline.stats import Counters
from klogd_py.pipeline.symbolize import FormatOptions, symbolize
from klogd_py.record.types import Entry, Gap, Record, SymbolAddress, TimestampSource
from klogd_py.symbols.symbol_loader import load_symbols
from klogd_py.symbols.symbol_set import SymbolSet
from klogd_py.symbols.symbol_sources import Sources


def wall_times(records: Sequence[Record]) -> tuple[Sequence[int], Sequence[TimestampSource | None]]:
    return [0] * len(records), [None] * len(records)


class Listener:
    """Reads records, learns from their traces, and names them, as the daemon does. Mutable."""

    def __init__(self, found: SymbolSet, origin: Origin = Origin.RECORDS) -> None:
        self.survey = found
        self.counters = Counters(origin)
        self.withheld: list[Withheld] = []
        self.entries: list[Entry] = []
        self._origin = origin
        self._learning = KaslrStage(origin)

    def hear(self, records: Sequence[Record]) -> None:
        """All of the records, and after them a silence."""
        self.counters.count_read(records)
        ready, self.survey = self._learning.push(records, 0.0, self.survey)
        held, self.survey = self._learning.flush(self.survey)
        self._send([*ready, *held])

    @property
    def places(self) -> list[SymbolAddress]:
        """Every place that was named."""
        return [place for entry in self.entries for place in entry.places]

    def _send(self, ready: Sequence[Record | Gap]) -> None:
        resolve = self.survey.resolver.resolve
        self.entries += symbolize(ready, resolve, FormatOptions(), wall_times, check=self._judge)

    def _judge(self, record: Record, matches: Sequence[AddressMatch]) -> Withheld | None:
        reason = provenance.withheld_reason(record, matches, self._origin)
        self.withheld += [reason] if reason is not None else []
        return reason


def symbol_set_of(map_file: Path, slide: int | None = None) -> SymbolSet:
    """What is known of a randomised kernel with this map and without kallsyms."""
    return load_symbols(Sources("6.1.0", Path("/"), str(map_file), slide=slide))
