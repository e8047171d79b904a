# SPDX-License-Identifier: GPL-2.0-or-later
"""The result of a check: a level, one sentence, and the command that solves the problem."""

from enum import Enum

from msgspec import Struct, field


class Level(Enum):
    """The severity of a finding; the value is what the report and the JSON document show."""

    OK = "ok"
    # It works, but not as well as it could, or with a result that may surprise
    WARNING = "warn"
    # It does not work, or not as configured
    ERROR = "bad"


class Finding(Struct, frozen=True):
    """One line of the report, and one element of the array of ``klogd-py doctor --json``.

    ``check`` names what was checked (``ring``), ``words`` says what was found. ``remedy`` is the
    command that solves the problem, empty for `Level.OK`. ``level`` is the key ``grade`` in JSON.
    """

    check: str
    level: Level = field(name="grade")
    words: str
    remedy: str = ""


def ok(check: str, words: str) -> Finding:
    """Return a finding that needs no action."""
    return Finding(check, Level.OK, words)


def warn(check: str, words: str, remedy: str) -> Finding:
    """Return a finding about something that works but could be better."""
    return Finding(check, Level.WARNING, words, remedy)


def fail(check: str, words: str, remedy: str) -> Finding:
    """Return a finding about something that does not work."""
    return Finding(check, Level.ERROR, words, remedy)
