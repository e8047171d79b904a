# SPDX-License-Identifier: GPL-2.0-or-later
"""Which files has the service manager opened for us?

A unit with ``OpenFile=/dev/kmsg`` and its like (systemd 253) needs no capability: the kernel asks
for one when these files are opened, not when they are read. Each descriptor comes with a name, by
default the file's own.

Source of truth: systemd.service(5) ``OpenFile=``; sd_listen_fds_with_names(3).
"""

import errno
import os
import stat
from collections.abc import Callable, Mapping

from klogd_py.system.regular_file import FileTooLarge, NotRegularFile, read_regular

PATHS = {"kmsg": "/dev/kmsg", "kallsyms": "/proc/kallsyms", "modules": "/proc/modules"}
MAX_BYTES = 64 << 20
_CHUNK_BYTES = 1 << 20


def receive() -> dict[str, int]:
    """What was handed to this process, by the path that it stands for."""
    if os.environ.get("LISTEN_PID") != str(os.getpid()):
        return {}
    from systemd import daemon

    return map_by_path(daemon.listen_fds_with_names(unset_environment=True))


def map_by_path(named: Mapping[int, str]) -> dict[str, int]:
    """Descriptors by path, without those whose name stands for none."""
    return {PATHS[name]: descriptor for descriptor, name in named.items() if name in PATHS}


def read_all(descriptor: int) -> bytes:
    """All that an open file holds now, wherever it was read to before.

    Raises:
        NotRegularFile: it is something else.
        FileTooLarge: it holds more than `MAX_BYTES`.
        OSError: it cannot be read.
    """
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        raise NotRegularFile(errno.EINVAL, "handed in, but not a regular file")
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


def reader(handed: Mapping[str, int]) -> Callable[[str], bytes]:
    """What reads a file by its path: through its descriptor if it was handed in. Raises OSError."""

    def read(path: str) -> bytes:
        return read_all(handed[path]) if path in handed else read_regular(path, MAX_BYTES)

    return read
