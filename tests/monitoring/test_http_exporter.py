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

from klogd_py.config.listen_address import parse_listen_address
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
        ("127.0.0.1:9184", ("127.0.0.1", 9184)),
        ("127.1.2.3:1", ("127.1.2.3", 1)),
        ("[::1]:9184", ("::1", 9184)),
        ("localhost:65535", ("127.0.0.1", 65535)),
        ("unix:/run/klogd-py/metrics", Path("/run/klogd-py/metrics")),
    ],
)
def test_where_is_listened(listen: str, address: tuple[str, int] | Path) -> None:
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
def test_what_other_machines_could_reach_is_refused(listen: str) -> None:
    with pytest.raises(ValueError, match=r"^$|does not appear to be"):
        parse_listen_address(listen)


@given(st.text(max_size=40))
def test_whatever_is_written_there_is_an_address_or_refused(listen: str) -> None:
    try:
        found = parse_listen_address(listen)
    except ValueError:
        return
    if isinstance(found, Path):
        assert found.is_absolute()
    else:
        assert ip_address(found[0]).is_loopback
        assert 0 < found[1] < 1 << 16


async def conversation(*requests: bytes, content: bytes = b"klogd_up 1\n") -> list[bytes]:
    """What is answered to each request, over a Unix socket."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "metrics"
        scrape = MetricsServer(f"unix:{path}", lambda: content, "text/plain; version=0.0.4")
        await scrape.open()
        answers = []
        try:
            for request in requests:
                reader, writer = await asyncio.open_unix_connection(path)
                writer.write(request)
                answers.append(await reader.read())
                writer.close()
        finally:
            scrape.close()
        assert not path.exists()
        return answers


def test_the_metrics_are_answered_with_their_type_and_length() -> None:
    head, _, body = asyncio.run(conversation(REQUEST))[0].partition(b"\r\n\r\n")
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
def test_nothing_else_is_answered(request_: bytes, status: bytes) -> None:
    assert asyncio.run(conversation(request_))[0].split()[1] == status


def test_a_request_without_end_is_cut_off_and_the_next_one_is_answered() -> None:
    answers = asyncio.run(conversation(b"GET /" + b"x" * 2 * MAX_REQUEST_BYTES, REQUEST))
    assert answers[0] == b""
    assert answers[1].endswith(b"klogd_up 1\n")


def test_a_caller_who_says_nothing_is_cut_off_in_time() -> None:
    async def wait() -> float:
        loop = asyncio.get_running_loop()
        began_s = loop.time()
        assert await conversation(b"") == [b""]
        return loop.time() - began_s

    assert REQUEST_LIMIT_S <= run_in_virtual_time(wait()) < REQUEST_LIMIT_S + 1


@contextlib.asynccontextmanager
async def listening(content: Callable[[], bytes] = lambda: b"klogd_up 1\n") -> AsyncIterator[Path]:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "metrics"
        scrape = MetricsServer(f"unix:{path}", content, "text/plain")
        await scrape.open()
        try:
            yield path
        finally:
            scrape.close()


async def scraped(path: Path) -> tuple[bytes, float]:
    """What a good caller is answered, and how long that took."""
    began_s = time.monotonic()
    reader, writer = await asyncio.open_unix_connection(path)
    writer.write(REQUEST)
    answer = await reader.read()
    writer.close()
    return answer, time.monotonic() - began_s


@pytest.mark.parametrize("says", ["nothing", "a byte at a time", "a request, and reads nothing"])
def test_a_hundred_callers_who_hold_on_keep_no_good_one_from_its_answer(says: str) -> None:
    async def siege() -> list[tuple[bytes, float]]:
        content = b"x" * (1 << 22) if says.startswith("a request") else b"klogd_up 1\n"
        async with listening(lambda: content) as path:
            besiegers: list[asyncio.StreamWriter] = []

            async def hold_on() -> None:
                _, writer = await asyncio.open_unix_connection(path, limit=1)
                besiegers.append(writer)
                with contextlib.suppress(OSError):
                    for byte in REQUEST if says == "a byte at a time" else ():
                        writer.write(bytes((byte,)))
                        await asyncio.sleep(0.2)
                    if says.startswith("a request"):
                        writer.write(REQUEST)

            async def go_on() -> None:
                # Whoever is cut off comes again
                while True:
                    await asyncio.gather(*(hold_on() for _ in range(4)))
                    await asyncio.sleep(0.01)

            holding = [asyncio.create_task(hold_on()) for _ in range(100)]
            again = asyncio.create_task(go_on())
            await asyncio.sleep(0.2)
            answers = [await scraped(path) for _ in range(20)]
            for task in (again, *holding):
                task.cancel()
            await asyncio.gather(again, *holding, return_exceptions=True)
            for writer in besiegers:
                writer.transport.abort()
            return answers

    answers = asyncio.run(siege())
    assert all(answer.startswith(b"HTTP/1.1 200") for answer, _ in answers)
    assert max(took_s for _, took_s in answers) < 2


def test_where_there_are_too_many_callers_the_oldest_that_is_silent_makes_room() -> None:
    async def crowd() -> list[bool]:
        async with listening() as path:
            idle = [await asyncio.open_unix_connection(path) for _ in range(MAX_CONNECTIONS + 3)]
            await asyncio.sleep(0.1)
            cut = [reader.at_eof() for reader, _ in idle]
            for _, other in idle:
                other.close()
            return cut

    assert asyncio.run(crowd()) == [True] * 3 + [False] * MAX_CONNECTIONS


def test_metrics_that_cannot_be_drawn_are_an_answer_and_no_end() -> None:
    def trouble() -> bytes:
        raise MemoryError("trouble")

    async def ask() -> list[bytes]:
        async with listening(trouble) as path:
            return [(await scraped(path))[0] for _ in range(3)]

    assert [answer.split()[1] for answer in asyncio.run(ask())] == [b"500"] * 3


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
def test_over_tcp_who_names_another_host_is_not_answered(hosts: list[bytes], status: bytes) -> None:
    async def ask() -> bytes:
        with socket.create_server(("127.0.0.1", 0)) as free:
            port = free.getsockname()[1]
        scrape = MetricsServer(f"127.0.0.1:{port}", lambda: b"klogd_up 1\n", "text/plain")
        await scrape.open()
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
            scrape.close()

    answer = asyncio.run(ask())
    assert answer.split()[1] == status
    assert answer.count(b"HTTP/1.1") == 1, "what comes behind a request is no other one"


@pytest.fixture
def path() -> Iterator[Path]:
    with tempfile.TemporaryDirectory() as folder:
        yield Path(folder) / "metrics"


def open_and_close(path: Path) -> None:
    async def opened() -> None:
        scrape = MetricsServer(f"unix:{path}", lambda: b"", "text/plain")
        await scrape.open()
        scrape.close()

    asyncio.run(opened())


def test_socket_that_another_listens_at_is_left(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as other:
        other.bind(str(path))
        other.listen()
        with pytest.raises(OSError, match="another daemon listens there"):
            open_and_close(path)
        assert path.is_socket()


def test_link_to_anothers_socket_is_left(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as other:
        other.bind(f"{path}.other")
    path.symlink_to(f"{path}.other")
    with pytest.raises(OSError, match="not a socket"):
        open_and_close(path)
    assert path.is_symlink()


def test_socket_of_a_killed_daemon_is_replaced(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(path))
    open_and_close(path)
    assert not path.exists()
