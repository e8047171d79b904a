# SPDX-License-Identifier: GPL-2.0-or-later
"""Sockets with a name: made where nobody can replace it, and taken away only if they are ours."""

import os
import socket
import stat
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from klogd_py.system.local_socket import LocalSocket
from klogd_py.system.trusted_directory import NotTrusted
from tests.needs import NOBODY, needs_other_users
from tests.other_user import OtherPython
from tests.waiting import wait_until


@pytest.fixture
def folder() -> Iterator[Path]:
    # Short enough for a socket
    with tempfile.TemporaryDirectory() as name:
        os.chmod(name, 0o755)
        yield Path(name)


def leave_socket(path: Path, owner: int | None = None) -> None:
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(path))
    if owner is not None:
        os.chown(path, owner, owner)


@pytest.mark.parametrize("mode", [0o600, 0o660])
def test_socket_has_its_mode_and_a_folder(folder: Path, mode: int) -> None:
    path = folder / "made" / "socket"
    made = LocalSocket(path, mode)
    assert stat.S_IMODE(path.stat().st_mode) == mode
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o755 & ~_umask()
    made.close()
    assert not path.exists()


def _umask() -> int:
    before = os.umask(0)
    os.umask(before)
    return before


def test_name_that_another_has_taken_stays(folder: Path) -> None:
    path = folder / "socket"
    made = LocalSocket(path)
    path.rename(folder / "away")
    path.write_text("another's")
    made.close()
    assert path.read_text() == "another's"


@needs_other_users
def test_socket_is_given_to_its_owner_alone(folder: Path) -> None:
    made = LocalSocket(folder / "socket", owner=NOBODY)
    status = (folder / "socket").stat()
    assert (status.st_uid, status.st_gid, stat.S_IMODE(status.st_mode)) == (
        NOBODY,
        os.getegid(),
        0o600,
    )
    made.close()


@needs_other_users
@pytest.mark.parametrize("missing", [False, True])
def test_in_anothers_folder_root_makes_no_socket(folder: Path, missing: bool) -> None:
    os.chown(folder, NOBODY, NOBODY)
    path = folder / "made" / "socket" if missing else folder / "socket"
    with pytest.raises((NotTrusted, FileNotFoundError)) as refused:
        LocalSocket(path)
    assert refused.value.filename == str(path)
    assert list(folder.iterdir()) == []


@needs_other_users
def test_socket_of_another_user_is_left_alone(folder: Path) -> None:
    folder.chmod(0o1777)
    leave_socket(folder / "socket", NOBODY)
    with pytest.raises(FileExistsError, match=f"a socket of user {NOBODY}'s"):
        LocalSocket(folder / "socket")
    assert (folder / "socket").is_socket()


@needs_other_users
def test_own_stale_socket_is_replaced_even_in_tmp(folder: Path) -> None:
    folder.chmod(0o1777)
    leave_socket(folder / "socket")
    LocalSocket(folder / "socket").close()
    assert list(folder.iterdir()) == []


SWAPS = """
import contextlib, os, sys
while True:
    with contextlib.suppress(OSError):
        os.symlink(sys.argv[1], "link")
    for _ in range(50):
        with contextlib.suppress(OSError):
            os.rename("link", "socket")
            os.unlink("socket")
"""


@needs_other_users
@pytest.mark.parametrize("mode", [0o755, 0o1777])
def test_swapped_socket_gives_away_no_file(
    folder: Path, mode: int, other_python: OtherPython
) -> None:
    """Another user puts a link to a file of root's in the place of the socket, as fast as it
    can."""
    secret, theirs = folder / "secret", folder / "theirs"
    secret.touch(0o600)
    theirs.mkdir()
    theirs.chmod(mode)
    if mode == 0o755:
        os.chown(theirs, NOBODY, NOBODY)
    with subprocess.Popen(
        [other_python.command, "-c", SWAPS, secret],
        cwd=theirs,
        user=NOBODY,
        group=NOBODY,
        extra_groups=(),
    ) as rival:
        wait_until(lambda: list(theirs.iterdir()), "the rival")
        for _ in range(2000):
            try:
                LocalSocket(theirs / "socket", owner=NOBODY).close()
            except OSError:
                continue
        assert rival.poll() is None
        rival.kill()
    status = secret.stat()
    assert (status.st_uid, stat.S_IMODE(status.st_mode)) == (0, 0o600)
