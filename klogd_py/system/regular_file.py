# SPDX-License-Identifier: GPL-2.0-or-later
"""Open and read regular files, without waiting and within limits.

A path that should lead to a file can lead to a FIFO, a device, a directory, or a file of a
terabyte. None of these is read: the caller gets an OSError that says what was found.

Source: open(2) for O_NONBLOCK, O_NOCTTY and O_NOFOLLOW; inode(7) for the file types.
"""

import errno
import os
import stat
import time
from pathlib import Path

from klogd_py.system.errors import SystemOperationError

READ_LIMIT_S = 10.0
_CHUNK_BYTES = 1 << 20

_TYPES = (
    (stat.S_ISDIR, "a directory"),
    (stat.S_ISFIFO, "a FIFO"),
    (stat.S_ISSOCK, "a socket"),
    (stat.S_ISCHR, "a character device"),
    (stat.S_ISBLK, "a block device"),
    (stat.S_ISLNK, "a symbolic link"),
)


class NotRegularFile(SystemOperationError):
    """The path does not lead to a regular file; ``strerror`` says to what it leads."""


class FileTooLarge(SystemOperationError):
    """The file is larger than its limit, or was not read in time."""


def open_regular(
    path: Path | str,
    flags: int = os.O_RDONLY,
    mode: int = 0o600,
    *,
    follow: bool = True,
    dir_fd: int | None = None,
) -> int:
    """Open a regular file and return its descriptor, which the caller closes.

    ``follow`` says whether the last part of the path may be a symbolic link; a relative path starts
    at the open directory ``dir_fd``. The type is checked before the file is opened, since opening
    alone can move a device, and again by descriptor, since the path may have changed meanwhile.

    Raises:
        NotRegularFile: it is a directory, a FIFO, a device, a socket, or a link that is not
        followed. OSError: it cannot be opened, or the path holds a NUL byte.
    """
    name = os.fspath(path)
    if "\0" in name:
        raise OSError(errno.EINVAL, "a path with a NUL byte", name)
    try:
        _check(os.stat(name, dir_fd=dir_fd, follow_symlinks=follow), name)
    except FileNotFoundError:
        if not flags & os.O_CREAT:
            raise
    never_waits = os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC
    descriptor = os.open(
        name, flags | never_waits | (0 if follow else os.O_NOFOLLOW), mode, dir_fd=dir_fd
    )
    try:
        _check(os.fstat(descriptor), name)
    except NotRegularFile:
        os.close(descriptor)
        raise
    return descriptor


def read_regular(
    path: Path | str, limit_bytes: int, *, follow: bool = True, limit_s: float = READ_LIMIT_S
) -> bytes:
    """Return the whole content of a regular file.

    Works for files of /proc and /sys as well, whose size is not known before.

    Raises:
        NotRegularFile: as `open_regular`.
        FileTooLarge: it has more than ``limit_bytes``, or reading takes longer than ``limit_s``.
        OSError: it cannot be read.
    """
    descriptor = open_regular(path, follow=follow)
    try:
        return read_bounded(descriptor, limit_bytes, limit_s=limit_s)
    finally:
        os.close(descriptor)


def read_if_readable(path: Path | str, limit_bytes: int) -> bytes | None:
    """Return the whole content of a regular file; ``None`` if it is missing or cannot be read.

    For files that only add to what is known, so that it makes no difference why there is none.
    """
    try:
        return read_regular(path, limit_bytes)
    except OSError:
        return None


def read_bounded(descriptor: int, limit_bytes: int, *, limit_s: float = READ_LIMIT_S) -> bytes:
    """Return the content of an open file from its offset to its end.

    Raises FileTooLarge as `read_regular` does.
    """
    if os.fstat(descriptor).st_size > limit_bytes:
        raise _too_large(limit_bytes)
    deadline_s = time.monotonic() + limit_s
    chunks: list[bytes] = []
    left = limit_bytes + 1
    while chunk := os.read(descriptor, min(left, _CHUNK_BYTES)):
        chunks.append(chunk)
        left -= len(chunk)
        if not left:
            raise _too_large(limit_bytes)
        if time.monotonic() > deadline_s:
            raise FileTooLarge(errno.ETIMEDOUT, f"it was not read to its end within {limit_s:g} s")
    return b"".join(chunks)


def _too_large(limit_bytes: int) -> FileTooLarge:
    return FileTooLarge(errno.EFBIG, f"larger than {limit_bytes >> 10} KiB, which is the limit")


def _check(found: os.stat_result, name: str) -> None:
    if not stat.S_ISREG(found.st_mode):
        kind = next((words for test, words in _TYPES if test(found.st_mode)), "something else")
        raise NotRegularFile(errno.EINVAL, f"{kind}, not a regular file", name)
