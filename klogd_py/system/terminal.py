# SPDX-License-Identifier: GPL-2.0-or-later
"""Format text for a terminal: tables, colours, no control characters."""

import os
from collections.abc import Mapping, Sequence
from typing import TextIO

BOLD, RED, GREEN, YELLOW, PLAIN = "\x1b[1m", "\x1b[31m", "\x1b[32m", "\x1b[33m", "\x1b[0m"


def align_columns(rows: Sequence[Sequence[str]]) -> list[str]:
    """Return rows as lines, each column as wide as its widest cell."""
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    return [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    ]


def is_coloured(stream: TextIO, environment: Mapping[str, str] = os.environ) -> bool:
    """Return whether to use colours: on a terminal, unless NO_COLOR is set."""
    return stream.isatty() and not environment.get("NO_COLOR")


def escape_controls(text: str) -> str:
    r"""Return text with unprintable characters as ``\x1b``, so that it cannot control a
    terminal.
    """
    return "".join(char if char.isprintable() else f"\\x{ord(char):02x}" for char in text)
