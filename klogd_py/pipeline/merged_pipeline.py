# SPDX-License-Identifier: GPL-2.0-or-later
"""Carry the records of several streams to the same sinks, each stream by a pipeline of its own.

So what the traces of one stream show of its kernel never names the addresses of another. The
entries that come out are merged; a stream is read only while the others cannot go on without it.
"""

import asyncio
import logging
from collections.abc import Callable, Sequence
from functools import partial

from klogd_py.pipeline.destination import Destination
from klogd_py.pipeline.entry_merger import EntryMerger
from klogd_py.pipeline.pipeline import Pipeline
from klogd_py.record.types import Entry
from klogd_py.system.jobs import Jobs

logger = logging.getLogger(__name__)


class _StreamGate:
    """The destination of one stream: entries wait in the merger. Mutable."""

    def __init__(self, number: int, merging: "_Merging") -> None:
        self.needed = asyncio.Event()
        self.needed.set()
        self._number = number
        self._merging = merging

    def enqueue(self, entries: Sequence[Entry]) -> None:
        self._merging.add(self._number, entries)

    async def wait_for_room(self) -> None:
        await self.needed.wait()
        await self._merging.behind.wait_for_room()

    async def wait_until_drained(self) -> None:
        """Return at once: the merger waits for the other streams."""

    def on_reread(self, wake: Callable[[], None]) -> None:
        """Do nothing: a capture is not read again."""

    def resume(self, seq: int) -> None:
        """Do nothing: a capture is not read again."""

    def any_sink_between(self, seq: int, other: int) -> bool:
        return False

    reread_at_s: float | None = None
    reread_from: int | None = None

    @property
    def all_gone(self) -> bool:
        return self._merging.behind.all_gone


class _Merging:
    """The gates, the merger, and the sinks behind it. Mutable."""

    def __init__(self, count: int, behind: Destination) -> None:
        self.behind = behind
        self.gates = [_StreamGate(number, self) for number in range(count)]
        self._merger = EntryMerger(count)
        self._is_order_told = False

    def add(self, number: int, entries: Sequence[Entry]) -> None:
        """Take entries of a stream, and give to the sinks what may go on."""
        self._merger.add(number, entries)
        self._pass_on()

    def end(self, number: int) -> None:
        """Note that a stream has ended."""
        self._merger.end(number)
        self._pass_on()

    def _pass_on(self) -> None:
        taken = self._merger.take()
        if self._merger.order is not None and not self._is_order_told:
            self._is_order_told = True
            logger.info("the inputs are %s", self._merger.order.value)
        if taken:
            self.behind.enqueue(taken)
        for number, gate in enumerate(self.gates):
            if self._merger.needs(number):
                gate.needed.set()
            else:
                gate.needed.clear()


class MergedPipeline:
    """The pipelines of several streams. Mutable; lives on the event loop.

    ``reader``, ``stages`` and ``counters`` are those of the first one.
    """

    def __init__(
        self,
        count: int,
        behind: Destination,
        make: Callable[[int, Destination], Pipeline],
        jobs: Jobs,
    ) -> None:
        """``make`` returns the pipeline of a number, which delivers to a destination."""
        self._jobs = jobs
        self._merging = _Merging(count, behind)
        self.pipelines = [make(number, gate) for number, gate in enumerate(self._merging.gates)]
        self.reader, self.stages = self.pipelines[0].reader, self.pipelines[0].stages
        self.counters = self.pipelines[0].counters
        for pipeline in self.pipelines:
            pipeline.reader.running = self.reader.running

    async def run(self) -> int:
        """Deliver until all streams have ended or no sink is left; returns the exit status."""
        async with asyncio.TaskGroup() as group:
            tasks = [
                group.create_task(
                    self._jobs.run("delivery", partial(self._run, number, pipeline), 1)
                )
                for number, pipeline in enumerate(self.pipelines)
            ]
        await self._merging.behind.wait_until_drained()
        return max(task.result() for task in tasks)

    async def finish(self) -> None:
        """Deliver everything that has been read or is held in a stage."""
        for number, pipeline in enumerate(self.pipelines):
            await pipeline.finish()
            self._merging.end(number)

    async def _run(self, number: int, pipeline: Pipeline) -> int:
        try:
            return await pipeline.run()
        finally:
            # The other streams do not wait for it.
            self._merging.end(number)


def make_pipeline(
    make: Callable[[int, Destination], Pipeline], count: int, behind: Destination, jobs: Jobs
) -> Pipeline | MergedPipeline:
    """Return the pipeline of one stream, or of several."""
    return make(0, behind) if count == 1 else MergedPipeline(count, behind, make, jobs)
