# SPDX-License-Identifier: GPL-2.0-or-later
"""Entries as datagrams to the local syslog socket, facility and severity intact.

``<4>Nov 23 08:13:42 kernel: text``: the local form, without a host name. The C library's syslog(3),
and with it Python's module, turns facility kern into user, so the bytes are written here. Where a
stream socket listens, each message ends with a NUL, as glibc sends it.

Source of truth: RFC 3164 section 4.1; glibc misc/syslog.c; unix(7).
"""

import contextlib
import errno
import os
import socket
from collections.abc import Sequence

from klogd_py.record.types import LAST_SYSLOG_FACILITY, USER, Entry, Severity
from klogd_py.sinks import REPLACED, SinkDown, SinkFailed, has_additions
from klogd_py.sinks.formats import TimestampFormatter, format_line

SOCKET = "/dev/log"
LAST_SYSLOG_PREFIX = LAST_SYSLOG_FACILITY << 3 | Severity.DEBUG
MAX_BYTES = (
    1 << 16
    # Far beyond any kernel record; only a capture can hold a longer line, which is cut
)


class SyslogSink:
    """The listener behind a Unix socket, /dev/log by default.

    Connected at the first send and whenever it was replaced.
    """

    keeps_position = True
    blocking = False

    def __init__(self, path: str = "", *, at: str = "", additions: bool = False) -> None:
        """``at`` is another socket under the same name.

        With ``additions`` only what klogd-py adds to records is sent.
        """
        self._path = at or path or SOCKET
        self._additions = additions
        self.name = f"syslog:{path or SOCKET}"
        self._socket: socket.socket | None = None
        self._stream = False
        # Of a message that the stream took only in part
        self._rest = b""
        self._place: tuple[int, int] | None = (
            # Which socket had the name when it was connected
            None
        )
        self._stamps = TimestampFormatter()

    def encode(self, entry: Entry) -> bytes:
        """The datagram of one entry. A facility that syslog has no code for is sent as user."""
        prefix = entry.record.prefix
        priority = Severity.INFO if prefix is None else prefix
        if priority > LAST_SYSLOG_PREFIX:
            priority = USER << 3 | priority & 7
        return f"<{priority:d}>{self._stamps.rfc3164(entry.wall_us)} {format_line(entry)}".encode()

    @property
    def has_partial_write(self) -> bool:
        """Whether a stream took a part of a message whose rest must follow on the same connection."""
        return bool(self._rest)

    def send(self, entries: Sequence[Entry]) -> int:
        """Send until the socket is full; raises SinkDown when nobody listens."""
        if (
            self._socket is not None
            and not self._rest
            and self._looked_up() not in (self._place, None)
        ):
            # Another listener has the name now, though the old one still lives
            self.close()
        accepted = self._at_once(entries)
        try:
            for entry in entries[accepted:]:
                if (not self._additions or has_additions(entry)) and not self._deliver(
                    self.encode(entry)
                ):
                    break
                accepted += 1
        except OSError as error:
            self.close()
            raise SinkDown(f"{self._path}: {error.strerror or error}", accepted) from error
        # Whoever answers it must know what has been sent
        except Exception as error:
            raise SinkFailed(error, accepted) from error
        return accepted

    def fileno(self) -> int:
        """The socket's descriptor."""
        return -1 if self._socket is None else self._socket.fileno()

    def close(self) -> None:
        """Close the socket; another send connects anew."""
        if self._socket is not None:
            self._socket.close()
        self._socket = None
        self._rest = b""

    def _at_once(self, entries: Sequence[Entry]) -> int:
        """How many datagrams the listener took before one of them met with anything, which then is
        for `_deliver` to answer.
        """
        if self._socket is None or self._stream or self._additions:
            return 0
        accepted = 0
        with contextlib.suppress(Exception):
            for entry in entries:
                self._socket.send(self.encode(entry))
                accepted += 1
        return accepted

    def _deliver(self, message: bytes) -> bool:
        """Send one message, connecting anew once if the listener was replaced.

        False if the socket is full.
        """
        try:
            return self._write(self._connected(), message)
        except OSError as error:
            if error.errno not in REPLACED:
                raise
        self.close()
        return self._write(self._connected(), message)

    def _write(self, listener: socket.socket, message: bytes) -> bool:
        try:
            if self._stream:
                rest = (
                    self._rest or message + b"\0"
                    # The rest is always this message's: nothing overtakes it
                )
                self._rest = rest[listener.send(rest) :]
                return not self._rest
            listener.send(message)
        except BlockingIOError:
            return False
        except OSError as error:
            if error.errno == errno.EMSGSIZE and len(message) > MAX_BYTES:
                return self._write(listener, message[:MAX_BYTES])
            if error.errno == errno.ENOBUFS:
                return False
            raise
        return True

    def _looked_up(self) -> tuple[int, int] | None:
        """Device and inode of what has the name now; ``None`` if nothing has."""
        try:
            found = os.stat(self._path)
        except OSError:
            return None
        return found.st_dev, found.st_ino

    def _connected(self) -> socket.socket:
        if self._socket is not None:
            return self._socket
        for kind in (socket.SOCK_DGRAM, socket.SOCK_STREAM):
            attempt = socket.socket(socket.AF_UNIX, kind | socket.SOCK_CLOEXEC)
            # A stream listener that accepts nobody must not hold us
            attempt.setblocking(False)
            try:
                attempt.connect(self._path)
            except OSError as error:
                attempt.close()
                if error.errno == errno.EPROTOTYPE and kind == socket.SOCK_DGRAM:
                    continue
                raise
            self._place = self._looked_up()
            self._stream = kind == socket.SOCK_STREAM
            self._socket = attempt
            return attempt
        raise OSError(errno.EPROTOTYPE, os.strerror(errno.EPROTOTYPE))
