# SPDX-License-Identifier: GPL-2.0-or-later
"""Find the years of times that state none, as those of RFC 3164.

No line of a log is younger than the log: none is later than the time at which the file was last
written. Read from its end, the years go down as the dates run back. Where a text is read once,
they go up when a date runs back, but never beyond that limit.
"""

import calendar
import itertools
import re
from collections.abc import Iterable
from datetime import datetime

from msgspec import Struct

from klogd_py.line_prefix.month_names import month_number

# The zone of the machine that wrote the log, and its clock
_TOLERANCE_DAYS = 2
_MONTH_DAYS = 31
_DATED_HEAD = re.compile(rb"(?:^|\n)(?:<\d{1,4}>)?([^\s\d<>\[\]]{2,16}) ([ \d]\d) \d\d:\d\d:\d\d")


class DatedLine(Struct, frozen=True, gc=False):
    """The month and the day that a line states."""

    month: int
    day: int

    @property
    def day_of_year(self) -> int:
        """1 to 366, as in a leap year."""
        return _DAYS_BEFORE[self.month] + self.day


_DAYS_BEFORE = (0, 0, 31, 60, 91, 121, 152, 182, 213, 244, 274, 305, 335)
_NEW_YEAR = DatedLine(1, 1)


class StampYears:
    """The years of the dates of one text, line by line. Mutable: the date of the last line."""

    def __init__(
        self, limit: datetime, first_year: int | None = None, *, descends: bool = False
    ) -> None:
        """``limit`` is when the text was written last, in local time.

        ``first_year`` is that of the first line, if the text has been searched. With ``descends``
        the text is newest first.
        """
        self._limit = limit
        self._year = first_year
        self._last: DatedLine | None = None
        self._before_new_year: DatedLine | None = None
        self._descends = descends

    def year_of(self, month: int, day: int) -> int:
        """Return the year of the next date; 29 February is that of a leap year."""
        line = DatedLine(month, day)
        if self._year is None:
            self._year = latest_year(line, self._limit)
        elif self._last is not None and self._last != line:
            self._year += self._years_between(self._last, line)
        self._last = line
        return last_leap_year(self._year) if (month, day) == (2, 29) else self._year

    def _years_between(self, last: DatedLine, line: DatedLine) -> int:
        assert self._year is not None
        step = line.day_of_year - last.day_of_year
        if self._descends:
            return -int(step > _TOLERANCE_DAYS)
        before, self._before_new_year = self._before_new_year, None
        if before is not None and _is_unset_clock(before, last, line):
            return -1
        # A date that is beyond the limit is that of a clock that was set back.
        if step >= -_TOLERANCE_DAYS or self._year >= latest_year(line, self._limit):
            return 0
        self._before_new_year = last
        return 1


def _is_unset_clock(before: DatedLine, last: DatedLine, line: DatedLine) -> bool:
    """Whether a date between two others is that of a clock that had not been set.

    A machine without a battery begins each boot on 1 January.
    """
    return last == _NEW_YEAR and line.day_of_year >= before.day_of_year - _TOLERANCE_DAYS


def latest_year(line: DatedLine, limit: datetime) -> int:
    """The last year in which a date is not after the limit."""
    end = DatedLine(limit.month, limit.day)
    is_over = line.day_of_year > end.day_of_year + _TOLERANCE_DAYS
    year = limit.year - is_over
    return last_leap_year(year) if (line.month, line.day) == (2, 29) else year


def last_leap_year(year: int) -> int:
    """The year itself, or the last leap year before it."""
    while not calendar.isleap(year):
        year -= 1
    return year


def find_dates(text: bytes) -> Iterable[DatedLine]:
    """The dates at the head of lines, without those that repeat the one before."""
    last = b"", b""
    for found in _DATED_HEAD.findall(text):
        if found == last:
            continue
        last = found
        month = month_number(found[0].decode("utf-8", "replace"))
        if month is not None:
            yield DatedLine(month, int(found[1]))


def years_of(dates: Iterable[DatedLine], limit: datetime) -> StampYears:
    """Return the years of a text that has been searched for its dates."""
    lines = list(dates)
    steps = [later.day_of_year - line.day_of_year for line, later in itertools.pairwise(lines)]
    # A larger step is as well that of a new year.
    small = [step for step in steps if abs(step) <= _MONTH_DAYS]
    if sum(step < 0 for step in small) > max(1, sum(step > 0 for step in small)):
        return StampYears(limit, descends=True)
    if not lines:
        return StampYears(limit)
    # The same steps, from a year that leaves room for all of them
    far = StampYears(limit.replace(year=datetime.max.year), 1)
    for line in lines:
        last_year = far.year_of(line.month, line.day)
    return StampYears(limit, latest_year(lines[-1], limit) - (last_year - 1))
