# SPDX-License-Identifier: GPL-2.0-or-later
"""The world around klogd-py, smaller.

Real sockets, descriptors and clocks with a script in place of a machine.
"""

import asyncio
import contextlib
import errno
import os
import selectors
import socket
import struct
import threading
from collections.abc import Coroutine, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self, TypeVar

from klogd_py.record.types import Entry, Record
from klogd_py.sinks import SinkDown, SinkGone
from klogd_py.sinks.manager import SinkManager
from klogd_py.sources import kmsg_format
from klogd_py.sources.kmsg_device import KmsgDevice

MAX_DATAGRAM_BYTES = 1 << 20

T = TypeVar("T")


class FakeKmsg:
    """/dev/kmsg as one end of a SOCK_SEQPACKET pair: one read is one record, and refusals come
    where the script puts them.

    It cannot seek, so a reader starts where the script does. Give ``descriptor`` and ``read`` to a
    KmsgDevice.
    """

    def __init__(self) -> None:
        self._kernel, reader = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        reader.setblocking(False)
        self.descriptor = reader.detach()
        self._logged = self._read_count = 0
        self._failures: dict[int, list[int]] = {}

    def log(self, *seqs: int) -> None:
        """The kernel logs one record for each of these sequence numbers."""
        for seq in seqs:
            self._kernel.send(kmsg_format.render(Record(f"record {seq}", 6, seq, seq * 1000)))
            self._logged += 1

    def fail_next_read(self, number: int = errno.EPIPE) -> None:
        """The read that comes next in the script fails with this errno."""
        self._failures.setdefault(self._logged, []).append(number)

    def end(self) -> None:
        """No more records will ever come."""
        self._kernel.close()

    def read(self, descriptor: int, length: int) -> bytes:
        """The seam of KmsgDevice: like os.read."""
        if self._failures.get(self._read_count):
            number = self._failures[self._read_count].pop(0)
            raise OSError(number, os.strerror(number))
        raw = os.read(descriptor, length)
        self._read_count += 1
        return raw


class FakeRing:
    """/dev/kmsg with a ring of few records, which a reader may go through again. Give ``device`` to
    whoever reads.

    ``refusals`` fail the reads that come next, one each: EINVAL takes a record with it, as in the
    kernel.
    """

    def __init__(self, capacity: int = 1 << 30, first: int = 0) -> None:
        self.refusals: list[int] = []
        self._capacity = capacity
        self._raws: dict[int, bytes] = {}
        self._oldest = self._next = self._cursor = first
        self._ready = os.eventfd(0, os.EFD_NONBLOCK)
        self.device = KmsgDevice(self._ready, read=self._read, to_oldest=self._to_oldest)

    @property
    def next_seq(self) -> int:
        """The number that the next record will have."""
        return self._next

    @property
    def is_read(self) -> bool:
        """Whether the reader has had all of them."""
        return self._cursor == self._next

    def log(
        self, count: int = 1, *, raw: bytes = b"", prefix: int = 6, word: str = "record"
    ) -> None:
        """The kernel logs so many records, ``word`` and their number.

        ``raw`` in place of what it would write.
        """
        for _ in range(count):
            seq = self._next
            self._raws[seq] = raw or kmsg_format.render(
                Record(f"{word} {seq}", prefix, seq, seq * 1000)
            )
            self._next += 1
            if len(self._raws) > self._capacity:
                del self._raws[self._oldest]
                self._oldest += 1
        self._signal()

    def fail_next_read(self, number: int) -> None:
        """The next read fails with this errno."""
        self.refusals.append(number)
        self._signal()

    def _signal(self) -> None:
        if self._cursor < self._next or self.refusals:
            os.eventfd_write(self._ready, 1)
        else:
            with contextlib.suppress(BlockingIOError):
                os.eventfd_read(self._ready)

    def _read(self, descriptor: int, length: int) -> bytes:
        try:
            if self.refusals:
                number = self.refusals.pop(0)
                self._cursor += number == errno.EINVAL and self._cursor < self._next
                raise OSError(number, os.strerror(number))
            if self._cursor < self._oldest:
                self._cursor = self._oldest
                raise BrokenPipeError(errno.EPIPE, os.strerror(errno.EPIPE))
            if self._cursor == self._next:
                raise BlockingIOError(errno.EAGAIN, os.strerror(errno.EAGAIN))
            self._cursor += 1
            return self._raws[self._cursor - 1]
        finally:
            self._signal()

    def _to_oldest(self, descriptor: int) -> None:
        # Which wakes nobody, as in the kernel
        self._cursor = self._oldest


class DatagramListener:
    """Whoever is behind a datagram socket: /dev/log, a service manager.

    It reads only when asked to.
    """

    def __init__(self, path: Path, receive_buffer_bytes: int = 0) -> None:
        self.path = path
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        if receive_buffer_bytes:
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer_bytes)
        self._socket.bind(str(path))
        self._socket.setblocking(False)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def read(self) -> list[bytes]:
        """Every datagram that is there; one that came in a file is read from it."""
        received: list[bytes] = []
        while True:
            try:
                data, descriptors, _, _ = socket.recv_fds(self._socket, MAX_DATAGRAM_BYTES, 1)
            except BlockingIOError:
                return received
            for descriptor in descriptors:
                with open(descriptor, "rb") as file:
                    file.seek(0)
                    data = file.read()
            received.append(data)

    def close(self) -> None:
        """Stop listening, and take the name away."""
        self._socket.close()
        self.path.unlink(missing_ok=True)

    def die(self) -> None:
        """Stop listening and leave the name behind, as a process that was killed does."""
        self._socket.close()


class BackgroundDatagramListener:
    """A datagram listener that reads all the time, in a thread of its own, until it is closed."""

    def __init__(self, path: Path) -> None:
        self.received: list[bytes] = []
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(str(path))
        self._thread = threading.Thread(target=self._listen)
        self._thread.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._socket.shutdown(socket.SHUT_RD)
        self._thread.join()
        self._socket.close()

    def _listen(self) -> None:
        while data := self._socket.recv(MAX_DATAGRAM_BYTES):
            self.received.append(data)


class StreamListener:
    """Whoever is behind a stream socket and takes messages that end with a NUL.

    It reads only when asked to.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._listening = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._listening.bind(str(path))
        self._listening.listen()
        self._listening.setblocking(False)
        self._callers: list[socket.socket] = []
        self._received = b""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def read(self) -> bytes:
        """All bytes that have come so far, since the beginning."""
        try:
            while True:
                caller, _ = self._listening.accept()
                caller.setblocking(False)
                self._callers.append(caller)
        except BlockingIOError:
            pass
        for caller in self._callers:
            try:
                while chunk := caller.recv(1 << 16):
                    self._received += chunk
            except BlockingIOError:
                continue
        return self._received

    def messages(self) -> list[bytes]:
        """The messages that are whole; what follows the last NUL is not."""
        return self.read().split(b"\0")[:-1]

    def close(self) -> None:
        """Stop listening, hang up, and take the name away."""
        for caller in self._callers:
            caller.close()
        self._listening.close()
        self.path.unlink(missing_ok=True)


class JournalListener(DatagramListener):
    """The journal as far as its native protocol goes (https://systemd.io/JOURNAL_NATIVE_PROTOCOL)."""

    def entries(self) -> list[list[tuple[str, bytes]]]:
        """The fields of every entry that has come."""
        return [_native_fields(datagram) for datagram in self.read()]


def _native_fields(datagram: bytes) -> list[tuple[str, bytes]]:
    fields = []
    at = 0
    while at < len(datagram):
        end = datagram.index(b"\n", at)
        line = datagram[at:end]
        if b"=" in line:
            key, _, value = line.partition(b"=")
            at = end + 1
        else:
            (length,) = struct.unpack_from("<Q", datagram, end + 1)
            key, value = line, datagram[end + 9 : end + 9 + length]
            at = end + 9 + length + 1
            assert datagram[at - 1 : at] == b"\n"
        fields.append((key.decode("ascii"), value))
    return fields


class ScriptedSink:
    """A sink in memory: it takes what its script lets it take, and remembers it.

    ``room`` is how many entries it still takes before it is full; ``down`` the reason why it cannot
    be reached.
    """

    def __init__(
        self, name: str = "scripted", keeps_position: bool = True, blocking: bool = False
    ) -> None:
        self.name = name
        self.keeps_position = keeps_position
        self.blocking = blocking
        self.has_partial_write = False
        self.capacity = 1 << 30
        self.down = ""
        self.gone = False
        self.received: list[Entry] = []
        self.attempted = threading.Event()
        self.unblocked = threading.Event()
        self.unblocked.set()
        self.closed = 0

    @property
    def seqs(self) -> list[int | None]:
        """The sequence numbers of what it took; ``None`` for an announcement."""
        return [entry.record.seq for entry in self.received]

    def send(self, entries: Sequence[Entry]) -> int:
        self.attempted.set()
        self.unblocked.wait(10)
        if self.gone:
            raise SinkGone("nobody reads any more")
        if self.down:
            raise SinkDown(self.down)
        taken = entries[: self.capacity]
        self.capacity -= len(taken)
        self.received += taken
        return len(taken)

    def fileno(self) -> int:
        return -1

    def close(self) -> None:
        self.closed += 1


def has_queued(manager: SinkManager) -> bool:
    """Whether entries wait for any sink."""
    return any(queue.queued for queue in manager.queues.values())


class _VirtualTimeSelector(selectors.EpollSelector):
    """Where nothing is ready it moves the clock instead of waiting."""

    def __init__(self) -> None:
        super().__init__()
        self.now_s = 1000.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        if timeout is None:
            return super().select(None)
        ready = super().select(0)
        if not ready:
            self.now_s += max(timeout, 0)
        return ready


class VirtualTimeLoop(asyncio.SelectorEventLoop):
    """An event loop in whose world nothing takes time but the waiting, and the waiting is skipped."""

    def __init__(self) -> None:
        self._selector_of_time = _VirtualTimeSelector()
        super().__init__(self._selector_of_time)

    def time(self) -> float:
        return self._selector_of_time.now_s


def run_in_virtual_time(job: Coroutine[None, None, T]) -> T:
    """Run a coroutine whose waits are skipped."""
    with asyncio.Runner(loop_factory=VirtualTimeLoop) as runner:
        return runner.run(job)


def environment(**changes: str | None) -> Mapping[str, str]:
    """This process's environment with changes; ``None`` takes a variable out."""
    merged: dict[str, str | None] = {**os.environ, **changes}
    return {key: value for key, value in merged.items() if value is not None}
