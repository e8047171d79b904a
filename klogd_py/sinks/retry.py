# SPDX-License-Identifier: GPL-2.0-or-later
"""Record whether a sink is up, and decide when to try it again.

A sink that is down is tried after a pause that doubles up to `MAX_PAUSE_S`, without end.
"""

import asyncio
import logging
import time

from klogd_py.sinks import SinkDown
from klogd_py.system.errors import describe_unexpected

MIN_PAUSE_S = 0.02
MAX_PAUSE_S = 5.0

logger = logging.getLogger(__name__)


class SinkHealth:
    """Whether one sink is up, its last failure, and the pause before the next attempt. Mutable."""

    def __init__(self, name: str) -> None:
        # Empty while the sink is up
        self.last_error = ""
        # The same, but kept when the sink is up again
        self.last_failure = ""
        # When it last failed, in microseconds since the Unix epoch
        self.failed_us = 0
        self.failures = 0
        self.pause_s = MIN_PAUSE_S
        self._name = name
        # The ring buffer is not read again before this time of the event loop
        self._reread_at_s = 0.0
        # Grows with each unexpected error
        self._unexpected_pause_s = MIN_PAUSE_S

    @property
    def may_reread(self) -> bool:
        """Whether the ring buffer may be read again now."""
        return not self._reread_at_s or asyncio.get_running_loop().time() >= self._reread_at_s

    def fail(self, reason: str) -> None:
        """Count the sink as down."""
        self.failures += not self.last_error
        self.last_error = self.last_failure = reason
        self.failed_us = time.time_ns() // 1000

    def on_down(self, error: SinkDown, accepted: int) -> None:
        """Count an expected error, and log the first one; ``accepted`` entries came through."""
        if not self.last_error:
            logger.warning("%s is down, retrying: %s", self._name, error)
        elif not accepted:
            self.pause_s = min(self.pause_s * 2, MAX_PAUSE_S)
        self.fail(str(error))

    def on_unexpected(self, error: Exception) -> None:
        """Count an unexpected error, and lengthen the pause before the next attempt."""
        self.fail(describe_unexpected(error))
        self._unexpected_pause_s = min(self._unexpected_pause_s * 2, MAX_PAUSE_S)
        self.pause_s = max(self.pause_s, self._unexpected_pause_s)
        self._reread_at_s = asyncio.get_running_loop().time() + self._unexpected_pause_s

    def on_timeout(self) -> None:
        """Count a sink that accepts nothing for `MAX_PAUSE_S` as down."""
        if not self.last_error:
            logger.warning("%s takes nothing, retrying", self._name)
            self.fail("the listener does not read")

    def on_up(self, dropped: int) -> None:
        """Count the sink as up again; ``dropped`` records were lost while it was down."""
        logger.warning("%s is back; records lost in between: %d", self._name, dropped)
        self.last_error = ""
        self.pause_s = MIN_PAUSE_S
