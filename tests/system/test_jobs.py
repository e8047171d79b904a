# SPDX-License-Identifier: GPL-2.0-or-later
"""Nothing that klogd-py starts is without a boundary, and a boundary holds."""

import asyncio
import logging
import subprocess
import sys
from collections.abc import Callable, Coroutine
from itertools import pairwise
from pathlib import Path

import pytest

from klogd_py.system.errors import MAX_CHARACTERS
from klogd_py.system.jobs import LOG_INTERVAL_S, MAX_NAMES, MAX_PAUSE_S, Jobs
from tests.boundaries import PACKAGE, files, name_of, starts
from tests.virtual_time import run_in_virtual_time

UNFORESEEN = [
    RuntimeError("no"),
    MemoryError(),
    RecursionError("deep"),
    KeyError("a\nb"),
    OSError(5, "I/O"),
]
ERRORS = pytest.mark.parametrize("error", UNFORESEEN, ids=lambda error: type(error).__name__)


class Stopwatch:
    now_s = 1000.0

    def __call__(self) -> float:
        return self.now_s


def failing(error: Exception) -> Callable[[], None]:
    def job() -> None:
        raise error

    return job


def failing_later(error: Exception) -> Callable[[], Coroutine[None, None, None]]:
    async def job() -> None:
        await asyncio.sleep(0)
        raise error

    return job


def lines(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records]


@pytest.mark.parametrize("path", files(), ids=name_of)
def test_whatever_is_started_has_a_boundary(path: Path) -> None:
    assert [
        f"{start.file}:{start.line}: {start.what}"
        for start in starts(path)
        if start.boundary is None
    ] == []


@pytest.mark.parametrize(
    "source",
    [
        "async def f(loop):\n    loop.create_task(g())",
        "async def f(loop):\n    job = g()\n    asyncio.create_task(job)",
        "def f(loop):\n    loop.call_later(1, g)",
        "def f(loop):\n    def g():\n        pass\n    loop.call_soon(g)",
        "def f():\n    threading.Thread(target=g).start()",
        "def f():\n    signal.signal(signal.SIGHUP, g)",
        "def f(loop, jobs):\n    jobs.guard('a', g)\n    loop.add_reader(3, g)",
        "async def f():\n    await asyncio.to_thread(g)",
    ],
)
def test_a_start_without_a_boundary_is_found(source: str) -> None:
    assert [start for start in starts(PACKAGE / "new.py", source) if start.boundary is None]


@ERRORS
def test_an_error_is_told_once_and_not_raised(
    error: Exception, caplog: pytest.LogCaptureFixture
) -> None:
    jobs = Jobs(Stopwatch())
    jobs.guard("a", failing(error))()
    assert jobs.call("a", failing(error), None) is None
    assert asyncio.run(jobs.run("a", failing_later(error), None)) is None
    for _ in range(1000):
        jobs.report("a", error)
    assert jobs.failures["a"].count == 1003
    assert len(caplog.records) == 1
    assert "\n" not in lines(caplog)[0]
    assert len(lines(caplog)[0]) < MAX_CHARACTERS + 60
    assert caplog.records[0].exc_info is None


def test_failing_job_is_logged_again_later(
    caplog: pytest.LogCaptureFixture,
) -> None:
    clock = Stopwatch()
    jobs = Jobs(clock)
    for _ in range(10):
        jobs.report("a", RuntimeError("no"))
        clock.now_s += LOG_INTERVAL_S / 2
    assert len(caplog.records) == 5


def test_traceback_is_logged_at_level_debug(
    caplog: pytest.LogCaptureFixture,
) -> None:
    with caplog.at_level(logging.DEBUG, "klogd_py"):
        Jobs().guard("a", failing(RuntimeError("no")))()
    assert "Traceback" in caplog.text


def test_waiter_gets_the_callbacks_failure() -> None:
    failed: list[bool] = []
    Jobs().guard("a", failing(RuntimeError("no")), lambda: failed.append(True))()
    assert failed == [True]


@ERRORS
def test_failing_job_restarts_with_growing_pauses(error: Exception) -> None:
    async def run() -> list[float]:
        began_s: list[float] = []

        async def job() -> None:
            began_s.append(loop.time())
            if len(began_s) < 12:
                raise error

        loop = asyncio.get_running_loop()
        await Jobs(loop.time).supervise("a", job)
        return began_s

    began_s = run_in_virtual_time(run())
    pauses_s = [after - before for before, after in pairwise(began_s)]
    assert len(began_s) == 12
    assert sorted(pauses_s) == pauses_s
    assert pauses_s[-1] == pytest.approx(MAX_PAUSE_S)


def test_a_job_that_is_cancelled_ends() -> None:
    async def run() -> Jobs:
        jobs = Jobs()
        tasks = [
            asyncio.create_task(jobs.supervise("a", asyncio.Event().wait)),  # type: ignore[arg-type]
            asyncio.create_task(jobs.run("b", asyncio.Event().wait, False)),
        ]
        await asyncio.sleep(0.01)
        for task in tasks:
            task.cancel()
        done, _ = await asyncio.wait(tasks, timeout=5)
        assert all(task.cancelled() for task in tasks)
        assert len(done) == 2
        return jobs

    assert asyncio.run(run()).failures == {}


def test_loop_exception_is_logged_in_one_line(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def run() -> Jobs:
        jobs = Jobs()
        loop = asyncio.get_running_loop()
        jobs.catch_all(loop)
        loop.call_soon(failing(RuntimeError("no")))
        await asyncio.sleep(0.01)
        return jobs

    assert asyncio.run(run()).failures["event loop"].reason == "RuntimeError('no')"
    assert len(caplog.records) == 1
    assert "Traceback" not in caplog.text


def test_however_many_names_fail_few_are_remembered() -> None:
    jobs = Jobs()
    for number in range(10 * MAX_NAMES):
        jobs.report(f"sink {number}", RuntimeError("no"))
    assert len(jobs.failures) == MAX_NAMES


def test_thread_exception_is_logged_in_one_line() -> None:
    program = (
        "import logging, threading\n"
        "from klogd_py.system.jobs import Jobs\n"
        "logging.basicConfig(format='%(message)s')\n"
        "jobs = Jobs()\n"
        "jobs.catch_threads()\n"
        "def trouble(): raise MemoryError('trouble')\n"
        "thread = threading.Thread(target=trouble)\n"
        "thread.start()\n"
        "thread.join()\n"
        "print(*jobs.failures)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        encoding="utf-8",
        timeout=30,
        check=True,
    )
    assert done.stdout == "thread of a library\n"
    assert (
        done.stderr
        == "unexpected error, the rest goes on: thread of a library: MemoryError('trouble')\n"
    )
