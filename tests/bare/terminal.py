# SPDX-License-Identifier: GPL-2.0-or-later
"""A command in a terminal: what it prints, and keys that are typed."""

import os
import select
import signal
import subprocess
import time
from collections.abc import Sequence

CTRL_C = b"\x03"


class Terminal:
    """A command that is the foreground job of a new terminal."""

    def __init__(self, command: Sequence[str]) -> None:
        self._ours, theirs = os.openpty()
        # setsid(1) keeps its process number, which is that of the new session and of its foreground
        # job
        self._process = subprocess.Popen(
            ["setsid", "--ctty", "--wait", *command],
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
        )
        os.close(theirs)
        self._printed = b""

    @property
    def printed(self) -> str:
        """What stands on the screen so far."""
        return self._printed.decode(errors="replace").replace("\r\n", "\n")

    @property
    def running(self) -> bool:
        """Whether the command has not ended."""
        return self._process.poll() is None

    def wait_for(self, text: str, limit_s: float) -> bool:
        """Wait until a text was printed. False if the command ends before, or the time does."""
        end = time.monotonic() + limit_s
        while text.encode() not in self._printed:
            if time.monotonic() > end or not self._read(end - time.monotonic()):
                return text.encode() in self._printed
        return True

    def wait(self, seconds: float) -> bool:
        """Let the command run for some time. False if it ends before."""
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            if not self._read(left):
                return False
        return True

    def type(self, keys: bytes) -> None:
        """Type some keys."""
        os.write(self._ours, keys)

    def kill(self) -> None:
        """Kill the command and all that it started at once, as a power failure does."""
        os.killpg(self._process.pid, signal.SIGKILL)

    def end(self, limit_s: float) -> int:
        """Wait for the end of the command and return its status; after the limit kill it."""
        self.wait(limit_s)
        if self.running:
            self.kill()
        status = self._process.wait()
        os.close(self._ours)
        return status

    def _read(self, limit_s: float) -> bool:
        """Read what is printed within the limit. False at the end of the command."""
        if not select.select([self._ours], [], [], max(0.0, limit_s))[0]:
            return True
        try:
            some = os.read(self._ours, 1 << 16)
        except OSError:
            # EIO: the last process has closed the terminal
            return False
        self._printed += some
        return bool(some)
