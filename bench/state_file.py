# SPDX-License-Identifier: GPL-2.0-or-later
"""Hold the lock of the bench and, in the same file, what it has changed on this machine.

Two benches at once would measure each other, so the second one is refused. The kernel releases
the lock however the bench ends. What is in the file then was left behind.
"""

import contextlib
import fcntl
import os
import time
from pathlib import Path

import msgspec
from msgspec import Struct

# How long the watcher of a bench that was killed may need to clean up
LOCK_LIMIT_S = 5.0
_POLL_S = 0.05


class State(Struct, frozen=True):
    """What one bench has changed.

    ``mark`` is in the environment of each of its processes, as the value of `processes.MARK`.
    ``printk_devkmsg`` is the setting before the bench changed it, ``None`` if it did not.
    """

    pid: int
    mark: str
    directory: str
    printk_devkmsg: str | None = None


class Locked(Exception):
    """Another bench has the lock; the message says which, and what to do."""


def default_path() -> Path:
    """Return where the state of this user's bench is: in /run for root."""
    if named := os.environ.get("KLOGD_BENCH_STATE"):
        return Path(named)
    if os.geteuid() == 0:
        return Path("/run/klogd-py-bench.json")
    return Path.home() / ".cache/klogd-py/bench.json"


class StateFile:
    """The open and locked file; it is empty while nothing is changed."""

    def __init__(self, path: Path, limit_s: float = LOCK_LIMIT_S) -> None:
        """Lock the file; raises Locked if another process still has it after ``limit_s``."""
        path.parent.mkdir(parents=True, exist_ok=True)
        flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
        self._descriptor = os.open(path, flags, 0o600)
        end_s = time.monotonic() + limit_s
        while not self._is_locked_now():
            if time.monotonic() > end_s:
                state = self.read()
                os.close(self._descriptor)
                raise Locked(_explain(state))
            time.sleep(_POLL_S)

    def _is_locked_now(self) -> bool:
        with contextlib.suppress(BlockingIOError):
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return True
        return False

    def read(self) -> State | None:
        """Return what is in the file; ``None`` if it is empty or no state."""
        text = os.pread(self._descriptor, 1 << 16, 0)
        try:
            return msgspec.json.decode(text, type=State)
        except msgspec.DecodeError:
            return None

    def write(self, state: State) -> None:
        """Replace the contents; it is one system call, which SIGKILL does not divide."""
        text = msgspec.json.encode(state).ljust(os.fstat(self._descriptor).st_size)
        os.pwrite(self._descriptor, text, 0)

    def clear(self) -> None:
        """Say that nothing is changed any more."""
        os.ftruncate(self._descriptor, 0)

    def close(self) -> None:
        """Release the lock."""
        os.close(self._descriptor)


def _explain(state: State | None) -> str:
    if state is None:
        return "another bench is at its start or its end\ntype it again in some seconds"
    return (
        f"another bench is running, process {state.pid}\n"
        f"wait until it has ended, or type: kill {state.pid}"
    )
