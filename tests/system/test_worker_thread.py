# SPDX-License-Identifier: GPL-2.0-or-later
import asyncio
import subprocess
import sys
import threading
import time

import pytest

from klogd_py.system.worker_thread import TooManyHang, WorkerThread, WorkerThreads
from tests.waiting import wait_until

HANGS = """
import asyncio, threading
from klogd_py.system.worker_thread import WorkerThread
async def main():
    worker = WorkerThread("stuck")
    try:
        async with asyncio.timeout(0.1):
            await worker.call(threading.Event().wait)
    except TimeoutError:
        print("given up")
    worker.close()
asyncio.run(main())
"""


def test_calls_run_in_order_in_one_thread() -> None:
    async def ask() -> list[int]:
        worker = WorkerThread("c")
        try:
            return await asyncio.gather(*(worker.call(threading.get_ident) for _ in range(5)))
        finally:
            worker.close()

    threads = asyncio.run(ask())
    assert len({*threads}) == 1
    assert threads[0] != threading.get_ident()


def test_thread_of_rare_calls_ends_after_each() -> None:
    def name_of_thread() -> str:
        return threading.current_thread().name

    async def ask() -> list[str]:
        worker, names = WorkerThread("rare", ends_idle=True), list[str]()
        for _ in range(3):
            names.append(await worker.call(name_of_thread))
            await asyncio.to_thread(wait_until, lambda: not worker.is_alive, "its end")
        return names

    assert asyncio.run(ask()) == ["rare", "rare", "rare"]


def test_exception_of_a_call_reaches_the_waiter() -> None:
    async def ask() -> None:
        worker = WorkerThread("c")
        try:
            with pytest.raises(ZeroDivisionError):
                await worker.call(lambda: 1 // 0)
        finally:
            worker.close()

    asyncio.run(ask())


def test_hanging_call_does_not_prevent_exit() -> None:
    ran = subprocess.run([sys.executable, "-c", HANGS], capture_output=True, text=True, timeout=60)
    assert (ran.returncode, ran.stdout, ran.stderr) == (0, "given up\n", "")


class Hanging:
    """Calls that hang until they are released, and how often they were made."""

    def __init__(self) -> None:
        self.may_end = threading.Event()
        self.made = 0

    def __call__(self) -> None:
        self.made += 1
        self.may_end.wait(10)


def test_hanging_name_reused_has_one_thread() -> None:
    hanging = Hanging()

    async def flap() -> int:
        workers = WorkerThreads()
        before = threading.active_count()
        for _ in range(25):
            worker = workers.get("console")
            call = asyncio.create_task(worker.call(hanging))
            await asyncio.sleep(0.005)
            call.cancel()
            workers.release("console", worker)
        grown = threading.active_count() - before
        last = workers.get("console")
        hanging.may_end.set()
        assert await last.call(lambda: 7) == 7
        workers.release("console", last)
        return grown

    assert asyncio.run(flap()) == 1
    assert hanging.made == 1, "what nobody waits for any more is not made"


def test_abandoned_hanging_threads_are_limited() -> None:
    hanging = Hanging()

    async def leave_behind() -> int:
        workers = WorkerThreads(max_hanging=4)
        before, refused = {*threading.enumerate()}, 0
        for number in range(20):
            worker = workers.get(f"journal:/{number}")
            call = asyncio.create_task(worker.call(hanging))
            await asyncio.sleep(0.005)
            if call.done():
                assert isinstance(call.exception(), TooManyHang)
                refused += 1
            call.cancel()
            workers.release(f"journal:/{number}", worker)
        left = {*threading.enumerate()} - before
        assert len(left) == 4
        hanging.may_end.set()
        while any(thread.is_alive() for thread in left):
            await asyncio.sleep(0.01)
        later = workers.get("journal:/later")
        assert await later.call(lambda: 1) == 1
        later.close()
        return refused

    assert asyncio.run(leave_behind()) == 16


def test_system_exit_in_call_keeps_the_thread() -> None:
    async def ask() -> int:
        worker = WorkerThread("c")
        try:
            with pytest.raises(RuntimeError, match="SystemExit"):
                await worker.call(lambda: sys.exit(1))
            return await worker.call(lambda: 3)
        finally:
            worker.close()

    assert asyncio.run(ask()) == 3


@pytest.mark.parametrize("after_result", [False, True])
def test_result_nobody_waits_for_is_closed(after_result: bool) -> None:
    discarded: list[str] = []
    made = threading.Event()
    worker = WorkerThread("opener", ends_idle=True)

    def open_something() -> str:
        made.wait(5)
        return "opened"

    async def run() -> None:
        waiting = asyncio.ensure_future(worker.call(open_something, discarded.append))
        await asyncio.sleep(0)
        if after_result:
            made.set()
            # The thread hands its result over while the loop does not run.
            while worker.is_alive:
                time.sleep(0.001)
            asyncio.get_running_loop().call_soon(waiting.cancel)
        else:
            waiting.cancel()
            made.set()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        while not discarded:
            await asyncio.sleep(0.001)

    asyncio.run(asyncio.wait_for(run(), 5))
    assert discarded == ["opened"]
