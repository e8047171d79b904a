# SPDX-License-Identifier: GPL-2.0-or-later
import asyncio
import contextlib
import socket
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from klogd_py.config.schema import Config
from klogd_py.config.sink_tables import parse_sinks
from klogd_py.record.types import Cause
from klogd_py.sinks import SinkDown
from klogd_py.sinks.factory import build_sink
from klogd_py.sinks.file_format import LineSettings
from klogd_py.sinks.formats import TimestampFormatter
from klogd_py.sinks.journald_routing import JournaldRouting
from klogd_py.sinks.local_syslog import SyslogSink
from tests.entries import WALL_US, entry, lost_entry, numbered_entries
from tests.queues import flush, make_queue
from tests.sockets import DatagramListener, StreamListener

STAMP = TimestampFormatter().rfc3164(WALL_US).encode()


@pytest.fixture
def sink(tmp_path: Path) -> Iterator[SyslogSink]:
    with closing(SyslogSink(str(tmp_path / "log"))) as opened:
        yield opened


def _messages(seqs: range) -> list[bytes]:
    return [f"<6>{STAMP.decode()} kernel: record {seq}".encode() for seq in seqs]


@pytest.mark.parametrize("spec", ["syslog", "syslog:/dev/log"])
def test_default_socket_is_dev_log(spec: str) -> None:
    (config,) = parse_sinks(Config(sinks=(spec,)))
    assert build_sink(config, LineSettings(), JournaldRouting()).name == "syslog:/dev/log"


@pytest.mark.parametrize(
    ("prefix", "text", "datagram"),
    [
        (0, "panic", b"<0>%b kernel: panic"),
        (4, "eth0: link down", b"<4>%b kernel: eth0: link down"),
        (7, "debug", b"<7>%b kernel: debug"),
        (8, "a process", b"<8>%b kmsg: a process"),
        (30, "systemd[1]: Started.", b"<30>%b systemd[1]: Started."),
        (191, "last of syslog", b"<191>%b kmsg: last of syslog"),
        (192, "one past", b"<8>%b kmsg: one past"),
        (2047, "far past", b"<15>%b kmsg: far past"),
        (6, "a\nb\x1b[0m\0c", b"<6>%b kernel: a\\x0ab\\x1b[0mc"),
        (6, "\udcff", b"<6>%b kernel: \\xff"),
        (6, "", b"<6>%b kernel: "),
    ],
)
def test_datagram_keeps_facility_and_severity(prefix: int, text: str, datagram: bytes) -> None:
    assert SyslogSink("x").encode(entry(text, prefix)) == datagram.replace(b"%b", STAMP)


def test_announced_loss_has_facility_syslog() -> None:
    assert (
        SyslogSink("x")
        .encode(lost_entry(5, 9, Cause.OVERRUN))
        .startswith(b"<44>%b klogd-py: 5 kernel records lost" % STAMP)
    )


def test_every_entry_is_a_datagram_of_its_own(tmp_path: Path, sink: SyslogSink) -> None:
    with DatagramListener(tmp_path / "log") as listener:
        assert sink.send(numbered_entries(range(3))) == 3
        assert listener.read() == _messages(range(3))


def test_every_stream_message_ends_with_nul(tmp_path: Path, sink: SyslogSink) -> None:
    with StreamListener(tmp_path / "log") as listener:
        assert sink.send(numbered_entries(range(3))) == 3
        assert listener.read() == b"".join(message + b"\0" for message in _messages(range(3)))


@pytest.mark.parametrize("receive_buffer_bytes", [0, 1])
def test_listener_that_reads_late_loses_nothing(
    tmp_path: Path, sink: SyslogSink, receive_buffer_bytes: int
) -> None:
    with DatagramListener(tmp_path / "log", receive_buffer_bytes) as listener:
        waiting = numbered_entries(range(1000))
        received: list[bytes] = []
        accepted = sink.send(waiting)
        assert 0 < accepted < 1000
        while waiting := waiting[accepted:]:
            assert sink.send(waiting) == 0
            received += listener.read()
            accepted = sink.send(waiting)
        assert received + listener.read() == _messages(range(1000))


def test_stream_that_is_read_late_loses_nothing(tmp_path: Path, sink: SyslogSink) -> None:
    with StreamListener(tmp_path / "log") as listener:
        waiting = numbered_entries(range(20_000))
        accepted = sink.send(waiting)
        assert 0 < accepted < 20_000
        while waiting := waiting[accepted:]:
            listener.read()
            accepted = sink.send(waiting)
        assert listener.messages() == _messages(range(20_000))


def test_long_stream_message_arrives_without_a_successor(tmp_path: Path, sink: SyslogSink) -> None:
    text = "x" * 1_000_000
    with StreamListener(tmp_path / "log") as listener:
        queue = make_queue(sink, 1 << 24)

        async def carry() -> None:
            queue.enqueue([entry(text)])
            for _ in range(100):
                listener.read()
                await flush(queue)

        asyncio.run(carry())
        assert [len(message) for message in listener.messages()] == [
            len(STAMP) + len("<6> kernel: ") + len(text)
        ]
        assert queue.close() == 0


def test_oversized_datagram_does_not_stop_the_next(tmp_path: Path, sink: SyslogSink) -> None:
    with DatagramListener(tmp_path / "log") as listener:
        queue = make_queue(sink, 1 << 24)

        async def carry() -> None:
            queue.enqueue([entry("x" * 1_000_000, seq=0), *numbered_entries(range(1, 3))])
            await flush(queue)

        asyncio.run(carry())
        received = listener.read()
    assert [datagram[:60] for datagram in received[-2:]] == _messages(range(1, 3))
    assert len(received) == 3, "the long one arrives at least in part"


@pytest.mark.parametrize("how", ["never there", "closed", "killed"])
def test_sink_without_listener_counts_what_it_sent(
    tmp_path: Path, sink: SyslogSink, how: str
) -> None:
    path = tmp_path / "log"
    if how != "never there":
        listener = DatagramListener(path)
        assert sink.send(numbered_entries(range(2))) == 2
        listener.close() if how == "closed" else listener.die()
    for _ in range(2):
        with pytest.raises(SinkDown, match=str(path)) as refused:
            sink.send(numbered_entries(range(2, 4)))
        assert refused.value.accepted == 0
    path.unlink(missing_ok=True)
    with DatagramListener(path) as successor:
        assert sink.send(numbered_entries(range(2, 4))) == 2
        assert successor.read() == _messages(range(2, 4))


@pytest.mark.parametrize("first", [DatagramListener, StreamListener])
@pytest.mark.parametrize("second", [DatagramListener, StreamListener])
def test_replaced_listener_is_not_a_failure(
    tmp_path: Path,
    sink: SyslogSink,
    first: type[DatagramListener | StreamListener],
    second: type[DatagramListener | StreamListener],
) -> None:
    path = tmp_path / "log"
    with first(path) as listener:
        sink.send(numbered_entries(range(2)))
        listener.read()
    with second(path) as successor:
        assert sink.send(numbered_entries(range(2, 5))) == 3
        received = (
            successor.read() if isinstance(successor, DatagramListener) else successor.messages()
        )
        assert received == _messages(range(2, 5))


def test_reopening_the_socket_drops_no_message(tmp_path: Path, sink: SyslogSink) -> None:
    with DatagramListener(tmp_path / "log") as listener:
        for seq in range(4):
            sink.send(numbered_entries([seq]))
            sink.close()
        assert listener.read() == _messages(range(4))


@pytest.mark.parametrize("listener", [DatagramListener, StreamListener])
def test_new_listener_gets_messages_despite_the_old(
    tmp_path: Path, sink: SyslogSink, listener: type[DatagramListener | StreamListener]
) -> None:
    with listener(tmp_path / "log") as old:
        assert sink.send(numbered_entries([0])) == 1
        (tmp_path / "log").rename(tmp_path / "aside")
        assert sink.send(numbered_entries([1])) == 1, "no other listener has the name yet"
        with listener(tmp_path / "log") as new:
            assert sink.send(numbered_entries([2])) == 1
            messages = [
                x.read() if isinstance(x, StreamListener) else b"".join(x.read())
                for x in (old, new)
            ]
    assert [
        [text in message for text in (b"record 0", b"record 1", b"record 2")]
        for message in messages
    ] == [
        [True, True, False],
        [False, False, True],
    ]


def test_stream_that_accepts_nobody_is_down_at_once(tmp_path: Path, sink: SyslogSink) -> None:
    with (
        socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listening,
        contextlib.ExitStack() as others,
    ):
        listening.bind(str(tmp_path / "log"))
        listening.listen(0)
        with contextlib.suppress(BlockingIOError):
            while True:
                caller = others.enter_context(socket.socket(socket.AF_UNIX, socket.SOCK_STREAM))
                caller.setblocking(False)
                caller.connect(str(tmp_path / "log"))
        with pytest.raises(SinkDown):
            sink.send(numbered_entries([0]))
