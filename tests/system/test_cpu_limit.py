# SPDX-License-Identifier: GPL-2.0-or-later
"""A function ends when the main thread has used its processor time, and not before."""

import re
import signal
import threading
import time

import pytest

from klogd_py.system.cpu_limit import CpuTimeExceeded, call_within

# Each takes exponential or at least cubic time.
ENDLESS = {
    r"(a+)+$": "a" * 60 + "b",
    r"(?:a|a)*$": "a" * 60 + "b",
    r"(x+x+)+y": "x" * 60,
    r"(?=(a+)+b)": "a" * 60,
    r".*.*.*.*x": "a" * 4000,
    r"(.*)\1\1\1x": "ab" * 2000,
}


@pytest.mark.parametrize("expression", ENDLESS)
def test_endless_search_is_interrupted_in_time(expression: str) -> None:
    pattern = re.compile(expression)
    start_s = time.thread_time()
    with pytest.raises(CpuTimeExceeded):
        call_within(0.05, lambda: assert_not_found(pattern, ENDLESS[expression]))
    assert 0.05 <= time.thread_time() - start_s < 1


def assert_not_found(pattern: re.Pattern[str], text: str) -> None:
    assert pattern.search(text) is None


def test_time_of_other_threads_does_not_count() -> None:
    is_over = threading.Event()
    calls: list[float] = []

    def work() -> None:
        while not is_over.is_set():
            sum(range(1000))

    def wait() -> None:
        time.sleep(0.3)
        calls.append(time.thread_time())

    other = threading.Thread(target=work)
    other.start()
    try:
        call_within(0.05, wait)
    finally:
        is_over.set()
        other.join()
    assert len(calls) == 1


def test_handler_and_timer_are_restored_afterwards() -> None:
    before = signal.getsignal(signal.SIGVTALRM)
    for limit_s in (10, 0.01):
        try:
            call_within(limit_s, lambda: assert_not_found(re.compile(r"(a+)+$"), "a" * 22 + "b"))
        except CpuTimeExceeded:
            assert limit_s < 10
        assert signal.getsignal(signal.SIGVTALRM) is before
        assert signal.getitimer(signal.ITIMER_VIRTUAL) == (0, 0)


def test_function_runs_without_limit_in_a_thread() -> None:
    done: list[bool] = []
    other = threading.Thread(target=lambda: call_within(0.001, lambda: done.append(True)))
    other.start()
    other.join()
    assert done == [True]
