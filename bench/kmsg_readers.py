# SPDX-License-Identifier: GPL-2.0-or-later
"""Name what disturbs a measurement: other readers of the kernel's log, and a lifted limit."""

import os
import stat
from collections.abc import Iterator
from pathlib import Path

from bench import leftovers
from bench.processes import Process, command_of

_KMSG_DEVICE = os.makedev(1, 11)
_PROC_KMSG = "/proc/kmsg"
_COMMAND_COLUMNS = 60


def disturbances() -> list[str]:
    """Return a line for each thing that makes the figures of this machine worse than they are."""
    lines = [
        f"process {reader.pid} reads the kernel's log as well: {reader.command[:_COMMAND_COLUMNS]}"
        for reader in readers()
    ]
    limit = leftovers.current_limit()
    if limit == "on":
        lines.append(
            "kernel.printk_devkmsg is on before the start; if nobody wants that: "
            f"sysctl kernel.printk_devkmsg={leftovers.DEFAULT_LIMIT}"
        )
    return lines


def readers(proc: Path = Path("/proc")) -> list[Process]:
    """Return the processes that have /dev/kmsg or /proc/kmsg open for reading."""
    pids = sorted(int(path.name) for path in proc.iterdir() if path.name.isdigit())
    return [Process(pid, command_of(pid)) for pid in pids if any(_open_for_reading(proc, pid))]


def _open_for_reading(proc: Path, pid: int) -> Iterator[bool]:
    try:
        descriptors = [path.name for path in (proc / f"{pid}/fd").iterdir()]
    # It has ended, or belongs to another user.
    except (FileNotFoundError, PermissionError, ProcessLookupError):
        return
    for name in descriptors:
        try:
            yield _is_kernel_log(proc / f"{pid}/fd/{name}") and _may_read(
                proc / f"{pid}/fdinfo/{name}"
            )
        # It was closed meanwhile, or what it leads to cannot be asked.
        except OSError:
            continue


def _is_kernel_log(descriptor: Path) -> bool:
    status = descriptor.stat()
    is_device = stat.S_ISCHR(status.st_mode) and status.st_rdev == _KMSG_DEVICE
    return is_device or os.readlink(descriptor) == _PROC_KMSG


def _may_read(description: Path) -> bool:
    r"""Tell by ``flags:\t0100000``, in octal, whether a file is not open for writing only."""
    flags = description.read_text().partition("flags:")[2].split()[0]
    return int(flags, 8) & os.O_ACCMODE != os.O_WRONLY
