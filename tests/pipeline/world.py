# SPDX-License-Identifier: GPL-2.0-or-later
"""A ring, a pipeline and some sinks, for tests of what happens between them."""

import asyncio
from collections.abc import Callable, Mapping, Sequence

import pytest

from klogd_py.pipeline import clock
from klogd_py.pipeline.pipeline import Pipeline
from klogd_py.pipeline.symbol_manager import SymbolManager
from klogd_py.record.types import Entry, Gap
from klogd_py.sinks.backlog import ENTRY_OVERHEAD_BYTES
from klogd_py.sinks.drop_policy import QueueLimits
from klogd_py.sinks.manager import SinkManager
from klogd_py.symbols.symbol_sources import Sources
from klogd_py.system.jobs import Jobs
from tests.entries import gap_entry, position_at
from tests.fakes import FakeRing, ScriptedSink

RECORD_BYTES = ENTRY_OVERHEAD_BYTES + 2 * len("record 100")


class World:
    """A ring, a pipeline and some sinks, on the running event loop."""

    def __init__(
        self,
        ring: FakeRing,
        sinks: Sequence[ScriptedSink],
        limits: QueueLimits,
        announce: Callable[[Gap], Entry] = gap_entry,
        next_seqs: Mapping[str, int] | None = None,
    ) -> None:
        self.jobs = Jobs()
        positions = {name: position_at(seq) for name, seq in (next_seqs or {}).items()}
        self.sink_manager = SinkManager(announce, positions.get, rereadable=True, jobs=self.jobs)
        self.sink_manager.configure(sinks, lambda name: limits)
        self._source = ring.device
        self.symbol_manager = SymbolManager(Sources, lambda reasons: None)
        self.pipeline = Pipeline(
            ring.device,
            self.sink_manager,
            self.symbol_manager,
            clock.CaptureClock(),
            live=True,
            once=False,
            jobs=self.jobs,
        )
        self.pipeline.reader.running.set()
        self._task = asyncio.create_task(self.pipeline.run())

    async def until(self, so: Callable[[], bool]) -> None:
        """Wait until a condition holds."""
        for _ in range(100_000):
            if so():
                return
            await asyncio.sleep(0.01)
        pytest.fail("never came")

    async def stop(self) -> None:
        """Deliver only what has been read."""
        self._task.cancel()
        await asyncio.wait([self._task])
        await self.pipeline.finish()

    async def end(self) -> None:
        """Stop, and close everything."""
        await self.stop()
        await self.sink_manager.flush(1)
        self.sink_manager.close()
        self._source.close()


def delivered(sink: ScriptedSink) -> list[int | Gap | None]:
    """What a sink has received: sequence numbers and gaps."""
    return [entry.gap or entry.record.seq for entry in sink.received]
