# SPDX-License-Identifier: GPL-2.0-or-later
"""What a long work shows on standard error, and where it shows nothing."""

import os
import pty
import subprocess
import sys
import time
from pathlib import Path

import pytest

from klogd_py.system.progress import FIRST_AFTER_S
from tests.terminals import read_to_end

WORDS = [["translate"], ["--config", "/dev/null", "--input", "-"]]


def run_slowly(words: list[str], folder: Path, stderr: int) -> bytes:
    """Write two lines, so far apart that the work is long; return standard output."""
    process = subprocess.Popen(
        [sys.executable, "-m", "klogd_py", *words],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=stderr,
        cwd=folder,
    )
    assert process.stdin is not None
    for _ in range(4):
        process.stdin.write(b"<6>[    1.000000] a line\n")
        process.stdin.flush()
        time.sleep(FIRST_AFTER_S)
    found, _ = process.communicate(timeout=60)
    return found


@pytest.mark.parametrize("words", WORDS, ids=" ".join)
def test_long_work_shows_progress_on_terminal(words: list[str], tmp_path: Path) -> None:
    readable, writable = pty.openpty()
    found = run_slowly(words, tmp_path, writable)
    os.close(writable)
    shown = read_to_end(readable)
    assert b" lines, 0 frames named" in shown
    # Other messages may follow, on lines of their own.
    assert b"named" not in shown.rpartition(b"\r\x1b[K")[2]
    assert found.count(b"a line") == 4
    assert b"\x1b[K" not in found


@pytest.mark.parametrize("words", WORDS, ids=" ".join)
def test_no_progress_goes_into_a_pipe(words: list[str], tmp_path: Path) -> None:
    with (tmp_path / "errors").open("wb") as errors:
        run_slowly(words, tmp_path, errors.fileno())
    assert b"frames named" not in (tmp_path / "errors").read_bytes()
