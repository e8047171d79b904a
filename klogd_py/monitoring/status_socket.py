# SPDX-License-Identifier: GPL-2.0-or-later
"""Who may ask how things stand? One JSON document for each caller on a Unix stream socket.

The daemon writes the document at the moment of the connection and hangs up: a caller has nothing to
say, so it cannot hold anything up, and what does not go into the empty buffer of its socket at once
is not sent. The kernel itself says who calls.

Source of truth: unix(7) SO_PEERCRED; include/uapi/asm-generic/socket.h SO_PEERGROUPS (Linux 4.13).
"""

import asyncio
import contextlib
import logging
import os
import socket
import struct
import sys
import time
from collections.abc import Callable
from pathlib import Path

import msgspec
from msgspec import Struct

from klogd_py.monitoring.status import Status, without_addresses
from klogd_py.system.jobs import Jobs
from klogd_py.system.local_socket import LocalSocket

# Callers for each turn of the loop
AT_ONCE = 16
# A document serves everybody who calls within this time
KEPT_S = 0.1
LIMIT_S = 5.0
QUEUE_S = 0.01
# After a caller could not be answered
PAUSE_S = 0.5
_SO_PEERGROUPS = 59
# What Python's getsockopt takes
_MAX_GROUPS_BYTES = 1024
_CREDENTIALS = struct.Struct("iII")

logger = logging.getLogger(__name__)


class NoAnswer(OSError):
    """No daemon answers at the socket, or it refuses; the message holds the path and the reason."""


class SocketUnusable(OSError):
    """The socket cannot be made; the message holds its path and the reason."""


class Peer(Struct, frozen=True):
    """Who is at the other end, as the kernel has it."""

    uid: int
    gids: frozenset[int] = frozenset()


class Refusal(Struct, frozen=True):
    """What a caller hears who may not know."""

    error: str


def is_authorized(peer: Peer, own_uid: int, group: int | None) -> bool:
    """Whether a caller is told anything.

    Root, the daemon's own user, members of the configured group.
    """
    return may_see_addresses(peer, own_uid) or (group is not None and group in peer.gids)


def may_see_addresses(peer: Peer, own_uid: int) -> bool:
    """Whether a caller is told where the kernel lies."""
    return peer.uid in (0, own_uid)


class StatusSocket:
    """The listening socket. Mutable; lives on the event loop."""

    def __init__(
        self,
        path: Path,
        group: int | None,
        status: Callable[[], Status],
        owner: int = -1,
        jobs: Jobs | None = None,
    ) -> None:
        """Listen at ``path``, mode 0600, or 0660 with a ``group``; raises SocketUnusable.

        ``owner`` is whom the daemon will go on as, if that is somebody else.
        """
        self._path = path
        self._group = group
        self._status = status
        self._kept: dict[bool, tuple[float, bytes]] = {}
        try:
            self._local = LocalSocket(path, owner=owner)
        except OSError as error:
            raise SocketUnusable(f"{path}: {error.strerror or error}") from error
        try:
            if group is not None:
                self._open_to(group)
        except OSError as error:
            self._local.close()
            raise SocketUnusable(f"{path}: {error.strerror or error}") from error
        self._listening = self._local.socket
        self._jobs = jobs or Jobs()
        self._pausing: asyncio.TimerHandle | None = None
        self._listen()

    def close(self) -> None:
        """Stop listening, and take the name away if it is still ours."""
        asyncio.get_running_loop().remove_reader(self._listening)
        if self._pausing is not None:
            self._pausing.cancel()
        self._local.close()

    def _open_to(self, group: int) -> None:
        """Let a group connect.

        Where that is forbidden the socket is still root's and the daemon's own.
        """
        try:
            self._local.open_to(group)
        except PermissionError:
            words = "%s: may not be opened to group %d: only the daemon's own group can be, see Group= of its unit"
            logger.warning(words, self._path, group)

    def _listen(self) -> None:
        answer = self._jobs.guarded("status socket", self._answer, self._pause)
        asyncio.get_running_loop().add_reader(self._listening, answer)

    def _pause(self) -> None:
        """Listen again in a while.

        Whoever cannot be accepted stays in the queue, and would have the loop turn for ever.
        """
        loop = asyncio.get_running_loop()
        loop.remove_reader(self._listening)
        self._pausing = loop.call_later(
            PAUSE_S, self._jobs.guarded("status socket", self._listen, self._pause)
        )

    def _answer(self) -> None:
        for _ in range(AT_ONCE):
            try:
                caller, _ = self._listening.accept()
            except (BlockingIOError, ConnectionAbortedError):
                return
            # No descriptors left: the caller waits or goes away
            except OSError as error:
                logger.debug("%s: %s", self._path, error.strerror)
                self._pause()
                return
            with caller:
                caller.setblocking(False)
                with contextlib.suppress(
                    BlockingIOError,
                    BrokenPipeError,
                    ConnectionResetError,
                    # Gone, or does not fit
                ):
                    caller.send(self._document(peer_of(caller)))

    def _document(self, peer: Peer) -> bytes:
        own_uid = os.geteuid()
        if not is_authorized(peer, own_uid, self._group):
            return msgspec.json.encode(
                Refusal(f"user {peer.uid} may not ask: root and members of the status.group may")
            )
        trusted = may_see_addresses(peer, own_uid)
        now_s = asyncio.get_running_loop().time()
        drawn_s, document = self._kept.get(trusted, (-KEPT_S, b""))
        if now_s - drawn_s >= KEPT_S:
            status = self._status()
            document = msgspec.json.encode(status if trusted else without_addresses(status))
            self._kept[trusted] = now_s, document
        return document


def peer_of(caller: socket.socket) -> Peer:
    """Who is at the other end of a connected Unix socket."""
    _, uid, gid = _CREDENTIALS.unpack(
        caller.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
    )
    try:
        raw = caller.getsockopt(socket.SOL_SOCKET, _SO_PEERGROUPS, _MAX_GROUPS_BYTES)
    # An old kernel, or more groups than fit: only the first one is known
    except OSError:
        raw = b""
    groups = {int.from_bytes(raw[at : at + 4], sys.byteorder) for at in range(0, len(raw), 4)}
    return Peer(uid, frozenset({gid} | groups))


def fetch_status(path: Path) -> bytes:
    """The document of the daemon that listens at ``path``; raises NoAnswer."""
    chunks = []
    try:
        with _connected(path) as asking:
            while chunk := asking.recv(1 << 16):
                chunks.append(chunk)
    except (OSError, ValueError) as error:
        reason = error.strerror or str(error) if isinstance(error, OSError) else str(error)
        raise NoAnswer(
            f"no daemon answers at {path}: {reason} (is it running? systemctl status klogd-py)"
        ) from error
    document = b"".join(chunks)
    with contextlib.suppress(msgspec.DecodeError):
        raise NoAnswer(f"{path}: {msgspec.json.decode(document, type=Refusal).error}")
    return document


def _connected(path: Path) -> socket.socket:
    """A connection to the daemon; where many ask at once it waits for its turn. Raises OSError."""
    asking = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    asking.settimeout(LIMIT_S)
    deadline_s = time.monotonic() + LIMIT_S
    try:
        while True:
            try:
                asking.connect(str(path))
                return asking
            # The queue of those who wait to be accepted is full
            except BlockingIOError:
                if time.monotonic() > deadline_s:
                    raise
                time.sleep(QUEUE_S)
    except BaseException:
        asking.close()
        raise
