"""Calls that may block for ever, made in a thread which the end of the program does not wait for.

The threads of asyncio's own pool are joined when the loop ends, and again at the interpreter's exit: one journal that hangs
would keep the daemon from stopping.
"""

import asyncio
import contextlib
import queue
import threading
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


class Courier:
    """One thread, begun at the first call; calls are made one after the other. Mutable."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._jobs: queue.SimpleQueue[Callable[[], None] | None] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None

    async def call(self, job: Callable[[], T]) -> T:
        """What ``job`` returns or raises. Giving up the wait does not stop the job."""
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[T] = loop.create_future()

        def settle(result: list[T], error: Exception | None) -> None:
            if answer.done():  # nobody waits for it any more
                return
            if error is not None:
                answer.set_exception(error)
            else:
                answer.set_result(result[0])

        def run() -> None:
            result: list[T] = []
            failure: Exception | None = None
            try:
                result.append(job())
            except Exception as error:
                failure = error
            with contextlib.suppress(RuntimeError):  # the loop has ended meanwhile
                loop.call_soon_threadsafe(settle, result, failure)

        self._jobs.put(run)
        if self._thread is None:
            self._thread = threading.Thread(target=self._work, name=self._name, daemon=True)
            self._thread.start()
        return await answer

    def close(self) -> None:
        """Have the thread end once it is free; it is not waited for."""
        self._jobs.put(None)

    def _work(self) -> None:
        while (job := self._jobs.get()) is not None:
            job()
