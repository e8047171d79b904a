"""Entries as datagrams to the local syslog socket, facility and severity intact.

``<4>Nov 23 08:13:42 kernel: text``: the local form, without a host name. The C library's syslog(3), and with it Python's
module, turns facility kern into user, so the bytes are written here. Where a stream socket listens, each message
ends with a NUL, as glibc sends it.

Source of truth: RFC 3164 section 4.1; glibc misc/syslog.c; unix(7).
"""

import errno
import os
import socket
from collections.abc import Sequence

from klogd_py.record import LAST_SYSLOG_FACILITY, USER, Entry
from klogd_py.sinks import SinkDown
from klogd_py.sinks.text import Stamps, printable, speaker

SOCKET = "/dev/log"
_GONE = (errno.ECONNREFUSED, errno.ENOTCONN, errno.ECONNRESET, errno.EPIPE, errno.EDESTADDRREQ)


class SyslogSink:
    """The listener behind a Unix socket, /dev/log by default; connected at the first send and whenever it was replaced."""

    keeps_position = True
    blocking = False

    def __init__(self, path: str = "") -> None:
        self.name = f"syslog:{path}" if path else "syslog"
        self._path = path or SOCKET
        self._socket: socket.socket | None = None
        self._stream = False
        self._rest = b""  # of a message that the stream took only in part
        self._stamps = Stamps()

    def frame(self, entry: Entry) -> bytes:
        """The datagram of one entry. A facility that syslog has no code for is sent as user."""
        record = entry.record
        facility = record.facility if record.facility <= LAST_SYSLOG_FACILITY else USER
        tag, text = speaker(record, entry.text)
        priority = facility << 3 | record.severity
        return f"<{priority}>{self._stamps.bsd(entry.wall_us)} {printable(tag)}: {printable(text)}".encode()

    def send(self, entries: Sequence[Entry]) -> int:
        """Send until the socket is full; raises SinkDown when nobody listens."""
        accepted = 0
        try:
            for entry in entries:
                if not self._deliver(self.frame(entry)):
                    break
                accepted += 1
        except OSError as error:
            self.reopen()
            raise SinkDown(f"{self._path}: {error.strerror or error}", accepted) from error
        return accepted

    def reopen(self) -> None:
        """Close the socket; the next send connects anew."""
        if self._socket is not None:
            self._socket.close()
        self._socket = None
        self._rest = b""

    def close(self) -> None:
        """Close the socket."""
        self.reopen()

    def _deliver(self, message: bytes) -> bool:
        """Send one message, connecting anew once if the listener was replaced; false if the socket is full."""
        try:
            return self._write(self._connected(), message)
        except OSError as error:
            if error.errno not in _GONE:
                raise
        self.reopen()
        return self._write(self._connected(), message)

    def _write(self, listener: socket.socket, message: bytes) -> bool:
        try:
            if not self._stream:
                listener.send(message)
                return True
            if self._rest:
                self._rest = self._rest[listener.send(self._rest) :]
                if self._rest:
                    return False
            message += b"\0"
            self._rest = message[listener.send(message) :]
            return True
        except BlockingIOError:
            return False
        except OSError as error:
            if error.errno == errno.ENOBUFS:
                return False
            raise

    def _connected(self) -> socket.socket:
        if self._socket is not None:
            return self._socket
        for kind in (socket.SOCK_DGRAM, socket.SOCK_STREAM):
            attempt = socket.socket(socket.AF_UNIX, kind | socket.SOCK_CLOEXEC)
            try:
                attempt.connect(self._path)
            except OSError as error:
                attempt.close()
                if error.errno == errno.EPROTOTYPE and kind == socket.SOCK_DGRAM:
                    continue
                raise
            attempt.setblocking(False)
            self._stream = kind == socket.SOCK_STREAM
            self._socket = attempt
            return attempt
        raise OSError(errno.EPROTOTYPE, os.strerror(errno.EPROTOTYPE))
