# SPDX-License-Identifier: GPL-2.0-or-later
"""Serve the metrics over HTTP, on a loopback address or a Unix socket.

The server answers ``GET /metrics`` only, and one request per connection: bytes after the first
request are ignored. A slow client cannot delay the daemon or other clients. A request must be
complete within `REQUEST_LIMIT_S`, an answer must be read within `ANSWER_LIMIT_S`, and when there
are too many connections the one that has been waiting longest is closed. Over TCP the Host field
must name a loopback address, so that a web page whose domain resolves to this machine (DNS
rebinding) gets no metrics.

Source of truth: RFC 9112 for requests and responses; RFC 9110 section 7.4 for status 421.
"""

import asyncio
import logging
import re
from collections.abc import Callable
from pathlib import Path

from klogd_py.config.listen_address import TcpAddress, parse_listen_address
from klogd_py.monitoring.errors import EndpointUnusable
from klogd_py.system.jobs import Jobs
from klogd_py.system.local_socket import LocalSocket

REQUEST_LIMIT_S = 2.0
ANSWER_LIMIT_S = 5.0
MAX_REQUEST_BYTES = 8192
CHUNK_BYTES = 1 << 16
MAX_CONNECTIONS = 64
_LOOPBACK_HOST = re.compile(
    rb"(?:localhost|127(?:\.\d{1,3}){3}|\[::1\])(?::\d{1,5})?", re.IGNORECASE
)

logger = logging.getLogger(__name__)


class MetricsServer:
    """The HTTP server. Mutable; all methods run on the event loop."""

    def __init__(
        self, listen: str, content: Callable[[], bytes], content_type: str, jobs: Jobs | None = None
    ) -> None:
        """``content`` returns the metrics; it is called for each request.

        ``listen`` is an address as `klogd_py.config.listen_address` accepts it:
        ``127.0.0.1:9184``, ``[::1]:9184``, ``unix:/run/klogd-py/metrics``.
        """
        self._listen = listen
        self._content = content
        self._type = content_type
        self._jobs = jobs or Jobs()
        # Open connections; the one that has sent and read nothing for the longest time comes first.
        # It is closed if there are too many.
        self._connections: dict[asyncio.StreamWriter, None] = {}
        self._server: asyncio.Server | None = None
        self._local: LocalSocket | None = None

    async def open(self) -> None:
        """Start to listen.

        Raises:
            EndpointUnusable: the address cannot be used.
        """
        try:
            await self._start_server()
        except OSError as error:
            self.close()
            raise EndpointUnusable(error.strerror or str(error)) from error

    async def _start_server(self) -> None:
        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            try:
                await self._jobs.run("metrics listener", lambda: self._serve(reader, writer), None)
            finally:
                writer.transport.abort()

        address = parse_listen_address(self._listen)
        if isinstance(address, Path):
            self._local = LocalSocket(address, mode=0o660)
            self._server = await asyncio.start_unix_server(
                serve, sock=self._local.socket, limit=MAX_REQUEST_BYTES
            )
        else:
            self._server = await asyncio.start_server(
                serve, address.host, address.port, limit=MAX_REQUEST_BYTES
            )

    def close(self) -> None:
        """Stop listening."""
        if self._server is not None:
            self._server.close()
        if self._local is not None:
            self._local.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if len(self._connections) >= MAX_CONNECTIONS:
            idlest = next(iter(self._connections))
            del self._connections[idlest]
            idlest.transport.abort()
        self._connections[writer] = None
        try:
            async with asyncio.timeout(REQUEST_LIMIT_S):
                request = await reader.readuntil(b"\r\n\r\n")
            async with asyncio.timeout(ANSWER_LIMIT_S):
                response = self._response_to(request)
                for start in range(0, len(response), CHUNK_BYTES):
                    # Others closed this connection while it was idle.
                    if self._connections.pop(writer, writer) is writer:
                        return
                    self._connections[writer] = None
                    writer.write(response[start : start + CHUNK_BYTES])
                    await writer.drain()
                writer.close()
                await writer.wait_closed()
        except (
            TimeoutError,
            OSError,
            asyncio.IncompleteReadError,
            asyncio.LimitOverrunError,
        ) as error:
            logger.debug("metrics: connection closed: %s", error)
        finally:
            self._connections.pop(writer, None)

    def _response_to(self, request: bytes) -> bytes:
        first, *fields = request.split(b"\r\n")
        words = first.split()
        if len(words) != 3 or not words[2].startswith(b"HTTP/"):
            return _refusal("400 Bad Request", "bad request")
        hosts = [field[5:].strip() for field in fields if field[:5].lower() == b"host:"]
        if len(hosts) > 1:
            return _refusal("400 Bad Request", "more than one Host field")
        over_tcp = isinstance(parse_listen_address(self._listen), TcpAddress)
        if over_tcp and hosts and not _LOOPBACK_HOST.fullmatch(hosts[0]):
            return _refusal("421 Misdirected Request", "the Host field must name localhost")
        if words[0] not in (b"GET", b"HEAD"):
            return _refusal("405 Method Not Allowed", "GET /metrics")
        if words[1].partition(b"?")[0] != b"/metrics":
            return _refusal("404 Not Found", "GET /metrics")
        content = (
            b"" if words[0] == b"HEAD" else self._jobs.call("metrics listener", self._content, b"")
        )
        if not content and words[0] == b"GET":
            return _refusal("500 Internal Server Error", "no metrics, see: klogd-py status")
        return _response("200 OK", content, self._type)


def _refusal(status: str, reason: str) -> bytes:
    return _response(status, f"{reason}\n".encode(), "text/plain")


def _response(status: str, body: bytes, content_type: str) -> bytes:
    head = (
        f"HTTP/1.1 {status}\r\nContent-Type: {content_type}\r\n"
        f"Content-Length: {len(body)}\r\nConnection: close\r\n\r\n"
    )
    return head.encode() + body
