# SPDX-License-Identifier: GPL-2.0-or-later
"""Move to the background, and tell the parent process how the start went.

Source: daemon(7), SysV daemons; setsid(2).
"""

import os
import sys
from collections.abc import Callable, Collection


def daemonize(job: Callable[[Callable[[], None]], int], keep: Collection[int]) -> int:
    """Run a job in a child process with a session of its own.

    The job is called with a function that it must call when it is ready. Returns in the parent
    only: 0 once the job is ready, or the job's own status, never 0, if it ends before. Standard
    descriptors that are not in ``keep`` are redirected to /dev/null then.
    """
    readable, writable = os.pipe()
    sys.stdout.flush()
    if os.fork():
        os.close(writable)
        answer = os.read(readable, 1)
        return answer[0] if answer else 1
    os.close(readable)
    os.setsid()
    os.chdir("/")

    is_ready = False

    def ready() -> None:
        nonlocal is_ready
        is_ready = True
        os.write(writable, b"\0")
        os.close(writable)
        _redirect_to_null(keep)

    status = 1
    try:
        status = job(ready)
        if not is_ready:
            os.write(writable, bytes((status or 1,)))
    finally:
        os._exit(status)


def _redirect_to_null(keep: Collection[int]) -> None:
    """Redirect the standard descriptors that are not in ``keep`` to /dev/null."""
    null = os.open(os.devnull, os.O_RDWR)
    for descriptor in {0, 1, 2} - set(keep):
        os.dup2(null, descriptor)
    os.close(null)
