"""Which record does each sink want next after a restart?

The position is a small JSON file: ``{"boot_id": "...", "next": {"syslog:/dev/log": 1201}, "check": 3735928559}``. Where a line in
pieces has taken later numbers with it, ``"ahead": {"syslog:/dev/log": [1204]}`` lists those that the sink has had too. It means
something only within one boot, so it is written in place without fsync: what a power failure destroys, the reboot has
outdated. One write of a few hundred bytes is cheap enough for every batch, so after a kill hardly anything is sent twice;
the check sum proves that it was written wholly. A file of another boot, or one that cannot be understood, counts as none.

The file is locked for as long as it is in use: two daemons would move each other's positions.
"""

import contextlib
import fcntl
import os
import zlib
from collections.abc import Collection, Mapping
from pathlib import Path

import msgspec
from msgspec import Struct

BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
BLOCK_BYTES = 512  # padded with blanks to a multiple, or to what is there: nothing of a longer text stays
_FLAGS = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW


class _Saved(Struct, omit_defaults=True):
    boot_id: str
    next: dict[str, int]
    check: int | None = None  # None in files of versions that wrote none
    ahead: dict[str, tuple[int, ...]] = {}  # of each sink that has had numbers beyond its next one


class PositionNotSaved(OSError):
    """The position file could not be written; the message holds the path and the reason."""


class PositionInUse(OSError):
    """Another daemon uses the position file; the message holds its path and the remedy."""


class Ledger:
    """The position file of this boot and what is known to stand in it. Mutable."""

    def __init__(self, path: Path, boot_id: str, *, claimed: bool = False) -> None:
        """Read the file; ``remark`` says why one that is there cannot be used.

        With ``claimed`` it is locked before it is read, if there is a place for it; raises PositionInUse.
        """
        self.remark = ""
        self._path = path
        self._boot_id = boot_id
        self._descriptor = -1
        self._size = 0  # of the file, which nobody else writes while it is locked
        self._next: dict[str, int] = {}
        self._ahead: dict[str, tuple[int, ...]] = {}
        if claimed:
            with contextlib.suppress(PositionNotSaved):  # said at the first attempt to save
                self.claim()
        self._next, self._ahead = self._load()

    @property
    def is_empty(self) -> bool:
        """Whether no sink has a position."""
        return not self._next

    def claim(self) -> None:
        """Lock the file until `close`, creating it if need be.

        Raises:
            PositionInUse: another process has it.
            PositionNotSaved: the directory is missing or read-only.
        """
        if self._descriptor >= 0:
            return
        try:
            descriptor = os.open(self._path, _FLAGS, 0o600)
        except OSError as error:
            raise PositionNotSaved(f"{self._path}: {error.strerror}") from error
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(descriptor)
            raise PositionInUse(
                f"{self._path}: in use by another klogd-py; give this one a state.position of its own, or none"
            ) from None
        self._descriptor = descriptor
        self._size = os.fstat(descriptor).st_size
        if self._size == 0:
            self._leave_to_owner()
            self._write({}, {})

    def owed(self, sink: str) -> int | None:
        """The sequence number that a sink wants next; ``None`` if it is new."""
        return self._next.get(sink)

    def ahead(self, sink: str) -> tuple[int, ...]:
        """The numbers beyond the one `owed` that a sink has had already."""
        return self._ahead.get(sink, ())

    def forget_beyond(self, newest: int) -> None:
        """Drop positions that no reader of this ring can have reached; they must not suppress anything."""
        for sink, seq in list(self._next.items()):
            if seq > newest + 1:
                self.remark = f"{self._path}: {sink} at {seq}, beyond the newest record {newest}; starting at the oldest"
                del self._next[sink]
                self._ahead.pop(sink, None)

    def save(self, positions: Mapping[str, int], ahead: Mapping[str, Collection[int]] | None = None) -> None:
        """Write the file anew if something moved; sinks that are not running now keep their entry.

        ``ahead`` holds what some of the sinks have had beyond their positions; the others have had nothing.

        Raises:
            PositionInUse: another process has taken the file.
            PositionNotSaved: the directory is missing, read-only or full.
        """
        if all(self._next.get(sink) == seq for sink, seq in positions.items()):
            return
        merged = self._next | dict(positions)
        others = {sink: seqs for sink, seqs in self._ahead.items() if sink not in positions}
        beyond = others | {sink: tuple(seqs) for sink, seqs in (ahead or {}).items()}
        if self._descriptor >= 0 and not self._is_named():
            self.close()  # removed or replaced by hand; what is written into it would be lost
        self.claim()
        self._write(merged, beyond)
        self._next, self._ahead = merged, beyond

    def close(self) -> None:
        """Let another process have the file."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
        self._descriptor = -1

    def _write(self, positions: dict[str, int], ahead: dict[str, tuple[int, ...]]) -> None:
        check = _check(self._boot_id, positions, ahead)
        content = msgspec.json.encode(_Saved(self._boot_id, positions, check, ahead))
        try:
            self._size = max(self._size, -(-(len(content) + 1) // BLOCK_BYTES) * BLOCK_BYTES)
            os.pwrite(self._descriptor, content.ljust(self._size - 1) + b"\n", 0)
        except OSError as error:
            raise PositionNotSaved(f"{self._path}: {error.strerror}") from error

    def _leave_to_owner(self) -> None:
        """Give a new file to whom its directory belongs: run by hand as root, it must not be lost to the service's user."""
        if os.geteuid() == 0:
            owner = self._path.parent.stat()
            with contextlib.suppress(OSError):  # root of a user namespace, in which that owner has no number
                os.fchown(self._descriptor, owner.st_uid, owner.st_gid)

    def _is_named(self) -> bool:
        return os.fstat(self._descriptor).st_nlink > 0

    def _load(self) -> tuple[dict[str, int], dict[str, tuple[int, ...]]]:
        try:
            raw = self._path.read_bytes()
            saved = msgspec.json.decode(raw, type=_Saved)
        except FileNotFoundError:
            return {}, {}
        except (OSError, msgspec.DecodeError) as error:
            reason = error.strerror if isinstance(error, OSError) else "not a saved position"
            self.remark = f"{self._path}: {reason}; starting at the oldest record"
            return {}, {}
        if saved.check is not None and saved.check != _check(saved.boot_id, saved.next, saved.ahead):
            self.remark = f"{self._path}: damaged; starting at the oldest record"
            return {}, {}
        if saved.boot_id != self._boot_id or not self._boot_id:
            return {}, {}
        return {sink: seq for sink, seq in saved.next.items() if seq >= 0}, saved.ahead


def _check(boot_id: str, positions: Mapping[str, int], ahead: Mapping[str, tuple[int, ...]]) -> int:
    content = (boot_id, sorted(positions.items()), *([sorted(ahead.items())] if ahead else []))
    return zlib.crc32(repr(content).encode("utf-8", "surrogateescape"))


def boot_id() -> str:
    """The running boot's id, without dashes as the journal writes it; empty where /proc does not tell."""
    try:
        return BOOT_ID.read_text().strip().replace("-", "")
    except OSError:
        return ""
