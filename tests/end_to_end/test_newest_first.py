# SPDX-License-Identifier: GPL-2.0-or-later
"""Logs whose newest line is first, with the oops of a randomised kernel in them."""

from collections.abc import Callable
from pathlib import Path
from random import Random

import pytest

from tests.end_to_end.one_way import read_capture, symbols_of, translate
from tests.symbolizer import symbol_set_of
from tests.symbols.oopses import Kernel, kernel, oops

RUNNING = kernel(Random(20), slide=0x1A000000)
OOPS = [
    "------------[ cut here ]------------",
    *oops(RUNNING, Random(20)),
    "---[ end trace 0000000000000000 ]---",
]
ELSEWHERE = Kernel(RUNNING.functions, 0x400000)
OTHER_OOPS = oops(ELSEWHERE, Random(21))
PREFIXES: dict[str, Callable[[int], str]] = {
    "steps of 1 ms": lambda at: f"[  100.{at:03}000] ",
    "steps of 1 us": lambda at: f"[  100.000{at:03}] ",
    "same stamp": lambda at: "[  100.000000] ",
    "syslog": lambda at: "Nov 27 12:00:01 host kernel: ",
    "klogd": lambda at: f"<4>[  100.{at:03}000] ",
}


def write_map(tmp_path: Path) -> Path:
    path = tmp_path / "System.map"
    path.write_bytes(RUNNING.map)
    return path


def stamped(seconds: float, lines: list[str], step_s: float = 0.001) -> list[str]:
    return [f"[{seconds + at * step_s:12.6f}] {line}" for at, line in enumerate(lines)]


def joined(lines: list[str]) -> bytes:
    return "".join(f"{line}\n" for line in lines).encode()


@pytest.mark.parametrize("prefix", PREFIXES)
def test_reversed_oops_is_named_like_the_other(tmp_path: Path, prefix: str) -> None:
    lines = [PREFIXES[prefix](at) + line for at, line in enumerate(OOPS)]
    symbols = symbol_set_of(write_map(tmp_path))
    forward = translate(joined(lines), symbols)
    reverse = translate(joined(lines[::-1]), symbols)
    assert sum("+0x" in text for text in forward.texts) > 3
    assert reverse.texts == forward.texts[::-1]


def test_reversed_capture_names_oops_of_each_boot(tmp_path: Path) -> None:
    older = [*stamped(0, ["text"] * 40, 2), *stamped(100, OOPS), *stamped(103, ["text"] * 40, 2)]
    newer = [*stamped(0, ["text"] * 9, 2), *stamped(50, OTHER_OOPS), *stamped(60, ["x"] * 30, 2)]
    (tmp_path / "forward").write_bytes(joined([*older, *newer]))
    (tmp_path / "reverse").write_bytes(joined([*older, *newer][::-1]))
    make = symbols_of(write_map(tmp_path))
    forward, reverse = (read_capture(tmp_path / name, make) for name in ("forward", "reverse"))
    names = [text for text in forward.texts if "+0x" in text]
    assert len(names) > 6
    assert [text for text in reverse.texts if "+0x" in text] == names[::-1]


def test_interleaved_boots_give_no_false_name(tmp_path: Path) -> None:
    one, other = stamped(100, OOPS), stamped(50, OTHER_OOPS)
    mixed = [line for pair in zip(one, other, strict=False) for line in pair]
    found = translate(joined(mixed), symbol_set_of(write_map(tmp_path)))
    assert found.texts == mixed
