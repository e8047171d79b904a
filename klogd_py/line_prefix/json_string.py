# SPDX-License-Identifier: GPL-2.0-or-later
"""Read a string of JSON, and tell where each of its characters is written.

Bytes that are not ASCII stay as they are, each a character.

Source of truth: RFC 8259 section 7.
"""

import re

import msgspec

_ESCAPE = re.compile(r"\\(?:u([0-9a-fA-F]{4})|(.))")
_SHORT = {"b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t"}


def unescape(raw: str) -> tuple[str, list[int]]:
    r"""Return what a string means, and where each character of that is in ``raw``.

    ``raw`` stands between the quotes: ``\u003cffffffff81234570\u003e``. The last place is the end.
    """
    shown: list[str] = []
    places: list[int] = []
    at = 0
    for found in _ESCAPE.finditer(raw):
        shown.append(raw[at : found.start()])
        places += range(at, found.start() + 1)
        code, letter = found.groups()
        shown.append(chr(int(code, 16)) if code else _SHORT.get(letter, letter))
        at = found.end()
    shown.append(raw[at:])
    return "".join(shown), [*places, *range(at, len(raw) + 1)]


def escape(text: str) -> str:
    """Return a text as it stands between the quotes of a string."""
    return msgspec.json.encode(text).decode()[1:-1]
