# SPDX-License-Identifier: GPL-2.0-or-later
"""Check tables from TOML against the types and annotations of the schema; pure.

`check_value` looks at each key by itself, `check_conflicts` at several keys together. Both return
one sentence for the operator that names the key and what was expected, or an empty string if
nothing is wrong. The sentence is short, whatever the table holds.
"""

import os
import re
from collections.abc import Mapping, Sequence
from datetime import date, time
from types import NoneType, UnionType
from typing import Annotated, Literal, Union, get_args, get_origin, get_type_hints

from msgspec import Struct

from klogd_py.config.schema import Config
from klogd_py.config.value_types import Length, Range, TextCheck

MAX_VALUE_CHARS = 80
MAX_DIGITS = 20
DEV_LOG = "/dev/log"

_KINDS = (
    (bool, "true or false"),
    (int, "a whole number"),
    (float, "a number with a fraction"),
    (str, "a string"),
    (list | tuple, "a list"),
    (Mapping, "a table"),
    (date | time, "a date or time"),
)
_EXPECTED = {bool: "true or false", int: "a whole number", str: "a string"}


def check_value(value: object, hint: object, key: str) -> str:
    """Return what is wrong with the value of a key whose type is ``hint``.

    ``hint`` is a type of `klogd_py.config.schema` with its annotations; ``key`` is the dotted name,
    empty for the whole configuration.
    """
    base, *notes = get_args(hint) if get_origin(hint) is Annotated else (hint,)
    origin, inside = get_origin(base), get_args(base)
    if origin in (Union, UnionType):
        return "" if value is None and NoneType in inside else check_value(value, inside[0], key)
    if origin is Literal:
        return _check_choice(value, inside, key)
    if isinstance(base, type) and issubclass(base, Struct):
        return _check_table(value, base, key)
    if origin is tuple:
        return _check_list(value, inside[0], key) or _check_length(value, notes, key)
    if origin is dict:
        return _check_free_table(value, inside, key) or _check_length(value, notes, key)
    assert isinstance(base, type)
    if not isinstance(value, base) or isinstance(value, bool) != (base is bool):
        return f"key {key}: expected {_EXPECTED[base]}, got {_describe_kind(value)}"
    return _check_annotations(value, notes, key)


def _check_annotations(value: object, notes: Sequence[object], key: str) -> str:
    for note in notes:
        if (
            isinstance(note, Range)
            and isinstance(value, int)
            and not note.minimum <= value <= note.maximum
        ):
            return f"key {key}: expected {note.expected}, got {format_value(value)}"
        if (
            isinstance(note, TextCheck)
            and isinstance(value, str)
            and (expected := note.find_error(value))
        ):
            return f"key {_list_key(key)}: expected {expected}, got {format_value(value)}"
    return ""


def _check_choice(value: object, allowed: tuple[object, ...], key: str) -> str:
    if not isinstance(value, str):
        return f"key {key}: expected a string, got {_describe_kind(value)}"
    if value in allowed:
        return ""
    choices = ", ".join(map(repr, allowed))
    return f"key {key}: invalid enum value {format_value(value)}; expected one of: {choices}"


def _check_table(value: object, table: type[Struct], key: str) -> str:
    """Check a table whose keys are the fields of ``table``."""
    if not isinstance(value, Mapping):
        return f"key {key}: expected a table, got {_describe_kind(value)}"
    hints = get_type_hints(table, include_extras=True)
    for name, below in value.items():
        if name not in hints:
            return f"unknown key {_join_key(key, name)}; expected one of: {', '.join(hints)}"
        if error := check_value(below, hints[name], _join_key(key, name)):
            return error
    return ""


def _check_list(value: object, hint: object, key: str) -> str:
    if not isinstance(value, list | tuple):
        return f"key {key}: expected a list, got {_describe_kind(value)}"
    for index, item in enumerate(value):
        if error := check_value(item, hint, f"{key}[{index}]"):
            return error
    return ""


def _check_free_table(value: object, hints: tuple[object, ...], key: str) -> str:
    """Check a table whose keys the operator chooses; ``hints`` are the types of key and value."""
    if not isinstance(value, Mapping):
        return f"key {key}: expected a table, got {_describe_kind(value)}"
    for name, below in value.items():
        full_key = _join_key(key, name)
        error = check_value(name, hints[0], full_key) or check_value(below, hints[1], full_key)
        if error:
            return error
    return ""


def _check_length(value: object, notes: Sequence[object], key: str) -> str:
    assert isinstance(value, list | tuple | Mapping)
    for note in notes:
        if isinstance(note, Length) and len(value) < note.minimum:
            return f"key {key}: expected at least one {note.noun}"
        if isinstance(note, Length) and len(value) > note.maximum:
            return f"key {key}: expected at most {note.maximum} {note.noun}s, got {len(value)}"
    return ""


def check_conflicts(config: Config) -> str:
    """Return which two keys name the same sink, the same file to write or the same socket."""
    names: set[str] = set()
    for spec in config.sinks:
        name = f"syslog:{DEV_LOG}" if spec == "syslog" else spec
        kind, _, path = name.partition(":")
        name = f"{kind}:{os.path.normpath(path)}" if path else kind
        if name in names:
            return f"key sinks: expected each sink once, got {format_value(spec)} twice"
        names.add(name)
    key_of: dict[str, str] = {}
    for key, path in _created_paths(config, names):
        if path and (other := key_of.setdefault(os.path.normpath(path), key)) != key:
            return (
                f"key {key}: expected a path of its own, got {format_value(path)},"
                f" which is that of {other} already"
            )
    return ""


def _created_paths(config: Config, sinks: set[str]) -> list[tuple[str, str]]:
    """Return each key with a path that klogd-py creates; the path is empty where none is set."""
    kind, _, socket = config.metrics.listen.partition(":")
    return [
        *(("sinks", name.removeprefix("file:")) for name in sinks if name.startswith("file:/")),
        ("state.cursor_file", config.state.cursor_file),
        ("status.socket", config.status.socket),
        ("metrics.textfile", config.metrics.textfile),
        ("metrics.listen", socket if kind == "unix" else ""),
    ]


def format_value(value: object) -> str:
    """Return a value for a message: shortened, and with control characters escaped."""
    if isinstance(value, int) and not -(10**MAX_DIGITS) < value < 10**MAX_DIGITS:
        # str() refuses integers of more than 4,300 digits, and takes quadratic time below that.
        return f"a number of more than {MAX_DIGITS} digits"
    if isinstance(value, str) and len(value) > MAX_VALUE_CHARS:
        return f"{value[:MAX_VALUE_CHARS]!r} and {len(value) - MAX_VALUE_CHARS} characters more"
    return repr(value)


def _describe_kind(value: object) -> str:
    return next((words for kind, words in _KINDS if isinstance(value, kind)), "something else")


def _join_key(table: str, name: object) -> str:
    """Return the dotted name of a key in a table, as TOML writes it."""
    text = str(name)
    if not re.fullmatch(r"[A-Za-z0-9_-]+", text):
        text = f'"{text}"'
    if len(text) > MAX_VALUE_CHARS:
        text = f"{text[:MAX_VALUE_CHARS]}..."
    return f"{table}.{text}" if table else text


def _list_key(key: str) -> str:
    """Return the key of the list that an entry is in: ``sinks`` for ``sinks[0]``.

    The message shows the value of the entry, which identifies it.
    """
    return re.sub(r"\[\d+\]$", "", key)
