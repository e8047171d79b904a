# SPDX-License-Identifier: GPL-2.0-or-later
"""Calls that may block for ever, made in a thread which the end of the program does not wait for.

The threads of asyncio's own pool are joined when the loop ends, and again at the interpreter's
exit: one journal that hangs would keep the daemon from stopping.
"""

import asyncio
import contextlib
import threading
from collections import deque
from collections.abc import Callable
from typing import TypeVar

from msgspec import Struct

T = TypeVar("T")


class TooManyHang(OSError):
    """No further thread is begun, since so many that nobody waits for any more hang."""


class _Call(Struct):
    """A call that waits for its turn.

    ``is_wanted`` says whether somebody still waits for its answer.
    """

    make: Callable[[], None]
    is_wanted: Callable[[], bool]


class WorkerThread:
    """One thread, begun at the first call; calls are made one after the other. Mutable."""

    def __init__(self, name: str, check: Callable[[], None] = lambda: None) -> None:
        """``check`` is asked before a thread is begun; what it raises is raised to who calls."""
        self._name = name
        self._check = check
        self._calls: deque[_Call] = deque()
        self._changed = threading.Condition()
        self._thread: threading.Thread | None = None
        self._is_closed = False

    @property
    def is_alive(self) -> bool:
        """Whether there is a thread; after `close` only for as long as a call hangs."""
        return self._thread is not None

    async def call(self, job: Callable[[], T]) -> T:
        """What ``job`` returns or raises.

        Giving up the wait does not stop the job, unless it has not begun.
        """
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[T] = loop.create_future()

        def settle(result: list[T], error: Exception | None) -> None:
            # Nobody waits for it any more
            if answer.done():
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
            except (
                BaseException
                # SystemExit, in a thread, would end that and be told to nobody
            ) as error:
                failure = RuntimeError(repr(error))
            # The loop has ended meanwhile
            with contextlib.suppress(RuntimeError):
                loop.call_soon_threadsafe(settle, result, failure)

        with self._changed:
            if self._thread is None:
                self._check()
            self._is_closed = False
            # behind a call that hangs there waits one that is wanted, not one for each time that
            # somebody gave up
            self._calls = deque(call for call in self._calls if call.is_wanted())
            self._calls.append(_Call(make, lambda: not answer.done()))
            if self._thread is None:
                self._thread = threading.Thread(target=self._work, name=self._name, daemon=True)
                self._thread.start()
            self._changed.notify()
        return await answer

    def close(self) -> None:
        """Have the thread end once it is free; it is not waited for. Another call begins anew."""
        with self._changed:
            self._is_closed = True
            self._changed.notify()

    def _work(self) -> None:
        while (call := self._next()) is not None:
            call.make()

    def _next(self) -> _Call | None:
        """The call that is to be made now; ``None`` when the thread is to end."""
        with self._changed:
            while not self._calls:
                if self._is_closed:
                    self._thread = None
                    return None
                self._changed.wait()
            return self._calls.popleft()


class WorkerThreads:
    """One courier for each name. Mutable: those that were left while a call hung serve who comes
    under the same name.

    However often names come and go, at most ``max_hanging`` threads hang that nobody waits for.
    """

    def __init__(self, max_hanging: int = 8) -> None:
        self._most_left = max_hanging
        self._released: dict[str, WorkerThread] = {}

    def get(self, name: str) -> WorkerThread:
        """The courier of this name.

        One whose call still hangs goes on when that has come to its end.
        """
        worker = self._released.pop(name, None)
        return worker if worker is not None and worker.is_alive else WorkerThread(name, self._check)

    def release(self, name: str, worker: WorkerThread) -> None:
        """Nobody waits for its calls any more."""
        worker.close()
        self._released = {other: one for other, one in self._released.items() if one.is_alive}
        self._released[name] = worker

    def _check(self) -> None:
        hanging = sum(worker.is_alive for worker in self._released.values())
        if hanging >= self._most_left:
            raise TooManyHang(
                f"{hanging} threads of sinks that are no longer configured still hang"
            )
