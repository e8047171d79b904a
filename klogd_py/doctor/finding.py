# SPDX-License-Identifier: GPL-2.0-or-later
"""What can a check find?"""

from enum import Enum

from msgspec import Struct


class Level(Enum):
    """How bad it is."""

    OK = "ok"
    # It works, but something could be better, or may surprise
    WARN = "warn"
    # It does not work, or not as it was configured
    BAD = "bad"


class Finding(Struct, frozen=True):
    """One line of the report.

    ``remedy`` is the command that mends it, empty where nothing needs to be.
    """

    check: str
    grade: Level
    words: str
    remedy: str = ""


def ok(check: str, words: str) -> Finding:
    """Nothing is wrong."""
    return Finding(check, Level.OK, words)


def warn(check: str, words: str, remedy: str) -> Finding:
    """Something could be better."""
    return Finding(check, Level.WARN, words, remedy)


def bad(check: str, words: str, remedy: str) -> Finding:
    """Something is wrong."""
    return Finding(check, Level.BAD, words, remedy)
