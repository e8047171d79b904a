# SPDX-License-Identifier: GPL-2.0-or-later
"""Build the programs that write, read and observe records."""

import shutil
from pathlib import Path

from bench import processes
from bench.packages import Unavailable

SOURCES = Path(__file__).parent


def build(folder: Path) -> dict[str, Path]:
    """Compile writer.c, reader.c and observer.c into ``folder``; raises Unavailable."""
    compiler = shutil.which("cc") or shutil.which("gcc")
    if compiler is None:
        raise Unavailable("no C compiler\nas root, type: apt-get install gcc libc6-dev")
    programs = {source.stem: folder / source.stem for source in SOURCES.glob("*.c")}
    for name, program in programs.items():
        processes.run([compiler, "-O2", "-o", program, SOURCES / f"{name}.c"])
    return programs
