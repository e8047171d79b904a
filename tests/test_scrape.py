import asyncio
import socket
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from klogd_py.loopback import address_of
from klogd_py.scrape import LIMIT_BYTES, LIMIT_S, MOST_CALLERS, Scrape
from tests.fakes import hurried

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
    assert address_of(listen) == address


@pytest.mark.parametrize(
    "listen", ["0.0.0.0:9184", "[::]:9184", "192.168.1.1:9184", ":9184", "127.0.0.1", "127.0.0.1:0", "127.0.0.1:65536", "unix:x"]
)
def test_what_other_machines_could_reach_is_refused(listen: str) -> None:
    with pytest.raises(ValueError, match=r"^$|does not appear to be"):
        address_of(listen)


@given(st.text(max_size=40))
def test_whatever_is_written_there_is_an_address_or_refused(listen: str) -> None:
    try:
        address_of(listen)
    except ValueError:
        return


async def conversation(*requests: bytes, content: bytes = b"klogd_up 1\n") -> list[bytes]:
    """What is answered to each request, over a Unix socket."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "metrics"
        scrape = Scrape(f"unix:{path}", lambda: content, "text/plain; version=0.0.4")
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
    answers = asyncio.run(conversation(b"GET /" + b"x" * 2 * LIMIT_BYTES, REQUEST))
    assert answers[0] == b""
    assert answers[1].endswith(b"klogd_up 1\n")


def test_a_caller_who_says_nothing_is_cut_off_in_time() -> None:
    async def wait() -> float:
        loop = asyncio.get_running_loop()
        began_s = loop.time()
        assert await conversation(b"") == [b""]
        return loop.time() - began_s

    assert LIMIT_S <= hurried(wait()) < LIMIT_S + 1


def test_more_callers_than_allowed_are_turned_away() -> None:
    async def crowd() -> bytes:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "metrics"
            scrape = Scrape(f"unix:{path}", lambda: b"", "text/plain")
            await scrape.open()
            idle = [await asyncio.open_unix_connection(path) for _ in range(MOST_CALLERS)]
            await asyncio.sleep(0.05)
            reader, writer = await asyncio.open_unix_connection(path)
            answer = await reader.read()
            for _, other in [*idle, (reader, writer)]:
                other.close()
            scrape.close()
            return answer

    assert asyncio.run(crowd()) == b""


@pytest.fixture
def path() -> Iterator[Path]:
    with tempfile.TemporaryDirectory() as folder:
        yield Path(folder) / "metrics"


def open_and_close(path: Path) -> None:
    async def opened() -> None:
        scrape = Scrape(f"unix:{path}", lambda: b"", "text/plain")
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
