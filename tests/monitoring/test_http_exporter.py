# SPDX-License-Identifier: GPL-2.0-or-later
import asyncio
import contextlib
import socket
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Iterator
from ipaddress import ip_address
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from klogd_py.config.errors import WrongText
from klogd_py.config.listen_address import TcpAddress, parse_listen_address
from klogd_py.monitoring.errors import EndpointUnusable, MonitoringError
from klogd_py.monitoring.http_exporter import (
    MAX_CONNECTIONS,
    MAX_REQUEST_BYTES,
    REQUEST_LIMIT_S,
    MetricsServer,
)
from tests.virtual_time import run_in_virtual_time

REQUEST = b"GET /metrics HTTP/1.1\r\nHost: here\r\n\r\n"


@pytest.mark.parametrize(
    ("listen", "address"),
    [
        ("127.0.0.1:9184", TcpAddress("127.0.0.1", 9184)),
        ("127.1.2.3:1", TcpAddress("127.1.2.3", 1)),
        ("[::1]:9184", TcpAddress("::1", 9184)),
        ("localhost:65535", TcpAddress("127.0.0.1", 65535)),
        ("unix:/run/klogd-py/metrics", Path("/run/klogd-py/metrics")),
    ],
)
def test_loopback_and_unix_addresses_are_accepted(listen: str, address: TcpAddress | Path) -> None:
    assert parse_listen_address(listen) == address


@pytest.mark.parametrize(
    "listen",
    [
        "0.0.0.0:9184",
        "[::]:9184",
        "192.168.1.1:9184",
        ":9184",
        "127.0.0.1",
        "127.0.0.1:0",
        "127.0.0.1:65536",
        "unix:x",
    ],
)
def test_address_reachable_from_outside_is_refused(listen: str) -> None:
    with pytest.raises(WrongText, match=r"^a loopback address"):
        parse_listen_address(listen)


@given(st.text(max_size=40))
def test_any_text_is_loopback_address_or_refused(listen: str) -> None:
    try:
        found = parse_listen_address(listen)
    except WrongText:
        return
    if isinstance(found, Path):
        assert found.is_absolute()
    else:
        assert ip_address(found.host).is_loopback
        assert 0 < found.port < 1 << 16


async def responses_to(*requests: bytes, content: bytes = b"klogd_up 1\n") -> list[bytes]:
    """Return the response to each request, sent over a Unix socket."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "metrics"
        server = MetricsServer(f"unix:{path}", lambda: content, "text/plain; version=0.0.4")
        await server.open()
        answers = []
        try:
            for request in requests:
                reader, writer = await asyncio.open_unix_connection(path)
                writer.write(request)
                answers.append(await reader.read())
                writer.close()
        finally:
            server.close()
        assert not path.exists()
        return answers


def test_metrics_have_content_type_and_length() -> None:
    head, _, body = asyncio.run(responses_to(REQUEST))[0].partition(b"\r\n\r\n")
    assert head.splitlines() == [
        b"HTTP/1.1 200 OK",
        b"Content-Type: text/plain; version=0.0.4",
        b"Content-Length: 11",
        b"Connection: close",
    ]
    assert body == b"klogd_up 1\n"


@pytest.mark.parametrize(
    ("request_", "status"),
    [
        (b"GET / HTTP/1.1\r\n\r\n", b"404"),
        (b"GET /metrics?name[]=x HTTP/1.1\r\n\r\n", b"200"),
        (b"HEAD /metrics HTTP/1.1\r\n\r\n", b"200"),
        (b"POST /metrics HTTP/1.1\r\nContent-Length: 0\r\n\r\n", b"405"),
        (b"\x16\x03\x01 hello\r\n\r\n", b"400"),
    ],
)
def test_only_get_and_head_of_metrics_succeed(request_: bytes, status: bytes) -> None:
    assert asyncio.run(responses_to(request_))[0].split()[1] == status


def test_endless_request_is_closed_and_next_answered() -> None:
    answers = asyncio.run(responses_to(b"GET /" + b"x" * 2 * MAX_REQUEST_BYTES, REQUEST))
    assert answers[0] == b""
    assert answers[1].endswith(b"klogd_up 1\n")


def test_silent_client_is_closed_in_time() -> None:
    async def wait() -> float:
        loop = asyncio.get_running_loop()
        began_s = loop.time()
        assert await responses_to(b"") == [b""]
        return loop.time() - began_s

    assert REQUEST_LIMIT_S <= run_in_virtual_time(wait()) < REQUEST_LIMIT_S + 1


@contextlib.asynccontextmanager
async def listening(content: Callable[[], bytes] = lambda: b"klogd_up 1\n") -> AsyncIterator[Path]:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "metrics"
        server = MetricsServer(f"unix:{path}", content, "text/plain")
        await server.open()
        try:
            yield path
        finally:
            server.close()


async def fetch_metrics(path: Path) -> tuple[bytes, float]:
    """Return the response to a well-formed request, and how long it took in seconds."""
    began_s = time.monotonic()
    reader, writer = await asyncio.open_unix_connection(path)
    try:
        writer.write(REQUEST)
        return await reader.read(), time.monotonic() - began_s
    finally:
        writer.close()


@pytest.mark.parametrize(
    "behaviour", ["nothing", "a byte at a time", "a request, and reads nothing"]
)
def test_hundred_slow_clients_delay_no_other(behaviour: str) -> None:
    async def run_slow_clients() -> list[tuple[bytes, float]]:
        content = b"x" * (1 << 22) if behaviour.startswith("a request") else b"klogd_up 1\n"
        async with listening(lambda: content) as path:
            slow_clients: list[asyncio.StreamWriter] = []

            async def open_slowly() -> None:
                _, writer = await asyncio.open_unix_connection(path, limit=1)
                slow_clients.append(writer)
                with contextlib.suppress(OSError):
                    for byte in REQUEST if behaviour == "a byte at a time" else ():
                        writer.write(bytes((byte,)))
                        await asyncio.sleep(0.2)
                    if behaviour.startswith("a request"):
                        writer.write(REQUEST)

            async def reconnect() -> None:
                # Clients that were disconnected connect again
                while True:
                    await asyncio.gather(*(open_slowly() for _ in range(4)))
                    await asyncio.sleep(0.01)

            opening = [asyncio.create_task(open_slowly()) for _ in range(100)]
            reconnecting = asyncio.create_task(reconnect())
            try:
                await asyncio.sleep(0.2)
                return [await fetch_metrics(path) for _ in range(20)]
            finally:
                for task in (reconnecting, *opening):
                    task.cancel()
                await asyncio.gather(reconnecting, *opening, return_exceptions=True)
                for writer in slow_clients:
                    writer.transport.abort()

    answers = asyncio.run(run_slow_clients())
    assert all(answer.startswith(b"HTTP/1.1 200") for answer, _ in answers)
    assert max(took_s for _, took_s in answers) < 2


def test_client_that_reads_outlasts_those_that_do_not() -> None:
    async def read_beside_stalled_clients() -> int:
        content = b"x" * (1 << 22)
        async with listening(lambda: content) as path:
            reader, writer = await asyncio.open_unix_connection(path)
            writer.write(REQUEST)
            received = 0
            stalled = []
            while part := await reader.read(1 << 14):
                received += len(part)
                stalled.append(await asyncio.open_unix_connection(path, limit=1))
                stalled[-1][1].write(REQUEST)
            for _, other in (*stalled, (reader, writer)):
                other.transport.abort()
            # The server notices.
            await asyncio.sleep(0.1)
            assert len(stalled) > 2 * MAX_CONNECTIONS
            return received

    assert asyncio.run(read_beside_stalled_clients()) > 1 << 22


def test_oldest_silent_connections_are_closed_when_full() -> None:
    async def closed_connections() -> list[bool]:
        async with listening() as path:
            idle = [await asyncio.open_unix_connection(path) for _ in range(MAX_CONNECTIONS + 3)]
            await asyncio.sleep(0.1)
            cut = [reader.at_eof() for reader, _ in idle]
            for _, other in idle:
                other.close()
            return cut

    assert asyncio.run(closed_connections()) == [True] * 3 + [False] * MAX_CONNECTIONS


def test_failing_metrics_are_answered_with_500() -> None:
    def fail() -> bytes:
        raise MemoryError("fail")

    async def fetch() -> list[bytes]:
        async with listening(fail) as path:
            return [(await fetch_metrics(path))[0] for _ in range(3)]

    assert [answer.split()[1] for answer in asyncio.run(fetch())] == [b"500"] * 3


@pytest.mark.parametrize(
    ("hosts", "status"),
    [
        ([], b"200"),
        ([b"localhost"], b"200"),
        ([b"LOCALHOST:9187"], b"200"),
        ([b"127.0.0.1:9187"], b"200"),
        ([b"[::1]:9187"], b"200"),
        ([b"evil.example"], b"421"),
        ([b"127.0.0.1.evil.example"], b"421"),
        ([b"localhost", b"evil.example"], b"400"),
    ],
)
def test_tcp_request_for_another_host_is_refused(hosts: list[bytes], status: bytes) -> None:
    async def fetch() -> bytes:
        with socket.create_server(("127.0.0.1", 0)) as free:
            port = free.getsockname()[1]
        server = MetricsServer(f"127.0.0.1:{port}", lambda: b"klogd_up 1\n", "text/plain")
        await server.open()
        try:
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            fields = b"".join(b"Host: %s\r\n" % host for host in hosts)
            writer.write(
                b"GET /metrics HTTP/1.1\r\n" + fields + b"\r\nGET /metrics HTTP/1.1\r\n\r\n"
            )
            answer = await reader.read()
            writer.close()
            return answer
        finally:
            server.close()

    answer = asyncio.run(fetch())
    assert answer.split()[1] == status
    assert answer.count(b"HTTP/1.1") == 1, "bytes after the first request are ignored"


@pytest.fixture
def path() -> Iterator[Path]:
    with tempfile.TemporaryDirectory() as folder:
        yield Path(folder) / "metrics"


def open_and_close(path: Path) -> None:
    async def opened() -> None:
        server = MetricsServer(f"unix:{path}", lambda: b"", "text/plain")
        await server.open()
        server.close()

    asyncio.run(opened())


def test_taken_tcp_port_is_an_unusable_endpoint() -> None:
    async def open_taken(port: int) -> None:
        await MetricsServer(f"127.0.0.1:{port}", lambda: b"", "text/plain").open()

    with (
        socket.create_server(("127.0.0.1", 0)) as taken,
        pytest.raises(MonitoringError, match="address already in use") as raised,
    ):
        asyncio.run(open_taken(taken.getsockname()[1]))
    assert isinstance(raised.value, EndpointUnusable)
    assert isinstance(raised.value.__cause__, OSError)


def test_socket_of_another_daemon_is_kept(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as other:
        other.bind(str(path))
        other.listen()
        with pytest.raises(EndpointUnusable, match="another daemon listens there"):
            open_and_close(path)
        assert path.is_socket()


def test_link_to_another_socket_is_kept(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as other:
        other.bind(f"{path}.other")
    path.symlink_to(f"{path}.other")
    with pytest.raises(EndpointUnusable, match="not a socket"):
        open_and_close(path)
    assert path.is_symlink()


def test_socket_of_a_killed_daemon_is_replaced(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(path))
    open_and_close(path)
    assert not path.exists()
