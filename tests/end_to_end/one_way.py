# SPDX-License-Identifier: GPL-2.0-or-later
"""Feed one log to `translate`, to the daemon with ``--input``, and to the daemon by /dev/kmsg."""

import asyncio
import os
from collections.abc import Callable
from pathlib import Path

from msgspec import Struct

from klogd_py.line_prefix.reader import read_line
from klogd_py.oops.boot_boundary import NextBoot
from klogd_py.oops.provenance import Origin
from klogd_py.oops.trace_buffer import RecognisedTrace
from klogd_py.oops.trace_parser import Trace, parse_trace
from klogd_py.pipeline.boot_symbols import BootSymbols
from klogd_py.pipeline.clock import CaptureClock
from klogd_py.pipeline.pipeline import Pipeline
from klogd_py.pipeline.symbol_manager import SymbolManager
from klogd_py.pipeline.symbolize import FormatOptions
from klogd_py.pipeline.text_stream import TextStream
from klogd_py.record.types import LookupFailure, Record, SymbolAddress
from klogd_py.sinks.drop_policy import QueueLimits
from klogd_py.sinks.manager import SinkManager
from klogd_py.sources import kmsg_format
from klogd_py.sources.capture import Capture
from klogd_py.sources.input_file import InputFile
from klogd_py.sources.source import Source
from klogd_py.symbols.symbol_set import SymbolSet
from klogd_py.symbols.symbol_sources import Sources
from klogd_py.system.jobs import Jobs
from tests.entries import gap_entry
from tests.fakes import FakeRing, ScriptedSink
from tests.sources.captured import read_to_end
from tests.symbolizer import FixedResolver
from tests.virtual_time import run_in_virtual_time


def everywhere(address: int) -> SymbolAddress | LookupFailure:
    """A symbol at every address, which tells the address."""
    return SymbolAddress(f"f_{address:x}", 1, 16, "", "t", "")


class Outcome(Struct, frozen=True):
    """What came out: the text of each record, its symbols, and what each trace proves.

    ``doubtful`` counts the lines that were named though no kernel prints such a line.
    """

    texts: list[str]
    traces: list[Trace]
    doubtful: int = 0
    symbols: list[tuple[SymbolAddress, ...]] = []


class FixedSymbols(SymbolManager):
    """Symbols that are the same for every boot."""

    def __init__(self, jobs: Jobs) -> None:
        super().__init__(Sources, lambda reasons: None, jobs)
        self.symbols = everywhere_set()

    async def load_first(self) -> None:
        """Keep the symbols."""

    async def begin_boot(self, boot: NextBoot) -> None:
        """Keep the symbols."""


def everywhere_set() -> SymbolSet:
    """Symbols that resolve every address."""
    return SymbolSet(FixedResolver(everywhere))


def symbols_of(map_file: Path) -> Callable[[Jobs], SymbolManager]:
    """Return what makes the symbols of a map, whose slide has to be inferred in each boot."""

    def make(jobs: Jobs) -> SymbolManager:
        return SymbolManager(
            lambda: Sources("6.1.0", Path("/"), map_file), lambda reasons: None, jobs
        )

    return make


def translate(raw: bytes, first: SymbolSet, *, by_line: bool = False) -> Outcome:
    """Feed a log to the stages as ``klogd-py translate`` does; a pipe may come line by line."""
    traces: list[RecognisedTrace] = []
    stream = TextStream(BootSymbols(first), FormatOptions(), on_trace=traces.append)
    pieces = raw.splitlines(keepends=True) if by_line else [raw]
    out = b"".join(stream.push(piece, 0.0) for piece in pieces) + stream.flush()
    texts = out.decode("utf-8", "surrogateescape").removesuffix("\n").split("\n")
    return Outcome(texts, [parse_trace(trace.lines) for trace in traces], stream.doubtful.count)


def timestamps(path: Path) -> list[int | None]:
    """Return the timestamp of each record that the daemon reads from a log."""
    capture = Capture(InputFile(os.open(path, os.O_RDONLY), str(path)), "auto")
    items = [*read_to_end(capture), *capture.drain_pending()]
    capture.close()
    return [item.usec for item in items if isinstance(item, Record)]


def read_capture(path: Path, make: Callable[[Jobs], SymbolManager] = FixedSymbols) -> Outcome:
    """Feed a log to the daemon as with ``--input``."""
    descriptor = os.open(path, os.O_RDONLY)
    capture = Capture(InputFile(descriptor, str(path)), "auto")
    return _deliver(capture, make, live=False, origin=Origin.CAPTURE)


def read_kmsg(lines: list[str], make: Callable[[Jobs], SymbolManager] = FixedSymbols) -> Outcome:
    """Feed lines to the daemon through /dev/kmsg, as if the running kernel had written them."""
    ring, usec = FakeRing(), 0
    for seq, line in enumerate(lines):
        stated = read_line(line)
        usec = stated.usec if stated.usec is not None else usec
        ring.log(raw=kmsg_format.render(Record(stated.text, 4, seq, usec, caller=stated.caller)))
    return _deliver(ring.device, make, live=True, origin=Origin.RECORDS)


def _deliver(
    source: Source, make: Callable[[Jobs], SymbolManager], *, live: bool, origin: Origin
) -> Outcome:
    sink, traces = ScriptedSink(keeps_position=False), list[RecognisedTrace]()
    jobs = Jobs()

    async def run() -> None:
        sink_manager = SinkManager(gap_entry, lambda name: None, rereadable=live)
        symbol_manager = make(jobs)
        await symbol_manager.load_first()
        sink_manager.configure([sink], lambda name: QueueLimits(1 << 30))
        pipeline = Pipeline(
            source,
            sink_manager,
            symbol_manager,
            CaptureClock(),
            live=live,
            once=True,
            origin=origin,
            jobs=jobs,
            on_trace=traces.append,
        )
        pipeline.reader.running.set()
        await pipeline.run()
        await pipeline.finish()
        sink_manager.close()

    # Loading takes real time.
    run_in_virtual_time(run()) if live and make is FixedSymbols else asyncio.run(run())
    source.close()
    assert not jobs.failures
    return Outcome(
        [entry.text for entry in sink.received],
        [parse_trace(trace.lines) for trace in traces],
        symbols=[entry.symbols for entry in sink.received],
    )
