# SPDX-License-Identifier: GPL-2.0-or-later
"""Reads one file so that whatever is in it costs that file alone.

What is wrong with a file each reader says by its own exception. What nobody foresaw ends here in
words, and other sources are still used.
"""

from collections.abc import Callable
from pathlib import Path
from traceback import extract_tb
from typing import TypeVar

_MAX_REASON = 200

Found = TypeVar("Found")


def attempt(read: Callable[[], Found], instead: Callable[[str], Found]) -> Found:
    """What ``read`` finds; if it raises anything, what ``instead`` makes of the reason."""
    try:
        return read()
    # MemoryError and RecursionError are among them
    except Exception as error:
        return instead(_told(error))


def _told(error: Exception) -> str:
    """The exception in one line, with the place where it was raised, for whoever mends it."""
    where = extract_tb(error.__traceback__)[-1]
    words = "".join(sign if sign.isprintable() else "?" for sign in str(error))[:_MAX_REASON]
    place = f"{Path(where.filename).name}:{where.lineno}"
    return f"cannot be used: unexpected {type(error).__name__} in {place}" + (
        f": {words}" if words else ""
    )
