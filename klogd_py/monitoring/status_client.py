# SPDX-License-Identifier: GPL-2.0-or-later
"""Fetch the status document from the socket of the daemon.

`klogd_py.monitoring.status_socket` describes the protocol.
"""

import contextlib
import socket
import time
from pathlib import Path

import msgspec

from klogd_py.monitoring.errors import NoAnswer
from klogd_py.monitoring.status import Refusal

FETCH_TIMEOUT_S = 5.0
CONNECT_RETRY_S = 0.01


def fetch_status(path: Path) -> bytes:
    """Return the JSON document of the daemon that listens on ``path``; raises NoAnswer."""
    chunks = []
    try:
        with _connect(path) as connection:
            while chunk := connection.recv(1 << 16):
                chunks.append(chunk)
    except (OSError, ValueError) as error:
        reason = error.strerror or str(error) if isinstance(error, OSError) else str(error)
        raise NoAnswer(f"no daemon answers at {path}: {reason}") from error
    document = b"".join(chunks)
    with contextlib.suppress(msgspec.DecodeError):
        raise NoAnswer(f"{path}: {msgspec.json.decode(document, type=Refusal).error}")
    return document


def _connect(path: Path) -> socket.socket:
    """Return a connection to the daemon; wait while its queue is full. Raises OSError."""
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    connection.settimeout(FETCH_TIMEOUT_S)
    deadline_s = time.monotonic() + FETCH_TIMEOUT_S
    try:
        while True:
            try:
                connection.connect(str(path))
                return connection
            # The queue of connections to accept is full
            except BlockingIOError:
                if time.monotonic() > deadline_s:
                    raise
                time.sleep(CONNECT_RETRY_S)
    except BaseException:
        connection.close()
        raise
