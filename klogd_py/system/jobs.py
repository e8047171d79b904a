# SPDX-License-Identifier: GPL-2.0-or-later
"""The boundary of every job: an error that nobody foresaw ends there, is told once, and stops
nothing else.

A job is what runs by itself: a task, a callback of the event loop, a timer, what a thread of a
library calls. Whoever starts one wraps it in `Jobs.guard`, `Jobs.run` or `Jobs.supervise`;
tests/test_jobs.py finds those who do not. Errors that are expected are answered where they arise,
and never come here. Cancellation passes.
"""

import asyncio
import contextlib
import logging
import threading
import time
from collections.abc import Awaitable, Callable
from typing import ParamSpec, TypeVar

from msgspec import Struct

from klogd_py.system.errors import describe_unexpected

LOG_INTERVAL_S = (
    # A job that goes on failing is told of so seldom: its line may come back as a record
    60.0
)
MIN_PAUSE_S = 0.5
MAX_PAUSE_S = 30.0
MAX_NAMES = 64

P = ParamSpec("P")
T = TypeVar("T")

logger = logging.getLogger(__name__)


class Failure(Struct, frozen=True):
    """The last unexpected error of one job.

    ``at_us`` since the Unix epoch, ``count`` of all since the start.
    """

    reason: str
    at_us: int
    count: int


class Jobs:
    """What has failed in this run, by job. Mutable; may be told of from any thread."""

    def __init__(self, now_s: Callable[[], float] = time.monotonic) -> None:
        self.failures: dict[str, Failure] = {}
        self._now_s = now_s
        self._logged_s: dict[str, float] = {}

    def report(self, name: str, error: Exception) -> None:
        """Count an unexpected error, and log it unless one of this job has been logged a moment
        ago. Raises nothing.
        """
        with contextlib.suppress(
            Exception
            # Memory may be short even for this; the next one will be told
        ):
            self._report(name, error)

    def guard(
        self, name: str, job: Callable[P, object], failed: Callable[[], object] = lambda: None
    ) -> Callable[P, None]:
        """The same call, but an error in it is told instead of raised.

        ``failed`` is called then.
        """

        def within(*arguments: P.args, **named: P.kwargs) -> None:
            try:
                job(*arguments, **named)
            except Exception as error:
                self.report(name, error)
                failed()

        return within

    def call(self, name: str, ask: Callable[[], T], otherwise: T) -> T:
        """What a call returns; ``otherwise`` if it fails."""
        try:
            return ask()
        except Exception as error:
            self.report(name, error)
            return otherwise

    async def run(self, name: str, job: Callable[[], Awaitable[T]], otherwise: T) -> T:
        """What a coroutine function returns; ``otherwise`` if it fails."""
        try:
            return await job()
        except Exception as error:
            self.report(name, error)
            return otherwise

    async def supervise(self, name: str, job: Callable[[], Awaitable[None]]) -> None:
        """Run a job that is to go on until it returns.

        One that fails is begun again after a pause, ever longer.
        """
        pause_s = MIN_PAUSE_S
        while True:
            began_s = self._now_s()
            try:
                await job()
            except Exception as error:
                self.report(name, error)
            else:
                return
            pause_s = (
                MIN_PAUSE_S
                if self._now_s() - began_s > MAX_PAUSE_S
                else min(2 * pause_s, MAX_PAUSE_S)
            )
            await asyncio.sleep(pause_s)

    def catch_all(self, loop: asyncio.AbstractEventLoop) -> None:
        """Have what libraries let escape on this loop told likewise: it has no boundary of ours."""

        def escaped(_loop: asyncio.AbstractEventLoop, context: dict[str, object]) -> None:
            error = context.get("exception")
            self.report(
                "event loop",
                error
                if isinstance(error, Exception)
                else RuntimeError(str(context.get("message", ""))),
            )

        loop.set_exception_handler(escaped)

    def catch_threads(self) -> None:
        """Have what ends a thread of a library told likewise."""

        def escaped(told: threading.ExceptHookArgs) -> None:
            error = told.exc_value
            self.report(
                "thread of a library",
                error if isinstance(error, Exception) else RuntimeError(repr(error)),
            )

        threading.excepthook = escaped

    def _report(self, name: str, error: Exception) -> None:
        reason = describe_unexpected(error)
        before = self.failures.pop(name, None)
        self.failures[name] = Failure(
            reason, time.time_ns() // 1000, 1 if before is None else before.count + 1
        )
        now_s = self._now_s()
        if now_s - self._logged_s.get(name, -LOG_INTERVAL_S) >= LOG_INTERVAL_S:
            self._logged_s[name] = now_s
            details = error if logger.isEnabledFor(logging.DEBUG) else None
            logger.error(
                "unexpected error, the rest goes on: %s: %s", name, reason, exc_info=details
            )
        while len(self.failures) > MAX_NAMES:
            oldest = next(iter(self.failures))
            del self.failures[oldest]
            self._logged_s.pop(oldest, None)
