# SPDX-License-Identifier: GPL-2.0-or-later
"""Without symbols, kernel logs come out byte for byte."""

import lzma
import subprocess
import sys
from pathlib import Path

import pytest

from klogd_py.pipeline.symbolize import FormatOptions
from tests.corpus.logs import COLLECTION, OWN_AND_COLLECTION, log_files, needs_collection
from tests.symbolizer import nowhere, symbolize_piece


@pytest.mark.parametrize("folder", OWN_AND_COLLECTION)
def test_command_without_symbols_copies_its_input(folder: Path) -> None:
    logs = log_files(folder)
    assert logs
    command = [sys.executable, "-m", "klogd_py", "translate", *map(str, logs)]
    done = subprocess.run(command, capture_output=True, timeout=60, check=True)
    contents = [path.read_bytes() for path in logs]
    assert done.stdout == b"".join(
        lzma.decompress(content) if path.suffix == ".xz" else content
        for path, content in zip(logs, contents, strict=True)
    )


@pytest.mark.parametrize("folder", OWN_AND_COLLECTION)
def test_log_without_symbols_is_left_unchanged(folder: Path) -> None:
    logs = log_files(folder)
    assert logs
    for path in logs:
        text = path.read_bytes()
        assert symbolize_piece(text, nowhere, FormatOptions()) == text, path


@needs_collection
def test_collection_has_more_than_thousand_files() -> None:
    assert len(log_files(COLLECTION)) > 1000
