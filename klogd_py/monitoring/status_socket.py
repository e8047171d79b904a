# SPDX-License-Identifier: GPL-2.0-or-later
"""Serve the status document on a Unix stream socket.

The daemon sends one JSON document per connection and closes it. It reads nothing and never waits: a
document that does not fit into the empty send buffer is truncated. So no client can delay the
daemon. Permission is checked with the credentials that the kernel reports for the peer: root and
the daemon's own user get the whole document, members of ``status.group`` get it without kernel
addresses, others get ``{"error": "permission denied ..."}``.

Source of truth: unix(7) SO_PEERCRED; include/uapi/asm-generic/socket.h SO_PEERGROUPS (Linux 4.13).
"""

import asyncio
import contextlib
import logging
import os
import socket
import struct
import sys
from collections.abc import Callable
from pathlib import Path

import msgspec
from msgspec import Struct

from klogd_py.monitoring.errors import EndpointUnusable
from klogd_py.monitoring.status import Refusal, Status, without_addresses
from klogd_py.system.jobs import Jobs
from klogd_py.system.local_socket import LocalSocket

# Connections accepted per iteration of the event loop
MAX_ACCEPTS = 16
# A document is sent to all clients that connect within this time
CACHE_S = 0.1
# Before accepting again after accept(2) failed
PAUSE_S = 0.5
_SO_PEERGROUPS = 59
# The largest buffer that Python's getsockopt accepts
_MAX_GROUPS_BYTES = 1024
_CREDENTIALS = struct.Struct("iII")

logger = logging.getLogger(__name__)


class Peer(Struct, frozen=True):
    """The credentials of a client, as reported by the kernel."""

    uid: int
    gids: frozenset[int] = frozenset()


def is_authorized(peer: Peer, own_uid: int, group: int | None) -> bool:
    """Tell whether a client may read the status.

    Root, the daemon's own user and members of the configured group may; without a ``group``
    (``None``) no one else may.
    """
    return may_see_addresses(peer, own_uid) or (group is not None and group in peer.gids)


def may_see_addresses(peer: Peer, own_uid: int) -> bool:
    """Tell whether a client may see kernel addresses: root and the daemon's own user may."""
    return peer.uid in (0, own_uid)


class StatusSocket:
    """The listening socket. Mutable; all methods run on the event loop."""

    def __init__(
        self,
        path: Path,
        group: int | None,
        status: Callable[[], Status],
        owner: int = -1,
        jobs: Jobs | None = None,
    ) -> None:
        """Listen on ``path`` with mode 0600, or 0660 with a ``group``; raises EndpointUnusable.

        ``status`` returns the current document. ``owner`` is the numeric user that the daemon will
        run as, -1 if it does not change.
        """
        self._path = path
        self._group = group
        self._status = status
        self._cache: dict[bool, tuple[float, bytes]] = {}
        try:
            self._local = LocalSocket(path, owner=owner)
        except OSError as error:
            raise EndpointUnusable(f"{path}: {error.strerror or error}") from error
        try:
            if group is not None:
                self._permit_group(group)
        except OSError as error:
            self._local.close()
            raise EndpointUnusable(f"{path}: {error.strerror or error}") from error
        self._listening = self._local.socket
        self._jobs = jobs or Jobs()
        self._pause_timer: asyncio.TimerHandle | None = None
        self._listen()

    def close(self) -> None:
        """Stop listening, and remove the path if it is still this socket."""
        asyncio.get_running_loop().remove_reader(self._listening)
        if self._pause_timer is not None:
            self._pause_timer.cancel()
        self._local.close()

    def _permit_group(self, group: int) -> None:
        """Let a group connect; if that is not permitted, only root and the daemon's user can."""
        try:
            self._local.allow_group(group)
        except PermissionError:
            logger.warning(
                "%s: may not be opened to group %d: "
                "only the daemon's own group can be, see Group= of its unit",
                self._path,
                group,
            )

    def _listen(self) -> None:
        accept = self._jobs.guard("status socket", self._accept, self._pause)
        asyncio.get_running_loop().add_reader(self._listening, accept)

    def _pause(self) -> None:
        """Stop listening for `PAUSE_S`.

        A connection that cannot be accepted stays in the queue and keeps the socket readable: the
        event loop would spin.
        """
        loop = asyncio.get_running_loop()
        loop.remove_reader(self._listening)
        self._pause_timer = loop.call_later(
            PAUSE_S, self._jobs.guard("status socket", self._listen, self._pause)
        )

    def _accept(self) -> None:
        for _ in range(MAX_ACCEPTS):
            try:
                client, _ = self._listening.accept()
            except (BlockingIOError, ConnectionAbortedError):
                return
            # No file descriptors left: the client waits or gives up
            except OSError as error:
                logger.debug("%s: %s", self._path, error.strerror)
                self._pause()
                return
            with client:
                client.setblocking(False)
                # The client has gone, or the document does not fit
                with contextlib.suppress(BlockingIOError, BrokenPipeError, ConnectionResetError):
                    client.send(self._document_for(peer_credentials(client)))

    def _document_for(self, peer: Peer) -> bytes:
        own_uid = os.geteuid()
        if not is_authorized(peer, own_uid, self._group):
            reason = "only root and members of status.group may read the status"
            return msgspec.json.encode(Refusal(f"permission denied for user {peer.uid}: {reason}"))
        trusted = may_see_addresses(peer, own_uid)
        now_s = asyncio.get_running_loop().time()
        built_s, document = self._cache.get(trusted, (-CACHE_S, b""))
        if now_s - built_s >= CACHE_S:
            status = self._status()
            document = msgspec.json.encode(status if trusted else without_addresses(status))
            self._cache[trusted] = now_s, document
        return document


def peer_credentials(client: socket.socket) -> Peer:
    """Return the credentials of the peer of a connected Unix socket."""
    _, uid, gid = _CREDENTIALS.unpack(
        client.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
    )
    try:
        raw = client.getsockopt(socket.SOL_SOCKET, _SO_PEERGROUPS, _MAX_GROUPS_BYTES)
    # Linux before 4.13, or more groups than fit: only the primary group is known
    except OSError:
        raw = b""
    groups = {int.from_bytes(raw[at : at + 4], sys.byteorder) for at in range(0, len(raw), 4)}
    return Peer(uid, frozenset({gid} | groups))
