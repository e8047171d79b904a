# SPDX-License-Identifier: GPL-2.0-or-later
"""Read, lock and write the cursor file, which holds the position of each sink across restarts.

`cursor_format` has its content. It is valid within one boot only. It is written in place, with one
write and without fsync: a power failure ends the boot, so the file only has to be recognised as
damaged, by its checksum. One write of a few hundred bytes is cheap enough for every batch, so few
records are sent twice after a kill.

A file counts as empty if it is not a regular file of this user, of root or of the owner of the
directory, if it is too large, or if it cannot be parsed: sending records twice is better than not
at all. The file is locked while it is in use, since two daemons would overwrite each other's
positions.
"""

import contextlib
import errno
import fcntl
import os
from collections.abc import Mapping
from pathlib import Path

from klogd_py.record.sequence import Position
from klogd_py.sinks.cursor_format import LIMIT_BYTES, CursorError, NotCursors, parse, render
from klogd_py.system.regular_file import read_bounded
from klogd_py.system.trusted_directory import directory_of

BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
# The text is padded with blanks to a multiple of this, so that nothing of a longer text remains.
BLOCK_BYTES = 512
READ_LIMIT_S = 2.0
_NO_SPACE = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


class CursorsNotSaved(CursorError, OSError):
    """The cursor file could not be written; the message holds the path and the reason."""


class CursorsTooLong(CursorsNotSaved):
    """The text of all positions is longer than the file may be."""


class CursorFileInUse(CursorError, OSError):
    """Another daemon uses the cursor file; the message holds its path and the remedy."""


class CursorFile:
    """The cursor file of this boot, and the positions that it holds. Mutable."""

    def __init__(self, path: Path, boot_id: str | None, *, locked: bool = False) -> None:
        """Read the file; ``remark`` is why what an existing file holds is not used.

        Without a boot id, nothing that it holds is used.

        With ``locked`` it is first locked, if it can be created.

        Raises:
            CursorFileInUse: another process has locked it.
        """
        # `None` if all of it is used
        self.remark: str | None = None
        self._path = path
        self._boot_id = boot_id
        self._descriptor = -1
        # Of the file, which no other process writes while it is locked
        self._size = 0
        # The content has no checksum or has not been read: it must not be overwritten in part.
        self._is_foreign = False
        self._positions: dict[str, Position] = {}
        if locked:
            # The first `save` reports it.
            with contextlib.suppress(CursorsNotSaved):
                self.lock()
        self._positions = self._load()

    @property
    def is_empty(self) -> bool:
        """Whether no sink has a position."""
        return not self._positions

    def lock(self) -> None:
        """Create the file if necessary and lock it until `close`.

        Raises:
            CursorFileInUse: another process has locked it.
            CursorsNotSaved: the directory is missing, read-only or full, or there is no file.
        """
        if self._descriptor >= 0:
            return
        try:
            descriptor = self._open(os.O_RDWR | os.O_CREAT)
        except OSError as error:
            raise CursorsNotSaved(f"{self._path}: {error.strerror}") from error
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(descriptor)
            raise CursorFileInUse(
                f"{self._path}: in use by another klogd-py; "
                "give this one a state.cursor_file of its own, or none"
            ) from None
        except OSError as error:
            os.close(descriptor)
            raise CursorsNotSaved(f"{self._path}: cannot be locked: {error.strerror}") from error
        self._descriptor = descriptor
        self._size = os.fstat(descriptor).st_size
        self._is_foreign = self._size > 0
        if self._size == 0:
            self._write({})

    def position(self, sink: str) -> Position | None:
        """Return what a sink has accepted; ``None`` if it is new."""
        return self._positions.get(sink)

    def hand_over(self, old: str, new: str) -> None:
        """Give the position of a sink to a sink that is new; nothing if there is none to give.

        The file has it from the next `save` on.
        """
        if old in self._positions and new not in self._positions:
            self._positions[new] = self._positions.pop(old)

    def drop_beyond(self, newest: int) -> None:
        """Drop positions beyond ``newest``, the highest sequence number of the ring buffer.

        Such a position is wrong, and would suppress records.
        """
        for sink, position in list(self._positions.items()):
            if position.next_seq > newest + 1:
                self.remark = (
                    f"{self._path}: {sink} at {position.next_seq}, "
                    f"beyond the newest record {newest}; starting at the oldest"
                )
                del self._positions[sink]

    def save(self, positions: Mapping[str, Position]) -> None:
        """Write the file if a position has changed; sinks that are not running keep theirs.

        Raises:
            CursorFileInUse: another process has locked the file.
            CursorsNotSaved: the directory is missing, read-only or full, or there is no file.
        """
        if all(self._positions.get(sink) == position for sink, position in positions.items()):
            return
        merged = {**self._positions, **positions}
        # It was removed or replaced; what is written to it would be lost.
        if self._descriptor >= 0 and os.fstat(self._descriptor).st_nlink == 0:
            self.close()
        self.lock()
        try:
            self._write(merged)
        # Drop the positions of sinks that are not configured any more.
        except CursorsTooLong:
            merged = dict(positions)
            self._write(merged)
        self._positions = merged

    def close(self) -> None:
        """Close and unlock the file."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
        self._descriptor = -1

    def _open(self, flags: int) -> int:
        """Open the file if no other user can write it; raises OSError."""
        with directory_of(self._path) as directory:
            # The owner of the directory must be able to use a file that root creates.
            owner = directory.owner if os.geteuid() == 0 else None
            descriptor = directory.open_regular(flags, 0o600, new_for=owner)
            try:
                _check_trusted(os.fstat(descriptor), directory.owner.user)
            except OSError:
                os.close(descriptor)
                raise
        return descriptor

    def _write(self, positions: Mapping[str, Position]) -> None:
        """Write the text for these positions; raises CursorsNotSaved."""
        try:
            content = render(self._boot_id or "", positions)
            # A mixture of new and unknown content could be valid, and it may be a terabyte.
            if self._is_foreign:
                os.ftruncate(self._descriptor, 0)
                self._size, self._is_foreign = 0, False
            padded_bytes = -(-(len(content) + 1) // BLOCK_BYTES) * BLOCK_BYTES
            if padded_bytes > self._size:
                self._extend(padded_bytes)
            if os.pwrite(self._descriptor, content.ljust(self._size - 1) + b"\n", 0) < self._size:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        except NotCursors as error:
            raise CursorsTooLong(f"{self._path}: {error}") from error
        except OSError as error:
            raise CursorsNotSaved(f"{self._path}: {error.strerror}") from error

    def _extend(self, size: int) -> None:
        """Allocate ``size`` bytes, so that a full disk keeps the old content; raises OSError."""
        try:
            os.posix_fallocate(self._descriptor, 0, size)
        except OSError as error:
            # A file system without fallocate may still accept the write.
            if error.errno in _NO_SPACE:
                raise
        self._size = size

    def _load(self) -> dict[str, Position]:
        """Return the positions of this boot.

        Empty if the content cannot be used; ``remark`` has the reason then.
        """
        try:
            raw = self._read()
            # The file is new, and the disk was full when it was created.
            if not raw and self._descriptor >= 0:
                return {}
            saved = parse(raw)
        except FileNotFoundError:
            return {}
        except (OSError, NotCursors) as error:
            self._is_foreign = True
            reason = error.strerror if isinstance(error, OSError) else str(error)
            self.remark = f"{self._path}: {reason}; starting at the oldest record"
            return {}
        self._is_foreign = saved.check is None
        if self._boot_id is None or saved.boot_id != self._boot_id:
            return {}
        return saved.positions

    def _read(self) -> bytes:
        """Return the bytes of the file, which may be locked already; raises OSError."""
        descriptor = self._descriptor if self._descriptor >= 0 else self._open(os.O_RDONLY)
        try:
            os.lseek(descriptor, 0, os.SEEK_SET)
            return read_bounded(descriptor, LIMIT_BYTES, limit_s=READ_LIMIT_S)
        finally:
            if descriptor != self._descriptor:
                os.close(descriptor)


def _check_trusted(found: os.stat_result, directory_owner: int) -> None:
    """Raise OSError if other users can write a file, or if it has another name."""
    if found.st_uid not in (0, os.geteuid(), directory_owner):
        reason = f"belongs to user {found.st_uid}, neither to this one nor to that of the directory"
    elif found.st_mode & 0o022:
        reason = "can be written by other users"
    elif found.st_nlink > 1:
        reason = "has another name as well"
    else:
        return
    raise OSError(errno.EPERM, reason)


def boot_id() -> str | None:
    """Return the id of the running boot, without dashes as in the journal; ``None`` if unknown."""
    try:
        return BOOT_ID.read_text().strip().replace("-", "") or None
    except OSError:
        return None
