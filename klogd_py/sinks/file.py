"""Entries appended to a file, which is opened anew when it was rotated or removed.

Lines are written whole: what a full disk cut off in the middle is taken back, and written again later.
"""

import os
from collections.abc import Sequence
from enum import Enum
from pathlib import Path

from klogd_py.record import Entry
from klogd_py.sinks import SinkDown
from klogd_py.sinks.text import Stamps, document, host_name, printable, speaker


class FileForm(Enum):
    """What a line of the file looks like."""

    TEXT = "text"  # 2026-11-23T08:13:42.123456+01:00 host kernel: text
    KLOGD = "klogd"  # <6>text, as klogd -f wrote it
    JSON = "json"  # one document per line


class FileSink:
    """A log file. ``-`` as the path is standard output."""

    keeps_position = True
    blocking = False

    def __init__(self, path: str, form: FileForm = FileForm.TEXT, mode: int = 0o640) -> None:
        """``mode`` is for a file that has to be created."""
        self.name = f"file:{path}"
        self._path = Path(path)
        self._form = form
        self._mode = mode
        self._host = host_name()
        self._stamps = Stamps()
        self._descriptor = -1
        if path == "-":
            self.keeps_position = False

    def frame(self, entry: Entry) -> bytes:
        """One line with its line feed."""
        record = entry.record
        if self._form is FileForm.JSON:
            return document(entry) + b"\n"
        if self._form is FileForm.KLOGD:
            head = record.head if record.head or record.prefix is None else f"<{record.prefix}>"
            return f"{printable(head + entry.text)}\n".encode()
        tag, text = speaker(record, entry.text)
        return f"{self._stamps.iso(entry.wall_us)} {self._host} {printable(tag)}: {printable(text)}\n".encode()

    def send(self, entries: Sequence[Entry]) -> int:
        """Append all; raises SinkDown with the number of entries whose lines are whole."""
        try:
            self._open_current()
        except OSError as error:
            raise SinkDown(f"{self._path}: {error.strerror}") from error
        lines = [self.frame(entry) for entry in entries]
        data = b"".join(lines)
        try:
            written = os.write(self._descriptor, data)
        except OSError as error:
            raise SinkDown(f"{self._path}: {error.strerror}") from error
        if written < len(data):
            accepted = self._take_back(lines, written)
            raise SinkDown(f"{self._path}: could be written only in part", accepted)
        return len(entries)

    def reopen(self) -> None:
        """Close the file; the next send opens what then has its name."""
        if self._descriptor > 2:
            os.close(self._descriptor)
        self._descriptor = -1

    def close(self) -> None:
        """Close the file."""
        self.reopen()

    def _open_current(self) -> None:
        """Have the descriptor be that of the file which has the name now."""
        if str(self._path) == "-":
            self._descriptor = 1
            return
        if self._descriptor >= 0:
            ours = os.fstat(self._descriptor)
            try:
                named = os.stat(self._path)
            except FileNotFoundError:
                named = None
            if named is not None and (named.st_dev, named.st_ino) == (ours.st_dev, ours.st_ino):
                return
            self.reopen()
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC | os.O_NOCTTY
        self._descriptor = os.open(self._path, flags, self._mode)

    def _take_back(self, lines: list[bytes], written: int) -> int:
        """Cut a half line off the file's end; returns how many lines are whole."""
        whole = size = 0
        for line in lines:
            if size + len(line) > written:
                break
            size += len(line)
            whole += 1
        try:
            os.ftruncate(self._descriptor, os.fstat(self._descriptor).st_size - (written - size))
        except OSError:
            return whole  # a pipe or terminal: the half line stays, and its whole one follows
        return whole
