# SPDX-License-Identifier: GPL-2.0-or-later
"""Open the kernel log: /dev/kmsg, /proc/kmsg or syslog(2).

Tried in this order: /dev/kmsg gives one record per read and shows losses; /proc/kmsg and syslog(2)
give text from one queue that all readers share, and hide losses.

Source of truth: Documentation/ABI/testing/dev-kmsg; proc(5); syslog(2).
"""

import errno
import os
import stat
from collections.abc import Callable, Mapping
from pathlib import Path

from klogd_py.sources.kmsg_device import KMSG, KmsgDevice
from klogd_py.sources.proc_kmsg import PROC_KMSG, SYSCALL, ProcKmsg, SyslogCall, check_syslog_access
from klogd_py.sources.source import Source, SourceUnavailable

_KMSG_NUMBER = os.makedev(1, 11)
_NO_KMSG = "not the kernel's log device (character device 1:11)"
_NO_LOG = "not the kernel's log"


def open_source(choice: str, inherited: Mapping[str, int] | None = None) -> Source:
    """Open the interface that ``choice`` names: "auto", "/dev/kmsg", "/proc/kmsg" or "syslog".

    ``inherited`` are open descriptors of files by path, from the service manager.

    Raises:
        SourceUnavailable: none of the interfaces can be used; the message says why for each.
    """
    openers: dict[str, Callable[[], Source]] = {
        str(KMSG): lambda: KmsgDevice(open_kmsg_device(KMSG, (inherited or {}).get(str(KMSG)))),
        str(PROC_KMSG): lambda: ProcKmsg(open_proc_kmsg(PROC_KMSG)),
        "syslog": _open_syscall,
    }
    tried = []
    for name in openers if choice == "auto" else [choice]:
        try:
            source = openers[name]()
        except SourceUnavailable as error:
            tried.append(str(error))
            continue
        tried += [source.remark] if source.remark is not None else []
        source.remark = "; ".join(tried) if tried else None
        return source
    raise SourceUnavailable("; ".join(tried))


def _open(path: Path, is_wanted: Callable[[os.stat_result], bool], otherwise: str) -> int:
    """Open a file, after a look at what it is: opening alone can change a terminal or a FIFO."""
    try:
        if not is_wanted(os.stat(path)):
            raise SourceUnavailable(f"{path}: {otherwise}")
        return os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY)
    except SourceUnavailable:
        raise
    except OSError as error:
        remedy = ""
        if error.errno in (errno.EPERM, errno.EACCES):
            remedy = " (needs CAP_SYSLOG or root; see kernel.dmesg_restrict)"
        raise SourceUnavailable(f"{path}: {error.strerror}{remedy}") from error


def open_kmsg_device(path: Path, inherited: int | None = None) -> int:
    """Open a kmsg device, or take the ``inherited`` descriptor, if it really is one.

    Containers put pipes and consoles in its place. Raises SourceUnavailable.
    """
    if inherited is None:
        descriptor = _open(path, _is_kmsg, _NO_KMSG)
    else:
        descriptor = inherited
        os.set_blocking(descriptor, False)
    status = os.fstat(descriptor)
    try:
        if not _is_kmsg(status):
            raise SourceUnavailable(f"{path}: {_NO_KMSG}")
        os.lseek(descriptor, 0, os.SEEK_SET)
    except OSError as error:
        os.close(descriptor)
        if isinstance(error, SourceUnavailable):
            raise
        raise SourceUnavailable(f"{path}: {error.strerror}") from error
    return descriptor


def _is_kmsg(status: os.stat_result) -> bool:
    return stat.S_ISCHR(status.st_mode) and status.st_rdev == _KMSG_NUMBER


def open_proc_kmsg(path: Path) -> int:
    """Open /proc/kmsg, if it really is that of procfs: containers mount others over it.

    Nothing is read, so no message is taken. Raises SourceUnavailable.
    """

    def is_procfs(status: os.stat_result) -> bool:
        return stat.S_ISREG(status.st_mode) and status.st_dev == os.stat(path.parent).st_dev

    descriptor = _open(path, is_procfs, _NO_LOG)
    if not is_procfs(os.fstat(descriptor)):
        os.close(descriptor)
        raise SourceUnavailable(f"{path}: {_NO_LOG}")
    return descriptor


def _open_syscall() -> SyslogCall:
    try:
        check_syslog_access()
    except OSError as error:
        raise SourceUnavailable(
            f"{SYSCALL}: {error.strerror} (needs CAP_SYSLOG or root)"
        ) from error
    return SyslogCall()
