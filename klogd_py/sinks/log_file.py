# SPDX-License-Identifier: GPL-2.0-or-later
"""Keep a log file open, open it again when it was rotated or removed, rotate it and write to it.

Source of truth: write(2); ioctl_iflags(2) for append-only files.
"""

import errno
import os
import pwd
import stat
from collections.abc import Callable
from pathlib import Path

from klogd_py.sinks import SinkDown, SinkGone
from klogd_py.sinks.preopened_files import PreopenedFiles
from klogd_py.sinks.rotation import rotate
from klogd_py.system.file_identity import FileIdentity, FileOwner, identify
from klogd_py.system.standard_streams import STDOUT
from klogd_py.system.trusted_directory import directory_of

OPEN_FLAGS = os.O_WRONLY | os.O_CREAT | os.O_APPEND
_STDOUT = 1


class LogFile:
    """The file that has a path now, or standard output. Mutable: the open descriptor."""

    def __init__(
        self,
        path: Path,
        mode: int,
        preopened: PreopenedFiles,
        *,
        write: Callable[[int, bytes], int],
        truncate: Callable[[int, int], None],
    ) -> None:
        """``-`` as the path is standard output; the other arguments are those of `FileSink`."""
        self.path = path
        self.is_stdout = str(path) == "-"
        # In messages
        self.name = STDOUT if self.is_stdout else str(path)
        self.is_regular = True
        self._mode = mode
        self._preopened = preopened
        self._write = write
        self._truncate = truncate
        self._descriptor = -1
        # Of the open file
        self._identity: FileIdentity | None = None
        # Of the next new file: the one of a file that was rotated
        self._owner: FileOwner | None = None

    @property
    def size_bytes(self) -> int:
        """How large the open file is."""
        return os.fstat(self._descriptor).st_size

    @property
    def is_removed(self) -> bool:
        """Whether the open file has no name any more."""
        return os.fstat(self._descriptor).st_nlink == 0

    def fileno(self) -> int:
        """Return the descriptor; -1 if the file is not open."""
        return self._descriptor

    def open_current(self) -> bool:
        """Open the file that has the path now; returns False if it is open already.

        Raises:
            SinkDown: it cannot be opened.
        """
        try:
            return self._open_current()
        except OSError as error:
            raise SinkDown(self._open_failure(error)) from error

    def _open_current(self) -> bool:
        if self.is_stdout:
            self._descriptor = _STDOUT
        elif self._descriptor >= 0 and self._has_its_path():
            return False
        else:
            self.close()
            self._descriptor = self._open()
        status = os.fstat(self._descriptor)
        self._identity = identify(status)
        self.is_regular = stat.S_ISREG(status.st_mode)
        return not self.is_stdout

    def write(self, data: bytes) -> int:
        """Write once and return how many bytes were written.

        Raises:
            SinkDown: it cannot be written now.
            SinkGone: nobody reads standard output any more.
        """
        try:
            return self._write(self._descriptor, data)
        except BlockingIOError:
            # Shared with a program that made it non-blocking
            if self._descriptor == _STDOUT:
                os.set_blocking(_STDOUT, True)
            return 0
        except OSError as error:
            if self.is_stdout and isinstance(error, BrokenPipeError):
                raise SinkGone(f"{self.name}: {error.strerror}") from error
            raise SinkDown(f"{self.name}: {error.strerror}") from error

    def truncate_last(self, size: int) -> bool:
        """Remove the last ``size`` bytes that were written; returns whether to write them again.

        If another program has written after them they stay, but are written again all the same:
        the rest of the line would not follow on them either.
        """
        if not self.is_regular or self._descriptor <= 2:
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

    def ends_within_line(self) -> bool:
        """Whether a regular file has bytes after its last line feed.

        A file that cannot be read counts as having none.
        """
        status = os.fstat(self._descriptor)
        if not stat.S_ISREG(status.st_mode) or not status.st_size:
            return False
        # This very file, whatever has its name now
        try:
            readable = os.open(f"/proc/self/fd/{self._descriptor}", os.O_RDONLY | os.O_CLOEXEC)
        except OSError:
            readable = os.dup(self._descriptor)
        try:
            return os.pread(readable, 1, status.st_size - 1) not in (b"\n", b"")
        # Open for writing only
        except OSError:
            return False
        finally:
            os.close(readable)

    def rotate(self, keep: int) -> None:
        """Rename the open file, of which ``keep`` older ones are kept, and close it.

        `open_current` makes the new one, which gets the same owner. Raises OSError, and the file
        stays open then.
        """
        status = os.fstat(self._descriptor)
        rotate(self.path, keep, identify(status))
        self._owner = FileOwner(status.st_uid, status.st_gid)
        self.close()

    def close(self) -> None:
        """Close the file, but not standard output."""
        if self._descriptor > 2:
            os.close(self._descriptor)
        self._descriptor = -1

    def _has_its_path(self) -> bool:
        """Whether the open file is the one that has the path now; raises OSError."""
        try:
            return identify(os.stat(self.path)) == self._identity
        except FileNotFoundError:
            return False
        # Only root can search the directory, but the open file shows whether it has its name.
        except PermissionError:
            if self._preopened.has(self.path):
                return True
            raise

    def _open(self) -> int:
        try:
            with directory_of(self.path, follow=True) as directory:
                descriptor = directory.open(OPEN_FLAGS, self._mode, new_for=self._owner)
        except PermissionError:
            preopened = self._preopened.duplicate(self.path)
            if preopened is None:
                raise
            return preopened
        # It would keep the disk space of a file that is rotated and removed.
        self._preopened.release(self.path)
        return descriptor

    def _open_failure(self, error: OSError) -> str:
        """Return the message for a file that cannot be opened."""
        lost = (
            "; the file that root had opened was moved or removed; "
            "restart klogd-py to open it again"
        )
        if self.path not in self._preopened.lost:
            lost = ""
        return f"{self.path}: {error.strerror}{permission_hint(error)}{lost}"


def permission_hint(error: OSError) -> str:
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
