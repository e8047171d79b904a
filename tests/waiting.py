# SPDX-License-Identifier: GPL-2.0-or-later
"""Wait for another thread or process, at most for some seconds."""

import time
from collections.abc import Callable
from typing import TypeVar

# A busy machine may take long; what does come is not waited for any longer
TIMEOUT_S = 30.0
PERIOD_S = 0.01

T = TypeVar("T")


def wait_until(
    answer: Callable[[], T], what: str = "the condition", timeout_s: float = TIMEOUT_S
) -> T:
    """Call ``answer`` until its result is true, and return that.

    Raises AssertionError with ``what`` and the last result after ``timeout_s``.
    """
    deadline = time.monotonic() + timeout_s
    while True:
        found = answer()
        if found:
            return found
        if time.monotonic() > deadline:
            raise AssertionError(f"{what} did not come within {timeout_s} s; last seen: {found!r}")
        time.sleep(PERIOD_S)
