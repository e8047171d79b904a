# SPDX-License-Identifier: GPL-2.0-or-later
"""What sinks of every kind write to, in small: files with little room, pipes and sockets that are
read only on request.

Each medium opens sinks, can be blocked and freed, and reports at the end which sequence numbers
have arrived, alone and within which gaps. It takes both from what was written, as a reader of the
log would. The texts of records are "record 12;", one after the other where lines were joined.
"""

import errno
import fcntl
import json
import os
import re
import threading
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Protocol

from msgspec import Struct

from klogd_py.record.types import Entry
from klogd_py.sinks import Sink
from klogd_py.sinks.console import ConsoleSink
from klogd_py.sinks.file import FileSink
from klogd_py.sinks.file_format import FileFormat
from klogd_py.sinks.journal import JournalSink
from klogd_py.sinks.local_syslog import SyslogSink
from tests.json_documents import read_document
from tests.sockets import DatagramListener, JournalListener, StreamListener

_NUMBER = re.compile(r"record (\d+);")
_GAP = re.compile(
    r'klogd-py: [^\n]*\[gap first="(\d+)" last="(\d+)" count="(\d+)" cause="[a-z-]+"\]'
)
PIPE_BYTES = 4096
A_LITTLE_BYTES = 700


class Arrival(Struct, frozen=True):
    """One line or message: its sequence numbers, and whether as a gap; none for a torn line."""

    numbers: tuple[int, ...]
    is_gap: bool = False
    is_torn: bool = False


class Medium(Protocol):
    """What one sink writes to, over all runs of a daemon."""

    # Of its sinks
    name: str

    def open(self) -> Sink:
        """A new sink."""

    def hinder(self, how: str) -> None:
        """Have it "full", "nearly full", or "back"."""

    def read(self) -> None:
        """Read what has come, if somebody reads it now."""

    def arrivals(self) -> list[Arrival]:
        """Everything that has come."""

    def close(self) -> None:
        """Take it away."""


def of_entries(entries: Sequence[Entry]) -> list[Arrival]:
    """The arrivals at a sink in memory."""
    arrivals = []
    for entry in entries:
        if entry.gap is not None:
            arrivals.append(Arrival(tuple(range(entry.gap.first, entry.gap.last + 1)), is_gap=True))
        elif entry.record.seq is not None:
            numbers = (entry.record.seq, *entry.record.parts)
            assert numbers == _numbers(entry.record.text), (
                "a line stands for the numbers of its pieces"
            )
            arrivals.append(Arrival(numbers))
    return arrivals


def of_text(line: str) -> Arrival:
    """The arrival that one line or message is."""
    if found := _GAP.search(line):
        return Arrival(tuple(range(int(found[1]), int(found[2]) + 1)), is_gap=True)
    is_whole = line.rstrip(": ").endswith(";") or "no header" in line
    return Arrival(_numbers(line)) if is_whole else Arrival((), is_torn=True)


def _numbers(text: str) -> tuple[int, ...]:
    return tuple(map(int, _NUMBER.findall(text)))


class Disk:
    """A file on a disk with limited free space.

    ``append_only`` files cannot be truncated, as after ``chattr +a``.
    """

    def __init__(self, path: Path, form: FileFormat, append_only: bool = False) -> None:
        self.name = f"file:{path}"
        self._path = path
        self._form = form
        self._append_only = append_only
        self._room_bytes = 1 << 30

    def open(self) -> Sink:
        return FileSink(str(self._path), self._form, write=self._write, truncate=self._truncate)

    def hinder(self, how: str) -> None:
        self._room_bytes = {"full": 0, "nearly full": A_LITTLE_BYTES}.get(how, 1 << 30)

    def read(self) -> None:
        pass

    def arrivals(self) -> list[Arrival]:
        return list(self._arrivals())

    def close(self) -> None:
        pass

    def _arrivals(self) -> Iterator[Arrival]:
        for line in self._path.read_text().split("\n")[:-1] if self._path.exists() else ():
            if self._form is not FileFormat.JSON:
                yield of_text(line)
                continue
            try:
                json.loads(line)
            except json.JSONDecodeError:
                yield Arrival((), is_torn=True)
                continue
            document = read_document(line)
            if gap := document.get("gap"):
                yield Arrival(tuple(range(gap["first"], gap["last"] + 1)), is_gap=True)
            elif "seq" in document:
                numbers = (document["seq"], *document.get("parts", ()))
                assert numbers == _numbers(document["text"])
                yield Arrival(numbers)

    def _write(self, descriptor: int, data: bytes) -> int:
        written = min(len(data), self._room_bytes)
        if data and not written:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        self._room_bytes -= written
        return os.write(descriptor, data[:written])

    def _truncate(self, descriptor: int, size: int) -> None:
        if self._append_only:
            raise OSError(errno.EPERM, os.strerror(errno.EPERM))
        os.ftruncate(descriptor, size)


class Fifo:
    """A named pipe of one page."""

    def __init__(self, path: Path) -> None:
        os.mkfifo(path)
        self.name = f"file:{path}"
        self._path = path
        self._reader = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
        fcntl.fcntl(self._reader, fcntl.F_SETPIPE_SZ, PIPE_BYTES)
        self._received = b""
        self._is_read = True

    def open(self) -> Sink:
        return FileSink(str(self._path))

    def hinder(self, how: str) -> None:
        self._is_read = how == "back"
        if how == "nearly full":
            with suppress(BlockingIOError):
                self._received += os.read(self._reader, A_LITTLE_BYTES)

    def read(self) -> None:
        with suppress(BlockingIOError):
            while self._is_read and (data := os.read(self._reader, PIPE_BYTES)):
                self._received += data

    def arrivals(self) -> list[Arrival]:
        return [of_text(line) for line in self._received.decode().split("\n")[:-1]]

    def close(self) -> None:
        os.close(self._reader)


class Listener:
    """A syslogd or a journal that reads only when it is not blocked."""

    def __init__(self, kind: str, path: Path) -> None:
        self.name = f"{kind.partition(' ')[0]}:{path}"
        self._kind = kind
        self._listening = {"syslog stream": StreamListener, "journal": JournalListener}.get(
            kind, DatagramListener
        )(path)
        self._received: list[str] = []
        self._is_read = True

    def open(self) -> Sink:
        path = str(self._listening.path)
        return JournalSink("", path) if self._kind == "journal" else SyslogSink(path)

    def hinder(self, how: str) -> None:
        self._is_read = how == "back"

    def read(self) -> None:
        if not self._is_read:
            return
        if isinstance(self._listening, StreamListener):
            self._listening.read()
        elif isinstance(self._listening, JournalListener):
            self._received += [_in_words(fields) for fields in self._listening.entries()]
        else:
            self._received += [datagram.decode() for datagram in self._listening.read()]

    def arrivals(self) -> list[Arrival]:
        if isinstance(self._listening, StreamListener):
            return [of_text(message.decode()) for message in self._listening.messages()]
        return [of_text(message) for message in self._received]

    def close(self) -> None:
        self._listening.close()


def _in_words(fields: list[tuple[str, bytes]]) -> str:
    """An entry of the journal as a line of a text log."""
    texts = {key: value.decode() for key, value in fields}
    if "KLOGD_GAP_FIRST" not in texts:
        assert texts.get("KLOGD_PARTS", "").split() == [
            str(number) for number in _numbers(texts["MESSAGE"])[1:]
        ]
        return texts["MESSAGE"]
    facts = " ".join(
        f'{key.lower()}="{texts[f"KLOGD_GAP_{key}"]}"'
        for key in ("FIRST", "LAST", "COUNT", "CAUSE")
    )
    return f"klogd-py: [gap {facts}]"


class Console:
    """A pipe that is always read. A console keeps no position: each run starts again."""

    def __init__(self) -> None:
        self.name = "console"
        self._received = b""
        reader, self._writer = os.pipe()
        self._thread = threading.Thread(target=self._read_on, args=(reader,))
        self._thread.start()

    def open(self) -> Sink:
        return ConsoleSink(descriptor=self._writer)

    def hinder(self, how: str) -> None:
        pass

    def read(self) -> None:
        pass

    def arrivals(self) -> list[Arrival]:
        return [of_text(line) for line in self._received.decode().split("\n")[:-1]]

    def close(self) -> None:
        os.close(self._writer)
        self._thread.join()

    def _read_on(self, reader: int) -> None:
        while data := os.read(reader, PIPE_BYTES):
            self._received += data
        os.close(reader)


KINDS = ("file", "append-only file", "json file", "fifo", "syslog", "syslog stream", "journal")


def medium(kind: str, path: Path) -> Medium:
    """A medium of one of the `KINDS`."""
    if "file" in kind:
        return Disk(
            path,
            FileFormat.JSON if kind == "json file" else FileFormat.TEXT,
            kind == "append-only file",
        )
    return Fifo(path) if kind == "fifo" else Listener(kind, path)
