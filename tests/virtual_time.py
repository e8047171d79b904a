# SPDX-License-Identifier: GPL-2.0-or-later
"""An event loop in which waiting takes no time."""

import asyncio
import selectors
from collections.abc import Coroutine
from typing import TypeVar

T = TypeVar("T")


class _VirtualTimeSelector(selectors.EpollSelector):
    """Advances the clock instead of waiting if no descriptor is ready."""

    def __init__(self) -> None:
        super().__init__()
        self.now_s = 1000.0
        self.waits = 0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        if timeout is None:
            return super().select(None)
        ready = super().select(0)
        if not ready:
            self.now_s += max(timeout, 0)
            self.waits += timeout > 0
        return ready


class VirtualTimeLoop(asyncio.SelectorEventLoop):
    """An event loop with a clock that only advances by waiting, and waiting takes no real time."""

    def __init__(self) -> None:
        self._virtual_selector = _VirtualTimeSelector()
        super().__init__(self._virtual_selector)

    def time(self) -> float:
        return self._virtual_selector.now_s

    @property
    def waits(self) -> int:
        """How often a wait has ended because its time had passed: the wake-ups by a timer."""
        return self._virtual_selector.waits


def waits() -> int:
    """The `waits` of the running `VirtualTimeLoop`."""
    loop = asyncio.get_running_loop()
    assert isinstance(loop, VirtualTimeLoop)
    return loop.waits


def run_in_virtual_time(job: Coroutine[None, None, T]) -> T:
    """Run a coroutine on a `VirtualTimeLoop`."""
    with asyncio.Runner(loop_factory=VirtualTimeLoop) as runner:
        return runner.run(job)
