# SPDX-License-Identifier: GPL-2.0-or-later
"""Log files that root opens before it goes on as somebody else, who may not open them.

Only files in root's own directories: what lies elsewhere is left for the user to open. A file that
was moved or removed is let go of, since nobody can tell any more what has its name.

Source of truth: proc(5) for /proc/self/fd, whose links name an open file by its present path
without any permission for it.
"""

import os
import stat
from pathlib import Path

from klogd_py.system.trusted_directory import directory_of


class PreopenedFiles:
    """Open files by their path. Mutable."""

    def __init__(self) -> None:
        self._files: dict[
            Path, tuple[int, str]
            # The descriptor, and what the kernel called the file when it was opened
        ] = {}
        # What was moved or removed since
        self.lost: set[Path] = set()

    def open(self, path: Path, flags: int, mode: int, owner: tuple[int, int]) -> None:
        """Open a file in a directory of root's own.

        One that has to be created is this user's and group's. Raises OSError.
        """
        with directory_of(path, follow=True) as directory:
            if directory.is_shared:
                return
            descriptor = directory.open(flags, mode, new_for=owner)
        if stat.S_ISREG(os.fstat(descriptor).st_mode):
            descriptor = _readable(descriptor, flags)
        self._files[path] = descriptor, _called(descriptor)

    def has(self, path: Path) -> bool:
        """Whether the file of this path is held, and still has that name."""
        if path not in self._files:
            return False
        descriptor, name = self._files[path]
        if _called(descriptor) == name:
            return True
        self.forget(path)
        self.lost.add(path)
        return False

    def again(self, path: Path) -> int | None:
        """Another descriptor of a file that is held; ``None`` if it is not, or lost its name."""
        return os.dup(self._files[path][0]) if self.has(path) else None

    def forget(self, path: Path) -> None:
        """Let go of a file, if it is held."""
        if path in self._files:
            os.close(self._files.pop(path)[0])


def _readable(descriptor: int, flags: int) -> int:
    """The same file, open for reading as well.

    Whoever appends to it looks whether its last line is whole.
    """
    both = flags & ~(os.O_WRONLY | os.O_CREAT) | os.O_RDWR | os.O_CLOEXEC
    try:
        return os.open(f"/proc/self/fd/{descriptor}", both)
    finally:
        os.close(descriptor)


def _called(descriptor: int) -> str:
    """The path by which the kernel knows an open file.

    One that was removed has a mark behind it.
    """
    return os.readlink(f"/proc/self/fd/{descriptor}")
