# SPDX-License-Identifier: GPL-2.0-or-later
"""Suppress records as configured, and announce each suppressed run.

Two settings, both off by default: the least severity that passes, and a limit for lines that differ
only in their numbers. Errors and worse always pass. Each unbroken run of suppressed records becomes
one Gap of cause rate-limit, which states their number and kind, so that no record is missing
without a trace. They are suppressed last: reports of crashes are made of all records.
"""

import re
from operator import is_

from msgspec import structs

from klogd_py.pipeline.batch import Batch, Symbolized
from klogd_py.pipeline.stage import Stage
from klogd_py.pipeline.symbol_stage import raw_entry
from klogd_py.record.types import Cause, Entry, Gap, Record, Severity

# Longest time until a run that goes on is announced
MAX_RUN_S = 1.0
# Limit of different lines that are counted in an interval
MAX_TEXTS = 1024
_NUMBER = re.compile(r"0x[0-9a-fA-F]+|[0-9]+")


class RateLimiter(Stage):
    """Suppresses records in a stream. Mutable: the counts, the run that is not announced yet."""

    job = "flood limit"

    def __init__(
        self, min_severity: Severity = Severity.DEBUG, burst: int = 0, interval_s: float = 10.0
    ) -> None:
        """``burst`` is how many lines of one kind pass in each interval; 0 is no limit."""
        self._counts: dict[tuple[int | None, str], int] = {}
        self._gap: Gap | None = None
        self._due_s = 0.0
        self.configure(min_severity, burst, interval_s)

    def configure(
        self, min_severity: Severity = Severity.DEBUG, burst: int = 0, interval_s: float = 10.0
    ) -> None:
        """Change the settings, and count from the beginning; a run goes on until it is announced.

        The arguments are those of the constructor.
        """
        self._min_severity = max(min_severity, Severity.ERR)
        self._burst = burst
        self._interval_s = interval_s
        self._interval_ends_s = 0.0
        self._counts.clear()
        self.is_idle = self._min_severity is Severity.DEBUG and not burst

    @property
    def pending(self) -> list[Record | Gap]:
        """The run that is not announced yet, if any."""
        return [] if self._gap is None else [self._gap]

    def restart(self) -> None:
        """Forget what was suppressed."""
        self._gap = None
        self._counts.clear()

    def push(self, batch: Batch, now_s: float) -> Batch:
        """Return what passes; an empty batch announces a run that has gone on for long enough.

        The last batch announces each run.
        """
        if self.is_idle and self._gap is None:
            return batch
        symbolized = batch.symbolized or Symbolized([raw_entry(item) for item in batch.items])
        passed: list[Entry] = []
        for entry in symbolized.entries:
            record = entry.record
            note = self._suppression_note(record, now_s) if entry.gap is None else None
            if record.seq is not None and note is not None:
                passed += self._suppress(record.seq, note, now_s)
                continue
            passed += self._end_run()
            passed.append(entry)
        if self._gap is not None and (batch.is_last or now_s >= self._due_s):
            passed += self._end_run()
        if len(passed) == len(symbolized.entries) and all(map(is_, passed, symbolized.entries)):
            return batch
        limited = batch.with_items([entry.gap or entry.record for entry in passed])
        limited.symbolized = structs.replace(symbolized, entries=passed)
        return limited

    def deadline(self) -> float | None:
        """When the run must be announced; ``None`` if there is none."""
        return None if self._gap is None else self._due_s

    def _end_run(self) -> list[Entry]:
        run, self._gap = self._gap, None
        return [] if run is None else [raw_entry(run)]

    def _suppression_note(self, record: Record, now_s: float) -> str | None:
        """Why a record is to be suppressed; ``None`` if it passes, as a line of several records
        does.
        """
        severity = record.severity
        if severity <= Severity.ERR or record.seq is None or record.parts:
            return None
        if severity > self._min_severity:
            return f"less severe than {self._min_severity.name.lower()}"
        if not self._burst:
            return None
        if now_s >= self._interval_ends_s or len(self._counts) >= MAX_TEXTS:
            self._counts.clear()
            self._interval_ends_s = now_s + self._interval_s
        kind = record.prefix, _NUMBER.sub("#", record.text)
        count = self._counts[kind] = self._counts.get(kind, 0) + 1
        return f"repeats of: {kind[1]}" if count > self._burst else None

    def _suppress(self, seq: int, note: str, now_s: float) -> list[Entry]:
        """Add a record to the run, or begin another; returns the run that this one ended."""
        run = self._gap
        if run is not None and (run.last + 1, run.note) == (seq, note):
            self._gap = Gap(run.first, seq, Cause.RATE_LIMIT, note)
            return []
        ended = self._end_run()
        self._gap = Gap(seq, seq, Cause.RATE_LIMIT, note)
        self._due_s = now_s + MAX_RUN_S
        return ended
