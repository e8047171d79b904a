# SPDX-License-Identifier: GPL-2.0-or-later
"""Several streams are delivered together, also when one of them fails."""

import asyncio
import os
from pathlib import Path

from klogd_py.oops.provenance import Origin
from klogd_py.pipeline.clock import CaptureClock
from klogd_py.pipeline.destination import Destination
from klogd_py.pipeline.merged_pipeline import MergedPipeline
from klogd_py.pipeline.pipeline import Pipeline
from klogd_py.sinks.drop_policy import QueueLimits
from klogd_py.sinks.manager import SinkManager
from klogd_py.sources.capture import Capture
from klogd_py.sources.input_file import InputFile
from klogd_py.system.jobs import Jobs
from tests.end_to_end.one_way import FixedSymbols
from tests.entries import gap_entry
from tests.fakes import ScriptedSink


class Broken(Pipeline):
    """A pipeline that fails in a way that nobody foresaw."""

    async def run(self) -> int:
        raise RuntimeError("injected")


def deliver(folder: Path, kinds: list[type[Pipeline]]) -> tuple[list[str], int, int]:
    """The texts, the exit status and the unexpected errors of some inputs of three lines each."""
    sink, jobs = ScriptedSink(keeps_position=False), Jobs()

    async def run() -> int:
        sinks = SinkManager(gap_entry, lambda name: None, rereadable=False)
        symbols = FixedSymbols(jobs)
        await symbols.load_first()
        sinks.configure([sink], lambda name: QueueLimits(1 << 30))

        def make(number: int, behind: Destination) -> Pipeline:
            path = folder / f"{number}.log"
            path.write_text("".join(f"[    {at}.{number:06d}] {number}-{at}\n" for at in range(3)))
            capture = Capture(InputFile(os.open(path, os.O_RDONLY), str(path)))
            return kinds[number](
                capture,
                behind,
                symbols,
                CaptureClock(),
                live=False,
                once=True,
                origin=Origin.CAPTURE,
                jobs=jobs,
            )

        merged = MergedPipeline(len(kinds), sinks, make, jobs)
        merged.reader.running.set()
        async with asyncio.timeout(20):
            status = await merged.run()
        await sinks.flush(5)
        sinks.close()
        return status

    status = asyncio.run(run())
    return [entry.text for entry in sink.received], status, len(jobs.failures)


def test_streams_are_all_delivered_together(tmp_path: Path) -> None:
    texts, status, failures = deliver(tmp_path, [Pipeline, Pipeline])
    assert sorted(texts) == ["0-0", "0-1", "0-2", "1-0", "1-1", "1-2"]
    assert (status, failures) == (0, 0)


def test_stream_that_fails_holds_up_no_other(tmp_path: Path) -> None:
    texts, status, failures = deliver(tmp_path, [Broken, Pipeline])
    assert [text for text in texts if text.startswith("1-")] == ["1-0", "1-1", "1-2"]
    assert status == 1
    assert failures > 0
