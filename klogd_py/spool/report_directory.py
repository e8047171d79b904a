# SPDX-License-Identifier: GPL-2.0-or-later
"""Read, write and list the files of the spool: ``ID.json`` for each report, ``issues.json``.

A file is written under a temporary name, synchronised and renamed, so that no half of one is ever
seen. Members of its group may read it, nobody else. Only regular files with one of these names are
looked at: a link, a FIFO or a file of a terabyte is named and left alone.

Source: rename(2), fsync(2); `klogd_py.system.trusted_directory` for what root opens.
"""

import contextlib
import errno
import fcntl
import os
import re
import stat
import time
from collections.abc import Iterator
from pathlib import Path

from klogd_py.spool.errors import SpoolNotUsable
from klogd_py.spool.retention import REPORT_LIMIT_BYTES, StoredFile
from klogd_py.system.file_identity import FileOwner
from klogd_py.system.regular_file import read_bounded
from klogd_py.system.trusted_directory import Directory, directory_of

DIRECTORY_MODE, FILE_MODE = 0o750, 0o640
ISSUES = "issues.json"
LOCK = ".lock"
LOCK_LIMIT_S, LOCK_PAUSE_S = 2.0, 0.02
# Beyond that, a directory is not read to its end.
MAX_NAMES = 20_000
_ID = re.compile(r"[0-9A-Za-z][0-9A-Za-z_-]{0,63}")
_TEMPORARY = re.compile(r"\.[0-9A-Za-z_-]{1,64}\.json\.new")
_SUFFIX = ".json"


def is_id(text: str) -> bool:
    """Whether a text can be the id of a report, and so the name of its file."""
    return _ID.fullmatch(text) is not None and text + _SUFFIX != ISSUES


class ReportDirectory:
    """The directory of the reports. Immutable; every method may block, and raises OSError."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def create(self, new_for: FileOwner | None = None) -> None:
        """Create the directory, below one that exists, and correct its mode.

        Root makes it for ``new_for``, or for the owner of the directory above.
        """
        with directory_of(self.path) as above:
            try:
                os.mkdir(above.name, DIRECTORY_MODE, dir_fd=above.descriptor)
            except FileExistsError:
                return
            owner = new_for or above.owner
        with self._opened() as descriptor:
            # The umask of the service does not apply.
            os.fchmod(descriptor, DIRECTORY_MODE)
            if os.geteuid() == 0:
                # Some ids cannot be expressed in a user namespace.
                with contextlib.suppress(PermissionError, OverflowError):
                    os.fchown(descriptor, owner.user, owner.group)

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        """Keep other processes from changing the files; raises SpoolNotUsable if one goes on."""
        with self._at(LOCK) as directory:
            descriptor = _open_new(directory, os.O_RDWR | os.O_CREAT)
        try:
            end_s = time.monotonic() + LOCK_LIMIT_S
            while True:
                try:
                    fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    break
                except BlockingIOError:
                    if time.monotonic() > end_s:
                        raise SpoolNotUsable(f"{self.path}: another process uses it") from None
                    time.sleep(LOCK_PAUSE_S)
            yield
        finally:
            os.close(descriptor)

    def read(self, name: str, limit_bytes: int) -> bytes:
        """Return the content of a file in the directory."""
        with self._at(name) as directory:
            descriptor = directory.open_regular(os.O_RDONLY)
        try:
            return read_bounded(descriptor, limit_bytes)
        finally:
            os.close(descriptor)

    def read_report(self, report_id: str) -> bytes:
        """Return the document of a report."""
        return self.read(report_id + _SUFFIX, REPORT_LIMIT_BYTES)

    def write(self, name: str, content: bytes) -> None:
        """Replace a file as a whole; its content is on the disk when this returns."""
        temporary = f".{name}.new"
        with self._at(temporary) as directory:
            with contextlib.suppress(FileNotFoundError):
                directory.remove()
            descriptor = _open_new(directory, os.O_WRONLY | os.O_CREAT | os.O_EXCL)
            try:
                with open(descriptor, "wb") as file:
                    os.fchmod(descriptor, FILE_MODE)
                    file.write(content)
                    file.flush()
                    os.fsync(descriptor)
                here = directory.descriptor
                os.rename(temporary, name, src_dir_fd=here, dst_dir_fd=here)
            except OSError:
                with contextlib.suppress(OSError):
                    directory.remove()
                raise

    def write_report(self, report_id: str, content: bytes) -> None:
        """Write the document of a report."""
        if not is_id(report_id):
            raise OSError(errno.EINVAL, "not the id of a report", report_id)
        self.write(report_id + _SUFFIX, content)

    def synchronise(self) -> None:
        """Wait until the names of the files are on the disk."""
        with self._opened() as descriptor:
            os.fsync(descriptor)

    def remove_report(self, report_id: str) -> None:
        """Remove the file of a report; one that is gone is no error."""
        with self._at(report_id + _SUFFIX) as directory, contextlib.suppress(FileNotFoundError):
            directory.remove()

    def clean(self) -> None:
        """Remove what a kill has left of a file that was being written."""
        for name in self._names():
            if _TEMPORARY.fullmatch(name):
                with self._at(name) as directory, contextlib.suppress(OSError):
                    directory.remove()

    def files(self) -> list[StoredFile]:
        """Return every regular file that has the name of a report, the oldest first."""
        found = []
        with self._opened() as descriptor:
            for name in self._names():
                report_id = name.removesuffix(_SUFFIX)
                if not name.endswith(_SUFFIX) or not is_id(report_id):
                    continue
                with contextlib.suppress(FileNotFoundError):
                    status = os.stat(name, dir_fd=descriptor, follow_symlinks=False)
                    if stat.S_ISREG(status.st_mode):
                        found.append(StoredFile(report_id, status.st_size, status.st_mtime))
        return sorted(found, key=lambda file: (file.changed_s, file.id))

    def foreign_names(self) -> list[str]:
        """Return what lies in the directory and is no file of the spool."""
        own = {file.id + _SUFFIX for file in self.files()} | {ISSUES, LOCK}
        return [
            name for name in sorted(self._names()) if name not in own and not name.startswith(".")
        ]

    def _names(self) -> list[str]:
        with self._opened() as descriptor, os.scandir(descriptor) as entries:
            return [entry.name for entry, _ in zip(entries, range(MAX_NAMES), strict=False)]

    @contextlib.contextmanager
    def _opened(self) -> Iterator[int]:
        """Open the directory itself."""
        with self._at(LOCK) as directory:
            flags = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
            descriptor = os.open(".", flags, dir_fd=directory.descriptor)
        try:
            yield descriptor
        finally:
            os.close(descriptor)

    def _at(self, name: str) -> contextlib.AbstractContextManager[Directory]:
        return directory_of(self.path / name)


def _open_new(directory: Directory, flags: int) -> int:
    # What root writes belongs to the owner of the directory, who may have to write it later.
    owner = directory.owner if os.geteuid() == 0 else None
    return directory.open_regular(flags, FILE_MODE, new_for=owner)
