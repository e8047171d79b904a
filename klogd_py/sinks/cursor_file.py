# SPDX-License-Identifier: GPL-2.0-or-later
"""The position file, which says which record each sink wants next after a restart.

`position_text` has its content. It means something only within one boot. It is written in place, in
one write and without fsync: a power failure ends the boot to which it belongs, so what it must
never do is to leave a text that is believed and wrong, and that is what the check sum in it is for.
One write of a few hundred bytes is cheap enough for every batch, so after a kill hardly anything is
sent twice.

What is no regular file of this user, of root or of the directory's owner, is too large or cannot be
understood counts as none: sending twice is better than not at all. The file is locked for as long
as it is in use: two daemons would move each other's positions.
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
BLOCK_BYTES = (
    # Padded with blanks to a multiple, or to what is there: nothing of a longer text stays
    512
)
READ_LIMIT_S = 2.0
_NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


class CursorsNotSaved(OSError):
    """The position file could not be written; the message holds the path and the reason."""


class TooLong(CursorsNotSaved):
    """The positions of so many sinks are longer than the file may be."""


class CursorFileInUse(OSError):
    """Another daemon uses the position file; the message holds its path and the remedy."""


class CursorFile:
    """The position file of this boot and what is known to stand in it. Mutable."""

    def __init__(self, path: Path, boot_id: str, *, locked: bool = False) -> None:
        """Read the file; ``remark`` says why one that is there cannot be used.

        With ``locked`` it is locked before it is read, if there is a place for it; raises
        CursorFileInUse.
        """
        self.remark = ""
        self._path = path
        self._boot_id = boot_id
        self._descriptor = -1
        # Of the file, which nobody else writes while it is locked
        self._size = 0
        # What it holds is not a text with a check sum, or has not been read.
        self._is_foreign = False
        self._next: dict[str, int] = {}
        self._ahead: dict[str, tuple[int, ...]] = {}
        if locked:
            # Said at the first attempt to save
            with contextlib.suppress(CursorsNotSaved):
                self.lock()
        self._next, self._ahead = self._load()

    @property
    def is_empty(self) -> bool:
        """Whether no sink has a position."""
        return not self._next

    def lock(self) -> None:
        """Lock the file until `close`, creating it if need be.

        Raises:
            CursorFileInUse: another process has it.
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
                f"{self._path}: in use by another klogd-py; give this one a state.cursor_file of its own, or none"
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
        """The sequence number that a sink wants next; ``None`` if it is new."""
        return self._next.get(sink)

    def ahead(self, sink: str) -> tuple[int, ...]:
        """The numbers beyond the one `next_seq` that a sink has had already."""
        return self._ahead.get(sink, ())

    def drop_beyond(self, newest: int) -> None:
        """Drop positions that no reader of this ring can have reached.

        They must not suppress anything.
        """
        for sink, seq in list(self._next.items()):
            if seq > newest + 1:
                self.remark = f"{self._path}: {sink} at {seq}, beyond the newest record {newest}; starting at the oldest"
                del self._next[sink]
                self._ahead.pop(sink, None)

    def save(
        self, positions: Mapping[str, int], ahead: Mapping[str, Collection[int]] | None = None
    ) -> None:
        """Write the file anew if something moved; sinks that are not running keep their entry.

        ``ahead`` holds what some of the sinks have had beyond their positions; the others have had
        nothing.

        Raises:
            CursorFileInUse: another process has taken the file.
            CursorsNotSaved: the directory is missing, read-only or full, or there is no file.
        """
        if all(self._next.get(sink) == seq for sink, seq in positions.items()):
            return
        merged = {**self._next, **positions}
        beyond = {sink: tuple(seqs) for sink, seqs in (ahead or {}).items()}
        others = {sink: seqs for sink, seqs in self._ahead.items() if sink not in positions}
        if self._descriptor >= 0 and not self._is_named():
            # Removed or replaced by hand; what is written into it would be lost
            self.close()
        self.lock()
        try:
            self._write(merged, others | beyond)
        # Entries of sinks that have come and gone
        except TooLong:
            merged, others = dict(positions), {}
            self._write(merged, beyond)
        self._next, self._ahead = merged, others | beyond

    def close(self) -> None:
        """Let another process have the file."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
        self._descriptor = -1

    def _open(self, flags: int) -> int:
        """A descriptor of the file, if nobody else can write it; raises OSError."""
        with directory_of(self._path) as directory:
            # Made by hand as root, it must not be lost to the user to whom its directory belongs.
            owner = directory.owner if os.geteuid() == 0 else None
            descriptor = directory.open_regular(flags, 0o600, new_for=owner)
            wrong = _distrusted(os.fstat(descriptor), directory.owner[0])
        if wrong:
            os.close(descriptor)
            raise OSError(errno.EPERM, wrong)
        return descriptor

    def _write(self, positions: dict[str, int], ahead: dict[str, tuple[int, ...]]) -> None:
        """Write the text for these positions; raises CursorsNotSaved, or TooLong at once."""
        try:
            content = render(self._boot_id, positions, ahead)
            # A part of ours over a part of that could be believed, and there may be a terabyte of
            # it.
            if self._is_foreign:
                os.ftruncate(self._descriptor, 0)
                self._size, self._is_foreign = 0, False
            wanted = -(-(len(content) + 1) // BLOCK_BYTES) * BLOCK_BYTES
            if wanted > self._size:
                self._make_room(wanted)
            if os.pwrite(self._descriptor, content.ljust(self._size - 1) + b"\n", 0) < self._size:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        except NotCursors as error:
            raise TooLong(f"{self._path}: {error}") from error
        except OSError as error:
            raise CursorsNotSaved(f"{self._path}: {error.strerror}") from error

    def _make_room(self, size: int) -> None:
        """Have the file be so long, so that a full disk leaves what is there; raises OSError."""
        try:
            os.posix_fallocate(self._descriptor, 0, size)
        except OSError as error:
            if error.errno in _NO_ROOM:
                # A file system that cannot do it may still take the write
                raise
        self._size = size

    def _is_named(self) -> bool:
        return os.fstat(self._descriptor).st_nlink > 0

    def _load(self) -> tuple[dict[str, int], dict[str, tuple[int, ...]]]:
        """The positions of this boot and what lies ahead.

        None, with a remark, if what is there cannot be used.
        """
        try:
            raw = self._content()
            if not raw and self._descriptor >= 0:
                # New, and the disk was full when it was to be begun
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

    def _content(self) -> bytes:
        """The bytes of the file, through its own descriptor if it is locked; raises OSError."""
        descriptor = self._descriptor if self._descriptor >= 0 else self._open(os.O_RDONLY)
        try:
            os.lseek(descriptor, 0, os.SEEK_SET)
            return read_bounded(descriptor, LIMIT_BYTES, limit_s=READ_LIMIT_S)
        finally:
            if descriptor != self._descriptor:
                os.close(descriptor)


def _distrusted(found: os.stat_result, directory_owner: int) -> str:
    """Why a file is not used: others can write it, or it has another name. Empty if it is."""
    if found.st_uid not in (0, os.geteuid(), directory_owner):
        return f"belongs to user {found.st_uid}, neither to this one nor to that of the directory"
    if found.st_mode & 0o022:
        return "can be written by other users"
    if found.st_nlink > 1:
        return "has another name as well"
    return ""


def boot_id() -> str:
    """The running boot's id, without dashes as the journal writes it.

    Empty where /proc does not tell.
    """
    try:
        return BOOT_ID.read_text().strip().replace("-", "")
    except OSError:
        return ""
