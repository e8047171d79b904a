# SPDX-License-Identifier: GPL-2.0-or-later
"""Write a System.map of any length."""

from pathlib import Path

FIRST_ADDRESS = 0xFFFFFFFF81000000
FUNCTION_BYTES = 64


def provide(folder: Path, lines: int) -> Path:
    """Return a map of ``lines`` functions, from `FIRST_ADDRESS` on, `FUNCTION_BYTES` each.

    It is written when it is asked for the first time.
    """
    path = folder / f"System.map-{lines}"
    if not path.exists():
        with path.open("w") as file:
            file.writelines(
                f"{FIRST_ADDRESS + FUNCTION_BYTES * number:016x} T function_number_{number}\n"
                for number in range(lines)
            )
    return path


def lines_of(path: Path) -> int:
    """Return the number of lines of a map, which its name says."""
    return int(path.name.rpartition("-")[2])
