# SPDX-License-Identifier: GPL-2.0-or-later
"""Count the crashes in what has been read, and remember the last oops. No I/O, no clock.

Source of truth for the words of a crash: `klogd_py.oops.crash_signatures`.
"""

from collections.abc import Iterable

from klogd_py.oops import provenance
from klogd_py.oops.crash_signatures import SIGNATURES, CrashClass, Signature
from klogd_py.oops.provenance import Origin
from klogd_py.record.crash_kind import CrashKind
from klogd_py.record.types import Record

# Headers of one kind that are at most this far apart belong to one crash.
CRASH_SPAN_US = 1_000_000
_COUNTED_KINDS = [kind for kind in CrashKind if any(row.kind is kind for row in SIGNATURES)]


class CrashCounter:
    """Counters of the crash reports in one stream. Mutable.

    ``by_kind`` counts reports by kind, ``oopses`` those that are no mere warnings. Records that are
    read again for a sink that fell behind are not counted again.
    """

    def __init__(self, origin: Origin) -> None:
        self.by_kind = dict.fromkeys(_COUNTED_KINDS, 0)
        self.oopses = 0
        self.last_oops: Record | None = None
        self._origin = origin
        # The timestamps of the last header of each kind, and of the last one of an oops
        self._header_us: dict[CrashKind | CrashClass, int | None] = {}
        # The number after the last record that was searched for the header of a crash
        self._next_seq = 0

    def count(self, records: Iterable[Record]) -> None:
        """Count the crashes that begin with these records; see `Batch.crash_lines`."""
        for record in records:
            if record.seq is not None:
                if record.seq < self._next_seq:
                    continue
                self._next_seq = record.seq + 1
            signature = provenance.identify(record, self._origin)
            if signature is not None and signature.kind is not None:
                self._count_crash(record, signature.kind, signature)

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
        self.by_kind[kind] += is_new_kind

    def _begins_crash(self, what: CrashKind | CrashClass, record: Record) -> bool:
        """Whether a header comes too late to be of the same crash as the last one of a kind."""
        last_us = self._header_us.get(what)
        self._header_us[what] = record.usec
        if last_us is None or record.usec is None:
            return True
        return not 0 <= record.usec - last_us <= CRASH_SPAN_US
