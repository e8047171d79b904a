# SPDX-License-Identifier: GPL-2.0-or-later
"""Interrupt a function that uses more processor time than it may.

Only the time of the main thread counts: neither a busy machine nor another thread ends the
function. Regular expressions can be interrupted, since `re` looks for pending signals while it
searches.

Source: setitimer(2) for ITIMER_VIRTUAL; the signal checks in Modules/_sre/sre_lib.h of CPython.
"""

import signal
import time
from collections.abc import Callable
from types import FrameType

from klogd_py.system.errors import SystemOperationError

# The timer counts other threads as well, so it may be early: it is set again for the rest, and for
# no less than this.
_SHORTEST_S = 0.005


class CpuTimeExceeded(SystemOperationError):
    """A function was interrupted because it used more processor time than it may."""


def call_within(limit_s: float, function: Callable[[], None]) -> None:
    """Call a function, and interrupt it after ``limit_s`` seconds of the main thread's time.

    In any other thread it is called without a limit, since only the main thread handles signals.

    Raises:
        CpuTimeExceeded: the function was interrupted, perhaps at its very end.
    """
    is_running = True
    end_s = time.thread_time() + limit_s

    def interrupt(number: int, frame: FrameType | None) -> None:
        if not is_running:
            return
        rest_s = end_s - time.thread_time()
        if rest_s <= 0:
            raise CpuTimeExceeded(f"more than {limit_s} s of processor time")
        signal.setitimer(signal.ITIMER_VIRTUAL, max(rest_s, _SHORTEST_S))

    try:
        previous = signal.signal(signal.SIGVTALRM, interrupt)
    # This is not the main thread.
    except ValueError:
        function()
        return
    try:
        signal.setitimer(signal.ITIMER_VIRTUAL, limit_s)
        function()
    finally:
        is_running = False
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        signal.signal(signal.SIGVTALRM, previous)
