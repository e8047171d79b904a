# SPDX-License-Identifier: GPL-2.0-or-later
"""Which records does the configuration want left out, and how is that made good for?

Two wishes, both off by default: a least severity, below which records are left out, and a limit for
lines that say the same but for their numbers. Errors and worse always go through. Each unbroken run
of what is left out becomes one Gap of cause rate-limit, which says how many, and like what: no
count is hidden.
"""

import re
from collections.abc import Sequence

from klogd_py.record.types import Cause, Gap, Record, Severity

# So long at most until a run that goes on is told
WAIT_S = 1.0
# Different lines that are remembered
MAX_TEXTS = 1024
_NUMBER = re.compile(r"0x[0-9a-fA-F]+|[0-9]+")


class RateLimiter:
    """Leaves out what is unwanted in a stream of records. Mutable; times are of any even clock."""

    def __init__(
        self, min_severity: Severity = Severity.DEBUG, burst: int = 0, interval_s: float = 10.0
    ) -> None:
        """``burst`` is how many lines of one kind pass in each interval; 0 is no limit."""
        self._min_severity = max(min_severity, Severity.ERR)
        self._burst = burst
        self._interval_s = interval_s
        self._interval_ends_s = 0.0
        self._counts: dict[tuple[int | None, str], int] = {}
        self._run: Gap | None = None
        self._due_s = 0.0
        self.is_idle = self._min_severity is Severity.DEBUG and not burst

    @property
    def pending(self) -> list[Record | Gap]:
        """The run that is not told yet."""
        return [] if self._run is None else [self._run]

    def restarted(self) -> "RateLimiter":
        """One with the same wishes that has left nothing out."""
        return RateLimiter(self._min_severity, self._burst, self._interval_s)

    def push(self, batch: Sequence[Record | Gap], now_s: float) -> list[Record | Gap]:
        """What goes through; an empty batch lets a run be told that has gone on long enough."""
        passed: list[Record | Gap] = []
        for item in batch:
            note = self._suppression_note(item, now_s) if isinstance(item, Record) else ""
            if isinstance(item, Record) and item.seq is not None and note:
                passed += self._suppress(item.seq, note, now_s)
                continue
            passed += self.flush()
            passed.append(item)
        if self._run is not None and now_s >= self._due_s:
            passed += self.flush()
        return passed

    def flush(self) -> list[Record | Gap]:
        """The run that is not told yet."""
        run, self._run = self._run, None
        return [] if run is None else [run]

    def due_in_s(self, now_s: float) -> float | None:
        """How long until a run must be told; ``None`` if there is none."""
        return None if self._run is None else max(0.0, self._due_s - now_s)

    def _suppression_note(self, record: Record, now_s: float) -> str:
        """Why a record is to be left out; empty if it is not.

        A line that is several records is wanted.
        """
        severity = record.severity
        if severity <= Severity.ERR or record.seq is None or record.parts:
            return ""
        if severity > self._min_severity:
            return f"less severe than {self._min_severity.name.lower()}"
        if not self._burst:
            return ""
        if now_s >= self._interval_ends_s or len(self._counts) >= MAX_TEXTS:
            self._counts.clear()
            self._interval_ends_s = now_s + self._interval_s
        kind = record.prefix, _NUMBER.sub("#", record.text)
        count = self._counts[kind] = self._counts.get(kind, 0) + 1
        return f"repeats of: {kind[1]}" if count > self._burst else ""

    def _suppress(self, seq: int, note: str, now_s: float) -> list[Record | Gap]:
        """Add a record to the run, or begin another; returns the run that this one ended."""
        run = self._run
        if run is not None and (run.last + 1, run.note) == (seq, note):
            self._run = Gap(run.first, seq, Cause.RATE_LIMIT, note)
            return []
        ended = self.flush()
        self._run = Gap(seq, seq, Cause.RATE_LIMIT, note)
        self._due_s = now_s + WAIT_S
        return ended
