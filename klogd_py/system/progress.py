# SPDX-License-Identifier: GPL-2.0-or-later
"""Show on a terminal how far a long work has come, in one line that is erased at the end.

Nothing is shown of a work that takes less than a second, nor where standard error is no terminal.
"""

import os
import time
from collections.abc import Callable
from typing import TextIO

from msgspec import Struct

FIRST_AFTER_S = 1.0
PERIOD_S = 0.25
_ERASE = "\r\x1b[K"
_MIB = 1 << 20


class Progress(Struct, frozen=True):
    """How far a work has come: bytes that were read, of how many, lines, and frames with a name.

    ``total_bytes`` is ``None`` if it is not known, as of a pipe.
    """

    done_bytes: int
    total_bytes: int | None
    lines: int
    named: int

    def describe(self, elapsed_s: float) -> str:
        """Return one line: ``312 of 1,024 MiB, 2,345,678 lines, 12 frames named, 0:42 left``."""
        total, done = self.total_bytes, self.done_bytes
        size = f"{done // _MIB:,} MiB"
        if total:
            size = f"{done // _MIB:,} of {-(-total // _MIB):,} MiB"
        parts = [size, f"{self.lines:,} lines", f"{self.named:,} frames named"]
        if total and 0 < done <= total:
            left_s = round(elapsed_s * (total - done) / done)
            parts.append(f"{left_s // 60}:{left_s % 60:02} left")
        return ", ".join(parts)


class ProgressLine:
    """The line on a terminal. Mutable: when it was shown last."""

    def __init__(self, stream: TextIO, now_s: Callable[[], float] = time.monotonic) -> None:
        """``stream`` is standard error; nothing is shown if it is no terminal."""
        self._stream = stream
        self._now_s = now_s
        self._is_terminal = stream.isatty() and os.environ.get("TERM") != "dumb"
        self._start_s = now_s()
        self._next_s = self._start_s + FIRST_AFTER_S
        self._is_shown = False

    @property
    def is_due(self) -> bool:
        """Whether `show` would show something new."""
        return self._is_terminal and self._now_s() >= self._next_s

    def show(self, progress: Progress) -> None:
        """Show the progress in the place of what was shown before."""
        now_s = self._now_s()
        self._next_s = now_s + PERIOD_S
        text = f"klogd-py: {progress.describe(now_s - self._start_s)}"
        # A line that wraps cannot be erased.
        self._stream.write(f"{_ERASE}{text[: self._columns - 1]}")
        self._stream.flush()
        self._is_shown = True

    def erase(self) -> None:
        """Remove the line, before other output and at the end."""
        if self._is_shown:
            self._is_shown = False
            self._stream.write(_ERASE)
            self._stream.flush()

    @property
    def _columns(self) -> int:
        try:
            return os.get_terminal_size(self._stream.fileno()).columns or 80
        except OSError:
            return 80
