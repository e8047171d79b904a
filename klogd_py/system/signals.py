# SPDX-License-Identifier: GPL-2.0-or-later
"""What becomes of signals while nobody can answer them: before the event loop runs, and after it
has ended.

The pid file is there before the loop is, and the default of most signals is to end the process:
``klogd -i`` or the HUP of a log rotation would kill a daemon that has just begun. They wait, and
are answered when the loop takes them.

Source of truth: signal(7); pthread_sigmask(3).
"""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import NoReturn

STOPPING = frozenset((signal.SIGINT, signal.SIGTERM))
# SIGCONT goes with SIGTSTP, which it cancels while both wait.
HANDLED = frozenset((signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2, signal.SIGTSTP, signal.SIGCONT))
IGNORED = frozenset((signal.SIGALRM, signal.SIGQUIT, signal.SIGPIPE))


def block_until_handled() -> None:
    """Have signals wait, but for those that stop.

    These end the program in order, by SystemExit, whatever it waits for.
    """
    for number in IGNORED:
        signal.signal(number, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_BLOCK, HANDLED)
    for number in STOPPING:
        signal.signal(number, _end)


def unblock() -> None:
    """The handlers are there: what has been waiting is answered now."""
    signal.pthread_sigmask(signal.SIG_UNBLOCK, HANDLED | STOPPING)


def block_all() -> None:
    """The handlers are about to go, and the program will end: nothing else may end it."""
    signal.pthread_sigmask(signal.SIG_BLOCK, HANDLED | STOPPING)


@contextmanager
def stop_signals_blocked() -> Iterator[None]:
    """Let no signal come in between what is done within; those that stop come directly after it."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, STOPPING)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _end(number: int, frame: FrameType | None) -> NoReturn:
    raise SystemExit(0)
