# SPDX-License-Identifier: GPL-2.0-or-later
"""Which records wait while an oops is in progress, and where does it end?

Finds the traces in a stream of records, those of each caller apart, and keeps the stream back while
one is open; it never reorders.

Source of truth: kernel/panic.c ``print_oops_end_marker``; the first lines of ``die`` and ``__warn``
of each architecture.
"""

from collections.abc import Sequence

from klogd_py.oops import address_scanner, provenance
from klogd_py.oops.provenance import Origin
from klogd_py.oops.trace_parser import Trace, parse_trace
from klogd_py.record.types import KERN, Gap, Record

# No record is held back for longer
HOLD_LIMIT_S = 1.0
# Nor are more of them at once
MAX_HELD_RECORDS = 4096
# Traces at a time; whoever writes a line as each of a thousand callers is no kernel that oopses
MAX_OPEN_TRACES = 64
# So many lines in a row without an address or a sign of a trace end it, where no clock does
MAX_UNRELATED_LINES = 48

CRASH_MARKERS = (
    "BUG: ",
    "Oops",
    "WARNING: ",
    "cut here ]",
    "Internal error",
    "nable to handle",
    "eneral protection",
    "ernel BUG at",
    "ernel panic",
    "watchdog: ",
    "detected stall",
    "blocked for more than",
    "nhandled fault",
    "invalid opcode",
    "divide error",
    "stack segment",
    "ouble fault",
    "all Trace:",
    "all trace:",
    "Backtrace:",
    "Kernel Offset:",
    "KASAN",
    "UBSAN",
)
_END_MARKERS = ("---[ end ",)
_TRACE_LINE_MARKERS = (
    *address_scanner.ADDRESS_MARKERS,
    "Code: ",
    "RIP: ",
    "RSP: ",
    "TASK>",
    "IRQ>",
    "Modules linked in:",
    "R10: ",
    "RAX: ",
    "CR2: ",
    " : ",
)


class _OpenTrace:
    """A trace that has begun and not ended. Mutable.

    ``first`` is the place of its first record in the stream.
    """

    def __init__(self, record: Record, lines: list[str], first: int, now_s: float) -> None:
        self.texts = lines
        self.first = first
        self.due_s = now_s + HOLD_LIMIT_S
        self._due_us = None if record.usec is None else record.usec + int(HOLD_LIMIT_S * 1_000_000)
        self._unrelated_lines = 0
        self._is_stamped = record.usec is not None

    def is_late_at(self, record: Record) -> bool:
        """Whether it has been open for too long by the kernel's own clock when this record is
        written, by whomever.
        """
        return self._due_us is not None and record.usec is not None and record.usec > self._due_us

    def is_over_before(self, record: Record) -> bool:
        """Whether this record comes too late to belong to it."""
        return (
            self.is_late_at(record)
            or self._unrelated_lines > MAX_UNRELATED_LINES
            or len(self.texts) >= MAX_HELD_RECORDS
        )

    def add(self, record: Record, origin: Origin) -> bool:
        """Add a record if it is evidence; whether it was the last.

        In a capture a line without a stamp, among others that have one, is the rest of the message
        before it: what follows a line feed in it may be a user's.
        """
        text = record.text
        part = any(sign in text for sign in _TRACE_LINE_MARKERS) or any(
            sign in text for sign in CRASH_MARKERS
        )
        self._unrelated_lines = 0 if part else self._unrelated_lines + 1
        if self._is_stamped and record.usec is None:
            return False
        self.texts += provenance.evidence_lines(record, origin)
        return any(sign in text for sign in _END_MARKERS) and provenance.is_trace_end(
            record, origin
        )


class TraceBuffer:
    """Keeps a stream of records back while a trace in it is open. Mutable.

    Times are of any clock that runs evenly.
    """

    def __init__(self, origin: Origin = Origin.CAPTURE) -> None:
        self._origin = origin
        self._pending: list[Record | Gap] = []
        # How many records went on before those that are held
        self._released = 0
        # By caller, the oldest first
        self._open: dict[str, _OpenTrace] = {}

    def push(
        self, items: Sequence[Record | Gap], now_s: float, hold: bool
    ) -> tuple[list[Record | Gap], list[Trace]]:
        """What may go on now, in order, and the traces that have ended.

        Without ``hold`` everything goes on at once.
        """
        if not self._open and not self._pending and not may_contain_trace(items):
            self._released += len(items)
            return list(items), []
        traces = []
        for item in items:
            if isinstance(item, Record):
                traces += self._observe(item, now_s)
            self._pending.append(item)
        while self._open and now_s >= self._oldest.due_s:
            traces.append(self._close_oldest())
        if hold and self._open and len(self._pending) < MAX_HELD_RECORDS:
            return self._pop_pending(self._oldest.first - self._released), traces
        return self.release(), traces

    @property
    def pending(self) -> list[Record | Gap]:
        """What is held back; a copy."""
        return list(self._pending)

    @property
    def is_empty(self) -> bool:
        """Whether nothing is held back."""
        return not self._pending

    @property
    def is_idle(self) -> bool:
        """Whether no trace has begun, either."""
        return not self._pending and not self._open

    def release(self) -> list[Record | Gap]:
        """Everything that is held back; traces that are open stay so."""
        return self._pop_pending(len(self._pending))

    def flush(self) -> tuple[list[Record | Gap], list[Trace]]:
        """Everything that is held back and every open trace, since nothing will follow."""
        traces = [self._close(caller) for caller in list(self._open)]
        return self.release(), traces

    def due_in_s(self, now_s: float) -> float | None:
        """How long what is held back may still wait; ``None`` if nothing is."""
        if not self._pending:
            return None
        return max(0.0, self._oldest.due_s - now_s) if self._open else 0.0

    def _observe(self, record: Record, now_s: float) -> list[Trace]:
        ended: list[Trace] = []
        if record.facility != KERN:
            # Written by a process, which can say what it likes
            return ended
        while self._open and self._oldest.is_late_at(record):
            ended.append(self._close_oldest())
        opened = self._open.get(record.caller)
        if opened is not None and opened.is_over_before(record):
            ended.append(self._close(record.caller))
            opened = None
        if opened is None:
            if may_contain_trace([record]) and provenance.is_trace_start(record, self._origin):
                if len(self._open) == MAX_OPEN_TRACES:
                    ended.append(self._close_oldest())
                lines = provenance.evidence_lines(record, self._origin)
                self._open[record.caller] = _OpenTrace(
                    record, lines, self._released + len(self._pending), now_s
                )
        elif opened.add(record, self._origin):
            ended.append(self._close(record.caller))
        return ended

    @property
    def _oldest(self) -> _OpenTrace:
        return next(iter(self._open.values()))

    def _close_oldest(self) -> Trace:
        return self._close(next(iter(self._open)))

    def _close(self, caller: str) -> Trace:
        return parse_trace(self._open.pop(caller).texts)

    def _pop_pending(self, count: int) -> list[Record | Gap]:
        if count <= 0:
            return []
        ready, self._pending = self._pending[:count], self._pending[count:]
        self._released += len(ready)
        return ready


def may_contain_trace(items: Sequence[Record | Gap]) -> bool:
    """Whether one of the records can begin a trace, asked of all at once, since most batches hold
    none.
    """
    texts = [item.text for item in items if isinstance(item, Record)]
    everything = "\n".join(texts)
    return any(sign in everything for sign in CRASH_MARKERS) or any(
        address_scanner.find(texts[at]) for at in address_scanner.candidate_lines(texts)
    )
