# SPDX-License-Identifier: GPL-2.0-or-later
"""Open and make files where another user may have put links, FIFOs or files in the way.

For other users than root the kernel's permission checks are enough. Root may do everything, so it
checks itself: it opens one directory after the other, by descriptor, and looks who can change it.
Where only root can, symbolic links are root's own and are followed. In every other directory, and
below it, no link is followed, a file is created with O_EXCL, and an existing file is opened only if
it is a regular file with one name that belongs to root or to the owner of the directory.

Source: openat(2); path_resolution(7); symlink(7) for the links of /proc, which lead to open files
and not along a path; inode(7) for the sticky bit.
"""

import contextlib
import errno
import os
import stat
from collections import deque
from collections.abc import Iterator
from pathlib import Path

from msgspec import Struct

from klogd_py.system.directory_trust import Trust, describe_user, describe_writers, trust_below
from klogd_py.system.errors import SystemOperationError
from klogd_py.system.file_identity import FileOwner
from klogd_py.system.regular_file import NotRegularFile, open_regular

PROC = Path("/proc")
# PROC_ROOT_INO in include/linux/proc_ns.h
_ROOT_OF_PROC = 1
# MAXSYMLINKS of the kernel
_MAX_LINKS = 40
_DIRECTORY = os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC
_NEVER_WAITS = os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC


class NotTrusted(SystemOperationError):
    """Root does not open this file, since another user may have put it there.

    ``strerror`` says what it is, and who can change the directory.
    """


class _LastStep(Struct, frozen=True):
    """The open directory of a path, the last name, and who can change to what that name leads."""

    directory: int
    name: str
    trust: Trust


class Directory:
    """The open directory of a path, and the last name of that path.

    ``descriptor`` is valid within `directory_of`. ``is_shared``: other users than root can add or
    replace files. ``is_sticky``: they can add files, but not replace root's. ``owner`` is that
    of the directory.
    """

    def __init__(self, descriptor: int, path: Path, name: str, trust: Trust) -> None:
        self.descriptor = descriptor
        self.name = name
        self.is_shared = trust is not Trust.ALONE
        self.is_sticky = trust is Trust.STICKY
        self._path = path
        status = os.fstat(descriptor)
        self.owner = FileOwner(status.st_uid, status.st_gid)
        self._changed_by = describe_writers(status)

    def open(self, flags: int, mode: int = 0o600, *, new_for: FileOwner | None = None) -> int:
        """Open the file; in a shared directory only a regular file.

        A new file gets the owner ``new_for``. Raises NotTrusted, and OSError.
        """
        return self._open(flags, mode, new_for, only_regular=self.is_shared)

    def open_regular(
        self, flags: int, mode: int = 0o600, *, new_for: FileOwner | None = None
    ) -> int:
        """Open the file if it is a regular file and no symbolic link, in any directory.

        Raises NotTrusted, NotRegularFile, and other OSError.
        """
        return self._open(flags, mode, new_for, only_regular=True)

    def status(self) -> os.stat_result:
        """Return the status of the file, of a symbolic link itself; raises OSError."""
        return os.stat(self.name, dir_fd=self.descriptor, follow_symlinks=False)

    def remove(self) -> None:
        """Remove the file; raises OSError."""
        os.unlink(self.name, dir_fd=self.descriptor)

    def require_irreplaceable(self, what: str) -> None:
        """Raise NotTrusted where others can replace what root has made.

        In a shared directory they can, unless it is sticky as ``/tmp`` is. ``what`` names the thing
        in the message.
        """
        if self.is_shared and not self.is_sticky:
            raise self._refusal(what)

    def _open(self, flags: int, mode: int, new_for: FileOwner | None, *, only_regular: bool) -> int:
        try:
            if not flags & os.O_CREAT:
                return self._open_existing(flags, mode, only_regular=only_regular)
            try:
                descriptor = os.open(
                    self.name, flags | os.O_EXCL | _NEVER_WAITS, mode, dir_fd=self.descriptor
                )
            # In a shared directory a file that disappears in between is an error.
            except FileExistsError:
                again = flags & ~os.O_CREAT if self.is_shared else flags
                return self._open_existing(again, mode, only_regular=only_regular)
        except SystemOperationError:
            raise
        except OSError as error:
            raise OSError(error.errno, error.strerror, str(self._path)) from error
        if new_for is not None:
            # Some ids cannot be expressed in a user namespace.
            with contextlib.suppress(PermissionError, OverflowError):
                os.fchown(descriptor, new_for.user, new_for.group)
        return descriptor

    def _open_existing(self, flags: int, mode: int, *, only_regular: bool) -> int:
        if not only_regular:
            return os.open(self.name, flags | _NEVER_WAITS, mode, dir_fd=self.descriptor)
        try:
            descriptor = open_regular(self.name, flags, mode, follow=False, dir_fd=self.descriptor)
        except NotRegularFile as error:
            if self.is_shared:
                raise self._refusal(error.strerror) from error
            raise NotRegularFile(error.errno, error.strerror, str(self._path)) from error
        if self.is_shared:
            try:
                self._require_harmless(os.fstat(descriptor))
            except NotTrusted:
                os.close(descriptor)
                raise
        return descriptor

    def _require_harmless(self, found: os.stat_result) -> None:
        if found.st_nlink > 1:
            raise self._refusal("a file with other names (hard links)")
        if found.st_uid not in (0, self.owner.user):
            raise self._refusal(f"a file of {describe_user(found.st_uid)}")

    def _refusal(self, what: str | None) -> NotTrusted:
        words = (
            f"{what}; root opens and makes no such thing "
            f"in a directory that {self._changed_by} can change"
        )
        return NotTrusted(errno.EACCES, words, str(self._path))


@contextlib.contextmanager
def directory_of(path: Path | str, *, follow: bool = False) -> Iterator[Directory]:
    """Open the directory of a path; root follows no link that another user may have put there.

    With ``follow`` a last name that is a link of root's own is followed, too: the directory is then
    the one of its target.

    Raises:
        NotTrusted: a link of another user is on the path.
        OSError: a directory is missing or cannot be searched, or the path has a NUL byte.
    """
    path = Path(path).absolute()
    if "\0" in str(path):
        raise OSError(errno.EINVAL, "a path with a NUL byte", str(path))
    try:
        if os.geteuid() == 0:
            step = _walk(path, follow)
        else:
            step = _LastStep(os.open(path.parent, _DIRECTORY), path.name, Trust.ALONE)
    except NotTrusted:
        raise
    except OSError as error:
        raise OSError(error.errno, error.strerror, str(path)) from error
    try:
        yield Directory(step.directory, path, step.name, step.trust)
    finally:
        os.close(step.directory)


def is_shared(path: Path | str) -> bool:
    """Return whether other users than root can change to which file a path leads.

    If its directory is missing, whether they could make that.
    """
    try:
        with directory_of(path) as directory:
            return directory.is_shared
    except FileNotFoundError:
        return is_shared(Path(path).absolute().parent)
    # A directory that root cannot search, such as one of FUSE, belongs to another user.
    except OSError:
        return True


def _walk(path: Path, follow: bool) -> _LastStep:
    """Open the directory of a path as root."""
    names = deque(path.parts[1:])
    links = 0
    here = os.open("/", _DIRECTORY)
    trust = trust_below(Trust.ALONE, os.fstat(here))
    try:
        while names:
            name = names.popleft()
            may_follow = trust is Trust.ALONE and (names or follow)
            target = _link_target(here, name) if may_follow else None
            if target is None and not names:
                return _LastStep(here, name, trust)
            if target is not None:
                links += 1
                if links > _MAX_LINKS:
                    raise OSError(errno.ELOOP, os.strerror(errno.ELOOP))
                names.extendleft(reversed([part for part in target.split("/") if part]))
                if not target.startswith("/"):
                    continue
            if target is None:
                there = _open_child(here, name, path, trust)
            else:
                there = os.open("/", _DIRECTORY)
            trust = trust_below(trust, os.fstat(there))
            os.close(here)
            here = there
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
    except BaseException:
        os.close(here)
        raise


def _link_target(here: int, name: str) -> str | None:
    """Return the target of a symbolic link; ``None`` if it is none, or one of /proc."""
    if _is_proc(here):
        return None
    try:
        return os.readlink(name, dir_fd=here)
    # Not a link, or missing
    except OSError:
        return None


def _is_proc(here: int) -> bool:
    """Return whether a directory is in /proc, where links lead to open files."""
    try:
        proc = PROC.stat()
    except FileNotFoundError:
        return False
    return proc.st_ino == _ROOT_OF_PROC and os.fstat(here).st_dev == proc.st_dev


def _open_child(here: int, name: str, path: Path, trust: Trust) -> int:
    """Open a directory by its name; a symbolic link only in /proc."""
    if trust is Trust.ALONE and _is_proc(here):
        return os.open(name, _DIRECTORY, dir_fd=here)
    try:
        return os.open(name, _DIRECTORY | os.O_NOFOLLOW, dir_fd=here)
    except NotADirectoryError:
        found = os.stat(name, dir_fd=here, follow_symlinks=False)
        if not stat.S_ISLNK(found.st_mode):
            raise
        words = (
            f"{name} is a symbolic link in a directory "
            f"that {describe_writers(os.fstat(here))} can change; root follows none"
        )
        raise NotTrusted(errno.EACCES, words, str(path)) from None
