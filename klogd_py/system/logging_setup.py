# SPDX-License-Identifier: GPL-2.0-or-later
"""Send the daemon's own log to standard error or, in the background, to syslog.

The warnings of its libraries go there, too; nothing goes to /dev/kmsg: the lines would come back as
records. Where standard error goes to the journal, each line begins with its level.

Source: sd-daemon(3) for the levels; systemd.exec(5) for JOURNAL_STREAM.
"""

import logging
import os
import sys

# Their warnings go where those of klogd-py go
_LIBRARIES = ("asyncio", "pyroute2", "watchdog")
_LEVELS = ((logging.ERROR, 3), (logging.WARNING, 4), (logging.INFO, 6), (logging.DEBUG, 7))


class _LevelFormatter(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        number = next((number for level, number in _LEVELS if record.levelno >= level), 7)
        return f"<{number}>{super().format(record)}"


def to_stderr(level: str) -> None:
    """Log to standard error from ``level`` (error, warning, info, debug) up."""
    handler = logging.StreamHandler(sys.stderr)
    plain = logging.Formatter("klogd-py: %(message)s")
    handler.setFormatter(
        _LevelFormatter("%(message)s") if _goes_to_journal(sys.stderr.fileno()) else plain
    )
    _set_handler(handler, level)


def to_syslog(level: str, path: str = "/dev/log") -> None:
    """Log to the local syslog socket, facility daemon, from ``level`` up.

    Log nowhere if there is no such socket.
    """
    # Imports half a dozen modules that nothing else needs.
    from logging.handlers import SysLogHandler

    try:
        handler: logging.Handler = SysLogHandler(path, SysLogHandler.LOG_DAEMON)
    except OSError:
        handler = logging.NullHandler()
    handler.setFormatter(logging.Formatter(f"klogd-py[{os.getpid()}]: %(message)s"))
    _set_handler(handler, level)


def _goes_to_journal(descriptor: int) -> bool:
    """Return whether a descriptor is the journal stream that the service manager has opened."""
    status = os.fstat(descriptor)
    return os.environ.get("JOURNAL_STREAM") == f"{status.st_dev}:{status.st_ino}"


def _set_handler(handler: logging.Handler, level: str) -> None:
    for name in ("klogd_py", *_LIBRARIES):
        logger = logging.getLogger(name)
        logger.handlers[:] = [handler]
        logger.setLevel(level.upper())
        if name in _LIBRARIES:
            logger.setLevel(max(logger.level, logging.WARNING))
        logger.propagate = False
