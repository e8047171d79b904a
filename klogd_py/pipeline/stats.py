# SPDX-License-Identifier: GPL-2.0-or-later
"""Count what has been read, and the crashes in it.

Counted per batch, mostly by functions that run in C: a record costs some 50 ns. Records that are
read again for a sink that fell behind are not counted again. No I/O, no clock.

Source of truth for the words of a crash: `klogd_py.oops.crash_signatures`.
"""

from collections import Counter
from collections.abc import Iterable, Sequence

from klogd_py.oops import provenance
from klogd_py.oops.crash_signatures import CrashClass, CrashKind, Signature
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

# Headers of one kind that are at most this far apart belong to one crash.
CRASH_SPAN_US = 1_000_000
# Facility kern, with the level that printk gives to lines which state none, or a more severe one
_PREFIXES = frozenset(range(KERN << 3 | Severity.EMERG, (KERN << 3 | Severity.NOTICE) + 1))


class Counters:
    """Counters of one pipeline. Mutable.

    ``prefixes`` counts records by facility and severity, ``gaps`` the records that the source did
    not give, by cause, ``named`` the symbols by their table, ``nameless`` the addresses without a
    symbol by reason, and ``withheld`` those whose symbol is known but not printed, since the record
    does not prove that the kernel wrote the address. ``crashes`` counts crash reports by kind,
    ``oopses`` those that are no mere warnings. ``next_seq`` is the number after the highest that
    was read.
    """

    def __init__(self, origin: Origin = Origin.CAPTURE) -> None:
        self._origin = origin
        self.prefixes: Counter[int | None] = Counter()
        self.gaps: Counter[Cause] = Counter()
        self.named: Counter[str] = Counter()
        self.nameless: Counter[LookupFailure] = Counter()
        self.withheld: Counter[Withheld] = Counter()
        self.crashes = dict.fromkeys(CrashKind, 0)
        self.oopses = 0
        self.last_oops: Record | None = None
        self.time_source: TimestampSource | None = None
        self.next_seq: int | None = None
        # The timestamps of the last header of each kind, and of the last one of an oops
        self._header_us: dict[CrashKind | CrashClass, int | None] = {}
        # The number after the last record that was searched for the header of a crash
        self._next_crash_seq = 0
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

    def count_crashes(self, records: Iterable[Record]) -> None:
        """Count the crashes in those records of a batch that hold one of `CRASH_MARKERS`."""
        for record in records:
            if record.seq is not None:
                if record.seq < self._next_crash_seq:
                    continue
                self._next_crash_seq = record.seq + 1
            if record.prefix in _PREFIXES:
                signature = provenance.identify(record, self._origin)
                if signature is not None and signature.kind is not None:
                    self._count_crash(record, signature.kind, signature)

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
        newest = next((found for item in reversed(batch) if (found := item.sequence)), None)
        if newest is None:
            return batch
        counted, first = self.next_seq or 0, batch[0].sequence
        if first is not None and first.first < counted:
            fresh = [
                item
                for item in batch
                if (numbers := item.sequence) is not None and numbers.first >= counted
            ]
        else:
            fresh = list(batch)
        self.next_seq = max(counted, newest.next_seq)
        return fresh

    def _count_crash(self, record: Record, kind: CrashKind, signature: Signature) -> None:
        """Count a header, unless it is one more line of a crash that has been counted."""
        is_new_kind = self._begins_crash(kind, record)
        if signature.crash_class is CrashClass.OOPS:
            is_new_oops = self._begins_crash(CrashClass.OOPS, record)
            if is_new_oops:
                self.oopses += 1
                self.last_oops = record
            elif signature.continues:
                return
        self.crashes[kind] += is_new_kind

    def _begins_crash(self, what: CrashKind | CrashClass, record: Record) -> bool:
        """Whether a header comes too late to be of the same crash as the last one of a kind."""
        last_us = self._header_us.get(what)
        self._header_us[what] = record.usec
        if last_us is None or record.usec is None:
            return True
        return not 0 <= record.usec - last_us <= CRASH_SPAN_US
