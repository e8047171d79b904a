# SPDX-License-Identifier: GPL-2.0-or-later
"""Name what stat(2) says of a file: which one it is, and to whom it belongs."""

import os

from msgspec import Struct


class FileIdentity(Struct, frozen=True):
    """A file or directory as the kernel knows it, whatever its name is."""

    device: int
    inode: int


class FileOwner(Struct, frozen=True):
    """The user id and the group id that a file belongs to."""

    user: int
    group: int


def identify(status: os.stat_result) -> FileIdentity:
    """Return the identity of the file that has this status."""
    return FileIdentity(status.st_dev, status.st_ino)
