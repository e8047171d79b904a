# SPDX-License-Identifier: GPL-2.0-or-later
"""Every key of the configuration refuses wrong values in one line.

The keys are found in the types of the schema, so that a new key is tested without being listed
here.
"""

import dataclasses
import functools
from collections.abc import Iterator
from types import NoneType, UnionType
from typing import Annotated, Literal, Union, get_args, get_origin, get_type_hints

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Struct

from klogd_py.config import loader
from klogd_py.config.errors import BadConfig
from klogd_py.config.schema import Config
from klogd_py.config.value_types import Length, Range, TextCheck

MAX_MESSAGE = 800
OF_TYPE = {
    "a string": '"zzz"',
    "a whole number": "7",
    "a number with a fraction": "1e400",
    "true or false": "true",
    "a list": "[7]",
    "a list of dates": "[2026-11-26]",
    "a table": "{ zzz = 7 }",
    "a date": "2026-11-26",
}
FITTING = {
    str: {"a string"},
    int: {"a whole number"},
    bool: {"true or false"},
    tuple: {"a list"},
    dict: {"a table"},
}
HUGE = [
    "9" * 30,
    "-" + "9" * 30,
    "9" * 5000,
    "0x" + "f" * 200,
    "0x" + "f" * 20_000,
    "-9223372036854775809",
    "18446744073709551616",
]


@dataclasses.dataclass(frozen=True)
class Key:
    """A key with its type, choices and annotations.

    ``kind`` is the type of its value, dict for a table, a tuple of types for a key that may have
    any of them (tests/config/test_filters.py has their values). ``table_list`` is the list of
    tables that the key is in, such as ``sinks``; the others are not in one.
    """

    path: tuple[str, ...]
    kind: object
    choices: tuple[object, ...] = ()
    notes: tuple[object, ...] = ()
    table_list: str = ""

    @property
    def name(self) -> str:
        """The key as messages name it."""
        return ".".join((f"{self.table_list}[0]", *self.path) if self.table_list else self.path)

    def set_to(self, literal: str) -> bytes:
        line = f"{'.'.join(self.path)} = {literal}\n"
        return (f"[[{self.table_list}]]\n{line}" if self.table_list else line).encode()

    def refusal_of(self, literal: str) -> str:
        """The message with which a value is refused."""
        return refusal(self.set_to(literal))


def refusal(raw: bytes) -> str:
    with pytest.raises(BadConfig) as raised:
        loader.parse(raw, "x")
    message = str(raised.value)
    assert message.startswith("x: ")
    assert message.isprintable()
    assert len(message) < MAX_MESSAGE
    return message


def keys_of(
    table: type[Struct], above: tuple[str, ...] = (), table_list: str = ""
) -> Iterator[Key]:
    for name, hint in get_type_hints(table, include_extras=True).items():
        for key in keys_at((*above, name), hint):
            yield dataclasses.replace(key, table_list=table_list or key.table_list)


def keys_at(path: tuple[str, ...], hint: object, notes: tuple[object, ...] = ()) -> Iterator[Key]:
    origin, inside = get_origin(hint), get_args(hint)
    if origin is Annotated:
        yield from keys_at(path, inside[0], inside[1:])
    elif origin in (Union, UnionType):
        kinds = [kind for kind in inside if kind is not NoneType]
        found = [key for kind in kinds for key in keys_at(path, kind, notes)]
        yield found[0] if len(found) == 1 else Key(path, tuple(key.kind for key in found))
    elif origin is Literal:
        yield Key(path, str, choices=inside)
    elif origin is tuple and get_origin(inside[0]) in (Union, UnionType):
        text, table = get_args(inside[0])
        yield Key(path, tuple, notes=(*notes, text))
        yield from keys_of(table, table_list=".".join(path))
    elif origin is tuple:
        yield Key(path, tuple, notes=(*notes, inside[0]))
    elif isinstance(hint, type) and issubclass(hint, Struct):
        yield Key(path, dict)
        yield from keys_of(hint, path)
    else:
        assert hint in (str, int, bool), f"no test knows the type of {path}"
        yield Key(path, hint, notes=notes)


KEYS = list(keys_of(Config))
NUMBERS = [key for key in KEYS if key.kind is int]
TEXTS = [key for key in KEYS if key.kind is str and not key.choices]
CHOICES = [key for key in KEYS if key.choices]
LISTS = [key for key in KEYS if key.kind is tuple]


def each(keys: list[Key]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("key", keys, ids=lambda key: key.name)


def limits_of(key: Key) -> Range:
    (limits,) = [note for note in key.notes if isinstance(note, Range)]
    return limits


def test_keys_are_found_in_every_table() -> None:
    names = {key.name for key in KEYS}
    assert {
        "sinks",
        "symbols.search",
        "sinks[0].path",
        "sinks[0].when_full",
        "metrics.listen",
    } <= names
    assert len(names) > 40


@each(KEYS)
def test_a_value_of_another_type_is_refused(key: Key) -> None:
    kinds = key.kind if isinstance(key.kind, tuple) else (key.kind,)
    fitting = set[str]().union(*(FITTING[kind] for kind in kinds))
    wrong = [literal for words, literal in OF_TYPE.items() if words not in fitting]
    assert len(wrong) > 1
    for literal in wrong:
        assert key.refusal_of(literal).startswith(f"x: key {key.name}"), (key.name, literal)


@each(KEYS)
def test_misspelled_key_is_named_with_alternatives(key: Key) -> None:
    *tables, last = key.path
    for typo in (
        last + "s",
        last[:-1],
        last.upper(),
        "",
        f"{last}\\u0000",
        "a" * 5000,
        "a`b` - at `$.x",
        "\\U0001F600",
    ):
        quoted = ".".join(f'"{part}"' for part in (*tables, typo))
        head = f"[[{key.table_list}]]\n" if key.table_list else ""
        message = refusal(f"{head}{quoted} = 1\n".encode())
        assert message.startswith("x: unknown key "), message
        assert last in message.partition("expected one of: ")[2].split(", "), message


@each(NUMBERS)
def test_number_outside_its_range_is_refused(key: Key) -> None:
    limits = limits_of(key)
    for number in (limits.minimum - 1, limits.maximum + 1):
        assert (
            key.refusal_of(str(number))
            == f"x: key {key.name}: expected {limits.expected}, got {number}"
        )
    for literal in HUGE:
        assert "key" in key.refusal_of(literal) or "not TOML" in key.refusal_of(literal)


@each(NUMBERS)
def test_number_at_each_limit_is_accepted(key: Key) -> None:
    limits = limits_of(key)
    assert limits.minimum < limits.maximum < 1 << 31
    for number in (limits.minimum, limits.maximum):
        loader.parse(key.set_to(str(number)), "x")


@each(CHOICES)
def test_choice_outside_the_list_is_refused(key: Key) -> None:
    *others, last = map(repr, key.choices)
    for choice in key.choices:
        loader.parse(key.set_to(f'"{choice}"'), "x")
    for wrong in (
        "",
        "zzz",
        f"{key.choices[0]} ",
        str(key.choices[0]).title(),
        "a\\u0000b",
        "a" * 10_000,
    ):
        expected = f"{key.name}: expected {', '.join(others)} or {last}, got "
        assert expected in key.refusal_of(f'"{wrong}"')


@each(TEXTS)
def test_invalid_string_is_refused_for_every_key(key: Key) -> None:
    assert any(isinstance(note, TextCheck) for note in key.notes)
    for wrong in (
        "/a\\u0000b",
        "\\u0000",
        "/a\\nb",
        "/\\u001b[31m",
        "/a\\u007fb",
        "/" + "a" * 5000,
        "/a" * 5000,
    ):
        assert key.refusal_of(f'"{wrong}"').startswith(f"x: key {key.name}: expected "), (
            key.name,
            wrong,
        )


@each(LISTS)
def test_invalid_entry_of_a_list_is_refused(key: Key) -> None:
    for wrong in (
        "/a\\u0000b",
        "file:/a\\u0000b",
        "syslog:/a\\nb",
        "relative",
        "",
        "/" + "a" * 5000,
        "file:" + "/a" * 5000,
    ):
        assert key.refusal_of(f'["{wrong}"]').startswith(f"x: key {key.name}: expected ")
    (count,) = [note for note in key.notes if isinstance(note, Length)]
    form = {"sinks": '"file:/{}"', "reports.kinds": '"warning"'}.get(key.name, '"/{}"')
    many = ",".join(map(form.format, range(count.maximum + 1)))
    assert f"expected at most {count.maximum}" in key.refusal_of(f"[{many}]")
    loader.parse(key.set_to(f"[{many[: many.rindex(',')]}]"), "x")


def test_every_list_entry_type_has_a_check() -> None:
    for key in LISTS:
        entry = key.notes[-1]
        assert get_origin(entry) is Annotated
        assert any(isinstance(note, TextCheck) for note in get_args(entry)), key.name


VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text()
    | st.dates()
    | st.datetimes()
    | st.times(),
    lambda inside: st.lists(inside, max_size=3) | st.dictionaries(st.text(), inside, max_size=3),
    max_leaves=8,
)


@given(st.sampled_from(KEYS), VALUES)
def test_any_value_is_accepted_or_one_error(key: Key, value: object) -> None:
    inwards = reversed(key.path)
    content = functools.reduce(lambda inside, name: {name: inside}, inwards, value)
    assert isinstance(content, dict)
    if key.table_list:
        content = dict[str, object]({key.table_list: [content]})
    message = convert_error(content)
    assert message.startswith("x: ") or not message
    assert message.isprintable()
    assert len(message) < MAX_MESSAGE


def convert_error(content: dict[str, object]) -> str:
    """The message with which tables are refused; empty if they are accepted."""
    try:
        loader.convert(content, "x")
    except BadConfig as error:
        return str(error)
    return ""


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            'sinks = ["file:/a/x", "file:/a/../a/x"]',
            "key sinks: expected each sink once, got 'file:/a/../a/x' twice",
        ),
        (
            'sinks = ["syslog", "syslog:/dev/log"]',
            "key sinks: expected each sink once, got 'syslog:/dev/log' twice",
        ),
        (
            'sinks = ["file:relative"]',
            "key sinks: expected file: and an absolute path, got 'file:relative'",
        ),
        (
            'sinks = ["syslog:/' + "a" * 107 + '"]',
            "key sinks: expected syslog: and a path of at most 107 bytes, "
            "which is the limit for sockets",
        ),
        (
            'sinks = ["file:/x"]\nstate.cursor_file = "/x"',
            "key state.cursor_file: expected a path of its own, got '/x'",
        ),
        (
            'status.socket = "/x"\nmetrics.listen = "unix:/x"',
            "key metrics.listen: expected a path of its own",
        ),
        (
            'metrics.listen = "127.0.0.1:\u0669\u0661\u0668\u0664"',
            "key metrics.listen: expected a loopback address",
        ),
        ('metrics.listen = "[::1%lo]:9184"', "key metrics.listen: expected a loopback address"),
        (
            'metrics.listen = "unix:/' + "a" * 107 + '"',
            "key metrics.listen: expected unix: and a path of at most 107 bytes",
        ),
        ('metrics.textfile = "klogd.prom"', "key metrics.textfile: expected an absolute path"),
        (
            'symbols.search = ["{release}{release}"]',
            "key symbols.search: expected an absolute path",
        ),
        (
            f'symbols.search = ["/{"{release}" * 4}"]',
            "key symbols.search: expected a path of at most 4095 bytes, and 255 for each name",
        ),
        ("user = 2026-11-11", "key user: expected a string, got a date or time"),
    ],
)
def test_value_that_makes_no_sense_is_refused(text: str, message: str) -> None:
    assert refusal(text.encode()).startswith(f"x: {message}")
