# SPDX-License-Identifier: GPL-2.0-or-later
"""Change from root to another user, keeping CAP_SYSLOG.

With CAP_SYSLOG /dev/kmsg can be opened, and /proc/kallsyms shows its addresses. All other
capabilities are dropped, and no program that is executed later can gain any. Open files stay open.

Source: capabilities(7), prctl(2), credentials(7); linux/capability.h, version 3 of its structures.
"""

import contextlib
import ctypes
import grp
import os
import pwd
import struct

from msgspec import Struct

from klogd_py.system.errors import SystemOperationError

CAP_SYSLOG = 34
_PR_SET_KEEPCAPS, _PR_SET_NO_NEW_PRIVS, _PR_CAP_AMBIENT = 8, 38, 47
_PR_CAP_AMBIENT_CLEAR_ALL = 4
_VERSION_3 = 0x20080522
_HEADER = struct.Struct("=Ii")
# Effective, permitted and inheritable set: the lower words of all three, then the upper words.
_SETS = struct.Struct("=6I")


class NoSuchUser(SystemOperationError):
    """There is no user of that name; the message holds the name."""


class PrivilegesNotDropped(SystemOperationError):
    """The process may not change to that user; the message says which, and why."""


class User(Struct, frozen=True):
    """A user of the system: name, user id and primary group id."""

    name: str
    number: int
    group: int


def look_up(name: str) -> User:
    """Return the user of this name; raises NoSuchUser."""
    try:
        entry = pwd.getpwnam(name)
    except (KeyError, ValueError):
        raise NoSuchUser(f"there is no user {name!r}") from None
    return User(name, entry.pw_uid, entry.pw_gid)


def drop_privileges(user: User) -> None:
    """Change to this user and its groups, keeping CAP_SYSLOG if the process has it.

    Does nothing if the process runs as this user already. Call it while there is only one thread:
    the capability sets belong to a thread.

    Raises:
        PrivilegesNotDropped: the process may not change to this user.
    """
    if os.geteuid() == user.number:
        return
    kept = _permitted() & 1 << CAP_SYSLOG
    try:
        _prctl(_PR_SET_KEEPCAPS, 1)
        os.setgroups(
            [user.group, *(group.gr_gid for group in grp.getgrall() if user.name in group.gr_mem)]
        )
        os.setresgid(user.group, user.group, user.group)
        os.setresuid(user.number, user.number, user.number)
        _set_capabilities(kept)
        _prctl(_PR_SET_NO_NEW_PRIVS, 1)
    except OSError as error:
        raise PrivilegesNotDropped(
            f"cannot change to user {user.name}: {error.strerror}"
        ) from error


def keep_from_programs() -> None:
    """Let no program that this thread executes inherit capabilities of the service.

    systemd gives them to a service in the ambient set. Root's programs have all of them in any
    case. A kernel without that set has nothing to clear.
    """
    with contextlib.suppress(OSError):
        _prctl(_PR_CAP_AMBIENT, _PR_CAP_AMBIENT_CLEAR_ALL)


def _prctl(option: int, value: int) -> None:
    _check(_libc().prctl(option, value, 0, 0, 0))


def _permitted() -> int:
    """Return the permitted capabilities as a bit mask."""
    sets = ctypes.create_string_buffer(_SETS.size)
    _check(_libc().capget(_HEADER.pack(_VERSION_3, 0), sets))
    words = _SETS.unpack(sets.raw)
    return int(words[1]) | int(words[4]) << 32


def _set_capabilities(kept: int) -> None:
    lower, upper = kept & 0xFFFFFFFF, kept >> 32
    _check(
        _libc().capset(_HEADER.pack(_VERSION_3, 0), _SETS.pack(lower, lower, 0, upper, upper, 0))
    )


def _libc() -> ctypes.CDLL:
    return ctypes.CDLL(None, use_errno=True)


def _check(result: int) -> None:
    """Raise OSError for the result of a C function that failed."""
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
