# SPDX-License-Identifier: GPL-2.0-or-later
"""Remove what a terminal obeys and does not show: colours, cursor movements, carriage returns.

Source of truth: ECMA-48; console_codes(4).
"""

import re

from klogd_py.line_prefix.pieces import BY_NAME

_CONTROL = re.compile(BY_NAME["control"].pattern)
ESCAPE = "\x1b"


def strip_controls(text: str) -> str:
    """Return the text as a terminal shows it."""
    return _CONTROL.sub("", text)


def shown_places(raw: str) -> list[int]:
    """Where each shown character is in ``raw``, and the end of the last one."""
    places: list[int] = []
    at = 0
    for found in _CONTROL.finditer(raw):
        places += range(at, found.start())
        at = found.end()
    places += range(at, len(raw))
    return [*places, places[-1] + 1 if places else 0]
