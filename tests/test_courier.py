import asyncio
import subprocess
import sys
import threading

import pytest

from klogd_py.courier import Courier

HANGS = """
import asyncio, threading
from klogd_py.courier import Courier
async def main():
    courier = Courier("stuck")
    try:
        async with asyncio.timeout(0.1):
            await courier.call(threading.Event().wait)
    except TimeoutError:
        print("given up")
    courier.close()
asyncio.run(main())
"""


def test_calls_are_made_one_after_the_other_in_one_thread() -> None:
    async def ask() -> list[int]:
        courier = Courier("c")
        try:
            return await asyncio.gather(*(courier.call(threading.get_ident) for _ in range(5)))
        finally:
            courier.close()

    threads = asyncio.run(ask())
    assert len({*threads}) == 1
    assert threads[0] != threading.get_ident()


def test_what_a_call_raises_is_raised_to_who_waits() -> None:
    async def ask() -> None:
        courier = Courier("c")
        try:
            with pytest.raises(ZeroDivisionError):
                await courier.call(lambda: 1 // 0)
        finally:
            courier.close()

    asyncio.run(ask())


def test_a_call_that_hangs_does_not_keep_the_program_from_ending() -> None:
    ran = subprocess.run([sys.executable, "-c", HANGS], capture_output=True, text=True, timeout=10)
    assert (ran.returncode, ran.stdout, ran.stderr) == (0, "given up\n", "")
