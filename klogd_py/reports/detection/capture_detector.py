# SPDX-License-Identifier: GPL-2.0-or-later
"""Find the reports in a capture, also in one whose newest line is first.

There the lines of a report stand before its header. So when a report ends whose lines show no stack
or run back in time, the entries before its header are read in the order in which they were printed,
if that is what they look like. Such a report waits for the next one, of which it may be a part, as
a panic is. Nothing comes out before its end, since what is in a capture is not lost.
"""

from collections import deque
from collections.abc import Collection, Sequence

import msgspec

from klogd_py.oops import line_order
from klogd_py.oops.boot_boundary import NextBoot
from klogd_py.oops.provenance import Origin
from klogd_py.record.crash_kind import CrashKind
from klogd_py.record.types import Entry, Record
from klogd_py.reports.detection import body_lines
from klogd_py.reports.detection.detector import DEFAULT_KINDS, Detector
from klogd_py.reports.detection.open_report import SILENCE_S
from klogd_py.reports.detection.recent_entries import CONTEXT_LINES
from klogd_py.reports.raw_report import RawReport, ReportLine

# Kept for the time when a header comes behind them
_MAX_KEPT = 2_048
_MIN_FRAMES = 3
_AROUND = 8
# Registers stand between the header and the stack
_MAX_LINES_TO_STACK = 60
_SILENCE_US = int(SILENCE_S * 1_000_000)


class CaptureDetector(Detector):
    """Finds the reports in one capture. Mutable: the last entries, besides those of `Detector`."""

    def __init__(self, kinds: Collection[CrashKind] = DEFAULT_KINDS) -> None:
        super().__init__(Origin.CAPTURE, kinds)
        self._kept: deque[Entry] = deque(maxlen=_MAX_KEPT)
        # How many entries came, and which of them may be headers, by the identity of their records
        self._count = 0
        self._places: dict[int, int] = {}
        # Whose newest line stands first
        self._waiting: RawReport | None = None

    def push(
        self, entries: Sequence[Entry], may_begin: Collection[int], now_s: float
    ) -> list[RawReport]:
        """Take entries; returns what `Detector.push` does."""
        for at in may_begin:
            self._places[id(entries[at].record)] = self._count + at
        self._count += len(entries)
        self._kept.extend(entries[-_MAX_KEPT:])
        if len(self._places) > 2 * _MAX_KEPT:
            first = self._count - len(self._kept)
            self._places = {key: at for key, at in self._places.items() if at >= first}
        return self._ordered(super().push(entries, may_begin, now_s))

    def tick(self, now_s: float) -> list[RawReport]:
        """Return the reports of which no line has come for `SILENCE_S`."""
        return self._ordered(super().tick(now_s))

    def finish(self, next_boot: NextBoot | None = None) -> list[RawReport]:
        """Return the open reports that `Detector.finish` does."""
        found = self._ordered(super().finish(next_boot))
        if self._waiting is not None:
            found.append(self._waiting)
            self._waiting = None
        self._kept.clear()
        self._places.clear()
        return found

    def _ordered(self, reports: Sequence[RawReport]) -> list[RawReport]:
        """Return those that have ended and are no part of another one."""
        found: list[RawReport] = []
        for report in reports:
            if not report.is_complete:
                continue
            reordered = self._in_printed_order(report) if _may_be_reversed(report) else None
            last, self._waiting = self._waiting, reordered
            if last is not None and not (reordered is not None and _is_part(last, reordered)):
                found.append(last)
            if reordered is None:
                found.append(report)
        return found

    def _in_printed_order(self, report: RawReport) -> RawReport | None:
        """Return a report with the lines before its header, if these were printed behind it."""
        printed = self._entries_of(report)
        if not printed:
            return None
        if not _is_newest_first([*(one.record for one in reversed(printed)), *_behind(report)]):
            return None
        detector = Detector(Origin.CAPTURE, self._kinds)
        found = detector.push(printed, range(len(printed)), 0.0) + detector.finish()
        whole = [one for one in found if one.header.record is report.header.record]
        if not whole:
            return None
        return msgspec.structs.replace(whole[-1], context=self._context_of(report))

    def _place_of(self, report: RawReport) -> int:
        """Return where the header of a report is among the kept entries; -1 if it is not there."""
        record = report.header.record
        place = self._places.get(id(record), -1) - (self._count - len(self._kept))
        if 0 <= place < len(self._kept) and self._kept[place].record is record:
            return place
        return -1

    def _entries_of(self, report: RawReport) -> list[Entry]:
        """Return the entries of a report in a log whose newest line is first, the header first.

        None of them if no report seems to stand before its header.
        """
        place = self._place_of(report)
        if place < 0 or not self._may_stand_before(place):
            return []
        found = [self._kept[place]]
        last_us = report.header.record.usec
        for at in range(place - 1, -1, -1):
            entry = self._kept[at]
            usec = entry.record.usec
            if usec is not None and last_us is not None and abs(usec - last_us) > _SILENCE_US:
                break
            last_us = last_us if usec is None else usec
            found.append(entry)
        return found

    def _may_stand_before(self, place: int) -> bool:
        """Whether a stack stands close before a header, or stamps run back around it."""
        around = range(max(0, place - _AROUND), min(len(self._kept), place + _AROUND))
        if line_order.has_falling_stamps([self._kept[at].record for at in around]):
            return True
        near = range(max(0, place - _MAX_LINES_TO_STACK), place)
        return any(body_lines.is_stack_frame(self._kept[at].text) for at in near)

    def _context_of(self, report: RawReport) -> tuple[ReportLine, ...]:
        """Return the lines that were printed before the header, which stand behind it."""
        place = self._place_of(report)
        ends = range(place + 1, min(place + 1 + CONTEXT_LINES, len(self._kept)))
        behind = [self._kept[at] for at in ends]
        return tuple(
            ReportLine(entry.record, entry.text, entry.wall_us) for entry in reversed(behind)
        )


def _behind(report: RawReport) -> list[Record]:
    return [line.record for line in report.lines[1:]]


def _is_newest_first(records: Sequence[Record]) -> bool:
    """Whether stamps run back; without stamps, whether all frames stand above a heading."""
    verdict = line_order.has_falling_stamps(records)
    if verdict is not None:
        return verdict
    headings = [at for at, record in enumerate(records) if "all Trace:" in record.text]
    frames = [at for at, one in enumerate(records) if body_lines.is_stack_frame(one.text)]
    return bool(headings) and len(frames) >= _MIN_FRAMES and frames[-1] < headings[0]


def _is_part(one: RawReport, other: RawReport) -> bool:
    """Whether the header of a report is a line of another one."""
    return any(line.record is one.header.record for line in other.lines)


def _may_be_reversed(report: RawReport) -> bool:
    """Whether no stack stands behind the header, or what stands there is older."""
    stamps = [line.record.usec for line in report.lines if line.record.usec is not None]
    if len(stamps) > 1 and stamps[-1] < stamps[0]:
        return True
    return not any(body_lines.is_stack_frame(line.text) for line in report.lines)
