# SPDX-License-Identifier: GPL-2.0-or-later
"""An oops in JSON is named in place: the objects stay, and their texts have names."""

import json
from collections.abc import Callable
from pathlib import Path
from random import Random

import pytest

from tests.end_to_end.one_way import everywhere_set, read_capture, symbols_of, translate
from tests.symbolizer import symbol_set_of
from tests.symbols.oopses import kernel, oops

LINES = oops(kernel(Random(5)), Random(6))
# A capture and the texts that a program with this form writes for some lines
Write = Callable[[list[str]], str]


def _journal(at: int, text: str) -> dict[str, str]:
    return {
        "__CURSOR": f"s=1;i={at}",
        "__REALTIME_TIMESTAMP": f"{1_764_150_000_000_000 + at}",
        "_SOURCE_MONOTONIC_TIMESTAMP": f"{12_000_000 + at}",
        "_TRANSPORT": "kernel",
        "PRIORITY": "4",
        "MESSAGE": text,
        "_HOSTNAME": "web",
    }


def _compact(content: object) -> str:
    return json.dumps(content, ensure_ascii=False, separators=(",", ":"))


def _each(before: str, make: Callable[[int, str], object], after: str = "") -> Write:
    """Write one object on each line."""
    return lambda lines: "".join(
        f"{before}{_compact(make(at, line))}{after}\n" for at, line in enumerate(lines)
    )


def _as_go_does(lines: list[str]) -> str:
    written = _each("", lambda at, line: {"log": f"<4>[   12.{at:06d}] {line}\n", "stream": "o"})
    return written(lines).replace("<", r"\u003c").replace(">", r"\u003e").replace("&", r"\u0026")


def _as_dmesg_does(lines: list[str]) -> str:
    objects = [
        f'      {{\n         "pri": "warn",\n         "time":    12.{at:06d},\n'
        f'         "msg": {_compact(line)}\n      }}'
        for at, line in enumerate(lines)
    ]
    return '{\n   "dmesg": [\n' + ",".join(objects).replace("},      {", "},{") + "\n   ]\n}\n"


def _coloured(at: int, line: str) -> object:
    return {"message": f"\x1b[33m[   12.{at:06d}] \x1b[0m\x1b[1m{line}\x1b[0m"}


FORMS: dict[str, Write] = {
    "journalctl -o json": _each("", _journal),
    "journalctl -o json-sse": _each("data: ", _journal, "\n"),
    "journalctl -o json-seq": _each("\x1e", _journal),
    "journalctl -o json-pretty": lambda lines: "".join(
        json.dumps(_journal(at, line), indent=8, ensure_ascii=False).replace('":', '" :') + "\n"
        for at, line in enumerate(lines)
    ),
    "dmesg --json": _as_dmesg_does,
    "Docker": _as_go_does,
    "LAVA": _each("- ", lambda at, line: {"lvl": "target", "msg": f"[   12.{at:06d}] {line}"}),
    "an agent, with colours": _each("", _coloured),
}


@pytest.fixture(scope="module")
def system_map(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("map") / "System.map"
    path.write_bytes(kernel(Random(5)).map)
    return path


@pytest.fixture(scope="module")
def named(system_map: Path) -> list[str]:
    raw = "".join(f"{line}\n" for line in LINES).encode()
    return translate(raw, symbol_set_of(system_map)).texts


@pytest.mark.parametrize("form", FORMS)
def test_oops_in_objects_is_named_in_place(
    form: str, named: list[str], system_map: Path, tmp_path: Path
) -> None:
    write = FORMS[form]
    raw = write(LINES)
    assert named != LINES
    assert "\n".join(translate(raw.encode(), symbol_set_of(system_map)).texts) == write(
        named
    ).removesuffix("\n")
    path = tmp_path / "log"
    path.write_text(raw)
    texts = read_capture(path, symbols_of(system_map)).texts
    assert [text for text in texts if text] == named


def test_escaped_brackets_hide_no_address() -> None:
    known = everywhere_set()
    plain = b'{"message":"[   12.345678]  [<ffffffff81000010>] ? 0xffffffff81000010"}\n'
    escaped = plain.replace(b"<", rb"\u003c").replace(b">", rb"\u003e")
    (expected,), (found,) = translate(plain, known).texts, translate(escaped, known).texts
    assert json.loads(found) == json.loads(expected)
    assert expected != plain.decode().removesuffix("\n")


def test_continued_texts_stay_in_their_objects(system_map: Path) -> None:
    own = {"schema": 1, "facility": 0, "severity": "info", "usec": 100, "caller": "T1"}
    pairs = [('a "q"', "c", 1), ("b", "+", 2)]
    lines = [
        _compact({"text": text, "flags": flag, "seq": seq, **own}) for text, flag, seq in pairs
    ]
    raw = "".join(f"{line}\n" for line in lines).encode()
    assert translate(raw, symbol_set_of(system_map)).texts == lines


def test_odd_objects_pass_byte_for_byte(system_map: Path) -> None:
    odd = (
        b'{"MESSAGE":"0x\\ud800 \\u0000 \\"[<ffffffff81000000>]\\" \xff"}\n{"MESSAGE":[91,60]}\n'
        b'{"msg":null,"pri":4}\n{"log":""}\n{"text":"x","schema":1,"raw":"\xc3\xa9"}\n{"a":{"msg":"'
        b'[    1.000000] x"}}\n   "msg": "cut\n{"MESSAGE":"cut \\\n{\n}\n'
    )
    texts = translate(odd, symbol_set_of(system_map)).texts
    assert "\n".join(texts).encode("utf-8", "surrogateescape") == odd.removesuffix(b"\n")
