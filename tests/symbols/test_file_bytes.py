# SPDX-License-Identifier: GPL-2.0-or-later
import os
import subprocess
import sys
from pathlib import Path
from random import Random

import pytest

from klogd_py.symbols import file_bytes
from klogd_py.symbols.file_bytes import BLOCK_BYTES
from klogd_py.system.regular_file import NotRegularFile


def written(folder: Path, content: bytes) -> Path:
    path = folder / "file"
    path.write_bytes(content)
    return path


@pytest.mark.parametrize(
    "size", [1, BLOCK_BYTES - 1, BLOCK_BYTES, BLOCK_BYTES + 1, 3 * BLOCK_BYTES, 700_000]
)
def test_searching_a_file_answers_as_bytes(size: int, tmp_path: Path) -> None:
    random = Random(size)
    content = bytes(random.choices(b"ab\n", weights=(1000, 3, 1 + 300_000 // size), k=size))
    found = file_bytes.open_file(written(tmp_path, content))
    assert len(found) == len(content)
    borders = [
        at
        for edge in range(0, size + 1, BLOCK_BYTES)
        for at in (edge - 1, edge, edge + 1)
        if 0 <= at <= size
    ]
    for _ in range(300):
        start, end = (
            random.choice([random.randint(0, size), *borders]),
            random.choice([random.randint(0, size + 9), *borders]),
        )
        assert found[start:end] == content[start:end]
        for wanted in (b"\n", b"b", b"ab", b"ba", content[start : start + 5] or b"x"):
            assert found.find(wanted, start, end) == content.find(wanted, start, end)
            assert found.rfind(wanted, start, end) == content.rfind(wanted, start, end)
    assert found.find(b"\n") == content.find(b"\n")
    assert found.rfind(b"\n") == content.rfind(b"\n")


def test_a_match_over_an_edge_is_found(tmp_path: Path) -> None:
    for edge in (BLOCK_BYTES, 2 * BLOCK_BYTES, BLOCK_BYTES + (1 << 18) - 5):
        content = b"." * (edge - 3) + b"needle" + b"." * 600_000
        found = file_bytes.open_file(written(tmp_path, content))
        assert found.find(b"needle") == found.rfind(b"needle") == edge - 3
        assert (
            found.find(b"needle", 5, edge + 2) == found.rfind(b"needle", edge - 2, edge + 90) == -1
        )


def test_bytes_that_a_file_lost_are_zeros(tmp_path: Path) -> None:
    path = written(tmp_path, b"x" * 100_000)
    found = file_bytes.open_file(path)
    assert not found.is_cut
    os.truncate(path, 5000)
    assert found.is_cut
    assert found[4990:5010] == b"x" * 10 + bytes(10)
    assert found[90_000:100_001] == bytes(10_000)
    assert found.rfind(b"x") == 4999


def test_a_fifo_is_refused_without_waiting(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    with pytest.raises(NotRegularFile, match="a FIFO"):
        file_bytes.open_file(tmp_path / "fifo")


def test_the_descriptor_is_closed_with_its_object(tmp_path: Path) -> None:
    program = (
        "import os, sys; from pathlib import Path; from klogd_py.symbols import file_bytes\n"
        "before = os.listdir('/proc/self/fd')\n"
        "file_bytes.open_file(Path(sys.argv[1]))\n"
        "assert os.listdir('/proc/self/fd') == before\n"
    )
    command = [sys.executable, "-c", program, str(written(tmp_path, b"x"))]
    ran = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
    assert (ran.returncode, ran.stderr) == (0, "")
