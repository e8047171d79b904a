# SPDX-License-Identifier: GPL-2.0-or-later
"""The receiving ends of the sinks: datagram, stream and journal sockets."""

import socket
import struct
import threading
from pathlib import Path
from typing import Self

MAX_DATAGRAM_BYTES = 1 << 20


class DatagramListener:
    """A bound datagram socket, like /dev/log; it reads only when a test calls `read`."""

    def __init__(self, path: Path, receive_buffer_bytes: int = 0) -> None:
        self.path = path
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        if receive_buffer_bytes:
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer_bytes)
        self._socket.bind(str(path))
        self._socket.setblocking(False)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def read(self) -> list[bytes]:
        """Return all pending datagrams; the content of a passed file descriptor counts as one."""
        received: list[bytes] = []
        while True:
            try:
                data, descriptors, _, _ = socket.recv_fds(self._socket, MAX_DATAGRAM_BYTES, 1)
            except BlockingIOError:
                return received
            for descriptor in descriptors:
                with open(descriptor, "rb") as file:
                    file.seek(0)
                    data = file.read()
            received.append(data)

    def close(self) -> None:
        """Close the socket and remove its path."""
        self._socket.close()
        self.path.unlink(missing_ok=True)

    def die(self) -> None:
        """Close the socket and leave its path, like a killed process."""
        self._socket.close()


class BackgroundDatagramListener:
    """A datagram socket that a thread reads all the time, until it is closed."""

    def __init__(self, path: Path) -> None:
        self.received: list[bytes] = []
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(str(path))
        self._thread = threading.Thread(target=self._listen)
        self._thread.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self._socket.shutdown(socket.SHUT_RD)
        self._thread.join()
        self._socket.close()

    def _listen(self) -> None:
        while data := self._socket.recv(MAX_DATAGRAM_BYTES):
            self.received.append(data)


class StreamListener:
    """A listening stream socket for messages that end with NUL; it reads only when asked."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._listening = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._listening.bind(str(path))
        self._listening.listen()
        self._listening.setblocking(False)
        self._connections: list[socket.socket] = []
        self._received = b""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def read(self) -> bytes:
        """Return all bytes received since the start."""
        try:
            while True:
                connection, _ = self._listening.accept()
                connection.setblocking(False)
                self._connections.append(connection)
        except BlockingIOError:
            pass
        for connection in self._connections:
            try:
                while chunk := connection.recv(1 << 16):
                    self._received += chunk
            except BlockingIOError:
                continue
        return self._received

    def messages(self) -> list[bytes]:
        """Return the complete messages: the bytes after the last NUL are not one."""
        return self.read().split(b"\0")[:-1]

    def close(self) -> None:
        """Close all connections and the socket, and remove its path."""
        for connection in self._connections:
            connection.close()
        self._listening.close()
        self.path.unlink(missing_ok=True)


class JournalListener(DatagramListener):
    """A socket for the native protocol of the journal.

    Source: https://systemd.io/JOURNAL_NATIVE_PROTOCOL
    """

    def entries(self) -> list[list[tuple[str, bytes]]]:
        """Return the fields of all pending entries."""
        return [_native_fields(datagram) for datagram in self.read()]


def _native_fields(datagram: bytes) -> list[tuple[str, bytes]]:
    fields = []
    at = 0
    while at < len(datagram):
        end = datagram.index(b"\n", at)
        line = datagram[at:end]
        if b"=" in line:
            key, _, value = line.partition(b"=")
            at = end + 1
        else:
            (length,) = struct.unpack_from("<Q", datagram, end + 1)
            key, value = line, datagram[end + 9 : end + 9 + length]
            at = end + 9 + length + 1
            assert datagram[at - 1 : at] == b"\n"
        fields.append((key.decode("ascii"), value))
    return fields
