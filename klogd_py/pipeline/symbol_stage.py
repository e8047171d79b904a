# SPDX-License-Identifier: GPL-2.0-or-later
"""Turn the records of a batch into entries with symbols and wall times, whatever happens.

The batch has left the source, so an unexpected error in one record must lose neither it nor those
around it: a record that cannot be symbolized or timed goes out unchanged.
"""

import time
from collections import Counter
from collections.abc import Callable, Sequence

from msgspec import Struct

from klogd_py.oops import provenance
from klogd_py.oops.address_scanner import AddressMatch
from klogd_py.oops.provenance import Origin, Withheld
from klogd_py.pipeline.batch import Batch, Symbolized
from klogd_py.pipeline.clock import Clock
from klogd_py.pipeline.stage import CurrentSymbols, Stage, SymbolRequest
from klogd_py.pipeline.symbolize import CheckProvenance, FormatOptions, KnownPcs, symbolize
from klogd_py.record.gaps import announce
from klogd_py.record.types import Entry, Gap, LookupFailure, Record, SymbolAddress, TimestampSource
from klogd_py.symbols.symbol_set import SymbolSet


class Naming(Struct, frozen=True):
    """Which addresses of one stream are allowed to be symbolized.

    ``any_text``: as by the classic klogd, addresses in any text of the kernel, where it is not
    randomised. ``on_weak_grounds``: in any line at all, as a user asks for with `translate`.
    """

    origin: Origin
    any_text: bool = False
    on_weak_grounds: bool = False


class _Attempt(Struct, frozen=True):
    """A batch that was symbolized before it was pushed, and the symbols that were used."""

    batch: Batch
    symbols: SymbolSet
    symbolized: Symbolized


class SymbolStage(Stage):
    """Makes the entries of one stream. Mutable: the known program counters.

    ``format_options`` may be changed at any time.
    """

    job = "translation"
    depends_on_symbols = True

    def __init__(
        self,
        symbols: CurrentSymbols,
        clock: Clock,
        naming: Naming,
        report: Callable[[str, Exception], None],
        *,
        live: bool,
    ) -> None:
        """``report`` is called with the job and an unexpected error."""
        self.format_options = FormatOptions()
        self._symbols = symbols
        self._clock = clock
        self._naming = naming
        self._report = report
        self._live = live
        self._known_pcs: KnownPcs = set()
        self._attempt: _Attempt | None = None

    def request(self, batch: Batch) -> SymbolRequest | None:
        """Symbols that are being loaded, or that may have become known a moment ago.

        An oops may arrive before the uevent of its module, whose init function may still run.
        """
        if not batch.address_lines:
            return None
        if self._symbols.is_loading and batch.has_address(self.format_options.resymbolize):
            return SymbolRequest.LOADED
        if not self._live or (self._attempt is not None and self._attempt.batch is batch):
            return None
        symbolized = self._symbolize(batch)
        self._attempt = _Attempt(batch, self._symbols.symbols, symbolized)
        return SymbolRequest.AFTER_FAILURE if symbolized.failures else None

    def push(self, batch: Batch, now_s: float) -> Batch:
        """Return the batch with its entries."""
        attempt, self._attempt = self._attempt, None
        if (
            attempt is not None
            and attempt.batch is batch
            and attempt.symbols is self._symbols.symbols
        ):
            batch.symbolized = attempt.symbolized
        else:
            batch.symbolized = self._symbolize(batch)
        if batch.next_boot is not None:
            self._known_pcs.clear()
        return batch

    def restart(self) -> None:
        """Forget what was symbolized in advance."""
        self._attempt = None

    def _symbolize(self, batch: Batch) -> Symbolized:
        """Symbolize the batch; after an unexpected error, each record by itself.

        Then only the records with which something is wrong go out unchanged.
        """
        try:
            self._clock.sample_clocks()
            return self._symbolize_whole(batch)
        except Exception as error:
            self._report(self.job, error)
        entries: list[Entry] = []
        lookups: list[SymbolAddress | LookupFailure] = []
        withheld: Counter[Withheld] = Counter()
        for item in batch.items:
            try:
                made = self._symbolize_whole(Batch([item]))
            # The error has been reported already.
            except Exception:
                entries.append(raw_entry(item))
                continue
            entries += made.entries
            lookups += made.lookups
            withheld += made.withheld
        return Symbolized(entries, lookups, withheld)

    def _symbolize_whole(self, batch: Batch) -> Symbolized:
        return symbolize(
            batch,
            self._symbols.symbols.resolver.resolve,
            self.format_options,
            self._clock.wall_times,
            self._known_pcs,
            self._check,
        )

    @property
    def _check(self) -> CheckProvenance | None:
        return None if self._naming.on_weak_grounds else self._withheld_reason

    def _withheld_reason(self, record: Record, matches: Sequence[AddressMatch]) -> Withheld | None:
        """Why the addresses of a record may not be symbolized."""
        symbols = self._symbols.symbols
        reason = provenance.withheld_reason(record, matches, self._naming.origin)
        if reason is Withheld.BORDERS and symbols.is_fixed:
            reason = provenance.withheld_reason(record, matches, Origin.RECORDS)
        if reason is not None and symbols.is_fixed and self._naming.any_text:
            reason = provenance.withheld_reason_in_any_text(record, symbols.hashes_pointers)
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
