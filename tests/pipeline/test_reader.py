# SPDX-License-Identifier: GPL-2.0-or-later
import asyncio

from klogd_py.pipeline.batch_queue import ReadBatch
from klogd_py.pipeline.reader import MAX_BATCH_RECORDS, Reader
from klogd_py.record.types import Record
from klogd_py.system.jobs import Jobs
from tests.fakes import FakeRing
from tests.virtual_time import run_in_virtual_time


async def no_wait() -> None:
    """Never wait."""


def seqs(batch: ReadBatch | None) -> list[int | None]:
    return (
        [item.seq for item in batch.items if isinstance(item, Record)] if batch is not None else []
    )


async def flowing(ring: FakeRing) -> tuple[Reader, asyncio.Task[None]]:
    """A reader during a flow of records: the ring was empty, one record came, and then another."""
    reader = Reader(ring.device, no_wait, Jobs(), once=False)
    reader.running.set()
    filling = asyncio.create_task(reader.run())
    await asyncio.sleep(0.01)
    for _ in range(2):
        ring.log()
        assert len(seqs(await reader.wait_next(None))) == 1
    return reader, filling


async def prefetching(ring: FakeRing, reader: Reader) -> None:
    """Three more records are prefetched, but not returned."""
    ring.log(3)
    while not ring.is_read:
        await asyncio.sleep(0.001)
    assert reader.is_empty


def test_prefetched_records_are_returned_before_seek() -> None:
    async def job() -> None:
        ring = FakeRing()
        reader, filling = await flowing(ring)
        await prefetching(ring, reader)
        assert not reader.seek(0)
        assert seqs(reader.pop()) == [2, 3, 4]
        assert reader.seek(0)
        assert seqs(await reader.wait_next(None)) == [0, 1, 2, 3, 4]
        filling.cancel()

    run_in_virtual_time(job())


def test_pause_returns_prefetched_and_reads_no_more() -> None:
    async def job() -> None:
        ring = FakeRing()
        reader, filling = await flowing(ring)
        await prefetching(ring, reader)
        reader.running.clear()
        ring.log(2)
        assert seqs(await reader.wait_next(None)) == [2, 3, 4]
        assert await reader.wait_next(1) is None
        reader.running.set()
        assert seqs(await reader.wait_next(None)) == [5, 6]
        filling.cancel()

    run_in_virtual_time(job())


def test_only_last_fresh_batch_is_live() -> None:
    async def job() -> None:
        ring = FakeRing()
        reader = Reader(ring.device, no_wait, Jobs(), once=False)
        reader.running.set()
        filling = asyncio.create_task(reader.run())
        await asyncio.sleep(0.01)
        ring.log(MAX_BATCH_RECORDS + 1)
        first, second = await reader.wait_next(None), await reader.wait_next(None)
        assert first is not None
        assert second is not None
        assert (len(first.items), first.is_live, len(second.items), second.is_live) == (
            MAX_BATCH_RECORDS,
            False,
            1,
            True,
        )
        await asyncio.sleep(1)
        assert reader.seek(0)
        again = await reader.wait_next(None)
        assert again is not None
        assert not again.is_live
        filling.cancel()

    run_in_virtual_time(job())
