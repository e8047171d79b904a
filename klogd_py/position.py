"""Which record does each sink want next after a restart?

The position is a small JSON file: ``{"boot_id": "...", "next": {"syslog:/dev/log": 1201}}``. It means something only within
one boot, so it is written by renaming but without fsync: what a power failure destroys, the reboot has outdated. A file
of another boot, or one that cannot be understood, counts as none.
"""

import os
from collections.abc import Mapping
from pathlib import Path

import msgspec
from msgspec import Struct

BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


class _Saved(Struct):
    boot_id: str
    next: dict[str, int]


class PositionNotSaved(OSError):
    """The position file could not be written; the message holds the path and the reason."""


class Ledger:
    """The position file of this boot and what is known to stand in it. Mutable."""

    def __init__(self, path: Path, boot_id: str) -> None:
        """Read the file; ``remark`` says why one that is there cannot be used."""
        self.remark = ""
        self._path = path
        self._boot_id = boot_id
        self._next = self._load()

    @property
    def is_empty(self) -> bool:
        """Whether no sink has a position."""
        return not self._next

    def owed(self, sink: str) -> int | None:
        """The sequence number that a sink wants next; ``None`` if it is new."""
        return self._next.get(sink)

    def forget_beyond(self, newest: int) -> None:
        """Drop positions that no reader of this ring can have reached; they must not suppress anything."""
        for sink, seq in list(self._next.items()):
            if seq > newest + 1:
                self.remark = f"{self._path}: {sink} at {seq}, beyond the newest record {newest}; starting at the oldest"
                del self._next[sink]

    def save(self, positions: Mapping[str, int]) -> None:
        """Replace the file in one step if something moved; sinks that are not running now keep their entry.

        Raises:
            PositionNotSaved: the directory is missing, read-only or full.
        """
        if all(self._next.get(sink) == seq for sink, seq in positions.items()):
            return
        merged = self._next | dict(positions)
        beside = self._path.with_name(f".{self._path.name}.new")
        try:
            descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
            with open(descriptor, "wb") as file:
                file.write(msgspec.json.encode(_Saved(self._boot_id, merged)))
            os.replace(beside, self._path)
        except OSError as error:
            raise PositionNotSaved(f"{self._path}: {error.strerror}") from error
        self._next = merged

    def _load(self) -> dict[str, int]:
        try:
            saved = msgspec.json.decode(self._path.read_bytes(), type=_Saved)
        except FileNotFoundError:
            return {}
        except (OSError, msgspec.DecodeError) as error:
            reason = error.strerror if isinstance(error, OSError) else "not a saved position"
            self.remark = f"{self._path}: {reason}; starting at the oldest record"
            return {}
        if saved.boot_id != self._boot_id or not self._boot_id:
            return {}
        return {sink: seq for sink, seq in saved.next.items() if seq >= 0}


def boot_id() -> str:
    """The running boot's id, without dashes as the journal writes it; empty where /proc does not tell."""
    try:
        return BOOT_ID.read_text().strip().replace("-", "")
    except OSError:
        return ""
