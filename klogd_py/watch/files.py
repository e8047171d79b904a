# SPDX-License-Identifier: GPL-2.0-or-later
"""Report that one of a set of files has appeared, changed or gone.

Watches existing directories with one inotify descriptor, and reports only paths that were asked
for. The calls and constants are those of watchdog, whose observers have threads for each directory.
Opening and reading are not watched, or the daemon's own reads would cause reloads without end.
Writing to a device or a FIFO is no change either: its path stays the same.

Source: inotify(7); inotify_add_watch(2) for its errors.
"""

import ctypes
import errno
import io
import os
import stat
import struct
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from msgspec import Struct
from watchdog.observers.inotify_c import InotifyConstants, inotify_add_watch, inotify_init

# Whoever writes to /dev/null causes an event in /dev; the kernel's own changes cause none.
_NEVER_WATCHED = ("/proc", "/sys")
_DEVICES = "/dev"
_MASK = (
    InotifyConstants.IN_CREATE
    | InotifyConstants.IN_CLOSE_WRITE
    | InotifyConstants.IN_MOVED_FROM
    | InotifyConstants.IN_MOVED_TO
    | InotifyConstants.IN_DELETE
    | InotifyConstants.IN_MOVE_SELF
    | InotifyConstants.IN_ONLYDIR
)
# The directory is not at its path any more.
_GONE = InotifyConstants.IN_IGNORED | InotifyConstants.IN_MOVE_SELF
# struct inotify_event: watch descriptor, mask, cookie, length of the name with its NULs
_HEADER = struct.Struct("iIII")
# Far more than one event, which has a name of at most 255 bytes
_READ_BYTES = 1 << 16
# What strerror(3) says of these is not about inotify.
_LIMITS = {
    errno.EMFILE: "inotify instance limit reached",
    errno.ENOSPC: "inotify watch limit reached",
}


class CannotWatch(OSError):
    """inotify cannot be used at all."""


class _Event(Struct, frozen=True):
    """One event of inotify; ``name`` is empty if it is about the directory itself."""

    watch: int
    mask: int
    name: bytes


class FileWatch:
    """A running watch. ``fileno`` becomes readable when something may have changed. Mutable."""

    def __init__(self, directories: Iterable[Path], wanted: Callable[[Path], bool]) -> None:
        """Watch the directories that exist; ``wanted`` selects paths.

        ``unwatched`` then has those that cannot be watched, by the reason. May block where a file
        system hangs. Raises CannotWatch.
        """
        self.unwatched: dict[str, list[Path]] = {}
        self._wanted = wanted
        # Two paths of one directory have one watch.
        self._directories: dict[int, list[Path]] = {}
        descriptor = inotify_init()
        if descriptor < 0:
            raise CannotWatch(f"inotify: {_reason(ctypes.get_errno())}")
        # A file object is closed even if nobody waits for this watch any more.
        self._file = io.FileIO(descriptor)
        os.set_inheritable(descriptor, False)
        os.set_blocking(descriptor, False)
        for directory in sorted(set(directories)):
            if os.path.isdir(directory) and not _is_of_kernel(directory):
                self._add(directory)

    def _add(self, directory: Path) -> None:
        watch = inotify_add_watch(self.fileno(), os.fsencode(directory), _MASK)
        if watch < 0:
            reason = _reason(ctypes.get_errno())
            self.unwatched.setdefault(reason, []).append(directory)
        else:
            self._directories.setdefault(watch, []).append(directory)

    def fileno(self) -> int:
        """Return the descriptor."""
        return self._file.fileno()

    def changed_files(self) -> list[Path] | None:
        """Read what has happened, and return the wanted paths that have changed, each once.

        A directory that is not at its path any more has changed itself. ``None``: events were lost,
        so everything may have changed.
        """
        changed: dict[Path, None] = {}
        for event in _parse(self._file.read(_READ_BYTES) or b""):
            if event.mask & InotifyConstants.IN_Q_OVERFLOW:
                return None
            changed |= dict.fromkeys(self._changed_by(event))
        return list(changed)

    def _changed_by(self, event: _Event) -> Iterator[Path]:
        is_gone = event.mask & _GONE
        watched = self._directories
        # What happens in a directory that was renamed does not happen at its old path.
        places = watched.pop(event.watch, []) if is_gone else watched.get(event.watch, [])
        for directory in places:
            path = directory / os.fsdecode(event.name) if event.name else directory
            is_written = event.mask & InotifyConstants.IN_CLOSE_WRITE
            if self._wanted(path) and not (is_written and _is_special(path)):
                yield path

    def close(self) -> None:
        """Stop watching."""
        self._file.close()


def _parse(data: bytes) -> Iterator[_Event]:
    r"""Read whole events as returned by a read() of inotify.

    ``b"\1\0\0\0\x08\0\0\0\0\0\0\0\x10\0\0\0klogd-py.toml\0\0\0"``: watch 1, IN_CLOSE_WRITE, no
    cookie, 16 bytes of name.
    """
    at = 0
    while at < len(data):
        watch, mask, _, length = _HEADER.unpack_from(data, at)
        at += _HEADER.size
        yield _Event(watch, mask, data[at : at + length].rstrip(b"\0"))
        at += length


def _reason(number: int) -> str:
    return _LIMITS.get(number) or os.strerror(number)


def _is_of_kernel(directory: Path) -> bool:
    """Whether a directory is /dev or one of a file system in which inotify reports nothing."""
    real = os.path.realpath(directory)
    return real in (_DEVICES, *_NEVER_WATCHED) or real.startswith(
        tuple(f"{place}/" for place in _NEVER_WATCHED)
    )


def _is_special(path: Path) -> bool:
    """Whether a path is a device, a FIFO or a socket; what is written there is no change of it."""
    try:
        kind = os.lstat(path).st_mode
    except OSError:
        return False
    return not (stat.S_ISREG(kind) or stat.S_ISDIR(kind) or stat.S_ISLNK(kind))
