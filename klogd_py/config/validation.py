# SPDX-License-Identifier: GPL-2.0-or-later
"""Check tables from TOML against the types and annotations of the schema; pure.

`check_value` looks at each key by itself, `check_conflicts` at several keys together. Both raise
WrongKey.
"""

import re
from collections.abc import Mapping, Sequence
from datetime import date, time
from pathlib import Path
from types import NoneType, UnionType
from typing import Annotated, Literal, Union, get_args, get_origin, get_type_hints

from msgspec import Struct

from klogd_py.config.errors import WrongKey, WrongText
from klogd_py.config.listen_address import parse_listen_address
from klogd_py.config.schema import Config
from klogd_py.config.sink_config import FileSinkConfig, SinkConfig, writes_to_stdout
from klogd_py.config.sink_tables import parse_sinks
from klogd_py.config.value_text import MAX_VALUE_CHARS, format_choices, format_value
from klogd_py.config.value_types import Length, Range, TextCheck, normalize_path

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


def check_value(value: object, hint: object, key: str) -> None:
    """Check the value of a key whose type is ``hint``.

    ``hint`` is a type of `klogd_py.config.schema` with its annotations; ``key`` is the dotted name,
    empty for the whole configuration.
    """
    base, *notes = get_args(hint) if get_origin(hint) is Annotated else (hint,)
    origin, inside = get_origin(base), get_args(base)
    if origin in (Union, UnionType):
        _check_union(value, inside, key)
    elif origin is Literal:
        _check_choice(value, inside, key)
    elif isinstance(base, type) and issubclass(base, Struct):
        _check_table(value, base, key)
    elif origin is tuple:
        _check_list(value, inside[0], key)
        _check_length(value, notes, key)
    else:
        _check_scalar(value, base, key)
        _check_annotations(value, notes, key)


def _check_union(value: object, inside: tuple[object, ...], key: str) -> None:
    """Check for one of several types; ``None`` stands for a key that is left out."""
    if value is None and NoneType in inside:
        return
    kinds = [kind for kind in inside if kind is not NoneType]
    fitting = kinds if len(kinds) == 1 else [kind for kind in kinds if _is_kind(value, kind)]
    if not fitting:
        raise _wrong_kind(key, " or ".join(map(_name_kind, kinds)), value)
    check_value(value, fitting[0], key)


def _is_kind(value: object, hint: object) -> bool:
    """Whether a value is of a type, apart from its limits."""
    return _describe_kind(value) == _name_kind(hint)


def _name_kind(hint: object) -> str:
    """Return the word for a type: ``a table`` for a Struct, ``a list`` for a tuple."""
    base = get_args(hint)[0] if get_origin(hint) is Annotated else hint
    if isinstance(base, type) and issubclass(base, Struct):
        return "a table"
    kind = get_origin(base) or base
    return next(words for one, words in _KINDS if isinstance(kind, type) and issubclass(kind, one))


def _check_scalar(value: object, kind: object, key: str) -> None:
    assert isinstance(kind, type)
    # A bool is an int in Python, and not in TOML.
    if not isinstance(value, kind) or isinstance(value, bool) != (kind is bool):
        raise _wrong_kind(key, _EXPECTED[kind], value)


def _check_annotations(value: object, notes: Sequence[object], key: str) -> None:
    for note in notes:
        if isinstance(note, Range) and isinstance(value, int):
            if not note.allows(value):
                raise WrongKey(f"key {key}: expected {note.expected}, got {format_value(value)}")
        elif isinstance(note, TextCheck) and isinstance(value, str):
            try:
                note.check(value)
            except WrongText as error:
                raise WrongKey(
                    f"key {_list_key(key)}: expected {error}, got {format_value(value)}"
                ) from error


def _check_choice(value: object, allowed: tuple[object, ...], key: str) -> None:
    if not isinstance(value, str):
        raise _wrong_kind(key, "a string", value)
    if value not in allowed:
        raise WrongKey(f"key {key}: expected {format_choices(allowed)}, got {format_value(value)}")


def _check_table(value: object, table: type[Struct], key: str) -> None:
    """Check a table whose keys are the fields of ``table``."""
    if not isinstance(value, Mapping):
        raise _wrong_kind(key, "a table", value)
    hints = get_type_hints(table, include_extras=True)
    for name, below in value.items():
        if name not in hints:
            raise WrongKey(
                f"unknown key {_join_key(key, name)}; expected one of: {', '.join(hints)}"
            )
        check_value(below, hints[name], _join_key(key, name))


def _check_list(value: object, hint: object, key: str) -> None:
    if not isinstance(value, list | tuple):
        # [sinks] with one pair of brackets is a mistake that is easily made.
        has_tables = any(
            isinstance(kind, type) and issubclass(kind, Struct) for kind in get_args(hint)
        )
        is_table = has_tables and isinstance(value, Mapping)
        expected = f"a list, or tables that each begin with [[{key}]]" if is_table else "a list"
        raise _wrong_kind(key, expected, value)
    for index, item in enumerate(value):
        check_value(item, hint, f"{key}[{index}]")


def _check_length(value: object, notes: Sequence[object], key: str) -> None:
    assert isinstance(value, list | tuple)
    for note in notes:
        if isinstance(note, Length) and len(value) < note.minimum:
            raise WrongKey(f"key {key}: expected at least one {note.noun}")
        if isinstance(note, Length) and len(value) > note.maximum:
            raise WrongKey(
                f"key {key}: expected at most {note.maximum} {note.noun}s, got {len(value)}"
            )


def check_conflicts(config: Config) -> None:
    """Check that no two keys name the same sink, the same file to write or the same socket.

    The program of ``reports.exec`` must be a path, since nothing searches for it.
    """
    program = config.reports.exec[:1]
    if program and not program[0].startswith("/"):
        raise WrongKey(
            "key reports.exec: expected the absolute path of a program first,"
            f" got {format_value(program[0])}"
        )
    key_of: dict[str, str] = {}
    for created in _created_paths(config, parse_sinks(config)):
        other = key_of.setdefault(normalize_path(created.path), created.key)
        if other != created.key:
            raise WrongKey(
                f"key {created.key}: expected a path of its own, got {format_value(created.path)},"
                f" which {other} already has"
            )


class _CreatedPath(Struct, frozen=True):
    """A path that klogd-py creates, and the key that names it."""

    key: str
    path: str


def _created_paths(config: Config, sinks: Sequence[SinkConfig]) -> list[_CreatedPath]:
    listen = config.metrics.listen
    address = parse_listen_address(listen) if listen else None
    found = [
        *(
            _CreatedPath("sinks", sink.path)
            for sink in sinks
            if isinstance(sink, FileSinkConfig) and not writes_to_stdout(sink)
        ),
        *(
            _CreatedPath("sinks.rotate_keep", f"{sink.path}.{number}")
            for sink in sinks
            if isinstance(sink, FileSinkConfig) and sink.rotation is not None
            for number in range(1, sink.rotation.keep + 1)
        ),
        _CreatedPath("state.cursor_file", config.state.cursor_file),
        _CreatedPath("reports.spool", config.reports.spool),
        _CreatedPath("status.socket", config.status.socket),
        _CreatedPath("metrics.textfile", config.metrics.textfile),
        _CreatedPath("metrics.listen", str(address) if isinstance(address, Path) else ""),
    ]
    return [created for created in found if created.path]


def _wrong_kind(key: str, expected: str, value: object) -> WrongKey:
    return WrongKey(f"key {key}: expected {expected}, got {_describe_kind(value)}")


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
