# SPDX-License-Identifier: GPL-2.0-or-later
"""Entries appended to a file, which is opened anew when it was rotated or removed.

Lines are written whole: what a full disk cut off in the middle is taken back, and written again
later. Where it cannot be taken back, in a file that may only be appended to, in a pipe, on a
terminal, the rest of that line is written before anything else. A line that somebody else left
unfinished is ended first.

Source of truth: write(2); pipe(7) for PIPE_BUF; ioctl_iflags(2) for files that may only be appended
to.
"""

import errno
import os
import pwd
import select
import stat
from collections.abc import Callable, Iterator, Sequence
from enum import Enum
from pathlib import Path

from klogd_py.record.types import Entry
from klogd_py.sinks import SinkDown
from klogd_py.sinks.formats import (
    OTHER_TAG,
    TimestampFormatter,
    encode_json,
    escape_controls,
    format_lines,
    has_reserved_tag,
    host_name,
)
from klogd_py.sinks.preopened_files import PreopenedFiles
from klogd_py.system.trusted_directory import directory_of

FLAGS = os.O_WRONLY | os.O_CREAT | os.O_APPEND


class FileForm(Enum):
    """What a line of the file looks like."""

    # 2026-11-23T08:13:42.123456+01:00 host kernel: text
    TEXT = "text"
    # <6>text, as klogd -f wrote it
    KLOGD = "klogd"
    # One document per line
    JSON = "json"


class FileSink:
    """A log file. ``-`` as the path is standard output."""

    keeps_position = True
    # A file never waits; standard output does
    blocking = False

    def __init__(
        self,
        path: str,
        form: FileForm = FileForm.TEXT,
        mode: int = 0o640,
        boot_id: str = "",
        held: PreopenedFiles | None = None,
        *,
        write: Callable[[int, bytes], int] = os.write,
        truncate: Callable[[int, int], None] = os.ftruncate,
    ) -> None:
        """``mode`` is for a file that has to be created; ``held`` are files for when this process
        may not open its own.

        ``write`` and ``truncate`` are those of the system.
        """
        self.name = f"file:{path}"
        self._path = Path(path)
        self._form = form
        self._mode = mode
        self._boot_id = boot_id
        self._held = held if held is not None else PreopenedFiles()
        self._host = host_name()
        self._stamps = TimestampFormatter()
        self._descriptor = -1
        # Device and inode of the file that is open
        self._ours = (0, 0)
        self._write = write
        self._truncate = truncate
        self._is_regular = True
        # Of the line that comes next, where a part of it is written for good
        self._rest = b""
        self._torn = (
            # The file ends in the middle of a line, which is not ours to end otherwise
            False
        )
        if path == "-":
            self.keeps_position, self.blocking = False, True

    def encode_lines(self, entries: Sequence[Entry]) -> list[str]:
        """A line for each, with its line feed."""
        if self._form is FileForm.TEXT:
            host = self._host
            stamps = self._stamps.rfc3339_batch([entry.wall_us for entry in entries])
            return [
                f"{stamp} {host} {line}\n"
                for stamp, line in zip(stamps, format_lines(entries), strict=True)
            ]
        if self._form is FileForm.JSON:
            return [f"{encode_json(entry, self._boot_id).decode()}\n" for entry in entries]
        return [f"{_as_klogd(entry)}\n" for entry in entries]

    @property
    def has_partial_write(self) -> bool:
        """Whether a part of a line is written that could not be taken back, and this sink holds the
        rest.
        """
        return bool(self._rest)

    def send(self, entries: Sequence[Entry]) -> int:
        """Append all; raises SinkDown with the number of entries whose lines are whole."""
        ended = self._end_line()
        if self._rest or len(entries) == ended:
            return ended
        try:
            return ended + self._append(entries[ended:])
        except SinkDown as down:
            down.accepted += ended
            raise

    def _end_line(self) -> int:
        """Write the rest of a line that was begun, which is the first that comes.

        How many lines that ended.
        """
        if self._rest and os.fstat(self._descriptor).st_nlink == 0:
            # What was begun is gone with the file
            self._rest = b""
        if not self._rest:
            return 0
        try:
            self._rest = self._rest[self._written(self._rest) :]
        except SinkDown:
            if (
                not self._is_regular
                # Whoever read the first part has gone; whoever comes gets the line whole, by itself
            ):
                self._rest, self._torn = b"", True
            raise
        return int(not self._rest)

    def _append(self, entries: Sequence[Entry]) -> int:
        try:
            self._open_current()
        except OSError as error:
            lost = "; what root had opened was moved or removed, a restart opens it anew" * (
                self._path in self._held.lost
            )
            raise SinkDown(f"{self._path}: {error.strerror}{_for_whom(error)}{lost}") from error
        lines = self.encode_lines(entries)
        if self._torn:
            lines[0] = f"\n{lines[0]}"
        if not self._is_regular and not self.blocking:
            return self._append_by_portions([line.encode() for line in lines])
        data = "".join(lines).encode()
        written = self._written(data)
        if written == len(data):
            self._torn = False
            return len(lines)
        accepted = self._cut_short([line.encode() for line in lines], written)
        if written and self._is_regular:
            raise SinkDown(f"{self._path}: could be written only in part", accepted)
        return accepted

    def _append_by_portions(self, lines: list[bytes]) -> int:
        """Write to a pipe so much at once as it takes wholly or not at all.

        Only a longer line can be cut in two.
        """
        accepted = 0
        for portion in _portions(lines):
            try:
                written = self._written(b"".join(portion))
            except SinkDown as down:
                down.accepted += accepted
                raise
            whole = self._cut_short(portion, written)
            accepted += whole
            if whole < len(portion):
                break
        return accepted

    def _cut_short(self, lines: list[bytes], written: int) -> int:
        """Deal with the line that a write ended in, if it did.

        Take it back, or else remember its rest; the lines before it.
        """
        accepted, half = _whole_lines(lines, written)
        if half and not self._took_back(half):
            self._rest = lines[accepted][half:]
            self._torn = False
        elif accepted:
            self._torn = False
        return accepted

    def _took_back(self, size: int) -> bool:
        """Whether the line may be written anew, since the bytes that we wrote of it are out of the
        file again.

        If somebody else has written behind them they stay, but the rest would not follow on them
        either.
        """
        if not self._is_regular or self._descriptor <= 2:
            return False
        end = os.lseek(self._descriptor, 0, os.SEEK_CUR)
        if os.fstat(self._descriptor).st_size != end:
            return True
        try:
            self._truncate(self._descriptor, end - size)
        # A file to which the administrator lets nobody do anything but append
        except OSError:
            return False
        return True

    def _written(self, data: bytes) -> int:
        """How many of the bytes could be written; raises SinkDown."""
        try:
            return self._write(self._descriptor, data)
        except BlockingIOError:
            if self._descriptor == 1:
                # Shared with a program that left it non-blocking
                os.set_blocking(1, True)
            return 0
        except OSError as error:
            raise SinkDown(f"{self._path}: {error.strerror}") from error

    @property
    def path(self) -> Path | None:
        """Where the file lies; ``None`` for standard output."""
        return None if str(self._path) == "-" else self._path

    def fileno(self) -> int:
        """A file has room or is down."""
        return -1

    def close(self) -> None:
        """Close the file; another send opens what then has its name."""
        if self._descriptor > 2:
            os.close(self._descriptor)
        self._descriptor = -1
        self._rest = b""

    def _open_current(self) -> None:
        """Have the descriptor be that of the file which has the name now."""
        if self.path is None:
            self._descriptor = 1
            self._is_regular = stat.S_ISREG(os.fstat(1).st_mode)
            return
        if self._descriptor >= 0:
            try:
                named = os.stat(self._path)
            except FileNotFoundError:
                named = None
            except (
                PermissionError
                # A directory that only root passes: the file itself tells whether it has its name
            ):
                if self._held.has(self._path):
                    return
                raise
            if named is not None and (named.st_dev, named.st_ino) == self._ours:
                return
            self.close()
        self._descriptor = self._opened()
        status = os.fstat(self._descriptor)
        self._ours = status.st_dev, status.st_ino
        self._is_regular = stat.S_ISREG(status.st_mode)
        self._torn = _ends_within_a_line(self._descriptor)

    def _opened(self) -> int:
        try:
            with directory_of(self._path, follow=True) as directory:
                descriptor = directory.open(FLAGS, self._mode)
        except PermissionError:
            held = self._held.again(self._path)
            if held is None:
                raise
            return held
        self._held.forget(
            self._path
            # It would keep the disk space of a file that is rotated and removed
        )
        return descriptor


def _as_klogd(entry: Entry) -> str:
    record = entry.record
    head = record.head if record.head or record.prefix is None else f"<{record.prefix}>"
    tag = f"{OTHER_TAG}: " if has_reserved_tag(entry) else ""
    return escape_controls(head + tag + entry.text)


def _for_whom(error: OSError) -> str:
    """What to add to a refusal that is not everybody's."""
    if error.errno == errno.EROFS:
        return " for this process; a service writes where ReadWritePaths= of its unit lets it"
    if not isinstance(error, PermissionError):
        return ""
    number = os.geteuid()
    try:
        return f" for user {pwd.getpwuid(number).pw_name}"
    except KeyError:
        return f" for user {number}"


def _whole_lines(lines: list[bytes], written: int) -> tuple[int, int]:
    """How many of the lines are whole among so many bytes, and how many bytes of the next one there
    are.
    """
    whole = 0
    while whole < len(lines) and len(lines[whole]) <= written:
        written -= len(lines[whole])
        whole += 1
    return whole, written


def _portions(lines: list[bytes]) -> Iterator[list[bytes]]:
    """The lines by as many as a pipe takes at once or not at all; one that is longer by itself."""
    portion: list[bytes] = []
    size = 0
    for line in lines:
        if portion and size + len(line) > select.PIPE_BUF:
            yield portion
            portion, size = [], 0
        portion.append(line)
        size += len(line)
    if portion:
        yield portion


def _ends_within_a_line(descriptor: int) -> bool:
    """Whether a regular file has bytes behind its last line feed.

    One that cannot be read is taken to have none.
    """
    status = os.fstat(descriptor)
    if not stat.S_ISREG(status.st_mode) or not status.st_size:
        return False
    # This very file, whatever has its name now
    try:
        reading = os.open(f"/proc/self/fd/{descriptor}", os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        reading = os.dup(descriptor)
    try:
        return os.pread(reading, 1, status.st_size - 1) not in (b"\n", b"")
    # Open for writing alone
    except OSError:
        return False
    finally:
        os.close(reading)
