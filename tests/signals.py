# SPDX-License-Identifier: GPL-2.0-or-later
"""Signals of this process, in which a test runs a Daemon."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def restored_signals() -> Iterator[None]:
    """Restore the signals that a Daemon in this process ignores."""
    before = {
        number: signal.getsignal(number)
        for number in (signal.SIGALRM, signal.SIGQUIT, signal.SIGPIPE)
    }
    yield
    for number, handler in before.items():
        signal.signal(number, handler)
