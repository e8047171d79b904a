# SPDX-License-Identifier: GPL-2.0-or-later
"""Define what a user selects of a log, and how the input is followed."""

from enum import Enum

from msgspec import Struct


class Following(Enum):
    """Whether a run goes on at the end of its input: with all of it first, or only what is new."""

    NO = "no"
    ALL = "all"
    NEW = "new"


class Selection(Struct, frozen=True):
    """What of a log is delivered; the default is everything.

    ``levels`` and ``facilities`` are numbers; times count microseconds since the Unix epoch.
    ``boot`` counts as journalctl does: 0 is the last boot, -1 the one before, 1 the first. ``grep``
    is a regular expression.
    """

    levels: frozenset[int] | None = None
    facilities: frozenset[int] | None = None
    since_us: int | None = None
    until_us: int | None = None
    boot: int | None = None
    grep: str | None = None
    following: Following = Following.NO

    @property
    def selects(self) -> bool:
        """Whether something may be left out."""
        return self != Selection(following=self.following)
