# SPDX-License-Identifier: GPL-2.0-or-later
"""Deliver entries: one module for each kind of sink, with a pure ``encode`` and a thin ``send``.

`Sink` is the interface of every sink. Retry, back-off and the counting of losses are in the queue
before a sink (`queue`, `backlog`, `retry`), not in the sinks. `Sink.send` raises a `SinkError`:

* `SinkDown`: the sink cannot be reached now.
* `SinkFailed`: an unexpected error.
* `SinkGone`: the sink will never accept anything again.
"""

import errno
from collections.abc import Callable, Sequence
from typing import Protocol

from klogd_py.record.types import Entry
from klogd_py.system.errors import describe_unexpected

# The errors of a Unix socket whose listener is gone; there may be a new one of the same name.
LISTENER_REPLACED = (
    errno.ECONNREFUSED,
    errno.ENOTCONN,
    errno.ECONNRESET,
    errno.EPIPE,
    errno.EDESTADDRREQ,
)


class DeliveryError(Exception):
    """Entries cannot be delivered, or their delivery cannot be recorded."""


class SinkError(DeliveryError, OSError):
    """A sink does not accept entries.

    The message names the sink and the reason. ``accepted`` is how many entries it accepted before.
    """

    def __init__(self, reason: str, accepted: int = 0) -> None:
        super().__init__(reason)
        self.accepted = accepted


class SinkDown(SinkError):
    """The sink cannot be reached now."""


class SinkFailed(SinkError):
    """The sink had an unexpected error, ``cause``."""

    def __init__(self, cause: Exception, accepted: int = 0) -> None:
        super().__init__(describe_unexpected(cause), accepted)
        self.cause = cause


class SinkGone(SinkError):
    """The sink will never accept anything again."""


def has_additions(entry: Entry) -> bool:
    """Whether an entry holds anything besides the kernel's record.

    That is symbols, a gap, or a message of klogd-py's own.
    """
    return bool(entry.symbols) or entry.gap is not None or entry.is_own


def send_each(
    entries: Sequence[Entry],
    deliver: Callable[[Entry], bool],
    disconnect: Callable[[], None],
    destination: str,
    accepted: int = 0,
) -> int:
    """Deliver entries one after the other, from number ``accepted`` on; returns how many are sent.

    ``deliver`` returns False when the sink is full, which ends it.

    Raises:
        SinkDown: ``deliver`` raised OSError, and ``disconnect`` was called; the message begins with
            ``destination``.
        SinkFailed: it raised anything else.
    """
    try:
        for entry in entries[accepted:]:
            if not deliver(entry):
                break
            accepted += 1
    except OSError as error:
        disconnect()
        raise SinkDown(f"{destination}: {error.strerror or error}", accepted) from error
    # The caller must know how many were sent.
    except Exception as error:
        raise SinkFailed(error, accepted) from error
    return accepted


class Sink(Protocol):
    """Accepts entries, in order."""

    # As in the configuration, and in the saved position
    name: str
    # Whether a restart continues after the last accepted entry
    keeps_position: bool
    # Whether `send` may block, and so must be called in a thread
    blocking: bool

    @property
    def has_partial_write(self) -> bool:
        """Whether a part of the next entry is written, and only this object can write the rest."""

    def send(self, entries: Sequence[Entry]) -> int:
        """Send as many entries as possible without waiting; returns how many.

        Fewer than all means that the sink is full.

        Raises:
            SinkDown: the sink cannot be reached; its ``accepted`` counts as sent.
        """

    def fileno(self) -> int:
        """Return the descriptor that is writable when a full sink has room; -1 without one.

        A full sink without one is tried again after ever longer pauses.
        """

    def close(self) -> None:
        """Release all resources; another `send` opens the sink again."""
