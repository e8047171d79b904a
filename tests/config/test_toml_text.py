# SPDX-License-Identifier: GPL-2.0-or-later
"""TOML text is parsed within limits of size, nesting and time."""

import contextlib
import time
import tomllib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from klogd_py.config.errors import NotToml
from klogd_py.config.toml_text import (
    MAX_FILE_BYTES,
    MAX_LEVELS,
    MAX_WORD_CHARS,
    check_limits,
    parse,
)

# A sixteenth of a second on a quiet machine
LIMIT_S = 3.0


def filled(unit: str, before: str = "", behind: str = "") -> bytes:
    """A text of the largest size, filled with a repeated unit."""
    return (
        before + unit * ((MAX_FILE_BYTES - len(before) - len(behind)) // len(unit)) + behind
    ).encode()


def numbered(row: str) -> bytes:
    """Numbered rows that fill a text of the largest size; N stands for the number."""
    rows: list[str] = []
    size = 0
    while size < MAX_FILE_BYTES - len(row) - 8:
        rows.append(row.replace("N", str(len(rows))))
        size += len(rows[-1])
    return "".join(rows).encode()


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("a = " + "9" * 5000, "a number or a key of more than 256 characters (at line 1)"),
        ("\na = -0x" + "f" * 300, "a number or a key of more than 256 characters (at line 2)"),
        ("a = 1." + "0" * 300, "a number or a key of more than 256 characters (at line 1)"),
        ("a = " + "[" * 100_000, "larger than 64 KiB"),
        ("a = " + "[" * 10_000, "nested more than 16 deep (at line 1)"),
        ("a = " + "{a=" * 5000 + "1" + "}" * 5000, "nested more than 16 deep (at line 1)"),
        ("[" + "a." * 20_000 + "b]", "a key of more than 16 parts (at line 1)"),
        ("a." * 20_000 + "b = 1", "a key of more than 16 parts (at line 1)"),
        ('"a" . "b" .' * 100 + "c = 1", "a key of more than 16 parts (at line 1)"),
        ('a = """\n\n""" # [[[\n' + "b." * 17 + "c = 1", "a key of more than 16 parts (at line 4)"),
        ("a = '" + "x" * 60_000, "Expected"),
        ("a = 2026-11-31", "Invalid date or datetime"),
        ("a = 1\na = 2", "Cannot overwrite a value (at end of document"),
    ],
)
def test_text_beyond_the_limits_is_refused(text: str, reason: str) -> None:
    with pytest.raises(NotToml) as raised:
        parse(text.encode())
    assert str(raised.value).startswith(reason)


def test_invalid_utf8_byte_is_named_with_its_line() -> None:
    with pytest.raises(NotToml, match=r"expected text in UTF-8, got byte 0xff \(at line 3\)"):
        parse(b'a = 1\n\nb = "\xff"')


def test_strings_and_comments_do_not_count() -> None:
    much = "[" * 1000 + "." * 1000 + "9" * 1000
    quoted = [f'"{much}\\""', f"'{much}\"'", f'"""\n{much}"\\"""""', f"'''{much}''\n'''"]
    text = "".join(f"a{number} = {value} # {much}\n" for number, value in enumerate(quoted))
    assert len(parse(text.encode())) == len(quoted)


def test_text_at_the_limits_is_accepted() -> None:
    parts = ".".join("a" * MAX_LEVELS)
    found = parse(
        (
            f"{parts} = 1\nb = {'[' * MAX_LEVELS}{']' * MAX_LEVELS}\n{'c' * MAX_WORD_CHARS} = 1.5\n"
        ).encode()
    )
    assert list(found) == ["a", "b", "c" * MAX_WORD_CHARS]
    assert found["c" * MAX_WORD_CHARS] == 1.5


@pytest.mark.parametrize(
    "raw",
    [
        filled("\\n", 'a="', '"'),
        filled('\\"', 'a="'),
        filled('\\"""', 'a="""'),
        filled("\\ \n", 'a="""', '"""'),
        filled('"'),
        filled("1,", "a=[", "]"),
        filled("[[]],", "a=[", "]"),
        filled("{a=1},", "a=[", "]"),
        filled("[[a]]\n"),
        filled("a "),
        filled("a" * MAX_WORD_CHARS + " "),
        filled("#\n"),
        numbered("[tN]\n"),
        numbered("a.b.c.d.e.f.g.h.i.j.k.l.m.n.o.pN = 1\n"),
        numbered("[a.b.c.d.e.f.g.h.i.j.k.l.m.n.o.pN]\n"),
        numbered("aN.b = 1\n"),
    ],
    ids=lambda raw: repr(raw[:12]),
)
def test_text_of_full_size_parses_in_time(raw: bytes) -> None:
    began_s = time.monotonic()
    with contextlib.suppress(NotToml):
        parse(raw)
    assert time.monotonic() - began_s < LIMIT_S


@given(st.text(alphabet="ab.\"'#[]{}=\\\n 1", max_size=60))
def test_small_text_is_accepted_as_by_tomllib(text: str) -> None:
    try:
        expected = tomllib.loads(text)
    except tomllib.TOMLDecodeError:
        return
    assert parse(text.encode()) == expected


@pytest.mark.parametrize("form", ['"{}"', "'{}'", '"""{}"""', "'''{}'''", "#{}\n"])
@pytest.mark.parametrize("word", ["", "a", "[", "\\\\"])
def test_nothing_is_hidden_behind_a_string(form: str, word: str) -> None:
    # Up to two more belong to a string of several lines
    quote = form[0] if len(form) > 7 else ""
    for inside in (
        word,
        word + quote,
        word + 2 * quote,
        quote + word,
        f"{word}\\{form[0]}" if form[0] == '"' else word,
    ):
        text = form.format(inside)
        if not text.startswith("#"):
            tomllib.loads(f"a = {text}")
        with pytest.raises(NotToml, match="nested more than"):
            check_limits(text + "[" * (MAX_LEVELS + 1))
