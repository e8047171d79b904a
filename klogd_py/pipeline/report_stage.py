# SPDX-License-Identifier: GPL-2.0-or-later
"""Collect the reports of crashes from the entries that pass, which go on at once."""

from collections.abc import Collection, Sequence

from klogd_py.oops.provenance import Origin
from klogd_py.pipeline.batch import Batch
from klogd_py.pipeline.stage import Stage
from klogd_py.record.crash_kind import CrashKind
from klogd_py.record.types import Entry
from klogd_py.reports.detection.capture_detector import CaptureDetector
from klogd_py.reports.detection.detector import DEFAULT_KINDS, Detector
from klogd_py.reports.detection.recent_entries import CONTEXT_LINES
from klogd_py.reports.raw_report import RawReport


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
        reports: list[RawReport] = []
        # Silence begins when records are read, also where they wait for symbols afterwards. It
        # ends with the next batch, which may have waited meanwhile.
        read_s = now_s if batch.read_s is None else batch.read_s
        if batch.symbolized is not None and batch.symbolized.entries:
            reports += self._detect(batch, batch.symbolized.entries, read_s)
        if not self._detector.is_idle:
            reports += self._detector.tick(read_s)
        if batch.is_last or batch.next_boot is not None:
            # The rest of a report comes when the ring has been read again.
            if self._live:
                reports += self._detector.snapshot()
            else:
                reports += self._detector.finish(batch.next_boot)
        seqs = (report.header.record.seq for report in reports)
        self._given_seq = min((seq for seq in seqs if seq is not None), default=None)
        if reports:
            batch.reports = tuple(reports)
        return batch

    def _detect(self, batch: Batch, entries: Sequence[Entry], read_s: float) -> list[RawReport]:
        may_begin: Sequence[int] = batch.crash_lines
        if may_begin and len(batch.records) < len(entries):
            may_begin = _entry_indices(entries, may_begin)
        if self._live and self._has_known(entries):
            new = [at for at, entry in enumerate(entries) if self._is_new(entry)]
            places = {at: place for place, at in enumerate(new)}
            may_begin = [places[at] for at in may_begin if at in places]
            entries = [entries[at] for at in new]
        self._note_seq(entries)
        return self._detector.push(entries, may_begin, read_s)

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

    def _has_known(self, entries: Sequence[Entry]) -> bool:
        """Whether entries may be among these that were here before: the first one tells."""
        first = entries[0].sequence
        return first is None or first.last < self._next_seq

    def _is_new(self, entry: Entry) -> bool:
        sequence = entry.sequence
        return sequence is None or sequence.last >= self._next_seq

    def _note_seq(self, entries: Sequence[Entry]) -> None:
        """Remember the last number that was here."""
        for entry in reversed(entries):
            sequence = entry.sequence
            if sequence is not None:
                self._next_seq = max(self._next_seq, sequence.last + 1)
                return


def _entry_indices(entries: Sequence[Entry], indices: Collection[int]) -> list[int]:
    """Return the indices of records among all entries, in order, for those without the gaps."""
    records = [at for at, entry in enumerate(entries) if entry.gap is None]
    return [records[index] for index in indices if index < len(records)]
