# SPDX-License-Identifier: GPL-2.0-or-later
"""`translate`, ``--input`` and the daemon have the same stages, and so the same results."""

from pathlib import Path
from random import Random

import pytest

from klogd_py.line_prefix.reader import read_line
from klogd_py.line_prefix.terminal import strip_controls
from klogd_py.oops.shared_stamp import SharedStamp
from tests.corpus.logs import OWN_AND_COLLECTION, log_files
from tests.end_to_end.one_way import (
    everywhere_set,
    read_capture,
    read_kmsg,
    symbols_of,
    timestamps,
    translate,
)
from tests.symbolizer import symbol_set_of
from tests.symbols.oopses import Kernel, kernel, oops

# Of so many files of a large collection one is read.
STEP = 4


def read_lines(path: Path) -> list[str]:
    """Return the lines of a log in ASCII; none if its bytes were changed on the way to a file."""
    raw = path.read_bytes().replace(b"\r", b"").rstrip(b"\n")
    return raw.decode().split("\n") if raw.isascii() else []


def are_messages(stamps: list[int | None]) -> bool:
    """Whether each line is a message: among others, one without a timestamp is a part of one."""
    return None not in stamps or not any(stamp is not None for stamp in stamps)


@pytest.mark.parametrize("folder", OWN_AND_COLLECTION)
def test_three_ways_give_the_same_texts_and_traces(folder: Path, tmp_path: Path) -> None:
    logs = log_files(folder)
    named = compared = 0
    for path in logs if len(logs) < 100 else logs[::STEP]:
        lines = read_lines(path)
        log = tmp_path / "log"
        log.write_text("".join(f"{line}\n" for line in lines))
        stamps = [read_line(line).usec for line in lines]
        # In the form of /dev/kmsg a record has several lines, and not every form has its timestamps
        # read by both.
        if not lines or timestamps(log) != stamps:
            continue
        by_translate = translate(log.read_bytes(), everywhere_set())
        by_input = read_capture(log)
        assert by_translate.traces == by_input.traces, path
        other = [
            line
            for line, text in zip(by_translate.texts, by_input.texts, strict=True)
            if not strip_controls(line).endswith(text)
        ]
        assert len(other) == by_translate.doubtful, path
        named += sum("+0x1/0x10" in text for text in by_input.texts)
        compared += 1
        # A capture does not show where a message ends that has several lines.
        stamp = SharedStamp()
        may_be_rest = any(stamp.is_rest(read_line(line)) for line in lines)
        if may_be_rest or not are_messages(stamps):
            continue
        by_kmsg = read_kmsg(lines)
        assert by_kmsg.traces == by_input.traces, path
        assert by_kmsg.symbols == by_input.symbols, path
        for text, message in zip(by_input.texts, by_kmsg.texts, strict=True):
            assert text.endswith(message) or message.endswith(text), path
    assert compared > len(logs) / STEP * 0.6
    assert named


def stamp(lines: list[str]) -> list[str]:
    return [f"[   12.{number:06}] {line}" for number, line in enumerate(lines)]


@pytest.fixture
def running(tmp_path: Path) -> Kernel:
    """A randomised kernel, and its map in a file ``map``."""
    found = kernel(Random(20), slide=0x1A000000)
    (tmp_path / "map").write_bytes(found.map)
    return found


def test_three_ways_infer_and_hold_the_same(tmp_path: Path, running: Kernel) -> None:
    lines = ["[   11.000000] eth0: link up", *stamp(oops(running, Random(3))), "[   13.0] x"]
    log, symbols = tmp_path / "log", symbols_of(tmp_path / "map")
    log.write_text("".join(f"{line}\n" for line in lines))
    by_translate = translate(log.read_bytes(), symbol_set_of(tmp_path / "map"), by_line=True)
    by_input, by_kmsg = read_capture(log, symbols), read_kmsg(lines, symbols)
    names = [symbol.name for symbols in by_kmsg.symbols for symbol in symbols]
    assert len(names) > 5
    assert by_kmsg.symbols == by_input.symbols
    assert by_translate.traces == by_input.traces == by_kmsg.traces
    for line, text, message in zip(by_translate.texts, by_input.texts, by_kmsg.texts, strict=True):
        assert line.endswith(text)
        assert line.endswith(message)


def test_two_ways_tell_boots_apart(tmp_path: Path, running: Kernel) -> None:
    rebooted = Kernel(running.functions, 0x7600000)
    banner = "[    0.000000] Linux version 6.1.0 (gcc 12) #1"
    first, second = stamp(oops(running, Random(3))), stamp(oops(rebooted, Random(4)))
    log = tmp_path / "log"
    log.write_text("".join(f"{line}\n" for line in [*first, banner, *second]))
    by_translate = translate(log.read_bytes(), symbol_set_of(tmp_path / "map"), by_line=True)
    by_input = read_capture(log, symbols_of(tmp_path / "map"))
    named = [bool(symbols) for symbols in by_input.symbols]
    assert any(named[: len(first)])
    assert any(named[len(first) + 1 :])
    assert by_translate.traces == by_input.traces
    pairs = zip(by_translate.texts, by_input.texts, strict=True)
    assert all(line.endswith(text) for line, text in pairs)
