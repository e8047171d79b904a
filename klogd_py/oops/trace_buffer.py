# SPDX-License-Identifier: GPL-2.0-or-later
"""Hold back records while an oops is in progress, and find its end.

Finds the traces in a stream of records, those of each caller apart. The stream is held while one is
open, and never reordered.

Source of truth: kernel/panic.c ``print_oops_end_marker``; the first lines of ``die`` and ``__warn``
of each architecture.
"""

from bisect import bisect_left
from collections.abc import Collection, Sequence

from msgspec import Struct

from klogd_py.oops import address_scanner, provenance
from klogd_py.oops.crash_signatures import CRASH_MARKERS
from klogd_py.oops.line_order import in_printed_order
from klogd_py.oops.provenance import Origin
from klogd_py.oops.shared_stamp import SharedStamp
from klogd_py.record.types import KERN, Gap, Record

# Longest time for which a record is held
MAX_HOLD_S = 1.0
_MAX_HOLD_US = int(MAX_HOLD_S * 1_000_000)
# Limit of held records
MAX_HELD_RECORDS = 4096
# Limit of open traces; lines of a thousand callers are no oops of a kernel
MAX_OPEN_TRACES = 64
# So many lines in a row without an address or a marker end a trace without timestamps
MAX_UNRELATED_LINES = 48

_END_MARKERS = ("---[ end ",)
_TRACE_LINE_MARKERS = (
    *address_scanner.ADDRESS_MARKERS,
    "all Trace:",
    "all trace:",
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


class RecognisedTrace(Struct, frozen=True):
    """A trace that has ended.

    ``records`` are those of its records that prove something, the first of them began it.
    ``lines`` are their lines as far as the kernel itself wrote them, in the order in which it did,
    for `klogd_py.oops.trace_parser.parse_trace`.
    """

    records: tuple[Record, ...]
    lines: tuple[str, ...]


class Observed(Struct, frozen=True):
    """What may go on after records were observed, in order, and the traces that have ended."""

    ready: list[Record | Gap]
    traces: list[RecognisedTrace]


class _OpenTrace:
    """A trace that has begun and not ended. Mutable.

    ``first`` is the position of its first record in the stream.
    """

    def __init__(self, record: Record, lines: list[str], first: int, now_s: float) -> None:
        self.records = [record]
        # Those of each record
        self.lines = [lines]
        self.first = first
        self.due_s = now_s + MAX_HOLD_S
        self._line_count = len(lines)
        self._start_us = record.usec
        self._unrelated_lines = 0
        self._is_stamped = record.usec is not None

    def is_late_at(self, record: Record) -> bool:
        """Whether it is too far from this record by the kernel's clock.

        The record was written long after its first one, or long before it, as in a log whose newest
        line is first.
        """
        if self._start_us is None or record.usec is None:
            return False
        return abs(record.usec - self._start_us) > _MAX_HOLD_US

    def is_over_before(self, record: Record) -> bool:
        """Whether this record comes too late to belong to it."""
        return (
            self.is_late_at(record)
            or self._unrelated_lines > MAX_UNRELATED_LINES
            or self._line_count >= MAX_HELD_RECORDS
        )

    def add(self, record: Record, origin: Origin) -> bool:
        """Add a record if it is evidence; returns whether it was the last.

        In a capture a line without a timestamp, among others with one, is the rest of the message
        before it: what follows a line feed in it may be a user's.
        """
        text = record.text
        part = any(marker in text for marker in _TRACE_LINE_MARKERS) or any(
            marker in text for marker in CRASH_MARKERS
        )
        self._unrelated_lines = 0 if part else self._unrelated_lines + 1
        if self._is_stamped and record.usec is None:
            return False
        if lines := provenance.evidence_lines(record, origin):
            self.records.append(record)
            self.lines.append(lines)
            self._line_count += len(lines)
        return any(marker in text for marker in _END_MARKERS) and provenance.is_trace_end(
            record, origin
        )


class TraceBuffer:
    """Holds a stream of records while a trace in it is open. Mutable; times of any even clock."""

    def __init__(self, origin: Origin = Origin.CAPTURE) -> None:
        self._origin = origin
        self._pending: list[Record | Gap] = []
        # Number of records that went on before those that are held
        self._released = 0
        # By caller, the oldest first
        self._open: dict[str, _OpenTrace] = {}
        self._shared_stamp = SharedStamp() if origin is Origin.CAPTURE else None

    def pass_by(self, items: Sequence[Record | Gap]) -> None:
        """Take note of records that need not be pushed."""
        if self._shared_stamp is not None and items:
            self._shared_stamp.pass_by(items)

    def skip(self, text: bytes) -> None:
        """Take note of whole lines that passed as text."""
        if self._shared_stamp is not None:
            self._shared_stamp.skip(text)

    def push(
        self,
        items: Sequence[Record | Gap],
        may_begin: Collection[int],
        now_s: float,
        *,
        may_hold: bool,
    ) -> Observed:
        """Return what may go on now, in order, and the traces that have ended.

        ``may_begin`` are the indices of the records, not counting gaps, with which a trace may
        begin: no other is looked at for that. Unless ``may_hold``, everything goes on at once.
        """
        traces: list[RecognisedTrace] = []
        starts = [*_item_indices(items, may_begin), len(items)]
        at = 0
        while at < len(items):
            start = starts[bisect_left(starts, at)]
            if not self._open and at < start:
                # Most records neither begin a trace nor come while one is open.
                passed = items[at:start]
                self.pass_by(passed)
                self._pending += passed
                at = start
                continue
            item = items[at]
            if isinstance(item, Record):
                traces += self._observe(item, at == start, now_s)
            self._pending.append(item)
            at += 1
        while self._open and now_s >= self._oldest.due_s:
            traces.append(self._close_oldest())
        if may_hold and self._open and len(self._pending) < MAX_HELD_RECORDS:
            return Observed(self._pop_pending(self._oldest.first - self._released), traces)
        return Observed(self.release(), traces)

    @property
    def pending(self) -> list[Record | Gap]:
        """The held records; a copy."""
        return list(self._pending)

    @property
    def is_empty(self) -> bool:
        """Whether no record is held."""
        return not self._pending

    @property
    def is_idle(self) -> bool:
        """Whether no record is held and no trace is open."""
        return not self._pending and not self._open

    def release(self) -> list[Record | Gap]:
        """Return all held records; open traces stay open."""
        return self._pop_pending(len(self._pending))

    def flush(self) -> Observed:
        """Return all held records, and every open trace: nothing will follow."""
        traces = [self._close(caller) for caller in list(self._open)]
        return Observed(self.release(), traces)

    def deadline(self) -> float | None:
        """When held records must go on, or an open trace ends; ``None`` if there are none."""
        if self._open:
            return self._oldest.due_s
        return 0.0 if self._pending else None

    def _observe(self, record: Record, may_begin: bool, now_s: float) -> list[RecognisedTrace]:
        ended: list[RecognisedTrace] = []
        # A process wrote it, or chose it, and can write anything.
        is_rest = self._shared_stamp is not None and self._shared_stamp.is_rest(record)
        if record.facility != KERN or is_rest:
            return ended
        while self._open and self._oldest.is_late_at(record):
            ended.append(self._close_oldest())
        opened = self._open.get(record.caller)
        if opened is not None and opened.is_over_before(record):
            ended.append(self._close(record.caller))
            opened = None
        if opened is None:
            if may_begin and provenance.is_trace_start(record, self._origin):
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

    def _close_oldest(self) -> RecognisedTrace:
        return self._close(next(iter(self._open)))

    def _close(self, caller: str) -> RecognisedTrace:
        ended = self._open.pop(caller)
        lines = in_printed_order(ended.records, ended.lines)
        return RecognisedTrace(tuple(ended.records), tuple(lines))

    def _pop_pending(self, count: int) -> list[Record | Gap]:
        if count <= 0:
            return []
        ready, self._pending = self._pending[:count], self._pending[count:]
        self._released += len(ready)
        return ready


def _item_indices(items: Sequence[Record | Gap], indices: Collection[int]) -> list[int]:
    """Return the indices of records among all items, in order, for those without the gaps."""
    records = [at for at, item in enumerate(items) if isinstance(item, Record)]
    return [records[index] for index in sorted(indices)]
