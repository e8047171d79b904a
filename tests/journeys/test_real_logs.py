# SPDX-License-Identifier: GPL-2.0-or-later
"""Real kernel logs that nobody here wrote; they lie beside the project, not in it."""

import subprocess
import sys
from pathlib import Path

import pytest

from klogd_py.pipeline.stream_filter import symbolize_piece
from klogd_py.pipeline.symbolize import FormatOptions
from klogd_py.record.types import LookupFailure

LOGS = Path(__file__).parents[3] / "shared" / "data" / "oops"

pytestmark = pytest.mark.skipif(
    not LOGS.is_dir(), reason=f"needs the collection of real logs in {LOGS}"
)


def nowhere(_address: int) -> LookupFailure:
    return LookupFailure.NO_SYMBOLS


def test_without_symbols_the_command_gives_out_what_it_took_in() -> None:
    logs = sorted(path for path in LOGS.rglob("*") if path.is_file())
    command = [sys.executable, "-m", "klogd_py", "translate", *map(str, logs)]
    done = subprocess.run(command, capture_output=True, timeout=60, check=True)
    assert done.stdout == b"".join(path.read_bytes() for path in logs)


def test_with_no_symbols_every_log_comes_out_byte_for_byte() -> None:
    logs = [path for path in LOGS.rglob("*") if path.is_file()]
    assert len(logs) > 1000
    for path in logs:
        text = path.read_bytes()
        assert symbolize_piece(text, nowhere, FormatOptions()) == text, path
