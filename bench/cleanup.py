# SPDX-License-Identifier: GPL-2.0-or-later
"""Undo what the bench changes on this machine, however the bench ends.

It changes kernel.printk_devkmsg, starts processes, and has one directory for all temporary files.
SIGHUP, SIGINT, SIGQUIT and SIGTERM end it in an orderly way; the exit status is 128 more than the
number of the signal. After SIGKILL its processes die by themselves and the watcher does the rest.
If the watcher was killed as well, the next bench names what is left, and removes it.
"""

import contextlib
import os
import secrets
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

import msgspec

from bench import leftovers, processes
from bench.packages import Unavailable
from bench.state_file import State, StateFile, default_path

_TREE = Path(__file__).parents[1]
# A socket has a path of 107 bytes at most, see unix(7). syslog-ng cuts a longer one, and makes its
# socket beside the directory. This leaves room for the longest name of one in it.
MAX_DIRECTORY_BYTES = 107 - len("/tmp12345678/control")


class Cleanup:
    """The changes of the bench that runs."""

    def __init__(self, state_file: StateFile) -> None:
        """Make the directory for temporary files, and start the watcher.

        Raises Unavailable if the path of that directory is too long for sockets in it.
        """
        mark = f"{os.getpid()}-{secrets.token_hex(8)}"
        directory = Path(tempfile.gettempdir()) / f"klogd-bench-{mark}"
        if len(os.fsencode(directory)) > MAX_DIRECTORY_BYTES:
            long = directory.parent
            raise Unavailable(
                f"{long} is too long a path for sockets\ntype: TMPDIR=/tmp scripts/bench"
            )
        self._file = state_file
        self._state = State(os.getpid(), mark, str(directory))
        # Before there is anything to undo: a kill in between would leave it to the next bench.
        self._watcher = _start_watcher()
        state_file.write(self._state)
        directory.mkdir(0o700)
        tempfile.tempdir = os.environ["TMPDIR"] = str(directory)
        # Children inherit it; this process does not have it itself: see proc_pid_environ(5).
        os.environ[processes.MARK] = mark

    def lift_limit(self) -> None:
        """Let everybody write to /dev/kmsg without a limit; raises Unavailable."""
        # Stated first: a kill in between restores what was not yet changed, which does no harm.
        self._state = msgspec.structs.replace(self._state, printk_devkmsg=leftovers.current_limit())
        self._file.write(self._state)
        try:
            leftovers.PRINTK_DEVKMSG.write_text("on\n")
        except OSError as error:
            raise Unavailable(
                f"the limit on writing to /dev/kmsg stays: {error}\n"
                "whole daemons are measured as root, on a system that is no container"
            ) from error

    def undo(self) -> None:
        """Remove everything, and wait for the watcher to see that."""
        leftovers.remove(self._state)
        self._file.clear()
        self._file.close()
        self._watcher.communicate()


@contextmanager
def cleaning_up() -> Iterator[Cleanup]:
    """Clean up behind a bench that was killed, then behind this one.

    Raises Locked if another one is running, and Unavailable.
    """
    for number in processes.ENDING:
        signal.signal(number, _end)
    state_file = StateFile(default_path())
    _name_leftovers(state_file)
    before = signal.pthread_sigmask(signal.SIG_BLOCK, processes.ENDING)
    cleanup = Cleanup(state_file)
    try:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
        yield cleanup
    finally:
        for number in processes.ENDING:
            signal.signal(number, signal.SIG_IGN)
        cleanup.undo()


def _end(number: int, _frame: FrameType | None) -> None:
    # After a hang-up there is no terminal, and what print() keeps would fail once more at the end.
    with contextlib.suppress(OSError):
        os.write(2, f"\nbench: ended by {signal.Signals(number).name}\n".encode())
    raise SystemExit(128 + number)


def _start_watcher() -> subprocess.Popen[bytes]:
    """Start the watcher, whose standard input ends with this process."""
    # Not by processes.start: it has to outlive the bench.
    return subprocess.Popen(
        [sys.executable, "-P", "-m", "bench.watcher"],
        env={**os.environ, "PYTHONPATH": str(_TREE)},
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        start_new_session=True,
    )


def _name_leftovers(state_file: StateFile) -> None:
    """Remove what a killed bench has left, and name it on standard error."""
    if state := state_file.read():
        lines = leftovers.describe(leftovers.remove(state))
        state_file.clear()
        print(
            "\n".join([f"bench: an earlier one, process {state.pid}, was killed", *lines]),
            file=sys.stderr,
        )
