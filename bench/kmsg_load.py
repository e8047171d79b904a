# SPDX-License-Identifier: GPL-2.0-or-later
"""Build the programs that write and observe records, and lift the kernel's limit on writers."""

import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bench.packages import Unavailable

PRINTK_DEVKMSG = Path("/proc/sys/kernel/printk_devkmsg")
SOURCES = Path(__file__).parent


def build(folder: Path) -> dict[str, Path]:
    """Compile writer.c, reader.c and observer.c into ``folder``; raises Unavailable."""
    compiler = shutil.which("cc") or shutil.which("gcc")
    if compiler is None:
        raise Unavailable("no C compiler: apt-get install gcc libc6-dev")
    programs = {source.stem: folder / source.stem for source in SOURCES.glob("*.c")}
    for name, program in programs.items():
        subprocess.run([compiler, "-O2", "-o", program, SOURCES / f"{name}.c"], check=True)
    return programs


@contextmanager
def unlimited() -> Iterator[None]:
    """Set kernel.printk_devkmsg to on, and restore it afterwards; raises Unavailable."""
    try:
        before = PRINTK_DEVKMSG.read_text()
        PRINTK_DEVKMSG.write_text("on\n")
    except OSError as error:
        raise Unavailable(
            f"the limit on writing to /dev/kmsg stays: {PRINTK_DEVKMSG}: {error.strerror}"
        ) from error
    try:
        yield
    finally:
        PRINTK_DEVKMSG.write_text(before)
