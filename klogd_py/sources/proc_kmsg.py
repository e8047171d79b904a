# SPDX-License-Identifier: GPL-2.0-or-later
"""Read the kernel's messages as text from /proc/kmsg or syslog(2), without a usable /dev/kmsg.

One queue for all readers, no sequence numbers: a loss cannot be seen, and what was read here no
other process can read.

Source of truth: proc(5); syslog(2).
"""

import ctypes
import os
from pathlib import Path

from klogd_py.record.types import Gap, Record
from klogd_py.sources import kmsg_format
from klogd_py.sources.klogd_format import parse_klogd

PROC_KMSG = Path("/proc/kmsg")
SYSCALL = "syslog(2)"
MAX_LINE_BYTES = 1 << 16
# SYSLOG_ACTION_...
_READ, _CONSOLE_LEVEL, _SIZE_UNREAD = 2, 8, 9


class ProcKmsg:
    """/proc/kmsg: ``<6>[    1.234567] text`` lines without sequence numbers."""

    def __init__(self, descriptor: int, name: str = str(PROC_KMSG)) -> None:
        self.name = name
        self.exhausted = False
        self.remark: str | None = (
            f"reading {name}: this interface cannot tell when the kernel lost messages"
        )
        self._descriptor = descriptor
        self._tail = b""

    def fileno(self) -> int:
        """The descriptor of the file."""
        return self._descriptor

    def read_batch(self) -> list[Record | Gap]:
        """Read all complete lines; an unfinished one waits for its end."""
        try:
            raw = os.read(self._descriptor, 1 << 17)
        except BlockingIOError:
            return []
        self.exhausted = not raw
        return self._whole_lines(raw)

    def _whole_lines(self, raw: bytes) -> list[Record | Gap]:
        rows = (self._tail + raw).split(b"\n")
        self._tail = rows.pop()
        # No kernel writes such a long line.
        if len(self._tail) > MAX_LINE_BYTES:
            rows.append(self._tail)
            self._tail = b""
        return [_parse(row) for row in rows]

    def seek(self, seq: int) -> bool:
        """Return False: the kernel forgets what was read here."""
        return False

    def drain_pending(self) -> list[Record | Gap]:
        """Return a line whose end has not come."""
        tail, self._tail = self._tail, b""
        return [_parse(tail)] if tail else []

    def close(self) -> None:
        """Close the file."""
        os.close(self._descriptor)


class SyslogCall(ProcKmsg):
    """syslog(2) with SYSLOG_ACTION_READ: the text of /proc/kmsg, without a descriptor to wait
    for.
    """

    def __init__(self) -> None:
        super().__init__(-1, SYSCALL)

    def read_batch(self) -> list[Record | Gap]:
        """Read all complete lines; raises OSError."""
        raw = b""
        buffer = ctypes.create_string_buffer(kmsg_format.BUFFER_BYTES)
        while _klogctl(_SIZE_UNREAD, None, 0) > 0 and len(raw) < 1 << 17:
            # In two steps: ``buffer.raw`` is a copy, which must be made after the call
            length = _klogctl(_READ, buffer, kmsg_format.BUFFER_BYTES)
            raw += buffer.raw[:length]
        return self._whole_lines(raw) if raw else []

    def close(self) -> None:
        """Nothing is open."""


def _parse(row: bytes) -> Record:
    """Parse one line; the kernel forgot it, so it is returned as text if it cannot be parsed."""
    line = row.decode("utf-8", "surrogateescape")
    try:
        return parse_klogd(line)
    except Exception:
        return Record(line)


def set_console_level(level: int) -> None:
    """Set the level below which messages are printed on the console (1 to 8, as klogd -c).

    Raises OSError.
    """
    _klogctl(_CONSOLE_LEVEL, None, level)


def check_syslog_access() -> None:
    """Raise OSError if syslog(2) may not be used."""
    _klogctl(_SIZE_UNREAD, None, 0)


def _klogctl(action: int, buffer: ctypes.Array[ctypes.c_char] | None, length: int) -> int:
    libc = ctypes.CDLL(None, use_errno=True)
    result = int(libc.klogctl(action, buffer, length))
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
    return result
