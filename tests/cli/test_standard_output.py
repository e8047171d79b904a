# SPDX-License-Identifier: GPL-2.0-or-later
"""Standard output that cannot be written is an error with a name; only a reader that left is not.

The outputs are real ones: /dev/full, a closed descriptor, a pipe without a reader, a tmpfs that is
full.
"""

import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.end_to_end.program import configure
from tests.fakes import environment
from tests.needs import needs_mount
from tests.waiting import wait_until

FULL = "standard output: No space left on device"
CLOSED = "standard output: Bad file descriptor"
SHIPPED = str(Path(__file__).parents[2] / "etc/klogd-py.toml")
MAP = str(Path(__file__).parents[1] / "data/i386.map")
COMMANDS = (
    ("--version",),
    ("help",),
    ("help", "translate"),
    # A map of its own: an ordinary user sees no addresses in /proc/kallsyms
    ("lookup", "--map", MAP, "10"),
    ("maps",),
    ("maps", "--json"),
    ("doctor",),
    ("check-config", SHIPPED),
    ("check-config", "--json", SHIPPED),
    ("schema",),
    ("translate", "--style", "off"),
)
TMPFS_KIB = 64
LINES = 500


def play(
    words: tuple[str, ...], output: str, stdin: bytes = b"text\n"
) -> subprocess.CompletedProcess[str]:
    """Run a command with a redirection such as ``>/dev/full``; Python buffers as usual."""
    command = f'exec "$@" {output}'
    done = subprocess.run(
        ["sh", "-c", command, "sh", sys.executable, "-m", "klogd_py", *words],
        input=stdin,
        env=environment(PYTHONUNBUFFERED=None),
        capture_output=True,
        timeout=60,
        check=False,
    )
    return subprocess.CompletedProcess(words, done.returncode, "", done.stderr.decode())


@pytest.mark.parametrize(("output", "reason"), [(">/dev/full", FULL), (">&-", CLOSED)])
@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_output_that_fails_is_one_line(words: tuple[str, ...], output: str, reason: str) -> None:
    done = play(words, output)
    assert (done.returncode, done.stderr) == (1, f"klogd-py: {reason}\n")


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_reader_that_left_is_no_error(words: tuple[str, ...]) -> None:
    done = play(words, "| true")
    assert "klogd-py: " not in done.stderr
    assert "Exception" not in done.stderr


@pytest.mark.parametrize("words", [("--version",), ("check-config", SHIPPED), ("translate",)])
def test_full_standard_error_changes_no_status(words: tuple[str, ...]) -> None:
    assert play(words, ">/dev/null 2>/dev/full").returncode == 0


@pytest.mark.parametrize("sink", ["console", "file:-"])
def test_full_output_of_capture_is_counted(tmp_path: Path, sink: str) -> None:
    words = ("--config", str(configure(tmp_path)), "--input", "-", "--sink", sink)
    done = play(words, ">/dev/full", b"<6>first\n<6>second\n")
    assert done.returncode == 1
    assert f"{sink} is down, retrying: {FULL}" in done.stderr
    assert f"{sink}: entries never sent: 2 ({FULL})" in done.stderr


@pytest.mark.parametrize("sink", ["console", "file:-"])
@pytest.mark.parametrize("output", [">&-", "1</dev/null"], ids=["closed", "read-only"])
def test_output_not_for_writing_stops_the_start(tmp_path: Path, sink: str, output: str) -> None:
    words = ("--config", str(configure(tmp_path)), "--input", "-", "--sink", sink)
    done = play(words, output, b"<6>first\n")
    assert (done.returncode, done.stderr) == (1, f"klogd-py: {CLOSED}\n")


@pytest.mark.parametrize("sink", ["console", "file:-"])
def test_capture_ends_quietly_without_a_reader(tmp_path: Path, sink: str) -> None:
    words = ("--config", str(configure(tmp_path)), "--input", "-", "--sink", sink)
    done = play(words, "| head -n1", b"<6>text\n" * 50_000)
    assert done.stderr == "klogd-py: standard input: read as klogd\n"


@pytest.fixture
def small_tmpfs(tmp_path: Path) -> Iterator[Path]:
    """A file system of 64 KiB."""
    place = tmp_path / "small"
    place.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={TMPFS_KIB}k", "tmpfs", str(place)]
    subprocess.run(mount, check=True)
    yield place
    subprocess.run(["umount", place], check=True)


@needs_mount
def test_translate_reports_a_full_file_system(small_tmpfs: Path) -> None:
    done = play(("translate", "--style", "off"), f">{small_tmpfs}/out", b"x" * (TMPFS_KIB << 11))
    assert (done.returncode, done.stderr) == (1, f"klogd-py: {FULL}\n")


@needs_mount
def test_console_continues_a_cut_line(small_tmpfs: Path, tmp_path: Path) -> None:
    """The disk is full within a line; once there is room, every line is there, and once."""
    ballast = small_tmpfs / "ballast"
    ballast.write_bytes(b"x" * (TMPFS_KIB << 9))
    words = ("--config", str(configure(tmp_path)), "--input", "-", "--sink", "console")
    errors = tmp_path / "errors"

    def make_room() -> None:
        wait_until(lambda: errors.exists() and "is down" in errors.read_text(), "a full disk")
        os.truncate(ballast, 0)

    made_room = threading.Thread(target=make_room)
    made_room.start()
    text = b"".join(b"<6>line %d %s\n" % (number, b"y" * 60) for number in range(LINES))
    done = play(words, f">{small_tmpfs}/out 2>{errors}", text)
    made_room.join()
    assert done.returncode == 0
    assert f"console is down, retrying: {FULL}" in errors.read_text()
    shown = (small_tmpfs / "out").read_text().splitlines()
    numbers = [int(line.split(" line ")[1].split()[0]) for line in shown if " line " in line]
    assert numbers == list(range(LINES))
