# SPDX-License-Identifier: GPL-2.0-or-later
"""Where does klogd-py say what it has to say of itself? On standard error, or, in the background,
to syslog.

Never into /dev/kmsg, from where it would come back. Under a service manager that reads standard
error into the journal each line carries its level in front, as sd-daemon(3) has it.
"""

import logging
import os
import sys

_LEVELS = ((logging.ERROR, 3), (logging.WARNING, 4), (logging.INFO, 6), (logging.DEBUG, 7))


class _WithLevel(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        number = next((number for level, number in _LEVELS if record.levelno >= level), 7)
        return f"<{number}>{super().format(record)}"


def to_stderr(level: str) -> None:
    """Log to standard error from ``level`` (error, warning, info, debug) on."""
    handler = logging.StreamHandler(sys.stderr)
    plain = logging.Formatter("klogd-py: %(message)s")
    handler.setFormatter(
        _WithLevel("%(message)s") if _goes_to_journal(sys.stderr.fileno()) else plain
    )
    _use(handler, level)


def to_syslog(level: str, path: str = "/dev/log") -> None:
    """Log to the local syslog socket, facility daemon, from ``level`` on.

    To nowhere if nobody listens.
    """
    # With half a dozen modules that nothing else wants
    from logging.handlers import SysLogHandler

    try:
        handler: logging.Handler = SysLogHandler(path, SysLogHandler.LOG_DAEMON)
    except OSError:
        handler = logging.NullHandler()
    handler.setFormatter(logging.Formatter(f"klogd-py[{os.getpid()}]: %(message)s"))
    _use(handler, level)


def _goes_to_journal(descriptor: int) -> bool:
    """Whether a descriptor is the stream that the manager connected to the journal.

    Systemd.exec(5), JOURNAL_STREAM.
    """
    status = os.fstat(descriptor)
    return os.environ.get("JOURNAL_STREAM") == f"{status.st_dev}:{status.st_ino}"


def _use(handler: logging.Handler, level: str) -> None:
    logger = logging.getLogger("klogd_py")
    logger.handlers[:] = [handler]
    logger.setLevel(level.upper())
    logger.propagate = False
