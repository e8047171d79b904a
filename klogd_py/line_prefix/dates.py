# SPDX-License-Identifier: GPL-2.0-or-later
"""Find the times of dates whose meaning depends on the lines before them."""

from klogd_py.line_prefix import moments
from klogd_py.line_prefix.stamp_years import StampYears


class Dates:
    """The dates of one capture, in order. Mutable: what was read last."""

    def __init__(self, years: StampYears) -> None:
        """``years`` are those of dates that state none."""
        self.years = years
        # Neighbours share the second.
        self._last_date = ""
        self._last_date_us: int | None = None
        self._relative_us: int | None = None

    def date_us(self, stamp: str) -> int | None:
        """Return the wall time of a date in words."""
        if stamp != self._last_date:
            self._last_date, self._last_date_us = stamp, moments.date_us(stamp, self.years)
        return self._last_date_us

    def begin_minute(self, stamp: str) -> int | None:
        """Return the wall time of ``Nov25 10:41``, which dmesg -e prints once a minute."""
        word, day, clock = stamp[:-8].rstrip(), stamp[-8:-6], stamp[-5:]
        self._relative_us = moments.date_us(f"{word} {day} {clock}:00", self.years)
        return self._relative_us

    def later(self, seconds: str) -> int | None:
        """Return the wall time so many seconds after the last one of such a log: ``0.000102``.

        ``None`` without one.
        """
        if self._relative_us is not None:
            self._relative_us += moments.epoch_us(seconds)
        return self._relative_us
