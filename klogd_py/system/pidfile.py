# SPDX-License-Identifier: GPL-2.0-or-later
"""What a daemon of the old school does: goes to the background, keeps a pid file, and signals the
one that runs.

The pid file is locked for as long as its daemon lives, and the kernel tells who has the lock: a
stale file, or a number that now belongs to another process, is never mistaken for a running klogd.
Nobody but root and the daemon's own user can open the file, so nobody else can lock it.

Source of truth: fcntl_locking(2) for F_GETLK, which names the owner of a lock; pidfd_open(2),
pidfd_send_signal(2) (Linux 5.3).
"""

import contextlib
import errno
import fcntl
import os
import signal
import stat
import struct
import sys
from collections.abc import Callable, Collection
from pathlib import Path

from klogd_py.system.trusted_directory import directory_of

PID_FILE = Path("/run/klogd.pid")
_MODE = 0o600
# Struct flock: type, whence, start, length, process
_FLOCK = struct.Struct("hhqqi0q")


class AlreadyRunning(RuntimeError):
    """Another daemon holds the pid file; the message holds its path and pid."""


class NotRunning(RuntimeError):
    """No daemon holds the pid file."""


class PidFile:
    """A pid file that this process owns, from `acquire` until `release`."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._descriptor = -1

    def acquire(self) -> None:
        """Lock the file and write this process's id into it; raises AlreadyRunning, and OSError."""
        while True:
            self._descriptor = _open(self._path, os.O_RDWR | os.O_CREAT)
            try:
                _lock(self._descriptor, self._path)
                if self._is_named():
                    break
            except BaseException:
                os.close(self._descriptor)
                raise
            # Its last owner has removed it in between
            os.close(self._descriptor)
        os.ftruncate(self._descriptor, 0)
        os.pwrite(self._descriptor, f"{os.getpid()}\n".encode(), 0)

    def release(self) -> None:
        """Remove the file and its lock; not a file that has taken its place.

        Where only root may do that, it is left empty.
        """
        try:
            if self._is_named():
                with directory_of(self._path) as directory, contextlib.suppress(FileNotFoundError):
                    directory.remove()
        except OSError:
            os.ftruncate(self._descriptor, 0)
        os.close(self._descriptor)

    def _is_named(self) -> bool:
        """Whether the file that is locked is the one that has the name."""
        try:
            with directory_of(self._path) as directory:
                named = directory.status()
        except FileNotFoundError:
            return False
        ours = os.fstat(self._descriptor)
        return (named.st_dev, named.st_ino) == (ours.st_dev, ours.st_ino)


def _lock(descriptor: int, path: Path) -> None:
    """Have the file for this process alone; raises AlreadyRunning, and OSError."""
    if stat.S_IMODE(os.fstat(descriptor).st_mode) != _MODE:
        # Or others could lock it
        os.fchmod(descriptor, _MODE)
    try:
        fcntl.lockf(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    # fcntl(2): EAGAIN or EACCES
    except (BlockingIOError, PermissionError) as error:
        owner = _lock_owner(descriptor)
        words = (
            f"already running as process {owner}"
            if owner
            else "locked by what is no klogd, or not to be seen from here"
        )
        raise AlreadyRunning(f"{words} (see {path})") from error


def signal_daemon(path: Path, number: signal.Signals) -> None:
    """Send a signal to the daemon that holds the pid file, whatever number stands in it.

    Raises:
        NotRunning: there is no such file, or nobody holds it.
        OSError: the file or the process is not ours to touch.
    """
    with contextlib.suppress(FileNotFoundError, ProcessLookupError):
        descriptor = _open(path, os.O_RDONLY)
        try:
            owner = _lock_owner(descriptor)
            if owner:
                process = os.pidfd_open(owner)
                try:
                    if (
                        _lock_owner(descriptor) == owner
                        # So the number was its all the time, and this is the process
                    ):
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
    """The pid file; raises OSError, also for one that another user could have made."""
    with directory_of(path) as directory:
        descriptor = directory.open_regular(flags, _MODE)
    owner = os.fstat(descriptor).st_uid
    if owner not in (0, os.geteuid()):
        os.close(descriptor)
        raise OSError(errno.EPERM, f"a file of user {owner}'s is no pid file of klogd's", str(path))
    return descriptor


def _lock_owner(descriptor: int) -> int:
    """The process that has locked a file for writing.

    0 if none has, or one that this one cannot see.
    """
    asked = _FLOCK.pack(fcntl.F_WRLCK, os.SEEK_SET, 0, 0, 0)
    kind, _, _, _, process = _FLOCK.unpack(fcntl.fcntl(descriptor, fcntl.F_GETLK, asked))
    return max(process, 0) if kind == fcntl.F_WRLCK else 0


def daemonize(job: Callable[[Callable[[], None]], int], keep: Collection[int]) -> int:
    """Run a job in a process of its own session; returns in the parent as soon as the job says that
    it is ready.

    The job is given the function to call when it is ready. The parent's status is 0 then, and the
    job's own status, never 0, if it ends before. Of the standard descriptors only those in ``keep``
    stay what they were.
    """
    readable, writable = os.pipe()
    sys.stdout.flush()
    if os.fork():
        os.close(writable)
        told = os.read(readable, 1)
        return told[0] if told else 1
    os.close(readable)
    os.setsid()
    os.chdir("/")

    is_ready = False

    def ready() -> None:
        nonlocal is_ready
        is_ready = True
        os.write(writable, b"\0")
        os.close(writable)
        _leave_terminal(keep)

    status = 1
    try:
        status = job(ready)
        if not is_ready:
            os.write(writable, bytes((status or 1,)))
    finally:
        os._exit(status)


def _leave_terminal(keep: Collection[int]) -> None:
    nowhere = os.open(os.devnull, os.O_RDWR)
    for descriptor in {0, 1, 2} - set(keep):
        os.dup2(nowhere, descriptor)
    os.close(nowhere)
