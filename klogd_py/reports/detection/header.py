# SPDX-License-Identifier: GPL-2.0-or-later
"""Define one form of the first line of a report."""

import re

from msgspec import Struct

from klogd_py.record.crash_kind import CrashKind
from klogd_py.record.lazy_pattern import lazy_pattern


class Header(Struct, frozen=True):
    """A form of the first line of a report, without the prefix of whoever printed it.

    ``beginning`` is a text with which each such line begins, empty where they differ; ``pattern``
    matches from the beginning of the line. ``title`` names the crash in one line: ``{function}`` is
    the function to blame, any other name a group of the pattern. ``joins``: within a report that
    has not ended, the line is a part of it.
    """

    kind: CrashKind
    beginning: str
    pattern: re.Pattern[str]
    title: str
    joins: bool = False


def header(
    kind: CrashKind, beginning: str, rest: str, title: str, *, joins: bool = False
) -> Header:
    """Make a row: ``rest`` is the text of an expression for what follows the beginning."""
    pattern = lazy_pattern(re.escape(beginning) + rest, re.ASCII)
    return Header(kind, beginning, pattern, title, joins)
