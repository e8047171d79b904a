# SPDX-License-Identifier: GPL-2.0-or-later
"""The load.

Our writer and our observer, built from C, and the kernel's settings that let the writer write.
"""

import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bench.packages import NotToBeHad

SWITCH = Path("/proc/sys/kernel/printk_devkmsg")
SOURCES = Path(__file__).parent


def build(folder: Path) -> dict[str, Path]:
    """The programs writer, reader and observer; raises NotToBeHad."""
    compiler = shutil.which("cc") or shutil.which("gcc")
    if compiler is None:
        raise NotToBeHad("a C compiler: apt-get install gcc libc6-dev")
    programs = {source.stem: folder / source.stem for source in SOURCES.glob("*.c")}
    for name, program in programs.items():
        subprocess.run([compiler, "-O2", "-o", program, SOURCES / f"{name}.c"], check=True)
    return programs


@contextmanager
def unlimited() -> Iterator[None]:
    """Let processes write to /dev/kmsg as fast as they can, for as long as this lasts.

    Raises NotToBeHad.
    """
    try:
        before = SWITCH.read_text()
        SWITCH.write_text("on\n")
    except OSError as error:
        raise NotToBeHad(
            f"a /dev/kmsg that may be written to without a limit: {SWITCH}: {error.strerror}"
        ) from error
    try:
        yield
    finally:
        SWITCH.write_text(before)
