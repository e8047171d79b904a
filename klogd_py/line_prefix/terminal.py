# SPDX-License-Identifier: GPL-2.0-or-later
"""Remove what a terminal obeys and does not show: colours, cursor movements, carriage returns.

Source of truth: ECMA-48; console_codes(4).
"""

import itertools
import re

from klogd_py.line_prefix.pieces import BY_NAME

_CONTROL = re.compile(BY_NAME["control"].pattern)
ESCAPE = "\x1b"


def strip_controls(text: str) -> str:
    """Return the text as a terminal shows it."""
    return _CONTROL.sub("", text)


def restore_controls(raw: str, shown: str, changed: str) -> str:
    """Return ``changed``, which was made of ``shown``, with the controls of ``raw`` around it.

    Controls within the part that was changed are lost.
    """
    places = _shown_places(raw)
    pairs = zip(shown, changed, strict=False)
    before = sum(1 for _ in itertools.takewhile(lambda pair: pair[0] == pair[1], pairs))
    most = min(len(shown), len(changed)) - before
    pairs = zip(reversed(shown), reversed(changed), strict=False)
    after = sum(
        1
        for _ in itertools.takewhile(lambda pair: pair[0] == pair[1], itertools.islice(pairs, most))
    )
    start = places[before]
    end = places[len(shown) - after] if after else places[-1]
    return raw[:start] + changed[before : len(changed) - after] + raw[end:]


def _shown_places(raw: str) -> list[int]:
    """Where each shown character is in ``raw``, and the end of the last one."""
    places: list[int] = []
    at = 0
    for found in _CONTROL.finditer(raw):
        places += range(at, found.start())
        at = found.end()
    places += range(at, len(raw))
    return [*places, places[-1] + 1 if places else 0]
