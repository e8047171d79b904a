# SPDX-License-Identifier: GPL-2.0-or-later
"""Count what has been read, and find the last oops.

Counted per batch, mostly by functions that run in C: a record costs some 50 ns. Records that are
read again for a sink that fell behind are not counted again. No I/O, no clock.

Source of truth for the words of an oops: the first lines of ``die`` and ``panic`` of each
architecture; mm/kasan/report.c.
"""

from collections import Counter
from collections.abc import Sequence

from klogd_py.oops import provenance
from klogd_py.oops.provenance import Origin, Withheld
from klogd_py.record.types import (
    KERN,
    Cause,
    Entry,
    Gap,
    LookupFailure,
    Record,
    Severity,
    TimestampSource,
)

# Markers that are at most this far apart belong to one oops
OOPS_SPAN_US = 1_000_000
_OOPS_MARKERS = (
    "BUG: ",
    "Oops",
    "Internal error",
    "nable to handle",
    "eneral protection",
    "ernel BUG at",
    "ernel panic",
    "nhandled fault",
    "invalid opcode",
    "divide error",
    "ouble fault",
)
# Facility kern, with the level that printk gives to lines which state none, or a more severe one
_PREFIXES = frozenset(range(KERN << 3 | Severity.EMERG, (KERN << 3 | Severity.NOTICE) + 1))


class Counters:
    """Counters of one pipeline. Mutable.

    ``prefixes`` counts records by facility and severity, ``gaps`` the records that the source did
    not give, by cause, ``named`` the symbols by their table, ``nameless`` the addresses without a
    symbol by reason, and ``withheld`` those whose symbol is known but not printed, since the record
    does not prove that the kernel wrote the address. ``next_seq`` is the number after the highest
    that was read.
    """

    def __init__(self, origin: Origin = Origin.CAPTURE) -> None:
        self._origin = origin
        self.prefixes: Counter[int | None] = Counter()
        self.gaps: Counter[Cause] = Counter()
        self.named: Counter[str] = Counter()
        self.nameless: Counter[LookupFailure] = Counter()
        self.withheld: Counter[Withheld] = Counter()
        self.oopses = 0
        self.last_oops: Record | None = None
        self.time_source: TimestampSource | None = None
        self.next_seq: int | None = None
        self._marker_us: int | None = None
        # The last suppressed sequence number
        self._last_suppressed = -1

    def count_read(self, batch: Sequence[Record | Gap]) -> None:
        """Count a batch from the source."""
        fresh = self._unseen(batch)
        prefixes = [item.prefix for item in fresh if isinstance(item, Record)]
        self.prefixes.update(prefixes)
        if len(prefixes) < len(fresh):
            for item in fresh:
                if isinstance(item, Gap):
                    self.gaps[item.cause] += item.count
        if not _PREFIXES.isdisjoint(prefixes):
            self._find_oops(fresh)

    def count_suppressed(self, batch: Sequence[Record | Gap]) -> None:
        """Count the records that the rate limiter has suppressed in a batch."""
        for item in batch:
            if (
                isinstance(item, Gap)
                and item.cause is Cause.RATE_LIMIT
                and item.first > self._last_suppressed
            ):
                self.gaps[item.cause] += item.count
                self._last_suppressed = item.last

    def count_symbols(
        self, entries: Sequence[Entry], nameless: Sequence[LookupFailure], looked_up: bool
    ) -> None:
        """Count symbols and failed lookups; ``looked_up``: there was any address to look up."""
        if entries:
            self.time_source = entries[-1].time_source
        if looked_up:
            self.named.update([symbol.source for entry in entries for symbol in entry.symbols])
            self.nameless.update(nameless)

    @property
    def records(self) -> int:
        """Number of records read."""
        return self.prefixes.total()

    @property
    def severities(self) -> dict[Severity, int]:
        """Number of records read, by severity."""
        counts = dict.fromkeys(Severity, 0)
        for prefix, count in self.prefixes.items():
            counts[Severity.INFO if prefix is None else Severity(prefix & 7)] += count
        return counts

    def _unseen(self, batch: Sequence[Record | Gap]) -> Sequence[Record | Gap]:
        """The items of a batch that have not been counted before."""
        if not batch:
            return batch
        first, end = _first_of(batch[0]), _end_of(batch)
        if end is None:
            return batch
        if first is not None and first < (self.next_seq or 0):
            fresh = [
                item
                for item in batch
                if (number := _first_of(item)) is not None and number >= (self.next_seq or 0)
            ]
        else:
            fresh = list(batch)
        self.next_seq = max(self.next_seq or 0, end)
        return fresh

    def _find_oops(self, items: Sequence[Record | Gap]) -> None:
        for item in items:
            if not isinstance(item, Record) or item.prefix not in _PREFIXES:
                continue
            if not any(
                marker in item.text for marker in _OOPS_MARKERS
            ) or not provenance.is_oops_header(item, self._origin):
                continue
            if (
                self._marker_us is None
                or item.usec is None
                or not 0 <= item.usec - self._marker_us <= OOPS_SPAN_US
            ):
                self.oopses += 1
                self.last_oops = item
            self._marker_us = item.usec


def _first_of(item: Record | Gap) -> int | None:
    return item.first if isinstance(item, Gap) else item.seq


def _end_of(batch: Sequence[Record | Gap]) -> int | None:
    """The number after the last one of a batch; ``None`` if no item has a number."""
    for item in reversed(batch):
        last = item.last if isinstance(item, Gap) else item.seq
        if last is not None:
            return last + 1
    return None
