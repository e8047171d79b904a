# SPDX-License-Identifier: GPL-2.0-or-later
"""Where entries go: one module per kind of sink, each with a pure `frame` half and a thin `send`
half.

`Sink` is what the outbox asks of each; retry, back-off and the counting of losses live there, not
in the sinks.
"""

import errno
from collections.abc import Sequence
from typing import Protocol

from klogd_py.record.types import Entry
from klogd_py.system.errors import describe_unexpected

# What a Unix socket answers whose listener has gone, and perhaps come back under the same name.
REPLACED = (errno.ECONNREFUSED, errno.ENOTCONN, errno.ECONNRESET, errno.EPIPE, errno.EDESTADDRREQ)


class SinkDown(OSError):
    """The sink cannot be reached.

    The message says what and why, ``accepted`` how many entries it took before.
    """

    def __init__(self, reason: str, accepted: int = 0) -> None:
        super().__init__(reason)
        self.accepted = accepted


class SinkFailed(SinkDown):
    """The sink met with something that nobody foresaw, ``cause``."""

    def __init__(self, cause: Exception, accepted: int = 0) -> None:
        super().__init__(describe_unexpected(cause), accepted)
        self.cause = cause


class SinkGone(SinkDown):
    """The sink will never take anything again."""


def has_additions(entry: Entry) -> bool:
    """Whether klogd-py has something to add here: names, a gap, words of its own.

    A plain record is the kernel's alone.
    """
    return bool(entry.places) or entry.gap is not None or entry.is_own


class Sink(Protocol):
    """Anything that takes entries, in order."""

    # As it is written after --sink, and in the saved position
    name: str
    # Whether a restart goes on where it stopped
    keeps_position: bool
    # Whether send may block, and belongs into a thread
    blocking: bool

    @property
    def has_partial_write(self) -> bool:
        """Whether a part of the entry that comes next is written, and only this very sink can write
        the rest of it.
        """

    def send(self, entries: Sequence[Entry]) -> int:
        """Take as many as will go without waiting; fewer than all means "full just now".

        Raises SinkDown.
        """

    def fileno(self) -> int:
        """The descriptor that becomes writable when a full sink has room again.

        -1 if there is none to wait for.
        """

    def close(self) -> None:
        """Finish."""
