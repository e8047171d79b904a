# SPDX-License-Identifier: GPL-2.0-or-later
"""Install the signal handlers of the daemon on its event loop.

SIGINT and SIGTERM stop it. SIGHUP reloads the configuration, SIGUSR1 and SIGUSR2 the symbols.
SIGTSTP pauses reading and SIGCONT resumes it: records stay in the kernel's ring buffer meanwhile.

Source: the signals of the classic klogd, see klogd(8).
"""

import asyncio
import logging
import signal
from collections.abc import Callable

from klogd_py.system import signals
from klogd_py.system.jobs import Jobs

logger = logging.getLogger("klogd_py")


def install_signal_handlers(
    jobs: Jobs,
    running: asyncio.Event,
    *,
    stop: Callable[[], None],
    reload_config: Callable[[str], None],
    reload_symbols: Callable[[str], None],
) -> None:
    """Install the handlers on the running loop, and unblock the signals.

    ``running`` is set while records are read. The two reloads are called with the signal's name as
    their reason.
    """
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, jobs.guard("stop", stop, stop))
    loop.add_signal_handler(
        signal.SIGUSR1, jobs.guard("signal USR1", lambda: reload_symbols("SIGUSR1"))
    )
    loop.add_signal_handler(
        signal.SIGUSR2, jobs.guard("signal USR2", lambda: reload_symbols("SIGUSR2"))
    )
    loop.add_signal_handler(
        signal.SIGHUP, jobs.guard("signal HUP", lambda: reload_config("SIGHUP"))
    )
    loop.add_signal_handler(signal.SIGTSTP, jobs.guard("pause", lambda: _pause(running)))
    loop.add_signal_handler(signal.SIGCONT, jobs.guard("resume", lambda: _resume(running)))
    for number in signals.IGNORED:
        signal.signal(number, signal.SIG_IGN)
    signals.unblock_all()


def _pause(running: asyncio.Event) -> None:
    if running.is_set():
        logger.info("paused: records stay in the kernel's buffer")
    running.clear()


def _resume(running: asyncio.Event) -> None:
    if not running.is_set():
        logger.info("resumed")
    running.set()
