# SPDX-License-Identifier: GPL-2.0-or-later
"""Listen at a name in the file system: the status, and the metrics for whoever asks on this
machine.

A socket has no descriptor by which its name could be judged when it is made, so root makes one only
where no other user can replace it. Owner and mode are changed by a descriptor of the name's own
inode.

Source of truth: unix(7); open(2) for O_PATH; proc(5) for /proc/self/fd, through which such a
descriptor can be changed.
"""

import contextlib
import errno
import os
import socket
import stat
from collections.abc import Iterator
from pathlib import Path

from klogd_py.system.trusted_directory import Directory, directory_of

BACKLOG = 128


class LocalSocket:
    """A listening stream socket and its name. Mutable."""

    def __init__(self, path: Path, mode: int = 0o600, owner: int = -1) -> None:
        """Listen at ``path``, as ``owner``'s if that is somebody else; makes the last folder if it
        is missing.

        A socket that a daemon which was killed has left is taken away. Raises OSError, which names
        the path.
        """
        self._path = path
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
        try:
            _make_directory(path.parent)
            with directory_of(path) as directory:
                self._bind(directory, mode, owner)
            self.socket.listen(BACKLOG)
        except BaseException as error:
            self.socket.close()
            if isinstance(error, ValueError):
                raise OSError(errno.EINVAL, str(error), str(path)) from error
            raise

    def allow_group(self, group: int) -> None:
        """Let the members of a group connect.

        Raises PermissionError where that is forbidden, and OSError.
        """
        with directory_of(self._path) as directory, _own_socket(directory) as (name, status):
            if (
                status.st_gid != group
                # The service may not change owners, nor need it for its own group
            ):
                os.chown(name, -1, group)
            os.chmod(name, 0o660)

    def close(self) -> None:
        """Stop listening, and take the name away if it is still ours."""
        self.socket.close()
        with (
            contextlib.suppress(OSError),
            directory_of(self._path) as directory,
            # Which may no longer be ours to change
        ):
            found = directory.status()
            if (found.st_dev, found.st_ino) == self._made:
                directory.remove()

    def _bind(self, directory: Directory, mode: int, owner: int) -> None:
        directory.require_irreplaceable("a socket")
        _remove_stale(directory, self._path)
        before = os.umask(0o777 & ~mode)
        try:
            self.socket.bind(str(self._path))
        finally:
            os.umask(before)
        with _own_socket(directory) as (name, status):
            self._made = status.st_dev, status.st_ino
            if owner >= 0:
                os.chown(name, owner, -1)


def _make_directory(folder: Path) -> None:
    """Make a folder that is missing; root does so in its own alone."""
    if folder == folder.parent:
        return
    with directory_of(folder) as above:
        if not above.is_shared:
            with contextlib.suppress(FileExistsError):
                os.mkdir(above.name, 0o755, dir_fd=above.descriptor)


@contextlib.contextmanager
def _open_path(directory: Directory) -> Iterator[tuple[str, os.stat_result]]:
    """A path to what has the name now, whatever has it later, and what it is."""
    descriptor = os.open(
        directory.name, os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=directory.descriptor
    )
    try:
        yield f"/proc/self/fd/{descriptor}", os.fstat(descriptor)
    finally:
        os.close(descriptor)


@contextlib.contextmanager
def _own_socket(directory: Directory) -> Iterator[tuple[str, os.stat_result]]:
    """The same, for a socket that this process has just made.

    Raises FileExistsError if another thing has the name.
    """
    with _open_path(directory) as (name, status):
        if not stat.S_ISSOCK(status.st_mode) or status.st_nlink != 1:
            raise FileExistsError(errno.EEXIST, "something else has taken the name")
        yield name, status


def _remove_stale(directory: Directory, path: Path) -> None:
    """Remove a socket that a daemon which was killed has left.

    Raises OSError if it is in use, or no socket.
    """
    try:
        with (
            _open_path(directory) as (name, status),
            socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as asking,
        ):
            if not stat.S_ISSOCK(status.st_mode):
                raise FileExistsError(errno.EEXIST, "not a socket", str(path))
            if directory.is_shared and status.st_uid != 0:
                raise FileExistsError(
                    errno.EEXIST, f"a socket of user {status.st_uid}'s", str(path)
                )
            asking.setblocking(False)
            try:
                asking.connect(name)
            except ConnectionRefusedError:
                directory.remove()
                return
            # Its queue is full, so somebody is there
            except BlockingIOError:
                pass
    except FileNotFoundError:
        return
    raise OSError(errno.EADDRINUSE, "another daemon listens there", str(path))
