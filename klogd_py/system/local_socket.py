# SPDX-License-Identifier: GPL-2.0-or-later
"""Listen on a Unix socket that other users cannot replace: status, and metrics on this machine.

A socket file has no descriptor when it is made, so nothing can tell whether its name has been
replaced meanwhile. Therefore root makes one only where no other user can replace it. Owner and mode
are changed through an O_PATH descriptor of the file.

Source: unix(7); open(2) for O_PATH; proc(5) for /proc/self/fd.
"""

import contextlib
import errno
import os
import socket
import stat
from collections.abc import Iterator
from pathlib import Path

from msgspec import Struct

from klogd_py.system.file_identity import identify
from klogd_py.system.trusted_directory import Directory, directory_of

BACKLOG = 128


class _OpenFile(Struct, frozen=True):
    """A file that is open: a path that stays valid if it is renamed, and its status."""

    path: str
    status: os.stat_result


class LocalSocket:
    """A listening stream socket and its path. Mutable."""

    def __init__(self, path: Path, mode: int = 0o600, owner: int = -1) -> None:
        """Listen on ``path``; make its directory if it is missing.

        ``owner`` is the user id that the socket file gets, -1 for the process's own. A socket file
        that a killed daemon has left is removed. Raises OSError, which names the path.
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
        with directory_of(self._path) as directory, _own_socket(directory) as made:
            # The service may not call chown, and need not for its own group.
            if made.status.st_gid != group:
                os.chown(made.path, -1, group)
            os.chmod(made.path, 0o660)

    def close(self) -> None:
        """Stop listening, and remove the file unless another has taken its place."""
        self.socket.close()
        # The process may not be allowed to change the directory any more.
        with contextlib.suppress(OSError), directory_of(self._path) as directory:
            if identify(directory.status()) == self._made:
                directory.remove()

    def _bind(self, directory: Directory, mode: int, owner: int) -> None:
        directory.require_irreplaceable("a socket")
        _remove_stale(directory, self._path)
        before = os.umask(0o777 & ~mode)
        try:
            self.socket.bind(str(self._path))
        finally:
            os.umask(before)
        with _own_socket(directory) as made:
            self._made = identify(made.status)
            if owner >= 0:
                os.chown(made.path, owner, -1)


def _make_directory(path: Path) -> None:
    """Make a directory if it is missing; root does so only where no other user may write."""
    if path == path.parent:
        return
    with directory_of(path) as parent:
        if not parent.is_shared:
            with contextlib.suppress(FileExistsError):
                os.mkdir(parent.name, 0o755, dir_fd=parent.descriptor)


@contextlib.contextmanager
def _open_path(directory: Directory) -> Iterator[_OpenFile]:
    """Open a file by O_PATH."""
    descriptor = os.open(
        directory.name, os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=directory.descriptor
    )
    try:
        yield _OpenFile(f"/proc/self/fd/{descriptor}", os.fstat(descriptor))
    finally:
        os.close(descriptor)


@contextlib.contextmanager
def _own_socket(directory: Directory) -> Iterator[_OpenFile]:
    """Do the same for a socket that this process has made.

    Raises FileExistsError if another file has taken its place.
    """
    with _open_path(directory) as found:
        if not stat.S_ISSOCK(found.status.st_mode) or found.status.st_nlink != 1:
            raise FileExistsError(errno.EEXIST, "something else has taken the name")
        yield found


def _remove_stale(directory: Directory, path: Path) -> None:
    """Remove a socket file that a killed daemon has left.

    Raises OSError if a process listens there, or if it is no socket.
    """
    try:
        with (
            _open_path(directory) as found,
            socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe,
        ):
            if not stat.S_ISSOCK(found.status.st_mode):
                raise FileExistsError(errno.EEXIST, "not a socket", str(path))
            owner = found.status.st_uid
            if directory.is_shared and owner != 0:
                raise FileExistsError(errno.EEXIST, f"a socket of user {owner}'s", str(path))
            probe.setblocking(False)
            try:
                probe.connect(found.path)
            except ConnectionRefusedError:
                directory.remove()
                return
            # Its queue is full, so a process listens there.
            except BlockingIOError:
                pass
    except FileNotFoundError:
        return
    raise OSError(errno.EADDRINUSE, "another daemon listens there", str(path))
