"""Who asks for the metrics over HTTP? Prometheus, on the loopback device or a Unix socket.

Answers ``GET /metrics`` and nothing else, one request for each connection. Nobody can hold the daemon up: a caller has some
seconds, there are few of them at once, and what a request says is not looked at beyond its first line.

Source of truth: RFC 9112 for the form of request and answer.
"""

import asyncio
import contextlib
import logging
import os
import socket
from collections.abc import Callable
from pathlib import Path

from klogd_py.loopback import address_of

LIMIT_S = 5.0
LIMIT_BYTES = 8192
MOST_CALLERS = 8

logger = logging.getLogger(__name__)


class Scrape:
    """The listener. Mutable; lives on the event loop."""

    def __init__(self, listen: str, content: Callable[[], bytes], content_type: str) -> None:
        """``content`` draws the metrics at the moment of a request."""
        self._listen = listen
        self._content = content
        self._type = content_type
        self._callers = 0
        self._server: asyncio.Server | None = None

    async def open(self) -> None:
        """Begin to listen; raises OSError."""
        at = address_of(self._listen)
        if isinstance(at, Path):
            with contextlib.suppress(FileNotFoundError):
                if at.is_socket():
                    at.unlink()
            before = os.umask(0o117)
            try:
                listening = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
                listening.bind(str(at))
            finally:
                os.umask(before)
            self._server = await asyncio.start_unix_server(self._serve, sock=listening, limit=LIMIT_BYTES)
        else:
            self._server = await asyncio.start_server(self._serve, *at, limit=LIMIT_BYTES)

    def close(self) -> None:
        """Stop listening."""
        if self._server is not None:
            self._server.close()
        at = address_of(self._listen)
        if isinstance(at, Path):
            with contextlib.suppress(OSError):  # gone, or its directory is no longer ours
                at.unlink()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self._callers >= MOST_CALLERS:
            writer.transport.abort()
            return
        self._callers += 1
        try:
            async with asyncio.timeout(LIMIT_S):
                writer.write(self._reply(await reader.readuntil(b"\r\n\r\n")))
                await writer.drain()
                writer.close()
                await writer.wait_closed()
        except (TimeoutError, OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError) as error:
            logger.debug("metrics: a caller was cut off: %s", error)
        finally:
            writer.transport.abort()
            self._callers -= 1

    def _reply(self, request: bytes) -> bytes:
        words = request.partition(b"\r\n")[0].split()
        if len(words) != 3 or not words[2].startswith(b"HTTP/"):
            return _answer("400 Bad Request", b"what is this?\n", "text/plain")
        if words[0] not in (b"GET", b"HEAD"):
            return _answer("405 Method Not Allowed", b"GET /metrics\n", "text/plain")
        if words[1].partition(b"?")[0] != b"/metrics":
            return _answer("404 Not Found", b"GET /metrics\n", "text/plain")
        return _answer("200 OK", b"" if words[0] == b"HEAD" else self._content(), self._type)


def _answer(status: str, body: bytes, content_type: str) -> bytes:
    head = f"HTTP/1.1 {status}\r\nContent-Type: {content_type}\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n"
    return head.encode() + body
