# SPDX-License-Identifier: GPL-2.0-or-later
"""Count what has been read.

Counted per batch, mostly by functions that run in C: a record costs some 50 ns. Records that are
read again for a sink that fell behind are not counted again. No I/O, no clock.
"""

from collections import Counter
from collections.abc import Sequence

from klogd_py.oops.provenance import Origin, Withheld
from klogd_py.pipeline.crash_counter import CrashCounter
from klogd_py.pipeline.frame_summary import FrameSummary
from klogd_py.record.types import (
    Cause,
    Entry,
    Gap,
    LookupFailure,
    Record,
    Severity,
    TimestampSource,
)


class Counters:
    """Counters of one pipeline. Mutable.

    ``prefixes`` counts records by facility and severity, ``gaps`` the records that the source did
    not give, by cause, ``named`` the symbols by their table, ``nameless`` the addresses without a
    symbol by reason, and ``withheld`` those whose symbol is known but not printed, since the record
    does not prove that the kernel wrote the address. ``next_seq`` is the number after the highest
    that was read.
    """

    def __init__(self, origin: Origin = Origin.CAPTURE, *, has_end: bool = False) -> None:
        """``has_end``: the source ends, and `frames` is wanted then."""
        self.prefixes: Counter[int | None] = Counter()
        self.gaps: Counter[Cause] = Counter()
        self.named: Counter[str] = Counter()
        self.nameless: Counter[LookupFailure] = Counter()
        self.withheld: Counter[Withheld] = Counter()
        self.crashes = CrashCounter(origin)
        self.frames = FrameSummary() if has_end else None
        self.time_source: TimestampSource | None = None
        self.next_seq: int | None = None
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
