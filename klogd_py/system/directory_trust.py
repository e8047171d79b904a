# SPDX-License-Identifier: GPL-2.0-or-later
"""Tell who can change what is in a directory.

Source: inode(7) for the sticky bit.
"""

import os
import pwd
import stat
from enum import Enum

_OTHERS_MAY_WRITE = stat.S_IWGRP | stat.S_IWOTH


class Trust(Enum):
    """Who can change to which file a name in a directory leads."""

    ALONE = "root alone"
    # Such as /tmp
    STICKY = "everybody can add names, but not change root's"
    SHARED = "others than root"


def trust_below(above: Trust, found: os.stat_result) -> Trust:
    """Return who can change a directory; what is below a shared one is shared."""
    if above is Trust.SHARED or found.st_uid != 0:
        return Trust.SHARED
    if not found.st_mode & _OTHERS_MAY_WRITE:
        return Trust.ALONE
    return Trust.STICKY if found.st_mode & stat.S_ISVTX else Trust.SHARED


def describe_writers(directory: os.stat_result) -> str:
    """Return who can change a directory, for a message."""
    if directory.st_mode & stat.S_IWOTH:
        return "everybody"
    if directory.st_mode & stat.S_IWGRP:
        return "a group"
    return describe_user(directory.st_uid) if directory.st_uid else "another user, by one above it,"


def describe_user(number: int) -> str:
    """Return ``user NAME`` for a message; the number where there is no such user."""
    try:
        return f"user {pwd.getpwuid(number).pw_name}"
    except KeyError:
        return f"user {number}"
