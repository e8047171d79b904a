# SPDX-License-Identifier: GPL-2.0-or-later
"""Find out what JSON documents say of the running kernel: boot, release and build id.

Source of truth: uname(2); Documentation/ABI/testing/sysfs-kernel-notes.
"""

import os
import sys
from pathlib import Path

from klogd_py.sinks.machine_identity import MachineIdentity
from klogd_py.symbols import elf_header
from klogd_py.symbols.symbol_sources import read_small

NOTES = Path("/sys/kernel/notes")


def running_kernel(boot_id: str | None, notes: Path = NOTES) -> MachineIdentity:
    """Return what is known of the running kernel; ``boot_id`` is that of its boot, if known."""
    order = "<" if sys.byteorder == "little" else ">"
    build_id = elf_header.build_id(read_small(notes) or b"", order)
    return MachineIdentity(
        boot_id=boot_id or "", release=os.uname().release, build_id=build_id or ""
    )
