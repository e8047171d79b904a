# SPDX-License-Identifier: GPL-2.0-or-later
"""Compile a regular expression when it is first used.

Compiling those of all crash reports takes longer than the rest of a start, and most runs need none
of them.
"""

import re
from typing import cast


class LazyPattern:
    """What behaves as ``re.Pattern`` and is compiled when one of its attributes is asked for."""

    def __init__(self, pattern: str, flags: int) -> None:
        self.arguments = pattern, flags

    def __getattr__(self, name: str) -> object:
        # Called only for what is not there yet: what is found stays, and is as fast as before.
        found: object = getattr(re.compile(*self.arguments), name)
        self.__dict__[name] = found
        return found


def lazy_pattern(pattern: str, flags: int = 0) -> re.Pattern[str]:
    """Return what `re.compile` would, compiled later; a mistake in it is an error only then."""
    return cast(re.Pattern[str], LazyPattern(pattern, flags))
