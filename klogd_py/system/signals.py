# SPDX-License-Identifier: GPL-2.0-or-later
"""Block signals before the event loop handles them, and after it has ended.

The default action of most signals ends the process. The pid file exists before the event loop does:
``klogd -i`` or the SIGHUP of a log rotation would end a daemon that is still starting. Blocked
signals stay pending, and are handled when the loop's handlers are there.

Source: signal(7); pthread_sigmask(3).
"""

import signal
from types import FrameType
from typing import NoReturn

STOPPING = frozenset((signal.SIGINT, signal.SIGTERM))
# SIGCONT is among them because it cancels a SIGTSTP while both are pending.
HANDLED = frozenset((signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2, signal.SIGTSTP, signal.SIGCONT))
IGNORED = frozenset((signal.SIGALRM, signal.SIGQUIT, signal.SIGPIPE))


def block_until_handled() -> None:
    """Block the signals that the daemon will handle, except those that stop it.

    SIGINT and SIGTERM raise SystemExit with status 0, also while the process waits for something.
    """
    for number in IGNORED:
        signal.signal(number, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_BLOCK, HANDLED)
    for number in STOPPING:
        signal.signal(number, _exit)


def block_all() -> None:
    """Block all handled signals, those that stop included: nothing interrupts what follows."""
    signal.pthread_sigmask(signal.SIG_BLOCK, HANDLED | STOPPING)


def unblock_stop_signals() -> None:
    """Let SIGINT and SIGTERM through; a pending one is answered at once."""
    signal.pthread_sigmask(signal.SIG_UNBLOCK, STOPPING)


def unblock_all() -> None:
    """Let all handled signals through once their handlers are set; answers pending ones."""
    signal.pthread_sigmask(signal.SIG_UNBLOCK, HANDLED | STOPPING)


def _exit(number: int, frame: FrameType | None) -> NoReturn:
    raise SystemExit(0)
