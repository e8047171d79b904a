# SPDX-License-Identifier: GPL-2.0-or-later
"""Read the tables and keys of a schema: types, limits and defaults from the classes, texts from
their docstrings.

The docstring of a key is the string below its field, which Python does not keep. It is read from
the source.
"""

import ast
import sys
from enum import Enum
from itertools import pairwise
from pathlib import Path
from types import NoneType, UnionType
from typing import Annotated, Literal, TypeGuard, Union, get_args, get_origin

import msgspec
from msgspec import NODEFAULT, Struct
from msgspec.structs import FieldInfo

from klogd_py.config.value_types import Length, Range, TextCheck
from scripts.config_docs import description
from scripts.config_docs.description import Description

_KINDS = ((bool, "Boolean"), (int, "Number"), (str, "String"), (tuple, "List"))


class NotDescribed(ValueError):
    """A key or a table has no description, or one that does not fit; the message names it."""


class Key(Struct, frozen=True):
    """A key with its default, which is ``None`` if the key may be left out without a value.

    ``kind`` is the type in one word, ``limits`` what its values are; either may be empty.
    ``choices`` are the values of a key whose description does not list them.
    """

    name: str
    kind: str
    limits: str
    choices: tuple[str, ...]
    default: object
    description: Description


class Table(Struct, frozen=True):
    """A table with its keys. The whole configuration is a table with an empty ``heading``.

    ``is_entry`` means that there may be any number of such tables, and none by default:
    ``[[sinks]]``.
    """

    heading: str
    is_entry: bool
    description: Description
    keys: tuple[Key, ...]


def read(root: type[Struct]) -> list[Table]:
    """Return the tables of a schema in their order; the keys of ``root`` itself come first.

    Raises:
        NotDescribed: a key or a table has no description, or a choice has none.
    """
    return list(_read_table(root, "", is_entry=False))


def _read_table(kind: type[Struct], name: str, is_entry: bool) -> list[Table]:
    texts = _key_docstrings(kind)
    keys: list[Key] = []
    below: list[Table] = []
    for field in msgspec.structs.fields(kind):
        base = _without_notes(field.type)
        inner_name = f"{name}.{field.encode_name}" if name else field.encode_name
        if _is_struct(base):
            below += _read_table(base, inner_name, is_entry=False)
            continue
        keys.append(_read_key(kind, field, texts.get(field.name)))
        for entry in _inner_types(base):
            if _is_struct(entry):
                below += _read_table(entry, f"[{inner_name}]", is_entry=True)
    heading = f"[{name}]" if name else ""
    return [Table(heading, is_entry, _parse(kind.__name__, kind.__doc__), tuple(keys)), *below]


def _read_key(kind: type[Struct], field: FieldInfo, docstring: str | None) -> Key:
    name = f"{kind.__name__}.{field.name}"
    found = _parse(name, docstring)
    base = _without_notes(field.type)
    values = _choices(base)
    if values and found.terms and set(found.terms) != set(values):
        raise NotDescribed(f"{name}: the items are {found.terms}, the choices {list(values)}")
    default = field.default if field.default_factory is NODEFAULT else field.default_factory()
    return Key(
        field.encode_name,
        _kind(base),
        _describe_limits(field.type),
        () if found.terms else values,
        None if default is NODEFAULT else default,
        found,
    )


def _choices(base: object) -> tuple[str, ...]:
    if isinstance(base, type) and issubclass(base, Enum):
        return tuple(str(member.value) for member in base)
    return tuple(map(str, get_args(base))) if get_origin(base) is Literal else ()


def _kind(base: object) -> str:
    if get_origin(base) in (Union, UnionType):
        kinds = [inner for inner in get_args(base) if inner is not NoneType]
        return " or ".join(_kind(_without_notes(kind)) for kind in kinds).capitalize()
    return next((word for kind, word in _KINDS if kind in (base, get_origin(base))), "")


def _parse(name: str, docstring: str | None) -> Description:
    try:
        return description.parse(docstring or "")
    except ValueError as error:
        raise NotDescribed(f"{name}: {error}") from error


def _describe_limits(hint: object) -> str:
    """Return what the annotations of a type say: ``64 to 1048576 KiB``, ``1 to 128 sinks``."""
    optional = [inner for inner in get_args(hint) if get_origin(inner) is Annotated]
    if get_origin(hint) in (Union, UnionType) and optional:
        return _describe_limits(optional[0])
    for note in getattr(hint, "__metadata__", ()):
        if isinstance(note, Range):
            return f"{note.expected} {note.unit}" if note.unit else note.expected
        if isinstance(note, Length):
            least = f"{note.minimum} to" if note.minimum else "up to"
            return f"{least} {note.maximum} {note.noun}s"
        if isinstance(note, TextCheck):
            return note.noun
    return ""


def _without_notes(hint: object) -> object:
    """Return a type without annotations and without ``None``."""
    if get_origin(hint) is Annotated:
        return _without_notes(get_args(hint)[0])
    if get_origin(hint) in (Union, UnionType):
        kinds = [inner for inner in get_args(hint) if inner is not NoneType]
        return _without_notes(kinds[0]) if len(kinds) == 1 else hint
    return hint


def _inner_types(base: object) -> list[object]:
    """Return the types of the entries of a list: both of ``tuple[Sink | SinkTable]``."""
    found: list[object] = []
    for inner in map(_without_notes, get_args(base)):
        is_union = get_origin(inner) in (Union, UnionType)
        found += map(_without_notes, get_args(inner)) if is_union else [inner]
    return found


def _is_struct(kind: object) -> TypeGuard[type[Struct]]:
    return isinstance(kind, type) and issubclass(kind, Struct)


def _key_docstrings(kind: type[Struct]) -> dict[str, str]:
    """Return the strings that stand directly below the fields of a class in its source."""
    source = Path(str(sys.modules[kind.__module__].__file__)).read_text()
    found: dict[str, str] = {}
    for node in ast.walk(ast.parse(source)):
        if not isinstance(node, ast.ClassDef) or node.name != kind.__name__:
            continue
        for field, below in pairwise(node.body):
            if (
                isinstance(field, ast.AnnAssign)
                and isinstance(field.target, ast.Name)
                and isinstance(below, ast.Expr)
                and isinstance(below.value, ast.Constant)
                and isinstance(below.value.value, str)
            ):
                found[field.target.id] = below.value.value
    return found
