# SPDX-License-Identifier: GPL-2.0-or-later
"""Who asks for the metrics over HTTP? Prometheus, on the loopback device or a Unix socket.

Answers ``GET /metrics`` and nothing else, one request for each connection; what comes behind it is
not looked at. Nobody can hold the daemon up, nor keep others from being answered: a request must be
there in a moment, an answer be taken within some seconds, and where there are too many callers the
one that has been silent for longest makes room. A page in a browser, which may have its own name
lead to this machine, is not answered: over TCP the request must be for an address of this machine.

Source of truth: RFC 9112 for the form of request and answer; RFC 9110 section 7.4 for 421.
"""

import asyncio
import logging
import re
from collections.abc import Callable
from pathlib import Path

from klogd_py.config.listen_address import address_of
from klogd_py.system.jobs import Jobs
from klogd_py.system.local_socket import LocalSocket

REQUEST_LIMIT_S = 2.0
ANSWER_LIMIT_S = 5.0
LIMIT_BYTES = 8192
MAX_CALLERS = 64
_HOSTS = re.compile(rb"(?:localhost|127(?:\.\d{1,3}){3}|\[::1\])(?::\d{1,5})?", re.IGNORECASE)

logger = logging.getLogger(__name__)


class MetricsServer:
    """The listener. Mutable; lives on the event loop."""

    def __init__(
        self, listen: str, content: Callable[[], bytes], content_type: str, jobs: Jobs | None = None
    ) -> None:
        """``content`` draws the metrics at the moment of a request."""
        self._listen = listen
        self._content = content
        self._type = content_type
        self._jobs = jobs or Jobs()
        self._silent: dict[
            asyncio.StreamWriter, None
            # Whose request is not there yet, in the order of their coming
        ] = {}
        self._answered: dict[asyncio.StreamWriter, None] = {}
        self._server: asyncio.Server | None = None
        self._local: LocalSocket | None = None

    async def open(self) -> None:
        """Begin to listen; raises OSError."""

        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            try:
                await self._jobs.run("metrics listener", lambda: self._serve(reader, writer), None)
            finally:
                writer.transport.abort()

        at = address_of(self._listen)
        if isinstance(at, Path):
            self._local = LocalSocket(at, mode=0o660)
            self._server = await asyncio.start_unix_server(
                serve, sock=self._local.socket, limit=LIMIT_BYTES
            )
        else:
            self._server = await asyncio.start_server(serve, *at, limit=LIMIT_BYTES)

    def close(self) -> None:
        """Stop listening."""
        if self._server is not None:
            self._server.close()
        if self._local is not None:
            self._local.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._make_room()
        self._silent[writer] = None
        try:
            async with asyncio.timeout(REQUEST_LIMIT_S):
                request = await reader.readuntil(b"\r\n\r\n")
            if self._silent.pop(writer, writer) is writer:
                # Cut off in the same moment, to make room
                return
            self._answered[writer] = None
            async with asyncio.timeout(ANSWER_LIMIT_S):
                writer.write(self._reply(request))
                await writer.drain()
                writer.close()
                await writer.wait_closed()
        except (
            TimeoutError,
            OSError,
            asyncio.IncompleteReadError,
            asyncio.LimitOverrunError,
        ) as error:
            logger.debug("metrics: a caller was cut off: %s", error)
        finally:
            self._silent.pop(writer, None)
            self._answered.pop(writer, None)

    def _make_room(self) -> None:
        """Cut off who has been silent for longest, or else who has not taken its answer for
        longest, if there are too many.
        """
        if len(self._silent) + len(self._answered) >= MAX_CALLERS:
            callers = self._silent or self._answered
            slowest = next(iter(callers))
            del callers[slowest]
            slowest.transport.abort()

    def _reply(self, request: bytes) -> bytes:
        first, *fields = request.split(b"\r\n")
        words = first.split()
        if len(words) != 3 or not words[2].startswith(b"HTTP/"):
            return _answer("400 Bad Request", b"what is this?\n", "text/plain")
        hosts = [field[5:].strip() for field in fields if field[:5].lower() == b"host:"]
        if len(hosts) > 1:
            return _answer("400 Bad Request", b"one Host\n", "text/plain")
        if isinstance(address_of(self._listen), tuple) and hosts and not _HOSTS.fullmatch(hosts[0]):
            return _answer("421 Misdirected Request", b"ask for localhost\n", "text/plain")
        if words[0] not in (b"GET", b"HEAD"):
            return _answer("405 Method Not Allowed", b"GET /metrics\n", "text/plain")
        if words[1].partition(b"?")[0] != b"/metrics":
            return _answer("404 Not Found", b"GET /metrics\n", "text/plain")
        content = (
            b"" if words[0] == b"HEAD" else self._jobs.value("metrics listener", self._content, b"")
        )
        if not content and words[0] == b"GET":
            return _answer(
                "500 Internal Server Error", b"see the status of klogd-py\n", "text/plain"
            )
        return _answer("200 OK", content, self._type)


def _answer(status: str, body: bytes, content_type: str) -> bytes:
    head = f"HTTP/1.1 {status}\r\nContent-Type: {content_type}\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n"
    return head.encode() + body
