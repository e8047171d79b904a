# SPDX-License-Identifier: GPL-2.0-or-later
"""Catch, count and log unexpected errors of everything that runs by itself.

A job is a task, a callback of the event loop, a timer, or what a thread of a library calls. Whoever
starts one wraps it in `Jobs.guard`, `Jobs.run` or `Jobs.supervise`, so that its error stops nothing
else; tests/system/test_jobs.py finds jobs that are not wrapped. Expected errors are handled where
they occur and do not get here. Cancellation passes.
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

# Between two lines about the same job. A line can come back as a record and cause the next error.
LOG_INTERVAL_S = 60.0
# Before a failed job is started again; doubled after each failure
MIN_PAUSE_S = 0.5
MAX_PAUSE_S = 30.0
# Jobs remembered with their failures
MAX_NAMES = 64

P = ParamSpec("P")
T = TypeVar("T")

logger = logging.getLogger(__name__)


class Failure(Struct, frozen=True):
    """The last unexpected error of one job.

    ``at_us`` is in microseconds since the Unix epoch, ``count`` is of all since the start.
    """

    reason: str
    at_us: int
    count: int


class Jobs:
    """The failures of this run, by job. Mutable; `report` may be called from any thread."""

    def __init__(self, now_s: Callable[[], float] = time.monotonic) -> None:
        self.failures: dict[str, Failure] = {}
        self._now_s = now_s
        self._logged_s: dict[str, float] = {}

    def report(self, name: str, error: Exception) -> None:
        """Count an unexpected error, and log it at most once per `LOG_INTERVAL_S` and job.

        Raises nothing.
        """
        # There may not be enough memory even for this.
        with contextlib.suppress(Exception):
            self._report(name, error)

    def guard(
        self, name: str, job: Callable[P, object], failed: Callable[[], object] = lambda: None
    ) -> Callable[P, None]:
        """Return a function that calls ``job`` and reports its error instead of raising it.

        ``failed`` is called after an error.
        """

        def within(*arguments: P.args, **named: P.kwargs) -> None:
            try:
                job(*arguments, **named)
            except Exception as error:
                self.report(name, error)
                failed()

        return within

    def call(self, name: str, ask: Callable[[], T], otherwise: T) -> T:
        """Call ``ask`` and return its result; report an error and return ``otherwise``."""
        try:
            return ask()
        except Exception as error:
            self.report(name, error)
            return otherwise

    async def run(self, name: str, job: Callable[[], Awaitable[T]], otherwise: T) -> T:
        """Await ``job`` and return its result; report an error and return ``otherwise``."""
        try:
            return await job()
        except Exception as error:
            self.report(name, error)
            return otherwise

    async def supervise(self, name: str, job: Callable[[], Awaitable[None]]) -> None:
        """Await ``job`` until it returns; after an error start it again.

        The pause before a new start doubles from `MIN_PAUSE_S` to `MAX_PAUSE_S`, and is short again
        once the job has run for longer than that.
        """
        pause_s = MIN_PAUSE_S
        while True:
            started_s = self._now_s()
            try:
                await job()
            except Exception as error:
                self.report(name, error)
            else:
                return
            pause_s = (
                MIN_PAUSE_S
                if self._now_s() - started_s > MAX_PAUSE_S
                else min(2 * pause_s, MAX_PAUSE_S)
            )
            await asyncio.sleep(pause_s)

    def catch_all(self, loop: asyncio.AbstractEventLoop) -> None:
        """Report errors that escape from callbacks of libraries on this loop."""

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
        """Report errors that end threads of libraries."""

        def escaped(arguments: threading.ExceptHookArgs) -> None:
            error = arguments.exc_value
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
