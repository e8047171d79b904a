# SPDX-License-Identifier: GPL-2.0-or-later
"""Write a default as TOML and what a key may be set to as a sentence."""

import json
from collections.abc import Sequence
from enum import Enum

from scripts.config_docs.reference import Key

LINE_WIDTH = 100


def assignment(key: Key) -> str:
    """Return ``name = default``; a list that does not fit into a line has one line per entry."""
    start = f"{key.name} = "
    value = _literal(key.default)
    if isinstance(key.default, tuple) and len(start + value) > LINE_WIDTH:
        rows = "".join(f"    {_literal(entry)},\n" for entry in key.default)
        return f"{start}[\n{rows}]"
    return start + value


def _literal(value: object) -> str:
    if isinstance(value, tuple):
        return f"[{', '.join(map(_literal, value))}]"
    if isinstance(value, Enum):
        return _literal(value.value)
    if isinstance(value, bool | int | str):
        return json.dumps(value, ensure_ascii=False)
    raise TypeError(f"a default without a form in TOML: {value!r}")


def join_words(words: Sequence[str]) -> str:
    """Return ``one, two or three``."""
    *before, last = words
    return f"{', '.join(before)} or {last}" if before else last


def choices_sentence(key: Key) -> str:
    """Return ``One of "debug" or "info".``; empty if the description lists the choices."""
    quoted = [f'"{choice}"' for choice in key.choices]
    return f"One of {join_words(quoted)}." if quoted else ""
