# SPDX-License-Identifier: GPL-2.0-or-later
"""Wake whoever waits for a change of the queues of the sinks."""

import asyncio
from collections.abc import Callable


class QueueChanges:
    """The changes of all queues as one event. Mutable; lives on the event loop."""

    def __init__(self) -> None:
        self._changed = asyncio.Event()
        self._callback: Callable[[], None] = lambda: None

    def notify(self) -> None:
        """Say that a queue may have less in it, other limits or another state, or is gone."""
        self._changed.set()
        self._callback()

    def call_back(self, callback: Callable[[], None]) -> None:
        """Call ``callback`` at each change from now on, and no other one."""
        self._callback = callback

    async def wait_while(self, is_so: Callable[[], bool]) -> None:
        """Wait until ``is_so`` returns False; it is called again after each change."""
        while is_so():
            self._changed.clear()
            await self._changed.wait()
