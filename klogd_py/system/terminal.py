# SPDX-License-Identifier: GPL-2.0-or-later
"""How are rows printed as an aligned table, for people?"""

import os
from collections.abc import Mapping, Sequence
from typing import TextIO

BOLD, RED, GREEN, YELLOW, PLAIN = "\x1b[1m", "\x1b[31m", "\x1b[32m", "\x1b[33m", "\x1b[0m"


def align_columns(rows: Sequence[Sequence[str]]) -> list[str]:
    """Rows as lines, each column as wide as its widest cell."""
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    return [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    ]


def is_coloured(stream: TextIO, environment: Mapping[str, str] = os.environ) -> bool:
    """Whether to colour: on a terminal, unless NO_COLOR is set."""
    return stream.isatty() and not environment.get("NO_COLOR")


def escape_controls(text: str) -> str:
    r"""Text that cannot drive a terminal: control characters as ``\x1b``."""
    return "".join(char if char.isprintable() else f"\\x{ord(char):02x}" for char in text)
