# SPDX-License-Identifier: GPL-2.0-or-later
"""Append entries to a file, and open it again when it was rotated or removed.

Lines are written whole. What a full disk left of a line is truncated, and the line is written again
later. Where it cannot be truncated, in a file that is append-only, in a pipe, on a terminal, the
rest of that line is written before anything else. A partial line that another program left is ended
with a line feed first.

Source of truth: write(2); pipe(7) for PIPE_BUF; ioctl_iflags(2) for append-only files.
"""

import errno
import os
import pwd
import stat
from collections.abc import Callable, Sequence
from pathlib import Path

from klogd_py.record.types import Entry
from klogd_py.sinks import SinkDown
from klogd_py.sinks.file_format import FileFormat, LineEncoder, count_whole_lines, split_for_pipe
from klogd_py.sinks.preopened_files import PreopenedFiles
from klogd_py.system.trusted_directory import directory_of

OPEN_FLAGS = os.O_WRONLY | os.O_CREAT | os.O_APPEND
_STDOUT = 1


class FileSink:
    """A log file. ``-`` as the path is standard output."""

    keeps_position = True
    # Writing to a file does not wait; standard output may.
    blocking = False

    def __init__(
        self,
        path: str,
        format: FileFormat = FileFormat.TEXT,
        mode: int = 0o640,
        boot_id: str = "",
        preopened: PreopenedFiles | None = None,
        *,
        name: str | None = None,
        write: Callable[[int, bytes], int] = os.write,
        truncate: Callable[[int, int], None] = os.ftruncate,
    ) -> None:
        """``mode`` is the mode of a new file; ``name`` is ``file:PATH`` if it is not given.

        ``preopened`` are files to use where this process may not open its own. ``write`` and
        ``truncate`` are the system calls.
        """
        self.name = f"file:{path}" if name is None else name
        self._path = Path(path)
        self._encoder = LineEncoder(format, boot_id)
        self._mode = mode
        self._preopened = preopened if preopened is not None else PreopenedFiles()
        self._descriptor = -1
        # Device and inode of the open file
        self._inode = (0, 0)
        self._write = write
        self._truncate = truncate
        self._is_regular = True
        # The rest of a line whose first part was written and cannot be truncated
        self._unwritten = b""
        # The file ends within a line that is not to be continued: a line feed comes first
        self._needs_line_feed = False
        if path == "-":
            self.keeps_position, self.blocking = False, True

    @property
    def path(self) -> Path | None:
        """The path of the file; ``None`` for standard output."""
        return None if str(self._path) == "-" else self._path

    @property
    def has_partial_write(self) -> bool:
        """Whether a part of a line was written that could not be truncated."""
        return bool(self._unwritten)

    def send(self, entries: Sequence[Entry]) -> int:
        """Append all entries.

        Raises:
            SinkDown: not all could be written; ``accepted`` counts the whole lines.
        """
        finished = self._finish_line()
        if self._unwritten or len(entries) == finished:
            return finished
        try:
            return finished + self._append(entries[finished:])
        except SinkDown as down:
            down.accepted += finished
            raise

    def fileno(self) -> int:
        """Return -1: a file has room or is down."""
        return -1

    def close(self) -> None:
        """Close the file; another `send` opens the file that has its name then."""
        if self._descriptor > 2:
            os.close(self._descriptor)
        self._descriptor = -1
        self._unwritten = b""

    def _finish_line(self) -> int:
        """Write the rest of a partial line, which belongs to the first entry; raises SinkDown.

        Returns 1 if that entry is complete now, otherwise 0.
        """
        # The first part was lost with the removed file.
        if self._unwritten and os.fstat(self._descriptor).st_nlink == 0:
            self._unwritten = b""
        if not self._unwritten:
            return 0
        try:
            self._unwritten = self._unwritten[self._write_part(self._unwritten) :]
        except SinkDown:
            # The reader of the first part is gone; the next one gets the whole line, separately.
            if not self._is_regular:
                self._unwritten, self._needs_line_feed = b"", True
            raise
        return int(not self._unwritten)

    def _append(self, entries: Sequence[Entry]) -> int:
        try:
            self._open_current()
        except OSError as error:
            raise SinkDown(self._open_failure(error)) from error
        lines = self._encoder.encode(entries)
        if self._needs_line_feed:
            lines[0] = f"\n{lines[0]}"
        if not self._is_regular and not self.blocking:
            return self._append_to_pipe([line.encode() for line in lines])
        data = "".join(lines).encode()
        written = self._write_part(data)
        if written == len(data):
            self._needs_line_feed = False
            return len(lines)
        accepted = self._handle_short_write([line.encode() for line in lines], written)
        if written and self._is_regular:
            raise SinkDown(f"{self._path}: could be written only in part", accepted)
        return accepted

    def _append_to_pipe(self, lines: list[bytes]) -> int:
        """Write groups of lines that a pipe accepts whole; only a longer line can be cut."""
        accepted = 0
        for group in split_for_pipe(lines):
            try:
                written = self._write_part(b"".join(group))
            except SinkDown as down:
                down.accepted += accepted
                raise
            whole = self._handle_short_write(group, written)
            accepted += whole
            if whole < len(group):
                break
        return accepted

    def _handle_short_write(self, lines: list[bytes], written: int) -> int:
        """Truncate a line that was written in part, or else remember the rest of it.

        Returns the number of whole lines before it.
        """
        accepted, partial_bytes = count_whole_lines(lines, written)
        if partial_bytes and not self._truncate_partial(partial_bytes):
            self._unwritten = lines[accepted][partial_bytes:]
            self._needs_line_feed = False
        elif accepted:
            self._needs_line_feed = False
        return accepted

    def _truncate_partial(self, size: int) -> bool:
        """Remove the last ``size`` bytes that were written; returns whether to write them again.

        If another program has written after them they stay, but are written again all the same:
        the rest of the line would not follow on them either.
        """
        if not self._is_regular or self._descriptor <= 2:
            return False
        end = os.lseek(self._descriptor, 0, os.SEEK_CUR)
        if os.fstat(self._descriptor).st_size != end:
            return True
        try:
            self._truncate(self._descriptor, end - size)
        # The file is append-only (chattr +a).
        except OSError:
            return False
        return True

    def _write_part(self, data: bytes) -> int:
        """Write once and return how many bytes were written; raises SinkDown."""
        try:
            return self._write(self._descriptor, data)
        except BlockingIOError:
            # Shared with a program that made it non-blocking
            if self._descriptor == _STDOUT:
                os.set_blocking(_STDOUT, True)
            return 0
        except OSError as error:
            raise SinkDown(f"{self._path}: {error.strerror}") from error

    def _open_current(self) -> None:
        """Open the file that has the name now, unless it is open already; raises OSError."""
        if self.path is None:
            self._descriptor = _STDOUT
            self._is_regular = stat.S_ISREG(os.fstat(_STDOUT).st_mode)
            return
        if self._descriptor >= 0:
            try:
                named = os.stat(self._path)
            except FileNotFoundError:
                named = None
            # Only root can search the directory, but the open file shows whether it has its name.
            except PermissionError:
                if self._preopened.has(self._path):
                    return
                raise
            if named is not None and (named.st_dev, named.st_ino) == self._inode:
                return
            self.close()
        self._descriptor = self._open()
        status = os.fstat(self._descriptor)
        self._inode = status.st_dev, status.st_ino
        self._is_regular = stat.S_ISREG(status.st_mode)
        self._needs_line_feed = _ends_within_line(self._descriptor)

    def _open(self) -> int:
        try:
            with directory_of(self._path, follow=True) as directory:
                descriptor = directory.open(OPEN_FLAGS, self._mode)
        except PermissionError:
            preopened = self._preopened.duplicate(self._path)
            if preopened is None:
                raise
            return preopened
        # It would keep the disk space of a file that is rotated and removed.
        self._preopened.release(self._path)
        return descriptor

    def _open_failure(self, error: OSError) -> str:
        """Return the message for a file that cannot be opened."""
        lost = (
            "; the file that root had opened was moved or removed; "
            "restart klogd-py to open it again"
        )
        if self._path not in self._preopened.lost:
            lost = ""
        return f"{self._path}: {error.strerror}{_permission_hint(error)}{lost}"


def _permission_hint(error: OSError) -> str:
    """Return what to add to an error that depends on this process; empty for other errors."""
    if error.errno == errno.EROFS:
        return " for this process; a service writes where ReadWritePaths= of its unit lets it"
    if not isinstance(error, PermissionError):
        return ""
    uid = os.geteuid()
    try:
        return f" for user {pwd.getpwuid(uid).pw_name}"
    except KeyError:
        return f" for user {uid}"


def _ends_within_line(descriptor: int) -> bool:
    """Whether a regular file has bytes after its last line feed.

    A file that cannot be read counts as having none.
    """
    status = os.fstat(descriptor)
    if not stat.S_ISREG(status.st_mode) or not status.st_size:
        return False
    # This very file, whatever has its name now
    try:
        readable = os.open(f"/proc/self/fd/{descriptor}", os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        readable = os.dup(descriptor)
    try:
        return os.pread(readable, 1, status.st_size - 1) not in (b"\n", b"")
    # Open for writing only
    except OSError:
        return False
    finally:
        os.close(readable)
