# SPDX-License-Identifier: GPL-2.0-or-later
"""Record whether a sink is up, and decide when to try it again.

A sink that takes nothing is tried after a pause that doubles up to `MAX_PAUSE_S`, without end.
"""

import asyncio
import logging
import time

from msgspec import Struct

from klogd_py.sinks import SinkError
from klogd_py.system.errors import describe_unexpected

MIN_PAUSE_S = 0.02
MAX_PAUSE_S = 5.0

logger = logging.getLogger(__name__)


class SinkFailure(Struct, frozen=True):
    """Why a sink went down, and when, in microseconds since the Unix epoch."""

    reason: str
    at_us: int


class SinkHealth:
    """Whether one sink is up, its last failure, and the pause before the next attempt. Mutable."""

    def __init__(self, name: str) -> None:
        # Why the sink is down; `None` while it is up
        self.down: SinkFailure | None = None
        # The last value of it, which is kept when the sink is up again
        self.last_failure: SinkFailure | None = None
        self.failures = 0
        # The sink will never accept anything again
        self.is_gone = False
        # The last attempt ended without an error, and nothing was taken
        self.is_full = False
        self.pause_s = MIN_PAUSE_S
        self._name = name
        # The ring buffer is not read again before this time of the event loop
        self.reread_at_s = 0.0
        # Grows with each unexpected error
        self._unexpected_pause_s = MIN_PAUSE_S

    def on_gone(self, error: SinkError) -> None:
        """Count the sink as down for good."""
        self.is_gone = True
        self._fail(str(error))

    def on_down(self, error: SinkError, accepted: int) -> None:
        """Count an expected error, and log the first one; ``accepted`` entries came through."""
        if self.down is None:
            logger.warning("%s is down, retrying: %s", self._name, error)
        elif not accepted:
            self._lengthen_pause()
        self.is_full = False
        self._fail(str(error))

    def on_unexpected(self, error: Exception) -> None:
        """Count an unexpected error, and lengthen the pause before the next attempt."""
        self.is_full = False
        self._fail(describe_unexpected(error))
        self._unexpected_pause_s = min(self._unexpected_pause_s * 2, MAX_PAUSE_S)
        self.pause_s = max(self.pause_s, self._unexpected_pause_s)
        self.reread_at_s = asyncio.get_running_loop().time() + self._unexpected_pause_s

    def on_full(self) -> None:
        """Count an attempt without an error at which nothing was taken."""
        if self.is_full:
            self._lengthen_pause()
        self.is_full = True

    def on_room(self) -> None:
        """Count an attempt at which something was taken, without an error."""
        self.is_full = False
        self.pause_s = MIN_PAUSE_S

    def on_timeout(self) -> None:
        """Count a sink that accepts nothing for `MAX_PAUSE_S` as down."""
        if self.down is None:
            logger.warning("%s takes nothing, retrying", self._name)
            self._fail("the listener does not read")

    def on_up(self, dropped: int) -> None:
        """Count the sink as up again; ``dropped`` records were lost while it was down."""
        logger.warning("%s is back; records lost in between: %d", self._name, dropped)
        self.down = None

    def _lengthen_pause(self) -> None:
        self.pause_s = min(self.pause_s * 2, MAX_PAUSE_S)

    def _fail(self, reason: str) -> None:
        self.failures += self.down is None
        self.down = self.last_failure = SinkFailure(reason, time.time_ns() // 1000)
