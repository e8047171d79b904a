# SPDX-License-Identifier: GPL-2.0-or-later
"""Keep a locked pid file, and send signals to the daemon that holds it.

The pid file is locked for as long as its daemon lives, and the kernel tells who has the lock: a
stale file, or a number that now belongs to another process, is never mistaken for a running klogd.
Nobody but root and the daemon's own user can open the file, so nobody else can lock it.

Source: fcntl_locking(2) for F_GETLK, which names the owner of a lock; pidfd_open(2),
pidfd_send_signal(2) (Linux 5.3).
"""

import contextlib
import errno
import fcntl
import os
import signal
import stat
import struct
from pathlib import Path

from klogd_py.system.errors import SystemOperationError
from klogd_py.system.file_identity import identify
from klogd_py.system.trusted_directory import directory_of

PID_FILE = Path("/run/klogd.pid")
_MODE = 0o600
# struct flock of fcntl(2): type, whence, start, length, process
_FLOCK = struct.Struct("hhqqi0q")


class AlreadyRunning(SystemOperationError):
    """Another daemon holds the pid file; the message holds its path and pid."""


class NotRunning(SystemOperationError):
    """No daemon holds the pid file."""


class PidFile:
    """A pid file that this process owns, from `acquire` until `release`."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._descriptor = -1

    def acquire(self) -> None:
        """Lock the file and write this process's id into it.

        Raises:
            AlreadyRunning: another process holds the lock.
            OSError: the file cannot be made, opened or locked.
        """
        while True:
            self._descriptor = _open(self._path, os.O_RDWR | os.O_CREAT)
            try:
                _lock(self._descriptor, self._path)
                if self._is_named():
                    break
            except BaseException:
                os.close(self._descriptor)
                raise
            # Its last owner removed the file before it was locked.
            os.close(self._descriptor)
        os.ftruncate(self._descriptor, 0)
        os.pwrite(self._descriptor, f"{os.getpid()}\n".encode(), 0)

    def release(self) -> None:
        """Remove the file and the lock, but not another file that has taken its place.

        Where this process may not remove the file, it is left empty.
        """
        try:
            if self._is_named():
                with directory_of(self._path) as directory, contextlib.suppress(FileNotFoundError):
                    directory.remove()
        except OSError:
            os.ftruncate(self._descriptor, 0)
        os.close(self._descriptor)

    def _is_named(self) -> bool:
        """Whether the path still leads to the locked file."""
        try:
            with directory_of(self._path) as directory:
                named = directory.status()
        except FileNotFoundError:
            return False
        return identify(named) == identify(os.fstat(self._descriptor))


def _lock(descriptor: int, path: Path) -> None:
    """Lock the file for this process alone; raises AlreadyRunning, and OSError."""
    if stat.S_IMODE(os.fstat(descriptor).st_mode) != _MODE:
        # Nobody else may open the file, or could lock it.
        os.fchmod(descriptor, _MODE)
    try:
        fcntl.lockf(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    # EAGAIN or EACCES, see fcntl(2)
    except (BlockingIOError, PermissionError) as error:
        owner = _lock_owner(descriptor)
        words = (
            f"already running as process {owner}"
            if owner is not None
            else "locked by another program, or by a process in another pid namespace"
        )
        raise AlreadyRunning(f"{words} (see {path})") from error


def signal_daemon(path: Path, number: signal.Signals) -> None:
    """Send a signal to the daemon that holds the lock of a pid file.

    The number written in the file is not used.

    Raises:
        NotRunning: there is no such file, or nobody holds its lock.
        OSError: this process may not open the file or signal the daemon.
    """
    with contextlib.suppress(FileNotFoundError, ProcessLookupError):
        descriptor = _open(path, os.O_RDONLY)
        try:
            owner = _lock_owner(descriptor)
            if owner is not None:
                process = os.pidfd_open(owner)
                try:
                    # The lock has not changed hands since the pidfd was opened: it refers to
                    # the owner and not to a process that was given the same number later.
                    if _lock_owner(descriptor) == owner:
                        signal.pidfd_send_signal(process, number)
                        return
                finally:
                    os.close(process)
        finally:
            os.close(descriptor)
    raise NotRunning(
        f"no klogd is running ({path}); for the service: systemctl kill -s {number.name} klogd-py"
    )


def _open(path: Path, flags: int) -> int:
    """Open the pid file; raises OSError, also if it belongs to another user."""
    with directory_of(path) as directory:
        descriptor = directory.open_regular(flags, _MODE)
    owner = os.fstat(descriptor).st_uid
    if owner not in (0, os.geteuid()):
        os.close(descriptor)
        raise OSError(errno.EPERM, f"a file of user {owner}'s is no pid file of klogd's", str(path))
    return descriptor


def _lock_owner(descriptor: int) -> int | None:
    """Return the id of the process that holds a write lock on a file.

    ``None`` if there is none, or if it is in a pid namespace that this process cannot see.
    """
    asked = _FLOCK.pack(fcntl.F_WRLCK, os.SEEK_SET, 0, 0, 0)
    kind, _, _, _, process = _FLOCK.unpack(fcntl.fcntl(descriptor, fcntl.F_GETLK, asked))
    return process if kind == fcntl.F_WRLCK and process > 0 else None
