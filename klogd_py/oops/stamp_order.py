# SPDX-License-Identifier: GPL-2.0-or-later
"""Tell from the timestamps of a log where another boot begins, and in which direction they run.

The kernel's clock runs forward. A stamp that runs back by more than a second, which the clocks of
several processors never do, is another boot, and so is one of 0, which is printed only before the
clock has started. Where each stamp runs back, and none forward, the log is written newest line
first, as by ``journalctl -r``. There another boot begins where a stamp runs forward.

Source of truth: kernel/printk/printk.c on ``local_clock``.
"""

from collections.abc import Callable, Sequence

_SECOND_US = 1_000_000
# So many stamps in a row against the direction, with none in it between them, turn it round
_MIN_AGAINST = 8


class StampOrder:
    """The direction of the stamps in one log, and those of the present boot. Mutable.

    All but a fall is compared in whole seconds, so that lines may be skipped by those of their
    stamps.
    """

    def __init__(self) -> None:
        self.is_reversed = False
        self._last_us = 0
        # The first second of this boot in the text, and the lowest one
        self._first_s: int | None = None
        self._low_s = 0
        # Whether stamps of this boot have moved in the direction of the log
        self._has_moved = False
        # Boots in a row that a stamp against the direction began, and in which nothing moved
        self._against = 0

    def begin_boot(self, usec: int | None) -> None:
        """Take note of a boot that begins with this stamp, ``None`` if it has none."""
        self._first_s, self._has_moved, self._last_us = None, False, 0
        if usec is not None:
            self._note(usec)

    def observe(self, usec: int) -> bool:
        """Take note of the next stamp; returns whether another boot begins with it."""
        # Most stamps
        if self._has_moved and usec >= self._last_us and not self.is_reversed:
            self._last_us = usec
            return False
        first_s, seconds = self._first_s, usec // _SECOND_US
        if self.is_reversed:
            is_jump = first_s is not None and seconds > self._low_s + 1
        else:
            is_jump = usec < self._last_us - _SECOND_US
        if is_jump and not self._turns():
            self.begin_boot(usec)
            return True
        # Many lines of one boot have the stamp 0
        is_start = usec == 0 and self._last_us > 0 and not self.is_reversed
        if is_start:
            self.begin_boot(usec)
        self._note(usec)
        return is_start

    def observe_run(self, usecs: list[int]) -> bool:
        """Take note of stamps that run forward, with which no boot begins.

        Returns whether they do: otherwise each is to be observed.
        """
        if self.is_reversed or not self._has_moved or usecs != sorted(usecs):
            return False
        if usecs and usecs[0] < self._last_us:
            return False
        self._last_us = usecs[-1] if usecs else self._last_us
        return True

    def is_in_order(self, seconds: Sequence[int]) -> bool:
        """Whether stamps with these seconds, in this order, can begin no boot."""
        if self.is_reversed:
            falls = sorted(seconds, reverse=True) == seconds
            return falls and (not seconds or seconds[0] <= self._low_s + 1)
        return sorted(seconds) == seconds and (
            not seconds or seconds[0] >= self._last_us // _SECOND_US
        )

    def skip(self, last_us: int, find_first_us: Callable[[], int]) -> None:
        """Take note of stamps that are in order, by the last of them.

        ``find_first_us`` returns the first of them, which is asked for only if it is needed.
        """
        if self._first_s is None:
            self._note(find_first_us())
        self._note(last_us)

    def _turns(self) -> bool:
        """Whether the direction turns with a stamp against it, so that no boot begins."""
        self._against = 0 if self._has_moved else self._against + 1
        if self._against < _MIN_AGAINST:
            return False
        self.is_reversed, self._against = not self.is_reversed, 0
        return True

    def _note(self, usec: int) -> None:
        self._last_us = usec
        seconds = usec // _SECOND_US
        if self._first_s is None:
            self._first_s = self._low_s = seconds
            return
        if self.is_reversed:
            self._low_s = min(self._low_s, seconds)
            self._has_moved |= seconds < self._first_s
        else:
            self._has_moved |= seconds > self._first_s
