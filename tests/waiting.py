# SPDX-License-Identifier: GPL-2.0-or-later
"""Waiting for another thread or process.

Ask again and again, and give up with an error after some seconds.
"""

import time
from collections.abc import Callable
from typing import TypeVar

LIMIT_S = 5.0
PERIOD_S = 0.01

T = TypeVar("T")


def wait_until(answer: Callable[[], T], what: str = "the condition", limit_s: float = LIMIT_S) -> T:
    """The first answer that is true.

    Raises AssertionError with the last one if none comes in time.
    """
    deadline = time.monotonic() + limit_s
    while True:
        found = answer()
        if found:
            return found
        if time.monotonic() > deadline:
            raise AssertionError(f"{what} did not come within {limit_s} s; last seen: {found!r}")
        time.sleep(PERIOD_S)
