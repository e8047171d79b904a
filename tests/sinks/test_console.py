# SPDX-License-Identifier: GPL-2.0-or-later
import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from klogd_py.record.types import Severity
from klogd_py.sinks import SinkGone
from klogd_py.sinks.console import Colour, ConsoleSink
from klogd_py.sinks.formats import TimestampFormatter
from tests.entries import WALL_US, entry
from tests.fakes import environment
from tests.json_documents import read_documents
from tests.terminals import read_to_end
from tests.waiting import wait_until


def test_line_has_time_identifier_and_text() -> None:
    stamp = f"{TimestampFormatter().rfc3164(WALL_US)}.123456"
    sink = ConsoleSink(Colour.NEVER)
    assert sink.encode(entry("eth0: up")) == f"{stamp} kernel: eth0: up\n".encode()
    assert sink.encode(entry("init[1]: up", prefix=30)) == f"{stamp} init[1]: up\n".encode()


@pytest.mark.parametrize("severity", list(Severity))
def test_colour_is_reset_at_the_end_of_line(severity: Severity) -> None:
    line = ConsoleSink(Colour.ALWAYS).encode(entry("x", prefix=severity))
    assert line.endswith(b"x\n") if severity is Severity.INFO else line.endswith(b"x\x1b[0m\n")


def test_record_cannot_drive_the_terminal() -> None:
    line = ConsoleSink(Colour.NEVER).encode(entry("\x1b]0;title\x07 \x9b31m\r\nforged"))
    assert line.endswith(b": \\x1b]0;title\\x07 \\xc2\\x9b31m\\x0d\\x0aforged\n")


def test_json_is_one_uncoloured_object_per_line() -> None:
    readable, writable = os.pipe()
    sink = ConsoleSink(Colour.ALWAYS, json=True, descriptor=writable)
    assert sink.send([entry("first\nsecond", prefix=3, seq=1), entry("\udcff", seq=2)]) == 2
    os.close(writable)
    with open(readable, "rb") as output:
        lines = read_documents(output.read())
    assert [(line["seq"], line["text"]) for line in lines] == [(1, "first\nsecond"), (2, "\\xff")]


def _shown(tmp_path: Path, *options: str, terminal: bool, no_color: str | None = None) -> bytes:
    """The output of the program for an error record, on a terminal or in a pipe."""
    capture = tmp_path / "capture"
    capture.write_bytes(b"3,1,1000000,-;disk on fire\n")
    (tmp_path / "klogd-py.toml").write_text("[state]\ncursor_file = ''\n")
    command = [sys.executable, "-m", "klogd_py", "--config", str(tmp_path / "klogd-py.toml")]
    command += ["--input", str(capture), "--sink", "console", *options]
    if not terminal:
        return subprocess.run(
            command, env=environment(NO_COLOR=no_color), stdout=subprocess.PIPE, check=True
        ).stdout
    ours, theirs = os.openpty()
    subprocess.run(command, env=environment(NO_COLOR=no_color), stdout=theirs, check=True)
    os.close(theirs)
    return read_to_end(ours)


@pytest.mark.parametrize(
    ("terminal", "no_color", "coloured"),
    [(True, None, True), (True, "1", False), (True, "", True), (False, None, False)],
    ids=["terminal", "NO_COLOR", "NO_COLOR that is empty and counts as absent", "pipe"],
)
def test_lines_are_coloured_on_a_terminal_only(
    tmp_path: Path, terminal: bool, no_color: str | None, coloured: bool
) -> None:
    shown = _shown(tmp_path, terminal=terminal, no_color=no_color)
    assert b"disk on fire" in shown
    assert (b"\x1b[31mdisk on fire\x1b[0m" in shown) is coloured
    assert (b"\x1b" in shown) is coloured


def test_json_on_a_terminal_is_plain(tmp_path: Path) -> None:
    (document,) = read_documents(_shown(tmp_path, "--json", terminal=True))
    assert document["text"] == "disk on fire"


def test_console_without_a_reader_is_gone() -> None:
    readable, writable = os.pipe()
    os.close(readable)
    with pytest.raises(SinkGone):
        ConsoleSink(Colour.NEVER, descriptor=writable).send([entry()])
    os.close(writable)


def _non_blocking_pipe() -> tuple[int, int]:
    readable, writable = os.pipe()
    os.set_blocking(writable, False)
    return readable, writable


def test_non_blocking_descriptor_gets_every_line() -> None:
    readable, writable = _non_blocking_pipe()
    received: list[bytes] = []

    def watch() -> None:
        with open(readable, "rb") as output:
            received.extend(output)

    reader = threading.Thread(target=watch)
    reader.start()
    entries = [entry(f"{number} {'x' * 1000}") for number in range(500)]
    sink = ConsoleSink(Colour.NEVER, descriptor=writable)
    assert sink.send(entries) == 500
    os.close(writable)
    reader.join()
    assert received == [sink.encode(item) for item in entries]


def test_reader_leaving_within_a_batch_means_gone() -> None:
    readable, writable = _non_blocking_pipe()

    def glance() -> None:
        wait_until(lambda: os.get_blocking(writable), "a write that waits")
        os.close(readable)

    reader = threading.Thread(target=glance)
    reader.start()
    with pytest.raises(SinkGone):
        ConsoleSink(Colour.NEVER, descriptor=writable).send([entry("x" * 1000) for _ in range(500)])
    reader.join()
    os.close(writable)


def test_standard_output_stays_open_when_the_sink_closes() -> None:
    readable, writable = os.pipe()
    ConsoleSink(Colour.NEVER, descriptor=writable).close()
    assert os.write(writable, b"x") == 1
    os.close(readable)
    os.close(writable)
