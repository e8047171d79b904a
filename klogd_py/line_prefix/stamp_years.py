# SPDX-License-Identifier: GPL-2.0-or-later
"""Find the years of times that state none, as those of RFC 3164.

No line of a log is younger than the log: none is later than the time at which the file was last
written. The dates of a file are searched before it is read. From its end, the years go down as the
dates run back. The lines between two such places are a run: all are in one year, which is a leap
year if one of them is of 29 February. Where a text is read once, the years go up when a date runs
back, but never beyond the limit.

A machine without a battery begins each boot on 1 January 1970, or on 31 December by a clock west of
Greenwich. Such lines have the year of those around them, and change no other year.
"""

import calendar
import itertools
import re
from collections.abc import Sequence
from datetime import datetime

from msgspec import Struct

from klogd_py.line_prefix.month_names import month_number

# The zone of the machine that wrote the log, and its clock
_TOLERANCE_DAYS = 2
_MONTH_DAYS = 31
# A line that the search has not found does not move the place in the list further than this
_MAX_SKIPPED = 4
# "Nov 25 10:41:07" or "11-25 10:41:07", behind a level, a mark of a mail, or the name of a file
_DATED_HEAD = re.compile(
    rb"(?:^|\n)(?:<\d{1,4}>|(?:[>|] ?){1,8}|[^\s<>\[\]]{1,128}[:-])?"
    rb"([^\s\d<>\[\]]{2,16} [ \d]\d|\d\d-\d\d) (\d\d:\d\d:\d\d)"
)
# "05/25/2023 10:41:07"
_WRITTEN_HEAD = re.compile(
    rb"(?:^|\n)(?:[\[\x22> |]{1,8}|[^\s<>\[\]]{1,128}[:-])?(\d\d)/(\d\d)/\d{4}[ T]\d\d:\d\d:\d\d"
)
_MONTHS = 12


class DatedLine(Struct, frozen=True, gc=False):
    """The month and the day that a line states."""

    month: int
    day: int

    @property
    def day_of_year(self) -> int:
        """1 to 366, as in a leap year."""
        return _DAYS_BEFORE[self.month] + self.day

    def runs_back_from(self, last: "DatedLine") -> bool:
        """Whether it can only follow another line in a later year."""
        return self.day_of_year - last.day_of_year < -_TOLERANCE_DAYS


_DAYS_BEFORE = (0, 0, 31, 60, 91, 121, 152, 182, 213, 244, 274, 305, 335)
_LEAP_DAY = DatedLine(2, 29)
_NEW_YEAR = DatedLine(1, 1)
# What a clock that was never set shows
_UNSET = frozenset((DatedLine(12, 31), _NEW_YEAR, DatedLine(1, 2)))


class _YearOfLine(Struct, frozen=True, gc=False):
    line: DatedLine
    year: int


class StampYears:
    """The years of the dates of one text, line by line. Mutable: the date of the last line."""

    def __init__(
        self,
        limit: datetime,
        known: Sequence[_YearOfLine] = (),
        is_month_first: bool | None = None,
    ) -> None:
        """``limit`` is when the text was written last, in local time.

        ``known`` are the dates of a text that has been searched, with their years;
        ``is_month_first`` is the order of its ``05/06/2023``.
        """
        self.is_month_first = is_month_first
        self._limit = limit
        self._known = known
        self._at = 0
        self._last: _YearOfLine | None = None
        # The last line before those of a clock that is not set
        self._before_unset: _YearOfLine | None = None

    def year_of(self, month: int, day: int) -> int:
        """Return the year of the next date; 29 February is that of a leap year."""
        line = DatedLine(month, day)
        last = self._last
        if last is None or last.line != line:
            self._last = last = _YearOfLine(line, self._known_year(line) or self._next_year(line))
        return last.year

    def _known_year(self, line: DatedLine) -> int | None:
        for at in range(self._at, min(self._at + _MAX_SKIPPED, len(self._known))):
            if self._known[at].line == line:
                self._at = at
                return self._known[at].year
        return None

    def _next_year(self, line: DatedLine) -> int:
        """The year of a date by those before it."""
        last, latest = self._last, latest_year(line, self._limit)
        if last is None:
            return latest
        if line in _UNSET and last.line not in _UNSET:
            self._before_unset = last
        elif line not in _UNSET and self._before_unset is not None:
            before, self._before_unset = self._before_unset, None
            if _is_unset(before.line, [last.line], line):
                last = before
        # A date that is beyond the limit is that of a clock that was set back.
        year = min(last.year + line.runs_back_from(last.line), latest)
        return last_leap_year(year) if line == _LEAP_DAY else year


class DateSearch:
    """Finds the dates at the head of the lines of a text, part by part. Mutable."""

    def __init__(self) -> None:
        # Without those that repeat the one before
        self.lines: list[DatedLine] = []
        # Of the last line, as it stands there
        self._date = self._clock = b""
        self._rises = self._falls = 0
        self._has_written = False
        # What each date says that can only be read in one way
        self._orders: set[bool] = set()

    @property
    def has_dates(self) -> bool:
        """Whether there was a date of a form that is searched."""
        return bool(self.lines) or self._has_written

    def add(self, text: bytes) -> None:
        """Search the next part, which begins with a line."""
        for date, clock in _DATED_HEAD.findall(text):
            if date == self._date:
                self._rises += clock > self._clock
                self._falls += clock < self._clock
            elif (line := _dated_line(date)) is not None:
                self._add_line(line)
                self._date = date
            self._clock = clock
        for first, second in _WRITTEN_HEAD.findall(text):
            self._has_written = True
            if (order := order_of(int(first), int(second))) is not None:
                self._orders.add(order)

    def years(self, limit: datetime) -> StampYears:
        """Return the years of the text; none of its lines is later than the limit."""
        # Two programs may have written the lines.
        order = next(iter(self._orders)) if len(self._orders) == 1 else None
        if not self._descends(limit):
            return StampYears(limit, _years_up_to(self.lines, limit), order)
        return StampYears(limit, _years_up_to(self.lines[::-1], limit)[::-1], order)

    def _add_line(self, line: DatedLine) -> None:
        if self.lines:
            step = line.day_of_year - self.lines[-1].day_of_year
            # A larger step is as well that of a new year.
            self._rises += 0 < step <= _MONTH_DAYS
            self._falls += -_MONTH_DAYS <= step < 0
        self.lines.append(line)

    def _descends(self, limit: datetime) -> bool:
        """Whether the text is newest first."""
        if self._falls > 1 or self._rises:
            return self._falls > max(1, self._rises)
        # By two lines that is known only if the text was written on the day of the first.
        written = DatedLine(limit.month, limit.day)
        return self.lines[:1] == [written] and self.lines[-1] != written


def order_of(first: int, second: int) -> bool | None:
    """Whether the first number of a date is that of the month; ``None`` if both may be."""
    if first > _MONTHS:
        return False
    return True if second > _MONTHS else None


def _dated_line(date: bytes) -> DatedLine | None:
    """``Nov 25`` or ``11-25``; ``None`` if there is no such date."""
    month = (
        int(date[:2]) if date[2:3] == b"-" else month_number(date[:-3].decode("utf-8", "replace"))
    )
    day = int(date[-2:])
    return DatedLine(month, day) if month is not None and 1 <= month <= _MONTHS else None


def _years_up_to(lines: Sequence[DatedLine], limit: datetime) -> list[_YearOfLine]:
    """The years of dates of which the last is not after the limit."""
    years = [0] * len(lines)
    regular = _without_unset(lines)
    year, run, later = limit.year, list[int](), None
    for at in reversed(regular):
        line = lines[at]
        if later is None:
            year = latest_year(line, limit)
        elif later.runs_back_from(line):
            year, run = year - 1, []
        run.append(at)
        later = line
        if line == _LEAP_DAY and not calendar.isleap(year):
            year = last_leap_year(year)
            for other in run:
                years[other] = year
        years[at] = year
    for at, line in enumerate(lines):
        if years[at]:
            year = years[at]
        else:
            # A clock that was not set: as late as the line before it, or in the last December
            years[at] = year - (line.month == 12)
    return list(map(_YearOfLine, lines, years))


def _without_unset(lines: Sequence[DatedLine]) -> list[int]:
    """The places of all dates but those that a clock showed before it was set."""
    places: list[int] = []
    for is_unset, group in itertools.groupby(range(len(lines)), lambda at: lines[at] in _UNSET):
        found = list(group)
        first, end = found[0], found[-1] + 1
        between = is_unset and first and end < len(lines)
        if not between or not _is_unset(lines[first - 1], lines[first:end], lines[end]):
            places += found
    return places


def _is_unset(before: DatedLine, dates: Sequence[DatedLine], after: DatedLine) -> bool:
    """Whether dates around New Year that stand between two others are those of an unset clock."""
    if after.runs_back_from(before):
        return False
    if _NEW_YEAR in dates:
        return True
    is_near = after.day_of_year - before.day_of_year <= _MONTH_DAYS
    return is_near and all(line.month == 12 for line in dates)


def latest_year(line: DatedLine, limit: datetime) -> int:
    """The last year in which a date is not after the limit."""
    end = DatedLine(limit.month, limit.day)
    is_over = line.day_of_year > end.day_of_year + _TOLERANCE_DAYS
    year = limit.year - is_over
    return last_leap_year(year) if line == _LEAP_DAY else year


def last_leap_year(year: int) -> int:
    """The year itself, or the last leap year before it."""
    while not calendar.isleap(year):
        year -= 1
    return year
