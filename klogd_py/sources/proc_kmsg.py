# SPDX-License-Identifier: GPL-2.0-or-later
"""The kernel's messages as text: /proc/kmsg and syslog(2), for kernels and containers without a
usable /dev/kmsg.

One queue for all readers, no numbers: a loss cannot be seen, and what was read here is gone for
everybody.

Source of truth: proc(5); syslog(2).
"""

import ctypes
import os
from pathlib import Path

from klogd_py.record.types import Gap, Record
from klogd_py.sources import kmsg_format, text_formats

PROC_KMSG = Path("/proc/kmsg")
SYSCALL = "syslog(2)"
MAX_BYTES = 1 << 16
# SYSLOG_ACTION_...
_READ, _CONSOLE_LEVEL, _SIZE_UNREAD = 2, 8, 9


class ProcKmsg:
    """/proc/kmsg: ``<6>[    1.234567] text`` lines without sequence numbers."""

    def __init__(self, descriptor: int, name: str = str(PROC_KMSG)) -> None:
        self.name = name
        self.exhausted = False
        self.remark = f"reading {name}: this interface cannot tell when the kernel lost messages"
        self._descriptor = descriptor
        self._tail = b""

    def fileno(self) -> int:
        """The descriptor of the file."""
        return self._descriptor

    def read_batch(self) -> list[Record | Gap]:
        """All complete lines that are there; an unfinished one waits for its end."""
        try:
            raw = os.read(self._descriptor, 1 << 17)
        except BlockingIOError:
            return []
        self.exhausted = not raw
        return self._whole_lines(raw)

    def _whole_lines(self, raw: bytes) -> list[Record | Gap]:
        rows = (self._tail + raw).split(b"\n")
        self._tail = rows.pop()
        # No kernel writes such a line
        if len(self._tail) > MAX_BYTES:
            rows.append(self._tail)
            self._tail = b""
        return [_parsed(row) for row in rows]

    def seek(self, seq: int) -> bool:
        """There is no going back: the kernel forgets what was read here."""
        return False

    def drain_pending(self) -> list[Record | Gap]:
        """A line whose end has not come."""
        tail, self._tail = self._tail, b""
        return [_parsed(tail)] if tail else []

    def close(self) -> None:
        """Close the file."""
        os.close(self._descriptor)


class SyslogCall(ProcKmsg):
    """syslog(2) with SYSLOG_ACTION_READ.

    The text of /proc/kmsg without a descriptor that could be waited for.
    """

    def __init__(self) -> None:
        super().__init__(-1, SYSCALL)

    def read_batch(self) -> list[Record | Gap]:
        """All complete lines that are there; raises OSError."""
        raw = b""
        buffer = ctypes.create_string_buffer(kmsg_format.BUFFER_BYTES)
        while _klogctl(_SIZE_UNREAD, None, 0) > 0 and len(raw) < 1 << 17:
            raw += buffer.raw[: _klogctl(_READ, buffer, kmsg_format.BUFFER_BYTES)]
        return self._whole_lines(raw) if raw else []

    def close(self) -> None:
        """Nothing is open."""


def _parsed(row: bytes) -> Record:
    """One line.

    It has left the kernel's queue, so it is delivered for whatever reason it makes no sense.
    """
    line = row.decode("utf-8", "surrogateescape")
    try:
        return text_formats.klogd(line)
    except Exception:
        return Record(line)


def set_console_level(level: int) -> None:
    """Tell the kernel which messages to print on the console (1 to 8, as klogd -c).

    Raises OSError.
    """
    _klogctl(_CONSOLE_LEVEL, None, level)


def try_syscall() -> None:
    """Ask whether syslog(2) may be used; raises OSError."""
    _klogctl(_SIZE_UNREAD, None, 0)


def _klogctl(action: int, buffer: ctypes.Array[ctypes.c_char] | None, length: int) -> int:
    libc = ctypes.CDLL(None, use_errno=True)
    result = int(libc.klogctl(action, buffer, length))
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
    return result
