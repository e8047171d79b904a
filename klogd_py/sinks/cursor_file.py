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
from collections.abc import Collection, Mapping
from pathlib import Path

from klogd_py.sinks.cursor_format import LIMIT_BYTES, NotCursors, parse, render
from klogd_py.system.regular_file import read_bounded
from klogd_py.system.trusted_directory import directory_of

BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
# The text is padded with blanks to a multiple of this, so that nothing of a longer text remains.
BLOCK_BYTES = 512
READ_LIMIT_S = 2.0
_NO_SPACE = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


class CursorsNotSaved(OSError):
    """The cursor file could not be written; the message holds the path and the reason."""


class CursorsTooLong(CursorsNotSaved):
    """The text of all positions is longer than the file may be."""


class CursorFileInUse(OSError):
    """Another daemon uses the cursor file; the message holds its path and the remedy."""


class CursorFile:
    """The cursor file of this boot, and the positions that it holds. Mutable."""

    def __init__(self, path: Path, boot_id: str, *, locked: bool = False) -> None:
        """Read the file; ``remark`` is why an existing file cannot be used, empty if it can.

        With ``locked`` it is first locked, if it can be created.

        Raises:
            CursorFileInUse: another process has locked it.
        """
        self.remark = ""
        self._path = path
        self._boot_id = boot_id
        self._descriptor = -1
        # Of the file, which no other process writes while it is locked
        self._size = 0
        # The content has no checksum or has not been read: it must not be overwritten in part.
        self._is_foreign = False
        self._next: dict[str, int] = {}
        self._ahead: dict[str, tuple[int, ...]] = {}
        if locked:
            # The first `save` reports it.
            with contextlib.suppress(CursorsNotSaved):
                self.lock()
        self._next, self._ahead = self._load()

    @property
    def is_empty(self) -> bool:
        """Whether no sink has a position."""
        return not self._next

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
            self._write({}, {})

    def next_seq(self, sink: str) -> int | None:
        """Return the first sequence number that a sink has not accepted; ``None`` if it is new."""
        return self._next.get(sink)

    def ahead(self, sink: str) -> tuple[int, ...]:
        """Return the sequence numbers beyond `next_seq` that a sink has accepted."""
        return self._ahead.get(sink, ())

    def drop_beyond(self, newest: int) -> None:
        """Drop positions beyond ``newest``, the highest sequence number of the ring buffer.

        Such a position is wrong, and would suppress records.
        """
        for sink, seq in list(self._next.items()):
            if seq > newest + 1:
                self.remark = (
                    f"{self._path}: {sink} at {seq}, beyond the newest record {newest}; "
                    "starting at the oldest"
                )
                del self._next[sink]
                self._ahead.pop(sink, None)

    def save(
        self, positions: Mapping[str, int], ahead: Mapping[str, Collection[int]] | None = None
    ) -> None:
        """Write the file if a position has changed; sinks that are not running keep theirs.

        ``ahead`` holds the numbers that sinks have accepted beyond their positions; a sink without
        an entry has accepted none.

        Raises:
            CursorFileInUse: another process has locked the file.
            CursorsNotSaved: the directory is missing, read-only or full, or there is no file.
        """
        if all(self._next.get(sink) == seq for sink, seq in positions.items()):
            return
        merged = {**self._next, **positions}
        beyond = {sink: tuple(seqs) for sink, seqs in (ahead or {}).items()}
        others = {sink: seqs for sink, seqs in self._ahead.items() if sink not in positions}
        # It was removed or replaced; what is written to it would be lost.
        if self._descriptor >= 0 and os.fstat(self._descriptor).st_nlink == 0:
            self.close()
        self.lock()
        try:
            self._write(merged, others | beyond)
        # Drop the positions of sinks that are not configured any more.
        except CursorsTooLong:
            merged, others = dict(positions), {}
            self._write(merged, beyond)
        self._next, self._ahead = merged, others | beyond

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
            reason = _distrust_reason(os.fstat(descriptor), directory.owner.user)
        if reason:
            os.close(descriptor)
            raise OSError(errno.EPERM, reason)
        return descriptor

    def _write(self, positions: dict[str, int], ahead: dict[str, tuple[int, ...]]) -> None:
        """Write the text for these positions; raises CursorsNotSaved."""
        try:
            content = render(self._boot_id, positions, ahead)
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

    def _load(self) -> tuple[dict[str, int], dict[str, tuple[int, ...]]]:
        """Return the positions of this boot, and the numbers accepted beyond them.

        Both are empty if the content cannot be used; ``remark`` has the reason then.
        """
        try:
            raw = self._read()
            # The file is new, and the disk was full when it was created.
            if not raw and self._descriptor >= 0:
                return {}, {}
            saved = parse(raw)
        except FileNotFoundError:
            return {}, {}
        except (OSError, NotCursors) as error:
            self._is_foreign = True
            reason = error.strerror if isinstance(error, OSError) else str(error)
            self.remark = f"{self._path}: {reason}; starting at the oldest record"
            return {}, {}
        self._is_foreign = saved.check is None
        if not self._boot_id or saved.boot_id != self._boot_id:
            return {}, {}
        return saved.next, saved.ahead

    def _read(self) -> bytes:
        """Return the bytes of the file, which may be locked already; raises OSError."""
        descriptor = self._descriptor if self._descriptor >= 0 else self._open(os.O_RDONLY)
        try:
            os.lseek(descriptor, 0, os.SEEK_SET)
            return read_bounded(descriptor, LIMIT_BYTES, limit_s=READ_LIMIT_S)
        finally:
            if descriptor != self._descriptor:
                os.close(descriptor)


def _distrust_reason(found: os.stat_result, directory_owner: int) -> str:
    """Return why a file is not used: other users can write it, or it has another name.

    Empty if it is used.
    """
    if found.st_uid not in (0, os.geteuid(), directory_owner):
        return f"belongs to user {found.st_uid}, neither to this one nor to that of the directory"
    if found.st_mode & 0o022:
        return "can be written by other users"
    if found.st_nlink > 1:
        return "has another name as well"
    return ""


def boot_id() -> str:
    """Return the id of the running boot, without dashes as in the journal; empty if unknown."""
    try:
        return BOOT_ID.read_text().strip().replace("-", "")
    except OSError:
        return ""
