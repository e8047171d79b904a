# SPDX-License-Identifier: GPL-2.0-or-later
"""Confine an unexpected exception to the one source that raised it.

Each reader reports damaged input by its own exception. Any other exception, a MemoryError included,
becomes a reason in words here, and the remaining sources are still used.
"""

from collections.abc import Callable
from pathlib import Path
from traceback import extract_tb
from typing import TypeVar

_MAX_REASON_CHARS = 200

Result = TypeVar("Result")


def isolate_failure(read: Callable[[], Result], on_failure: Callable[[str], Result]) -> Result:
    """Return what ``read`` returns; if it raises anything, what ``on_failure`` returns.

    ``on_failure`` gets the reason, one line without control characters: ``cannot be used:
    unexpected KeyError in elf.py:112: 'x'``.
    """
    try:
        return read()
    # MemoryError and RecursionError are among them
    except Exception as error:
        return on_failure(_reason(error))


def _reason(error: Exception) -> str:
    """Describe an exception and where it was raised, in one line."""
    frame = extract_tb(error.__traceback__)[-1]
    message = "".join(char if char.isprintable() else "?" for char in str(error))
    message = message[:_MAX_REASON_CHARS]
    location = f"{Path(frame.filename).name}:{frame.lineno}"
    reason = f"cannot be used: unexpected {type(error).__name__} in {location}"
    return f"{reason}: {message}" if message else reason
