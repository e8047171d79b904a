# SPDX-License-Identifier: GPL-2.0-or-later
"""Files that root opens for a process that may not open them itself."""

import os
from pathlib import Path

import pytest

from klogd_py.sinks.log_file import OPEN_FLAGS
from klogd_py.sinks.preopened_files import PreopenedFiles
from klogd_py.system.file_identity import FileOwner
from tests.needs import needs_other_users

OWNER = FileOwner(os.geteuid(), os.getegid())


def preopened(path: Path) -> PreopenedFiles:
    files = PreopenedFiles()
    files.open(path, OPEN_FLAGS, 0o640, OWNER)
    return files


def test_preopened_file_is_duplicated_each_time(tmp_path: Path) -> None:
    files = preopened(tmp_path / "log")
    for text in (b"one\n", b"two\n"):
        descriptor = files.duplicate(tmp_path / "log")
        assert descriptor is not None
        os.write(descriptor, text)
        assert os.pread(descriptor, 1, 0) == b"o", "the sink reads the last byte"
        os.close(descriptor)
    assert (tmp_path / "log").read_text() == "one\ntwo\n"


@pytest.mark.parametrize("how", ["moved", "removed", "replaced", "moved with its folder"])
def test_file_that_lost_its_name_is_closed(tmp_path: Path, how: str) -> None:
    path = tmp_path / "folder" / "log"
    path.parent.mkdir()
    before = os.listdir("/proc/self/fd")
    files = preopened(path)
    if how == "removed":
        path.unlink()
    elif how == "moved":
        path.rename(path.with_name("log.1"))
    elif how == "replaced":
        path.with_name("new").touch()
        path.with_name("new").rename(path)
    else:
        path.parent.rename(tmp_path / "elsewhere")
    assert files.duplicate(path) is None
    assert files.lost == {path}
    assert os.listdir("/proc/self/fd") == before


def test_released_file_is_forgotten_but_not_lost(tmp_path: Path) -> None:
    files = preopened(tmp_path / "log")
    files.release(tmp_path / "log")
    files.release(tmp_path / "log")
    assert (files.has(tmp_path / "log"), files.lost) == (False, set())


def test_device_is_preopened_as_it_is(tmp_path: Path) -> None:
    files = preopened(Path("/dev/null"))
    assert files.has(Path("/dev/null"))


@needs_other_users
def test_file_in_a_shared_directory_is_not_opened(tmp_path: Path) -> None:
    os.chown(tmp_path, 65534, 65534)
    files = preopened(tmp_path / "log")
    assert not files.has(tmp_path / "log")
    assert list(tmp_path.iterdir()) == []
