# SPDX-License-Identifier: GPL-2.0-or-later
"""Turn records into entries with symbols and wall times, whatever happens.

The batch has left the source, so an unexpected error in one record must lose neither it nor those
around it: a record that cannot be symbolized or timed goes out unchanged.
"""

import time
from collections.abc import Sequence

from klogd_py.oops import provenance
from klogd_py.oops.address_scanner import AddressMatch
from klogd_py.oops.provenance import Origin, Withheld
from klogd_py.pipeline.clock import Clock
from klogd_py.pipeline.stats import Counters
from klogd_py.pipeline.symbolize import CheckProvenance, FormatOptions, KnownPcs, symbolize
from klogd_py.record.gaps import announce
from klogd_py.record.types import (
    Entry,
    Gap,
    LookupFailure,
    Record,
    SymbolAddress,
    TimestampSource,
)
from klogd_py.symbols.resolver import Resolve
from klogd_py.symbols.symbol_set import SymbolSet
from klogd_py.system.jobs import Jobs


class EntryBuilder:
    """Builds the entries of one stream of records. Mutable: the known program counters.

    ``format_options`` may be changed at any time.
    """

    def __init__(
        self, clock: Clock, origin: Origin, counters: Counters, jobs: Jobs, *, any_text: bool
    ) -> None:
        """``any_text``: resolve addresses in any text of the kernel.

        That is done, as by the classic klogd, only where the kernel is not randomised. Withheld
        symbols are counted in ``counters``.
        """
        self.format_options = FormatOptions()
        self._clock = clock
        self._origin = origin
        self._any_text = any_text
        self._counters = counters
        self._jobs = jobs
        self._known_pcs: KnownPcs = set()

    def build(
        self, batch: list[Record | Gap], symbols: SymbolSet
    ) -> tuple[list[Entry], list[SymbolAddress | LookupFailure]]:
        """Return the batch as entries, and the result of each address lookup in it."""
        lookups: list[SymbolAddress | LookupFailure] = []

        def resolve(address: int) -> SymbolAddress | LookupFailure:
            lookups.append(symbol := symbols.resolver.resolve(address))
            return symbol

        def withheld(record: Record, matches: Sequence[AddressMatch]) -> Withheld | None:
            return self._withheld_reason(record, matches, symbols)

        return self._make_entries(batch, resolve, withheld), lookups

    def forget_pcs(self) -> None:
        """Forget the program counters seen so far: another boot begins."""
        self._known_pcs.clear()

    def _make_entries(
        self, batch: Sequence[Record | Gap], resolve: Resolve, withheld: CheckProvenance
    ) -> list[Entry]:
        """Symbolize the batch; after an unexpected error, each record by itself.

        Then only the records with which something is wrong go out unchanged.
        """
        options, known_pcs = self.format_options, self._known_pcs
        wall_times = self._clock.wall_times
        try:
            self._clock.sample_clocks()
            return symbolize(batch, resolve, options, wall_times, known_pcs, withheld)
        except Exception as error:
            self._jobs.report("translation", error)
        entries: list[Entry] = []
        for item in batch:
            try:
                entries += symbolize([item], resolve, options, wall_times, known_pcs, withheld)
            # The error has been reported already.
            except Exception:
                entries.append(raw_entry(item))
        return entries

    def _withheld_reason(
        self, record: Record, matches: Sequence[AddressMatch], symbols: SymbolSet
    ) -> Withheld | None:
        """Why the addresses of a record may not be symbolized; known symbols are counted."""
        reason = provenance.withheld_reason(record, matches, self._origin)
        if reason is Withheld.BORDERS and symbols.is_fixed:
            reason = provenance.withheld_reason(record, matches, Origin.RECORDS)
        if reason is not None and symbols.is_fixed and self._any_text:
            reason = provenance.withheld_reason_in_any_text(record, symbols.hashes_pointers)
        if reason is not None:
            known = [
                match
                for match in matches
                if isinstance(symbols.resolver.resolve(match.address), SymbolAddress)
            ]
            self._counters.withheld[reason] += len(known)
        return reason


def raw_entry(item: Record | Gap) -> Entry:
    """Make the entry of an item without symbols.

    Its wall time is now, unless the record states one.
    """
    now_us = time.time_ns() // 1000
    if isinstance(item, Gap):
        return announce(item, lambda record: now_us)
    return Entry(
        item,
        item.wall_us or now_us,
        item.text,
        time_source=None if item.wall_us else TimestampSource.RECEIPT,
    )
