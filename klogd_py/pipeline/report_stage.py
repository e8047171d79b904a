# SPDX-License-Identifier: GPL-2.0-or-later
"""Collect the reports of crashes from the entries that pass, which go on at once."""

from collections.abc import Collection, Sequence

from klogd_py.oops.provenance import Origin
from klogd_py.pipeline.batch import Batch
from klogd_py.pipeline.stage import Stage
from klogd_py.record.crash_kind import CrashKind
from klogd_py.record.types import Entry
from klogd_py.reports.capture_detector import CaptureDetector
from klogd_py.reports.detector import DEFAULT_KINDS, Detector
from klogd_py.reports.raw_report import RawReport
from klogd_py.reports.recent_entries import CONTEXT_LINES


class ReportStage(Stage):
    """Collects reports. Mutable: those that are open; where the stream has been read to.

    Behind the symbols, so that the lines of a report have them.
    """

    job = "reports"

    def __init__(
        self, origin: Origin, kinds: Collection[CrashKind] = DEFAULT_KINDS, *, live: bool = False
    ) -> None:
        """Without ``kinds`` there are no reports.

        ``live``: the records are those of the running kernel, which may be read again.
        """
        self._origin = origin
        self._live = live
        self._kinds = kinds
        self._detector = self._make_detector()
        # Records before it are read again for a sink that fell behind
        self._next_seq = 0
        # The lowest number of the reports of the last batch, which their receiver may not have yet
        self._given_seq: int | None = None

    @property
    def unreported_seq(self) -> int:
        """From which sequence number on records may belong to reports that are not complete.

        The lines before a header belong to its report, too.
        """
        found = [max(0, self._next_seq - CONTEXT_LINES), self._detector.first_seq, self._given_seq]
        return min(seq for seq in found if seq is not None)

    def configure(self, kinds: Collection[CrashKind]) -> None:
        """Report other kinds from now on; if they are others, open reports are forgotten."""
        if frozenset(kinds) != frozenset(self._kinds):
            self._kinds = kinds
            self.restart()

    def push(self, batch: Batch, now_s: float) -> Batch:
        """Return the batch with the reports that ended, or should be kept now."""
        if not self._kinds:
            return batch
        symbolized = batch.symbolized
        entries: Sequence[Entry] = symbolized.entries if symbolized is not None else ()
        reports: list[RawReport] = []
        if entries:
            may_begin: Sequence[int] = batch.crash_lines
            if may_begin and len(batch.records) < len(entries):
                may_begin = _entry_indices(entries, may_begin)
            first = self._count_known(entries) if self._live else 0
            if first:
                may_begin = [at - first for at in may_begin if at >= first]
                entries = entries[first:]
            reports += self._detector.push(entries, may_begin, now_s)
        if not self._detector.is_idle:
            reports += self._detector.tick(now_s)
        if batch.is_last or batch.next_boot is not None:
            # The rest of a report comes when the ring has been read again.
            reports += self._detector.snapshot() if self._live else self._detector.finish()
        seqs = (report.header.record.seq for report in reports)
        self._given_seq = min((seq for seq in seqs if seq is not None), default=None)
        if reports:
            batch.reports = tuple(reports)
        return batch

    def flush(self) -> Batch:
        """Return nothing: `push` ends the reports of a batch that is the last."""
        return Batch([])

    def deadline(self) -> float | None:
        """When an open report ends by silence."""
        return self._detector.deadline()

    def restart(self) -> None:
        """Forget the open reports."""
        self._detector = self._make_detector()

    def _make_detector(self) -> Detector:
        if self._origin is Origin.CAPTURE:
            return CaptureDetector(self._kinds)
        return Detector(self._origin, self._kinds)

    def _count_known(self, entries: Sequence[Entry]) -> int:
        """Count the entries at the beginning that were here before."""
        last = entries[-1].sequence
        if last is None:
            return 0
        known, next_seq = 0, self._next_seq
        for entry in entries:
            sequence = entry.sequence
            if sequence is None or sequence.last >= next_seq:
                break
            known += 1
        self._next_seq = max(next_seq, last.last + 1)
        return known


def _entry_indices(entries: Sequence[Entry], indices: Collection[int]) -> list[int]:
    """Return the indices of records among all entries, in order, for those without the gaps."""
    records = [at for at, entry in enumerate(entries) if entry.gap is None]
    return [records[index] for index in indices if index < len(records)]
