# SPDX-License-Identifier: GPL-2.0-or-later
"""Send entries as datagrams to the local syslog socket, with their facility and severity.

``<4>Nov 23 08:13:42 kernel: text``: the local form, without a host name; a record of a capture that
states its host has it before ``kernel:``. syslog(3), and with it
Python's syslog module, turns facility kern into user, so the message is written here. On a stream
socket each message ends with a NUL, as glibc sends it.

Source of truth: RFC 3164 section 4.1; glibc misc/syslog.c; unix(7).
"""

import contextlib
import errno
import os
import socket
from collections.abc import Sequence

from klogd_py.record.types import LAST_SYSLOG_FACILITY, USER, Entry, Record, Severity
from klogd_py.sinks import LISTENER_REPLACED, has_additions, send_each
from klogd_py.sinks.formats import TimestampFormatter, format_line, host_name, is_reserved
from klogd_py.sinks.machine_identity import stated_host
from klogd_py.system.file_identity import FileIdentity, identify

LAST_SYSLOG_PREFIX = LAST_SYSLOG_FACILITY << 3 | Severity.DEBUG
# Far beyond any kernel record: only a capture can hold a longer line, which is cut.
MAX_MESSAGE_BYTES = 1 << 16


class SyslogSink:
    """The listener of a Unix socket such as /dev/log.

    It is connected on the first `send`, and again when it was replaced.
    """

    keeps_position = True
    blocking = False

    def __init__(self, path: str, *, name: str | None = None, additions: bool = False) -> None:
        """``path`` is the socket; ``name`` is ``syslog:PATH`` if it is not given.

        ``additions``: send only what klogd-py adds to records.
        """
        self._path = path
        self._additions = additions
        self.name = f"syslog:{path}" if name is None else name
        self._socket: socket.socket | None = None
        self._is_stream = False
        # The rest of a message that the stream accepted in part
        self._unsent = b""
        # Of the socket that is connected
        self._identity: FileIdentity | None = None
        self._timestamps = TimestampFormatter()
        # A listener knows the records of this machine without its name.
        self._own_hosts = ("", host_name(), socket.gethostname())

    def encode(self, entry: Entry) -> bytes:
        """Return the message of one entry; facilities that syslog does not have become user."""
        prefix = entry.record.prefix
        priority = Severity.INFO if prefix is None else prefix
        if priority > LAST_SYSLOG_PREFIX:
            priority = USER << 3 | priority & 7
        stamp = self._timestamps.rfc3164(entry.wall_us)
        host = "" if entry.record.machine is None else self._host_field(entry.record)
        return f"<{priority:d}>{stamp} {host}{format_line(entry)}".encode()

    def _host_field(self, record: Record) -> str:
        r"""Return the host of a record of another machine, and a blank; otherwise nothing.

        Without it the listener would take the record for one of this machine. A listener that
        expects no host takes it for the identifier, so a reserved name, ``kernel``, becomes
        ``\x6bernel``.
        """
        host = stated_host(record)
        if host in self._own_hosts:
            return ""
        return f"\\x{ord(host[0]):02x}{host[1:]} " if is_reserved(host) else f"{host} "

    @property
    def has_partial_write(self) -> bool:
        """Whether the stream accepted a part of a message; the same connection needs the rest."""
        return bool(self._unsent)

    def send(self, entries: Sequence[Entry]) -> int:
        """Send until the socket is full; raises SinkDown when nobody listens."""
        # Another listener has the name now, although the old one still exists.
        if (
            self._socket is not None
            and not self._unsent
            and self._current_identity() not in (self._identity, None)
        ):
            self.close()
        accepted = self._send_burst(entries)
        return send_each(entries, self._deliver, self.close, self._path, accepted)

    def fileno(self) -> int:
        """Return the descriptor of the socket; -1 if it is not connected."""
        return -1 if self._socket is None else self._socket.fileno()

    def close(self) -> None:
        """Close the socket; another `send` connects again."""
        if self._socket is not None:
            self._socket.close()
        self._socket = None
        self._unsent = b""

    def _send_burst(self, entries: Sequence[Entry]) -> int:
        """Send datagrams until the first error, which `_deliver` handles; returns how many."""
        if self._socket is None or self._is_stream or self._additions:
            return 0
        accepted = 0
        with contextlib.suppress(Exception):
            for entry in entries:
                self._socket.send(self.encode(entry))
                accepted += 1
        return accepted

    def _deliver(self, entry: Entry) -> bool:
        """Send one entry, unless it is left out; returns False if the socket is full.

        Connects again once if the listener was replaced.
        """
        if self._additions and not has_additions(entry):
            return True
        message = self.encode(entry)
        try:
            return self._write(self._connect(), message)
        except OSError as error:
            if error.errno not in LISTENER_REPLACED:
                raise
        self.close()
        return self._write(self._connect(), message)

    def _write(self, listener: socket.socket, message: bytes) -> bool:
        try:
            if self._is_stream:
                # The rest is always that of this message, since entries are sent in order.
                unsent = self._unsent or message + b"\0"
                self._unsent = unsent[listener.send(unsent) :]
                return not self._unsent
            listener.send(message)
        except BlockingIOError:
            return False
        except OSError as error:
            if error.errno == errno.EMSGSIZE and len(message) > MAX_MESSAGE_BYTES:
                return self._write(listener, message[:MAX_MESSAGE_BYTES])
            if error.errno == errno.ENOBUFS:
                return False
            raise
        return True

    def _current_identity(self) -> FileIdentity | None:
        """Return what has the name now; ``None`` if nothing has it."""
        try:
            return identify(os.stat(self._path))
        except OSError:
            return None

    def _connect(self) -> socket.socket:
        if self._socket is not None:
            return self._socket
        for kind in (socket.SOCK_DGRAM, socket.SOCK_STREAM):
            connecting = socket.socket(socket.AF_UNIX, kind | socket.SOCK_CLOEXEC)
            # A stream listener that accepts no connection must not block the daemon.
            connecting.setblocking(False)
            try:
                connecting.connect(self._path)
            except OSError as error:
                connecting.close()
                if error.errno == errno.EPROTOTYPE and kind == socket.SOCK_DGRAM:
                    continue
                raise
            self._identity = self._current_identity()
            self._is_stream = kind == socket.SOCK_STREAM
            self._socket = connecting
            return connecting
        raise OSError(errno.EPROTOTYPE, os.strerror(errno.EPROTOTYPE))
