# SPDX-License-Identifier: GPL-2.0-or-later
"""An oops is named, and its level, time and host are read, behind every prefix."""

import os
import re
from collections import Counter
from datetime import datetime
from pathlib import Path
from random import Random

import pytest

from klogd_py.record.types import Record
from tests.end_to_end.one_way import read_capture, symbols_of, translate
from tests.line_prefixes import PREFIXES, WRITTEN, Prefix
from tests.sources.captured import read
from tests.symbolizer import symbol_set_of
from tests.symbols.oopses import kernel, oops

_RAW = re.compile(r"0xffffffff[89a-f][0-9a-f]{7}")


@pytest.fixture(scope="module")
def system_map(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("map") / "System.map"
    path.write_bytes(kernel(Random(5)).map)
    return path


LINES = oops(kernel(Random(5)), Random(6))


@pytest.fixture(scope="module")
def named(system_map: Path) -> list[str]:
    """The lines of the oops with names for their addresses; the oops itself proves the slide."""
    texts = translate("".join(f"{line}\n" for line in LINES).encode(), symbol_set_of(system_map))
    return texts.texts


def behind(prefix: Prefix, lines: list[str]) -> list[str]:
    return [
        f"{prefix.before.replace('{us}', f'{100_000 + at:06d}')}{line}{prefix.after}"
        for at, line in enumerate(lines)
    ]


def write(path: Path, lines: list[str]) -> bytes:
    raw = "".join(f"{line}\n" for line in lines).encode()
    path.write_bytes(raw)
    written_s = datetime.fromisoformat(WRITTEN).timestamp()
    os.utime(path, (written_s, written_s))
    return raw


def named_prefix(prefix: Prefix) -> str:
    return f"{prefix.program}: {prefix.before!r}"


def test_oops_without_a_prefix_is_named(named: list[str]) -> None:
    frames = [line for line in LINES if _RAW.search(line)]
    assert len(frames) > 5
    assert not any(_RAW.search(line) for line in named)
    assert sum(line != before for line, before in zip(named, LINES, strict=True)) == len(frames)


@pytest.mark.parametrize("prefix", PREFIXES, ids=named_prefix)
def test_oops_behind_any_prefix_is_named(
    prefix: Prefix, named: list[str], system_map: Path, tmp_path: Path
) -> None:
    path = tmp_path / "log"
    raw = write(path, behind(prefix, LINES))
    assert translate(raw, symbol_set_of(system_map)).texts == behind(prefix, named)
    assert read_capture(path, symbols_of(system_map)).texts == named


@pytest.mark.parametrize("prefix", PREFIXES, ids=named_prefix)
def test_prefix_states_level_time_and_host(
    prefix: Prefix, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TZ", "UTC")
    path = tmp_path / "log"
    write(path, behind(prefix, ["eth0: link up", " sda: sda1", "usb 1-1: new device"]))
    records = read(path)
    wall_us = None
    if prefix.wall is not None:
        wall_us = round(datetime.fromisoformat(f"{prefix.wall}+00:00").timestamp() * 1_000_000)
    assert len(records) == 3
    for record in records:
        assert isinstance(record, Record)
        assert (None if record.prefix is None else record.prefix) == prefix.severity
        assert record.wall_us == wall_us
        assert (record.machine.host if record.machine else None) in (prefix.host, prefix.host or "")
        assert (record.usec is not None) is prefix.has_stamp


def test_prefixes_are_many_and_of_many_programs() -> None:
    assert len({prefix.before for prefix in PREFIXES}) >= 80
    assert len(Counter(prefix.program for prefix in PREFIXES)) >= 20
    assert all(prefix.taken_from for prefix in PREFIXES)
