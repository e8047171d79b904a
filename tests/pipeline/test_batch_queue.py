# SPDX-License-Identifier: GPL-2.0-or-later
import asyncio

import pytest

from klogd_py.pipeline.batch_queue import RECORD_OVERHEAD_BYTES, BatchQueue, ReadBatch
from klogd_py.record.types import Cause, Gap, Record
from tests.virtual_time import run_in_virtual_time

LINE = Record("x" * 100, 6, 1)


@pytest.mark.parametrize(("limit_bytes", "batches"), [(0, 1), (2 * RECORD_OVERHEAD_BYTES, 2)])
def test_room_ends_above_limit_until_taken(limit_bytes: int, batches: int) -> None:
    queue = BatchQueue(limit_bytes)
    for _ in range(batches):
        assert queue.room.is_set()
        queue.append([LINE], is_live=False, read_s=0.0)
    assert not queue.room.is_set()
    while queue.pop() is not None:
        pass
    assert queue.room.is_set()


def test_size_counts_texts_but_not_gaps() -> None:
    queue = BatchQueue(1 << 20)
    queue.append([LINE, Gap(2, 3, Cause.OVERRUN)], is_live=True, read_s=0.0)
    assert queue.pop() == ReadBatch(
        [LINE, Gap(2, 3, Cause.OVERRUN)], True, 2 * RECORD_OVERHEAD_BYTES + 100, 0.0
    )
    assert queue.is_empty


def test_wait_ends_with_news_or_timeout() -> None:
    async def job() -> None:
        queue = BatchQueue(0)
        assert not await queue.wait_news(0.5)
        asyncio.get_running_loop().call_later(
            0.1, lambda: queue.append([LINE], is_live=False, read_s=0.0)
        )
        assert await queue.wait_news(None)
        assert queue.pop() is not None

    run_in_virtual_time(job())
