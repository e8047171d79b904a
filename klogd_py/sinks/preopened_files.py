# SPDX-License-Identifier: GPL-2.0-or-later
"""Keep log files open that root opened before the daemon changed to an unprivileged user.

Only files in directories that root alone can change: others are left for the user to open. A file
that was moved or removed is closed, since the present owner of its name is unknown.

Source of truth: proc(5) for /proc/self/fd, whose links name an open file by its present path
without any permission for it.
"""

import os
import stat
from pathlib import Path

from msgspec import Struct

from klogd_py.system.file_identity import FileOwner
from klogd_py.system.trusted_directory import directory_of


class _OpenFile(Struct, frozen=True):
    """A descriptor, and the kernel's path of the file when it was opened."""

    descriptor: int
    kernel_path: str


class PreopenedFiles:
    """Open files by their path. Mutable."""

    def __init__(self) -> None:
        self._files: dict[Path, _OpenFile] = {}
        # Files that were moved or removed since
        self.lost: set[Path] = set()

    def open(self, path: Path, flags: int, mode: int, owner: FileOwner) -> None:
        """Open a file, unless other users than root can change its directory; raises OSError.

        A new file gets ``mode`` and ``owner``.
        """
        with directory_of(path, follow=True) as directory:
            if directory.is_shared:
                return
            descriptor = directory.open(flags, mode, new_for=owner)
        if stat.S_ISREG(os.fstat(descriptor).st_mode):
            descriptor = _reopen_readable(descriptor, flags)
        self._files[path] = _OpenFile(descriptor, _kernel_path(descriptor))

    def has(self, path: Path) -> bool:
        """Whether a file was opened under this path and still has it."""
        if path not in self._files:
            return False
        file = self._files[path]
        if _kernel_path(file.descriptor) == file.kernel_path:
            return True
        self.release(path)
        self.lost.add(path)
        return False

    def duplicate(self, path: Path) -> int | None:
        """Return another descriptor of the file; ``None`` unless `has` is true."""
        return os.dup(self._files[path].descriptor) if self.has(path) else None

    def release(self, path: Path) -> None:
        """Close the file, if it is open."""
        if path in self._files:
            os.close(self._files.pop(path).descriptor)


def _reopen_readable(descriptor: int, flags: int) -> int:
    """Return the same file, open for reading as well: the sink checks whether its end is a line."""
    both = flags & ~(os.O_WRONLY | os.O_CREAT) | os.O_RDWR | os.O_CLOEXEC
    try:
        return os.open(f"/proc/self/fd/{descriptor}", both)
    finally:
        os.close(descriptor)


def _kernel_path(descriptor: int) -> str:
    """Return the kernel's path of an open file, with `` (deleted)`` appended if it was removed."""
    return os.readlink(f"/proc/self/fd/{descriptor}")
