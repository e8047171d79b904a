# SPDX-License-Identifier: GPL-2.0-or-later
"""Find what a bench has left on this machine, and remove it."""

import shutil
from collections.abc import Sequence
from pathlib import Path

from msgspec import Struct

from bench import processes
from bench.processes import Process
from bench.state_file import State

PRINTK_DEVKMSG = Path("/proc/sys/kernel/printk_devkmsg")
# The limit on writing to /dev/kmsg that the kernel begins with
DEFAULT_LIMIT = "ratelimit"
_ATTEMPTS = 5


class Leftovers(Struct, frozen=True):
    """What is still there of a bench that has ended."""

    processes: Sequence[Process]
    directory: Path | None
    printk_devkmsg: str | None


def find(state: State) -> Leftovers:
    """Look for everything that a bench may have changed."""
    directory = Path(state.directory)
    before = state.printk_devkmsg
    return Leftovers(
        processes.marked(state.mark),
        directory if directory.exists() else None,
        before if before is not None and current_limit() != before else None,
    )


def remove(state: State) -> Leftovers:
    """Remove all that is left of a bench; return what it was."""
    found = find(state)
    if found.printk_devkmsg is not None:
        PRINTK_DEVKMSG.write_text(f"{found.printk_devkmsg}\n")
    remaining = found.processes
    # One process may start another until it is dead.
    for _ in range(_ATTEMPTS):
        processes.kill(remaining, state.mark)
        remaining = processes.marked(state.mark)
        if not remaining:
            break
    shutil.rmtree(state.directory, ignore_errors=True)
    return found


def describe(found: Leftovers) -> list[str]:
    """Return a line for each thing: ``killed process 1234: rsyslogd -n -f ...``."""
    lines = [f"killed process {process.pid}: {process.command}" for process in found.processes]
    if found.printk_devkmsg is not None:
        lines.append(f"kernel.printk_devkmsg is {found.printk_devkmsg} again")
    if found.directory is not None:
        lines.append(f"removed {found.directory}")
    return lines


def current_limit() -> str:
    """Return kernel.printk_devkmsg, empty where there is none."""
    try:
        return PRINTK_DEVKMSG.read_text().strip()
    except FileNotFoundError:
        return ""
