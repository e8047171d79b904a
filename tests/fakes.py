# SPDX-License-Identifier: GPL-2.0-or-later
"""Replacements for /dev/kmsg and for a sink, controlled by a test.

Both use real descriptors, so that the event loop waits for them as for the real ones.
"""

import contextlib
import errno
import os
import socket
import threading
from collections.abc import Mapping, Sequence

from klogd_py.record.types import Entry, Record
from klogd_py.sinks import SinkDown, SinkGone
from klogd_py.sinks.manager import SinkManager
from klogd_py.sources import kmsg_format
from klogd_py.sources.kmsg_device import KmsgDevice


class FakeKmsg:
    """/dev/kmsg as one end of a SOCK_SEQPACKET pair: one read returns one record.

    Reads fail where the test wants it. It cannot seek: a reader starts at the first record. Pass
    ``descriptor`` and ``read`` to a KmsgDevice.
    """

    def __init__(self) -> None:
        self._kernel, reader = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        reader.setblocking(False)
        self.descriptor = reader.detach()
        self._logged = self._read_count = 0
        self._failures: dict[int, list[int]] = {}

    def log(self, *seqs: int) -> None:
        """Log one record for each of these sequence numbers."""
        for seq in seqs:
            self._kernel.send(kmsg_format.render(Record(f"record {seq}", 6, seq, seq * 1000)))
            self._logged += 1

    def fail_next_read(self, number: int = errno.EPIPE) -> None:
        """Let the read after the records logged so far fail with this errno."""
        self._failures.setdefault(self._logged, []).append(number)

    def end(self) -> None:
        """Close the writing end: no more records follow."""
        self._kernel.close()

    def read(self, descriptor: int, length: int) -> bytes:
        """Read one record; KmsgDevice calls this in place of os.read."""
        if self._failures.get(self._read_count):
            number = self._failures[self._read_count].pop(0)
            raise OSError(number, os.strerror(number))
        raw = os.read(descriptor, length)
        self._read_count += 1
        return raw


class FakeRing:
    """/dev/kmsg with a ring of ``capacity`` records, in which a reader can seek.

    ``device`` is the source to read from. Each errno in ``failures`` lets one read fail: EINVAL
    skips a record, as in the kernel.
    """

    def __init__(self, capacity: int = 1 << 30, first: int = 0) -> None:
        self.failures: list[int] = []
        self._capacity = capacity
        self._raws: dict[int, bytes] = {}
        self._oldest = self._next = self._cursor = first
        self._ready = os.eventfd(0, os.EFD_NONBLOCK)
        self.device = KmsgDevice(self._ready, read=self._read, to_oldest=self._to_oldest)

    @property
    def next_seq(self) -> int:
        """The sequence number of the next record to be logged."""
        return self._next

    @property
    def is_read(self) -> bool:
        """Whether the reader has read all records."""
        return self._cursor == self._next

    def log(
        self, count: int = 1, *, raw: bytes = b"", prefix: int = 6, word: str = "record"
    ) -> None:
        """Log ``count`` records with the text ``word`` and their number, or with ``raw`` bytes."""
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
        """Let the next read fail with this errno."""
        self.failures.append(number)
        self._signal()

    def _signal(self) -> None:
        if self._cursor < self._next or self.failures:
            os.eventfd_write(self._ready, 1)
        else:
            with contextlib.suppress(BlockingIOError):
                os.eventfd_read(self._ready)

    def _read(self, descriptor: int, length: int) -> bytes:
        try:
            if self.failures:
                number = self.failures.pop(0)
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
        # Seeking does not make the descriptor readable, as in the kernel
        self._cursor = self._oldest


class ScriptedSink:
    """A sink in memory.

    ``capacity`` is how many entries it still accepts; ``down`` is the reason why it cannot be
    reached, empty if it can; ``gone`` lets it refuse for good. ``send`` sets ``attempted`` and
    waits for ``unblocked``. ``received`` holds the accepted entries.
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
        """The sequence numbers of the accepted entries; ``None`` for the announcement of a gap."""
        return [entry.record.seq for entry in self.received]

    def send(self, entries: Sequence[Entry]) -> int:
        self.attempted.set()
        self.unblocked.wait(10)
        if self.gone:
            raise SinkGone("no reader")
        if self.down:
            raise SinkDown(self.down)
        accepted = entries[: self.capacity]
        self.capacity -= len(accepted)
        self.received += accepted
        return len(accepted)

    def fileno(self) -> int:
        return -1

    def close(self) -> None:
        self.closed += 1


def has_queued(manager: SinkManager) -> bool:
    """Tell whether the queue of any sink has entries."""
    return any(queue.backlog for queue in manager.queues.values())


def falls_behind(manager: SinkManager) -> bool:
    """Tell whether the ring buffer is to be read again for any sink, now or later."""
    return any(queue.needs_reread for queue in manager.queues.values())


def environment(**changes: str | None) -> Mapping[str, str]:
    """Return the environment of this process with changes; ``None`` removes a variable."""
    merged: dict[str, str | None] = {**os.environ, **changes}
    return {key: value for key, value in merged.items() if value is not None}
