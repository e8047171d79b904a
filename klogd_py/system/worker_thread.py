# SPDX-License-Identifier: GPL-2.0-or-later
"""Make calls that may block for ever in a thread that the end of the program does not wait for.

The threads of asyncio's own pool are joined when the loop ends, and again when the interpreter
exits: one journal that hangs would keep the daemon from stopping.
"""

import asyncio
import threading
from collections import deque
from collections.abc import Callable
from typing import TypeVar

from msgspec import Struct

from klogd_py.system.errors import SystemOperationError

T = TypeVar("T")


class TooManyHang(SystemOperationError):
    """No further thread is started: too many threads hang in calls that were given up."""


class _Call(Struct):
    """A queued call. ``is_wanted`` returns whether a coroutine still waits for its result."""

    make: Callable[[], None]
    is_wanted: Callable[[], bool]


class WorkerThread:
    """One thread, started at the first call, that makes one call after the other. Mutable."""

    def __init__(
        self, name: str, check: Callable[[], None] = lambda: None, *, ends_idle: bool = False
    ) -> None:
        """``check`` is called before a thread is started; what it raises is raised by `call`.

        With ``ends_idle`` the thread ends once its calls are made, and the next call starts another
        one: for calls that are rare.
        """
        self._name = name
        self._check = check
        self._ends_idle = ends_idle
        self._calls: deque[_Call] = deque()
        self._changed = threading.Condition()
        self._thread: threading.Thread | None = None
        self._is_closed = False

    @property
    def is_alive(self) -> bool:
        """Whether there is a thread; after `close` only for as long as a call hangs."""
        return self._thread is not None

    async def call(self, job: Callable[[], T], discard: Callable[[T], None] | None = None) -> T:
        """Call ``job`` in the thread, and return or raise what it does.

        A cancelled wait does not stop the job, unless it has not begun. ``discard`` closes a result
        for which nobody waits any more.
        """
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[T] = loop.create_future()

        def settle(result: list[T], error: Exception | None) -> None:
            # The wait was cancelled.
            if answer.done():
                if discard is not None and result:
                    discard(result[0])
                return
            if error is not None:
                answer.set_exception(error)
            else:
                answer.set_result(result[0])

        def make() -> None:
            result: list[T] = []
            failure: Exception | None = None
            try:
                result.append(job())
            except Exception as error:
                failure = error
            # SystemExit would end the thread, and nobody would hear of it.
            except BaseException as error:
                failure = RuntimeError(repr(error))
            try:
                loop.call_soon_threadsafe(settle, result, failure)
            # The loop has been closed meanwhile.
            except RuntimeError:
                if discard is not None and result:
                    discard(result[0])

        self._enqueue(_Call(make, lambda: not answer.done()))
        try:
            return await answer
        except asyncio.CancelledError:
            # The result came in the moment of the cancellation.
            if discard is not None and not answer.cancelled() and answer.exception() is None:
                discard(answer.result())
            raise

    def close(self) -> None:
        """Let the thread end when its calls are made, without waiting; `call` starts it again."""
        with self._changed:
            self._is_closed = True
            self._changed.notify()

    def _enqueue(self, call: _Call) -> None:
        """Queue a call, and start the thread if there is none."""
        with self._changed:
            if self._thread is None:
                self._check()
            self._is_closed = False
            # While a call hangs, cancelled calls must not pile up behind it.
            self._calls = deque(queued for queued in self._calls if queued.is_wanted())
            self._calls.append(call)
            if self._thread is None:
                self._thread = threading.Thread(target=self._work, name=self._name, daemon=True)
                self._thread.start()
            self._changed.notify()

    def _work(self) -> None:
        while (call := self._wait_next()) is not None:
            call.make()

    def _wait_next(self) -> _Call | None:
        """Wait for a call and return it; ``None`` when the thread has to end."""
        with self._changed:
            while not self._calls:
                if self._is_closed or self._ends_idle:
                    self._thread = None
                    return None
                self._changed.wait()
            return self._calls.popleft()


class WorkerThreads:
    """Worker threads by name, which come and go with the sinks. Mutable.

    A thread that still hangs when its name is released serves the next user of that name. At most
    ``max_hanging`` released threads hang, however often names come and go.
    """

    def __init__(self, max_hanging: int = 8) -> None:
        self._max_hanging = max_hanging
        self._released: dict[str, WorkerThread] = {}

    def get(self, name: str) -> WorkerThread:
        """Return a worker of this name; one that still hangs makes its calls afterwards."""
        worker = self._released.pop(name, None)
        return worker if worker is not None and worker.is_alive else WorkerThread(name, self._check)

    def release(self, name: str, worker: WorkerThread) -> None:
        """Close a worker whose results are not needed any more."""
        worker.close()
        self._released = {other: one for other, one in self._released.items() if one.is_alive}
        self._released[name] = worker

    def _check(self) -> None:
        hanging = sum(worker.is_alive for worker in self._released.values())
        if hanging >= self._max_hanging:
            raise TooManyHang(
                f"{hanging} threads of sinks that are no longer configured still hang"
            )
