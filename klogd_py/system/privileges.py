# SPDX-License-Identifier: GPL-2.0-or-later
"""How does a daemon that was started as root go on as somebody else?

Of what root may do it keeps CAP_SYSLOG alone, by which /dev/kmsg can be opened and /proc/kallsyms
shows its addresses; and nothing that it executes can ever have more. What is open stays open.

Source of truth: capabilities(7), prctl(2), credentials(7); linux/capability.h, version 3 of its
structures.
"""

import ctypes
import grp
import os
import pwd
import struct

from msgspec import Struct

CAP_SYSLOG = 34
# PR_SET_...
_KEEP_CAPABILITIES, _NO_NEW_PRIVILEGES = 8, 38
_VERSION_3 = 0x20080522
_HEADER, _SETS = (
    struct.Struct("=Ii"),
    struct.Struct("=6I"),
    # Effective, permitted, inheritable; lower words, then upper
)


class NoSuchUser(ValueError):
    """Nobody has that name; the message holds it."""


class PrivilegesNotDropped(OSError):
    """The process may not go on as that user; the message says who, and why."""


class User(Struct, frozen=True):
    """Whom to go on as."""

    name: str
    number: int
    group: int


def look_up(name: str) -> User:
    """The user of this name; raises NoSuchUser."""
    try:
        entry = pwd.getpwnam(name)
    except (KeyError, ValueError):
        raise NoSuchUser(f"there is no user {name!r}") from None
    return User(name, entry.pw_uid, entry.pw_gid)


def drop_privileges(user: User) -> None:
    """Go on as this user, in its groups; does nothing if it is the one already. Call it while there
    is one thread.

    Raises:
        PrivilegesNotDropped: this process may not.
    """
    if os.geteuid() == user.number:
        return
    kept = _permitted() & 1 << CAP_SYSLOG
    try:
        _prctl(_KEEP_CAPABILITIES, 1)
        os.setgroups(
            [user.group, *(group.gr_gid for group in grp.getgrall() if user.name in group.gr_mem)]
        )
        os.setresgid(user.group, user.group, user.group)
        os.setresuid(user.number, user.number, user.number)
        _set_capabilities(kept)
        _prctl(_NO_NEW_PRIVILEGES, 1)
    except OSError as error:
        raise PrivilegesNotDropped(f"cannot go on as user {user.name}: {error.strerror}") from error


def _prctl(option: int, value: int) -> None:
    _demand(_libc().prctl(option, value, 0, 0, 0))


def _permitted() -> int:
    sets = ctypes.create_string_buffer(_SETS.size)
    _demand(_libc().capget(_HEADER.pack(_VERSION_3, 0), sets))
    words = _SETS.unpack(sets.raw)
    return int(words[1]) | int(words[4]) << 32


def _set_capabilities(kept: int) -> None:
    lower, upper = kept & 0xFFFFFFFF, kept >> 32
    _demand(
        _libc().capset(_HEADER.pack(_VERSION_3, 0), _SETS.pack(lower, lower, 0, upper, upper, 0))
    )


def _libc() -> ctypes.CDLL:
    return ctypes.CDLL(None, use_errno=True)


def _demand(result: int) -> None:
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
