# SPDX-License-Identifier: GPL-2.0-or-later
"""Checks tables from TOML against the types and annotations of the settings; pure.

`misfit` looks at each key by itself, `clash` at what keys say together. Each answers with a
sentence for the operator that names the key and what was expected, or with an empty text. The
sentence is short, whatever the table holds.
"""

import os
import re
from collections.abc import Mapping, Sequence
from datetime import date, time
from types import NoneType, UnionType
from typing import Annotated, Literal, Union, get_args, get_origin, get_type_hints

from msgspec import Struct

from klogd_py.config.schema import Config
from klogd_py.config.value_types import Count, Form, Limits

MAX_SHOWN = 80
MAX_DIGITS = 20
DEV_LOG = "/dev/log"

_FOUND = (
    (bool, "true or false"),
    (int, "a whole number"),
    (float, "a number with a fraction"),
    (str, "a string"),
    (list | tuple, "a list"),
    (Mapping, "a table"),
    (date | time, "a date or time"),
)
_EXPECTED = {bool: "true or false", int: "a whole number", str: "a string"}


def misfit(value: object, hint: object, key: str) -> str:
    """What is wrong with a value of this key, which should be as the type ``hint`` says."""
    base, *notes = get_args(hint) if get_origin(hint) is Annotated else (hint,)
    origin, inside = get_origin(base), get_args(base)
    if origin in (Union, UnionType):
        return "" if value is None and NoneType in inside else misfit(value, inside[0], key)
    if origin is Literal:
        return _wrong_choice(value, inside, key)
    if isinstance(base, type) and issubclass(base, Struct):
        return _wrong_table(value, base, key)
    if origin is tuple:
        return _wrong_list(value, inside[0], key) or _wrong_count(value, notes, key)
    if origin is dict:
        return _wrong_names(value, inside, key) or _wrong_count(value, notes, key)
    assert isinstance(base, type)
    if not isinstance(value, base) or isinstance(value, bool) != (base is bool):
        return f"key {key}: expected {_EXPECTED[base]}, got {_kind(value)}"
    return _wrong_value(value, notes, key)


def _wrong_value(value: object, notes: Sequence[object], key: str) -> str:
    for note in notes:
        if (
            isinstance(note, Limits)
            and isinstance(value, int)
            and not note.least <= value <= note.most
        ):
            return f"key {key}: expected {note.expected}, got {shown(value)}"
        if isinstance(note, Form) and isinstance(value, str) and (expected := note.wrong(value)):
            return f"key {_list_of(key)}: expected {expected}, got {shown(value)}"
    return ""


def _wrong_choice(value: object, allowed: tuple[object, ...], key: str) -> str:
    if not isinstance(value, str):
        return f"key {key}: expected a string, got {_kind(value)}"
    if value in allowed:
        return ""
    return f"key {key}: invalid enum value {shown(value)}; expected one of: {', '.join(map(repr, allowed))}"


def _wrong_table(value: object, table: type[Struct], key: str) -> str:
    if not isinstance(value, Mapping):
        return f"key {key}: expected a table, got {_kind(value)}"
    hints = get_type_hints(table, include_extras=True)
    for name, below in value.items():
        if name not in hints:
            return f"unknown key {_joined(key, name)}; expected one of: {', '.join(hints)}"
        if wrong := misfit(below, hints[name], _joined(key, name)):
            return wrong
    return ""


def _wrong_list(value: object, hint: object, key: str) -> str:
    if not isinstance(value, list | tuple):
        return f"key {key}: expected a list, got {_kind(value)}"
    return next(
        (wrong for at, item in enumerate(value) if (wrong := misfit(item, hint, f"{key}[{at}]"))),
        "",
    )


def _wrong_names(value: object, hints: tuple[object, ...], key: str) -> str:
    """What is wrong with a table whose keys are chosen freely."""
    if not isinstance(value, Mapping):
        return f"key {key}: expected a table, got {_kind(value)}"
    for name, below in value.items():
        if wrong := misfit(name, hints[0], _joined(key, name)) or misfit(
            below, hints[1], _joined(key, name)
        ):
            return wrong
    return ""


def _wrong_count(value: object, notes: Sequence[object], key: str) -> str:
    assert isinstance(value, list | tuple | Mapping)
    for note in notes:
        if isinstance(note, Count) and len(value) < note.least:
            return f"key {key}: expected at least one {note.thing}"
        if isinstance(note, Count) and len(value) > note.most:
            return f"key {key}: expected at most {note.most} {note.thing}s, got {len(value)}"
    return ""


def clash(config: Config) -> str:
    """Which two keys name the same sink, or the same file to be written or socket to be made."""
    taken: dict[str, str] = {}
    for spec in config.sinks:
        name = f"syslog:{DEV_LOG}" if spec == "syslog" else spec
        kind, _, place = name.partition(":")
        name = f"{kind}:{os.path.normpath(place)}" if place else kind
        if name in taken:
            return f"key sinks: expected each sink once, got {shown(spec)} twice"
        taken[name] = "sinks"
    kind, _, listen = config.metrics.listen.partition(":")
    listen = listen if kind == "unix" else ""
    made = [("sinks", name.removeprefix("file:")) for name in taken if name.startswith("file:/")]
    made += [
        ("state.cursor_file", config.state.cursor_file),
        ("status.socket", config.status.socket),
    ]
    made += [("metrics.textfile", config.metrics.textfile), ("metrics.listen", listen)]
    by_path: dict[str, str] = {}
    for key, place in made:
        if place and (other := by_path.setdefault(os.path.normpath(place), key)) != key:
            return f"key {key}: expected a path of its own, got {shown(place)}, which is that of {other} already"
    return ""


def shown(value: object) -> str:
    """A value for a message: shortened, and with control characters escaped."""
    if isinstance(value, int) and not -(10**MAX_DIGITS) < value < 10**MAX_DIGITS:
        # str() would refuse it, or take long
        return f"a number of more than {MAX_DIGITS} digits"
    if isinstance(value, str) and len(value) > MAX_SHOWN:
        return f"{value[:MAX_SHOWN]!r} and {len(value) - MAX_SHOWN} characters more"
    return repr(value)


def _kind(value: object) -> str:
    return next((words for kind, words in _FOUND if isinstance(value, kind)), "something else")


def _joined(key: str, name: object) -> str:
    """The name of a key within a table, as TOML would have it."""
    text = str(name)
    if not re.fullmatch(r"[A-Za-z0-9_-]+", text):
        text = f'"{text}"'
    if len(text) > MAX_SHOWN:
        text = f"{text[:MAX_SHOWN]}..."
    return f"{key}.{text}" if key else text


def _list_of(key: str) -> str:
    """The key of the list for that of an entry, whose value tells which it is."""
    return re.sub(r"\[\d+\]$", "", key)
