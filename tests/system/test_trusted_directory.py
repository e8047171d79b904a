# SPDX-License-Identifier: GPL-2.0-or-later
"""What root opens and makes where another user can put something in the way, and what it does
not."""

import contextlib
import os
import socket
import stat
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from klogd_py.system.regular_file import NotRegularFile
from klogd_py.system.trusted_directory import NotTrusted, directory_of, is_shared
from tests.needs import NOBODY, needs_other_users
from tests.other_user import OtherPython
from tests.waiting import wait_until

APPEND = os.O_WRONLY | os.O_CREAT | os.O_APPEND

pytestmark = needs_other_users


@pytest.fixture
def own(tmp_path: Path) -> Path:
    """A folder that root alone can change, like /var/log."""
    folder = tmp_path / "own"
    folder.mkdir(mode=0o755)
    return folder


@pytest.fixture
def other(tmp_path: Path) -> Path:
    """A folder of another user's."""
    folder = tmp_path / "other"
    folder.mkdir()
    os.chown(folder, NOBODY, NOBODY)
    return folder


@pytest.fixture
def secret(own: Path) -> Iterator[Path]:
    """A file of root's, which nobody may touch."""
    path = own / "secret"
    path.write_text("root only")
    path.chmod(0o600)
    before = path.stat()
    yield path
    after = path.stat()
    assert path.read_text() == "root only"
    assert (after.st_uid, after.st_mode, after.st_mtime_ns) == (
        before.st_uid,
        before.st_mode,
        before.st_mtime_ns,
    )


def open_file(path: Path, flags: int = APPEND) -> int:
    with directory_of(path, follow=True) as directory:
        return directory.open(flags, 0o640)


def a_socket(path: Path, secret: Path) -> None:
    with (
        socket.socket(socket.AF_UNIX) as listener,
        contextlib.chdir(path.parent),
        # Names of sockets are short
    ):
        listener.bind(path.name)


def of_somebody_else(path: Path, secret: Path) -> None:
    path.touch()
    os.chown(path, NOBODY - 1, NOBODY)


PLANTED: dict[str, Callable[[Path, Path], None]] = {
    "a symbolic link, not": lambda path, secret: path.symlink_to(secret),
    "a symbolic link": lambda path, secret: path.symlink_to(secret.with_name("new")),
    "hard links": lambda path, secret: os.link(secret, path),
    "a FIFO": lambda path, secret: os.mkfifo(path),
    "a directory": lambda path, secret: path.mkdir(),
    "a socket": a_socket,
    "a character device": lambda path, secret: os.mknod(
        path, stat.S_IFCHR | 0o666, os.makedev(1, 3)
    ),
    "a file of user": of_somebody_else,
}


@pytest.mark.parametrize("kind", PLANTED)
@pytest.mark.parametrize("flags", [APPEND, os.O_RDWR, os.O_RDONLY])
def test_what_another_planted_is_refused_by_name(
    other: Path, secret: Path, kind: str, flags: int
) -> None:
    PLANTED[kind](other / "x", secret)
    with pytest.raises(
        NotTrusted, match=f"{kind}.*; root opens and makes no such thing .* user nobody can change"
    ) as refused:
        open_file(other / "x", flags)
    assert refused.value.filename == str(other / "x")
    assert not secret.with_name("new").exists()


@pytest.mark.parametrize("mode", [0o775, 0o777, 0o1777])
def test_what_a_group_may_plant_is_refused_too(own: Path, secret: Path, mode: int) -> None:
    shared = own / "shared"
    shared.mkdir()
    shared.chmod(mode)
    (shared / "link").symlink_to(secret)
    (shared / "file").touch()
    os.chown(shared / "file", NOBODY, NOBODY)
    for name in ("link", "file"):
        with pytest.raises(NotTrusted, match=r"(a group|everybody) can change"):
            open_file(shared / name)


def test_new_file_is_made_and_found_again(other: Path) -> None:
    for _ in range(2):
        os.close(open_file(other / "x"))
    assert (other / "x").stat().st_uid == 0


def test_file_of_the_directorys_owner_is_opened(other: Path) -> None:
    (other / "x").touch()
    os.chown(other / "x", NOBODY, NOBODY)
    descriptor = open_file(other / "x")
    assert os.path.samestat(os.fstat(descriptor), (other / "x").stat())
    os.close(descriptor)


def test_new_file_can_be_the_directory_owners(other: Path) -> None:
    with directory_of(other / "x") as directory:
        os.close(directory.open_regular(APPEND, new_for=directory.owner))
    assert (other / "x").stat().st_uid == NOBODY


def test_no_link_on_the_way_is_followed(other: Path, own: Path, secret: Path) -> None:
    (other / "way").symlink_to(own)
    with pytest.raises(
        NotTrusted, match="way is a symbolic link in a directory that user nobody can change"
    ):
        open_file(other / "way" / "new")
    assert not (own / "new").exists()


def test_link_below_untrusted_directory_is_untrusted(other: Path, secret: Path) -> None:
    # Which its user can move away, and put another in its place
    inner = other / "inner"
    inner.mkdir()
    (inner / "x").symlink_to(secret)
    with pytest.raises(NotTrusted, match="by one above it"):
        open_file(inner / "x")


@pytest.mark.parametrize("absolute", [False, True])
def test_links_of_roots_own_are_followed(own: Path, absolute: bool) -> None:
    (own / "real").mkdir()
    (own / "way").symlink_to(own / "real" if absolute else "./real/../real")
    (own / "way" / "x").symlink_to(own / "real" / "y" if absolute else "../real/y")
    os.close(open_file(own / "way" / "x"))
    assert (own / "real" / "y").stat().st_size == 0


def test_link_of_roots_leads_to_anothers_as_anothers(own: Path, other: Path, secret: Path) -> None:
    (own / "x").symlink_to(other / "y")
    (other / "y").symlink_to(secret)
    with pytest.raises(NotTrusted):
        open_file(own / "x")


def test_last_link_is_followed_only_where_allowed(own: Path, secret: Path) -> None:
    (own / "x").symlink_to(secret)
    with (
        directory_of(own / "x") as directory,
        pytest.raises(NotRegularFile, match="a symbolic link"),
    ):
        directory.open_regular(os.O_RDONLY)


def test_links_in_a_circle_end(own: Path) -> None:
    (own / "a").symlink_to("b")
    (own / "b").symlink_to("a")
    with pytest.raises(OSError, match="Too many levels"):
        open_file(own / "a")


@pytest.mark.parametrize("kind", ["a FIFO", "a character device", "a file of user"])
def test_root_opens_anything_in_its_own_directories(own: Path, secret: Path, kind: str) -> None:
    PLANTED[kind](own / "x", secret)
    os.close(open_file(own / "x", os.O_RDWR))
    assert not is_shared(own / "x")


def test_regular_file_is_required_in_every_directory(own: Path, secret: Path) -> None:
    os.mkfifo(own / "x")
    with directory_of(own / "x") as directory, pytest.raises(NotRegularFile, match=str(own / "x")):
        directory.open_regular(APPEND)


def test_links_of_proc_lead_to_what_is_open(own: Path) -> None:
    readable, writable = os.pipe()
    with open(readable, "rb") as reading:
        descriptor = open_file(Path(f"/proc/self/fd/{writable}"), os.O_WRONLY)
        os.close(writable)
        os.write(descriptor, b"through")
        os.close(descriptor)
        assert reading.read() == b"through"


@pytest.mark.parametrize("missing", ["gone", "gone/x"])
def test_missing_directory_is_judged_by_its_parent(own: Path, other: Path, missing: str) -> None:
    assert (is_shared(own / missing), is_shared(other / missing)) == (False, True)


def test_error_names_the_whole_path(own: Path) -> None:
    for path in (own / "gone" / "x", own / "gone"):
        with pytest.raises(FileNotFoundError) as failed:
            open_file(path, os.O_RDONLY)
        assert failed.value.filename == str(path)


def test_nul_in_a_path_is_an_os_error(own: Path) -> None:
    with pytest.raises(OSError, match="NUL"):
        open_file(own / "a\0b")


def test_no_descriptor_is_left_behind(own: Path, other: Path, secret: Path) -> None:
    PLANTED["hard links"](other / "x", secret)
    (own / "a").symlink_to("a")
    before = os.listdir("/proc/self/fd")
    for path in (other / "x", own / "gone" / "x", own / "a", own / "secret" / "x"):
        with contextlib.suppress(OSError):
            open_file(path)
            pytest.fail(f"{path} was opened")
    assert os.listdir("/proc/self/fd") == before


SWAPS = """
import os, sys
while True:
    os.symlink(sys.argv[1], "l")
    os.rename("l", "x")
    os.close(os.open("l", os.O_CREAT, 0o666))
    os.rename("l", "x")
"""


def test_swapped_names_never_lead_root_astray(
    other: Path, secret: Path, other_python: OtherPython
) -> None:
    """Another user has a name stand for a file of its own and for a link to root's, as fast as it
    can."""
    taken = refused = 0
    with subprocess.Popen(
        [other_python.command, "-c", SWAPS, secret],
        cwd=other,
        user=NOBODY,
        group=NOBODY,
        extra_groups=(),
    ) as rival:
        wait_until((other / "x").is_symlink, "the rival")
        while rival.poll() is None and (taken + refused < 2000 or not taken or not refused):
            try:
                os.write(descriptor := open_file(other / "x"), b"log\n")
            except OSError:
                refused += 1
            else:
                os.close(descriptor)
                taken += 1
        assert rival.poll() is None
        rival.kill()
