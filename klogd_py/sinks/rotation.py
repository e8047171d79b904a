# SPDX-License-Identifier: GPL-2.0-or-later
"""Rename a log file that is full, and the older ones before it.

``FILE`` becomes ``FILE.1``, ``FILE.1`` becomes ``FILE.2``, and so on; the oldest one that is kept
is replaced. Each step is one rename(2). A number that is free ends the renaming: after a kill
between two steps, no file is moved that has been moved already.

Source of truth: rename(2).
"""

import errno
import logging
import os
from pathlib import Path

from msgspec import Struct

from klogd_py.system.file_identity import FileIdentity, identify
from klogd_py.system.trusted_directory import Directory, directory_of

logger = logging.getLogger(__name__)


class RotationLimits(Struct, frozen=True):
    """How large a file may become, and how many older ones are kept."""

    limit_bytes: int
    keep: int


def rotate(path: Path, keep: int, identity: FileIdentity) -> None:
    """Rename the file of a path if it is the one of ``identity``; raises OSError.

    Of a symbolic link, the file that it leads to is renamed, in that file's directory.
    """
    # `directory_of` follows links as root, and only those of root.
    real = path if os.geteuid() == 0 else Path(os.path.realpath(path))
    with directory_of(real, follow=True) as directory:
        if not _is_file(directory, identity):
            return
        names = [directory.name, *(f"{directory.name}.{number}" for number in range(1, keep + 1))]
        free = next((n for n in range(1, keep) if not _exists(directory, names[n])), keep)
        for number in range(free, 0, -1):
            _rename(directory, names[number - 1], names[number])
        # Nothing is renamed if both are names of one file.
        if _is_file(directory, identity):
            raise OSError(errno.EMLINK, f"{names[1]} is the same file")


def _is_file(directory: Directory, identity: FileIdentity) -> bool:
    """Whether the last name of the path leads to this file now."""
    try:
        return identify(directory.status()) == identity
    except FileNotFoundError:
        return False


def _rename(directory: Directory, old: str, new: str) -> None:
    descriptor = directory.descriptor
    os.rename(old, new, src_dir_fd=descriptor, dst_dir_fd=descriptor)


def _exists(directory: Directory, name: str) -> bool:
    try:
        os.stat(name, dir_fd=directory.descriptor, follow_symlinks=False)
    except FileNotFoundError:
        return False
    return True


class RotationAttempts:
    """When to rotate one file, and whether that works. Mutable."""

    def __init__(self, name: str, limits: RotationLimits) -> None:
        """``name`` is that of the file in messages."""
        self.limits = limits
        self._name = name
        # After a failure the file is tried again when it has this size.
        self._retry_bytes = 0
        # Why the last attempt failed
        self._reason = ""

    def count_fitting(self, sizes: list[int], file_bytes: int) -> int:
        """Return how many lines fit into the file, whose sizes are given.

        At least one fits into an empty file, all into one that cannot be rotated now.
        """
        if file_bytes < self._retry_bytes:
            return len(sizes)
        count, total = 0, file_bytes
        for size in sizes:
            total += size
            if total > self.limits.limit_bytes and (count or file_bytes):
                break
            count += 1
        return count

    def on_success(self) -> None:
        """Rotate at the limit again."""
        self._retry_bytes, self._reason = 0, ""

    def on_failure(self, reason: str, file_bytes: int) -> None:
        """Log a reason once, and let the file grow by its limit before the next attempt."""
        self._retry_bytes = file_bytes + self.limits.limit_bytes
        if reason != self._reason:
            logger.warning("%s is not rotated and goes on growing: %s", self._name, reason)
        self._reason = reason
