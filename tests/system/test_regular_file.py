# SPDX-License-Identifier: GPL-2.0-or-later
"""Files that must be regular: what else lies at a path is refused at once, and never waited for."""

import os
import socket
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from klogd_py.system.regular_file import (
    FileTooLarge,
    NotRegularFile,
    open_regular,
    read_if_readable,
    read_regular,
)


def a_socket(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))


STRANGERS: dict[str, Callable[[Path], None]] = {
    "a FIFO": os.mkfifo,
    "a directory": os.mkdir,
    "a socket": a_socket,
    "a character device": lambda path: os.symlink("/dev/zero", path),
}


@pytest.mark.parametrize("kind", STRANGERS)
def test_what_is_no_file_is_refused_by_name(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "x"
    STRANGERS[kind](path)
    began_s = time.monotonic()
    with pytest.raises(NotRegularFile, match=f"{kind}, not a regular file"):
        read_regular(path, 100)
    assert time.monotonic() - began_s < 5


def test_link_is_followed_only_where_allowed(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"abc")
    (tmp_path / "link").symlink_to("file")
    assert read_regular(tmp_path / "link", 3) == b"abc"
    with pytest.raises(NotRegularFile, match="a symbolic link"):
        read_regular(tmp_path / "link", 3, follow=False)


def test_dangling_link_is_refused_and_creates_nothing(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to("elsewhere")
    with pytest.raises(OSError, match="symbolic link"):
        open_regular(tmp_path / "link", os.O_WRONLY | os.O_CREAT, follow=False)
    assert not (tmp_path / "elsewhere").exists()


def test_larger_file_than_its_limit_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"x" * 2048)
    assert len(read_regular(path, 2048)) == 2048
    with pytest.raises(FileTooLarge, match="larger than 1 KiB"):
        read_regular(path, 2047)
    os.truncate(path, 1 << 40)
    with pytest.raises(FileTooLarge):
        read_regular(path, 2048)


def test_proc_file_without_size_is_read_and_bounded() -> None:
    assert b"Name:" in read_regular("/proc/self/status", 1 << 16)
    with pytest.raises(FileTooLarge):
        read_regular("/proc/self/status", 10)


def test_nul_byte_in_a_path_is_an_oserror() -> None:
    with pytest.raises(OSError, match="NUL byte"):
        open_regular("a\0b")


def test_optional_file_is_read_or_none(tmp_path: Path) -> None:
    (tmp_path / "empty").touch()
    (tmp_path / "large").write_bytes(b"abcd")
    assert read_if_readable(tmp_path / "empty", 3) == b""
    assert read_if_readable(tmp_path / "large", 4) == b"abcd"
    for unreadable in ("large", "missing", "."):
        assert read_if_readable(tmp_path / unreadable, 3) is None
