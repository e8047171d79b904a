# SPDX-License-Identifier: GPL-2.0-or-later
"""Wait between two reads of the ring, so that records which come shortly one after another are
delivered together.
"""

import asyncio
from collections.abc import Callable

from klogd_py.sources.kmsg_device import KmsgDevice
from klogd_py.system.jobs import Jobs

# A burst begins with few records: 200,000 a second bring 800 in 4 ms, half of what the smallest
# common ring holds. Once more than BURST_RECORDS come in that time, the wait is 1 ms (200 records).
BATCH_WINDOW_S, BURST_WINDOW_S = 0.004, 0.001
BURST_RECORDS = 512
# Limit of successive waits before what came is delivered
MAX_WINDOWS = 4
# As many records are delivered without another wait
FULL_BATCH_RECORDS = 256


def is_burst(records: int, elapsed_s: float) -> bool:
    """Whether so many records in so long a time come faster than `BURST_RECORDS` in a window."""
    return records * BATCH_WINDOW_S > BURST_RECORDS * elapsed_s


async def wait_batch_window(ring: KmsgDevice, may_read: Callable[[], bool], jobs: Jobs) -> None:
    """Wait for as long as more records come, up to `MAX_WINDOWS` windows.

    They are only prefetched, while ``may_read`` returns true, and in callbacks: resuming a task
    costs more.
    """
    loop = asyncio.get_running_loop()
    finished: asyncio.Future[None] = loop.create_future()

    def finish() -> None:
        if not finished.done():
            finished.set_result(None)

    def prefetch(window: int, pending_before: int) -> None:
        # The waiting task was cancelled.
        if finished.done():
            return
        pending = ring.prefetch() if may_read() else pending_before
        if pending_before < pending < FULL_BATCH_RECORDS and window < MAX_WINDOWS:
            loop.call_later(
                BATCH_WINDOW_S, jobs.guard("gathering", prefetch, finish), window + 1, pending
            )
        else:
            finish()

    loop.call_later(BATCH_WINDOW_S, jobs.guard("gathering", prefetch, finish), 1, 0)
    await finished
