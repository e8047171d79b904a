"""What a daemon of the old school does: goes to the background, keeps a pid file, and signals the one that runs.

The pid file is locked for as long as its daemon lives, so a stale file, or a number that now belongs to another process,
is never mistaken for a running klogd.
"""

import fcntl
import os
import signal
import sys
from collections.abc import Callable, Collection
from pathlib import Path

PID_FILE = Path("/run/klogd.pid")


class AlreadyRunning(RuntimeError):
    """Another daemon holds the pid file; the message holds its path and pid."""


class NotRunning(RuntimeError):
    """No daemon holds the pid file."""


class PidFile:
    """A pid file that this process owns, from `claim` until `release`."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._descriptor = -1

    def claim(self) -> None:
        """Lock the file and write this process's id into it; raises AlreadyRunning, and OSError."""
        while True:
            self._descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o644)
            try:
                fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                pid = os.read(self._descriptor, 32).decode("ascii", "replace").strip()
                os.close(self._descriptor)
                raise AlreadyRunning(f"already running as process {pid or '?'} (see {self._path})") from None
            if self._is_named():
                break
            os.close(self._descriptor)  # its last owner has removed it in between
        os.ftruncate(self._descriptor, 0)
        os.pwrite(self._descriptor, f"{os.getpid()}\n".encode(), 0)

    def release(self) -> None:
        """Remove the file and its lock; not a file that has taken its place. Where only root may do that, it is left empty."""
        try:
            if self._is_named():
                self._path.unlink(missing_ok=True)
        except PermissionError:
            os.ftruncate(self._descriptor, 0)
        os.close(self._descriptor)

    def _is_named(self) -> bool:
        """Whether the file that is locked is the one that has the name."""
        try:
            named = os.stat(self._path)
        except FileNotFoundError:
            return False
        ours = os.fstat(self._descriptor)
        return (named.st_dev, named.st_ino) == (ours.st_dev, ours.st_ino)


def signal_running(path: Path, number: signal.Signals) -> None:
    """Send a signal to the daemon that holds the pid file.

    Raises:
        NotRunning: there is no such file, or nobody holds it.
        OSError: the file or the process is not ours to touch.
    """
    try:
        with path.open("rb") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except BlockingIOError:
                os.kill(int(file.read(32)), number)
                return
    except (FileNotFoundError, ValueError):
        pass
    raise NotRunning(f"no klogd is running ({path}); for the service: systemctl kill -s {number.name} klogd-py")


def in_background(job: Callable[[Callable[[], None]], int], keep: Collection[int]) -> int:
    """Run a job in a process of its own session; returns in the parent as soon as the job says that it is ready.

    The job is given the function to call when it is ready. The parent's status is 0 then, and the job's own status,
    never 0, if it ends before. Of the standard descriptors only those in ``keep`` stay what they were.
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
