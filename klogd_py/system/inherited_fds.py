# SPDX-License-Identifier: GPL-2.0-or-later
"""Take over files that the service manager has opened.

A unit with ``OpenFile=/dev/kmsg`` (systemd 253) and the like needs no capability: the kernel checks
for CAP_SYSLOG when these files are opened, not when they are read. Each descriptor comes with a
name, by default that of the file.

Source: systemd.service(5) ``OpenFile=``; sd_listen_fds_with_names(3).
"""

import errno
import os
import re
import stat
from collections.abc import Callable, Mapping

from klogd_py.system.regular_file import FileTooLarge, NotRegularFile, read_regular

PATHS = {"kmsg": "/dev/kmsg", "kallsyms": "/proc/kallsyms", "modules": "/proc/modules"}
MAX_BYTES = 64 << 20
_CHUNK_BYTES = 1 << 20
# SD_LISTEN_FDS_START
_FIRST = 3
_COUNT = re.compile(r"[0-9]{1,4}")


def receive() -> dict[str, int]:
    """Return the descriptors passed to this process, by path; empty if there are none.

    Raises OSError if LISTEN_FDS is wrong.
    """
    if os.environ.get("LISTEN_PID") != str(os.getpid()):
        return {}
    try:
        from systemd import daemon
    # systemd-python is missing or broken; the protocol is a few environment variables.
    except Exception:
        return map_by_path(_take_from_environment())
    return map_by_path(daemon.listen_fds_with_names(unset_environment=True))


def _take_from_environment() -> dict[int, str]:
    """Return the names of the descriptors as sd_listen_fds_with_names(3) does."""
    count = os.environ.pop("LISTEN_FDS", "")
    names = os.environ.pop("LISTEN_FDNAMES", "").split(":")
    del os.environ["LISTEN_PID"]
    if not _COUNT.fullmatch(count):
        raise OSError(errno.EINVAL, os.strerror(errno.EINVAL))
    descriptors = range(_FIRST, _FIRST + int(count))
    for descriptor in descriptors:
        os.set_inheritable(descriptor, False)
    if len(names) != len(descriptors):
        return dict.fromkeys(descriptors, "unknown")
    return dict(zip(descriptors, names, strict=True))


def map_by_path(named: Mapping[int, str]) -> dict[str, int]:
    """Return descriptors by path instead of name; unknown names are left out."""
    return {PATHS[name]: descriptor for descriptor, name in named.items() if name in PATHS}


def read_all(descriptor: int) -> bytes:
    """Return the whole content of an open file, whatever its file offset is.

    Raises:
        NotRegularFile: it is not a regular file.
        FileTooLarge: it holds more than `MAX_BYTES`.
        OSError: it cannot be read.
    """
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        raise NotRegularFile(errno.EINVAL, "the inherited descriptor is not a regular file")
    pieces = []
    offset = 0
    while piece := os.pread(descriptor, _CHUNK_BYTES, offset):
        pieces.append(piece)
        offset += len(piece)
        if offset > MAX_BYTES:
            raise FileTooLarge(
                errno.EFBIG, f"larger than {MAX_BYTES >> 20} MiB, which is the limit"
            )
    return b"".join(pieces)


def build_reader(inherited: Mapping[str, int]) -> Callable[[str], bytes]:
    """Return a function that reads a file by its path, through its descriptor if it has one.

    The function raises OSError.
    """

    def read(path: str) -> bytes:
        return read_all(inherited[path]) if path in inherited else read_regular(path, MAX_BYTES)

    return read
