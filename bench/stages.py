# SPDX-License-Identifier: GPL-2.0-or-later
"""Measure the CPU time of each pipeline stage per record, in batches of the daemon's size.

``python -m bench.stages`` prints the figures as JSON. It is a process of its own, so that it can
import the klogd_py of another tree.
"""

import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import msgspec

from bench.results import Figure
from klogd_py.oops.address_scanner import candidate_lines
from klogd_py.oops.provenance import Origin
from klogd_py.pipeline.batch import Batch
from klogd_py.pipeline.boot_symbols import BootSymbols
from klogd_py.pipeline.clock import LiveClock
from klogd_py.pipeline.printk_clock import WallTimes
from klogd_py.pipeline.stage_list import raise_error
from klogd_py.pipeline.stages import Stages
from klogd_py.pipeline.symbol_stage import Naming
from klogd_py.pipeline.symbolize import FormatOptions, symbolize
from klogd_py.record.gaps import announce
from klogd_py.record.sequence import Position
from klogd_py.record.types import Entry, Gap, LookupFailure, Record
from klogd_py.sinks.cursor_file import CursorFile
from klogd_py.sinks.file import FileSink
from klogd_py.sinks.file_format import LineEncoder
from klogd_py.sinks.local_syslog import SyslogSink
from klogd_py.sinks.sequence_tracker import SequenceTracker, StartPosition, consecutive_range
from klogd_py.sources import kmsg_format
from klogd_py.symbols.resolver import SymbolResolver
from klogd_py.symbols.symbol_set import SymbolSet

BATCH = 512
RUNS = 51
ESCAPED_SHARES = (64, 4)
# As /dev/kmsg shows UTF-8, a tab and a backslash
ESCAPED_TEXTS = (
    rb"thermal zone%d: 71 \xc2\xb0C, critical at 95 \xc2\xb0C",
    rb"usb %d-1: Product:\x09Flash Drive\x09SerialNumber: 4C530001",
    rb"acpi device:0%d: path \x5c_SB.PCI0.LPCB.EC0",
)


def figures() -> list[Figure]:
    """Return the CPU time of each stage per record, and of saving the position per batch."""
    shares = [figure for share in ESCAPED_SHARES for figure in _escaped(share)]
    return [*_read_ring(), *_plain(), *shares, _save_position()]


def _plain() -> list[Figure]:
    raws = [sample(number) for number in range(BATCH)]
    records = kmsg_format.parse_all(raws)
    texts = [record.text for record in records]
    clock = LiveClock()
    entries = symbolize(Batch(records), resolve_nothing, FormatOptions(), clock.wall_times).entries
    stages = Stages(
        BootSymbols(SymbolSet(SymbolResolver())),
        clock,
        Naming(Origin.RECORDS),
        raise_error,
        live=True,
    )
    to_file, to_syslog = FileSink("/dev/null"), SyslogSink("/dev/null")
    line_encoder = LineEncoder()
    jobs: dict[str, Callable[[], object]] = {
        "parse": lambda: kmsg_format.parse_all(raws),
        "find lines that may have an address": lambda: candidate_lines(texts),
        "translate, with that search": lambda: symbolize(
            Batch(records), resolve_nothing, FormatOptions(), clock.wall_times
        ),
        "compare with what a sink has had": lambda: _compare(entries),
        "pass all stages of the daemon": lambda: stages.push(Batch(records), 0.0),
        "encode for a file": lambda: line_encoder.encode(entries),
        "encode for syslog": lambda: [to_syslog.encode(entry) for entry in entries],
        "encode and write to /dev/null": lambda: to_file.send(entries),
    }
    return [_per_record(name, job) for name, job in jobs.items()]


def _escaped(share: int) -> list[Figure]:
    """Measure the stages that escaped bytes concern; one record in ``share`` has some."""
    raws = [sample(number, share) for number in range(BATCH)]
    clock = LiveClock()
    batch = Batch(kmsg_format.parse_all(raws))
    entries = symbolize(batch, resolve_nothing, FormatOptions(), clock.wall_times).entries
    line_encoder = LineEncoder()
    return [
        _per_record(f"parse, escaped 1 in {share}", lambda: kmsg_format.parse_all(raws)),
        _per_record(
            f"encode for a file, escaped 1 in {share}", lambda: line_encoder.encode(entries)
        ),
    ]


def _per_record(name: str, job: Callable[[], object]) -> Figure:
    return Figure("stage", name, cpu_s(job) / BATCH * 1e6, "us/record")


def sample(number: int, escaped: int = 0) -> bytes:
    """Return a raw record: one in ten has a dictionary, one in four a number like an address.

    One in ``escaped``, if that is not 0, has bytes that the kernel escapes.
    """
    text = b"eth%d: link up, 1000Mbps, full-duplex"
    if number % 4 == 0:
        text = b"pci 0000:00:1f.%d: [mem 0xfed00000-0xfed003ff] reserved"
    if escaped and number % escaped == 1:
        text = ESCAPED_TEXTS[number // escaped % len(ESCAPED_TEXTS)]
    dictionary = b" SUBSYSTEM=pci\n DEVICE=+pci:0000:00:1f.0\n" if number % 10 == 0 else b""
    return b"6,%d,%d,-;%s\n%s" % (number, number * 1000, text % (number % 8), dictionary)


def resolve_nothing(_address: int) -> LookupFailure:
    """Resolve an address without symbols."""
    return LookupFailure.NO_SYMBOLS


def cpu_s(job: Callable[[], object]) -> float:
    """Return the median CPU time of a job in seconds, over `RUNS` runs."""

    def once() -> float:
        before_ns = time.process_time_ns()
        job()
        return (time.process_time_ns() - before_ns) / 1e9

    return statistics.median(once() for _ in range(RUNS))


def _compare(entries: Sequence[Entry]) -> None:
    """Do what a queue does with each batch besides sending it."""
    tracker = SequenceTracker(_announce, StartPosition(Position(0)))
    tracker.accept(tracker.filter(entries, consecutive_range(entries)))


def _announce(gap: Gap) -> Entry:
    return announce(gap, lambda record: 0)


def _read_ring() -> list[Figure]:
    """Measure read(2) per record, over all records in the ring; empty without permission."""
    try:
        descriptor = os.open("/dev/kmsg", os.O_RDONLY | os.O_NONBLOCK)
    except OSError:
        return []
    count = 0
    before_ns = time.process_time_ns()
    try:
        while os.read(descriptor, kmsg_format.BUFFER_BYTES):
            count += 1
    # EAGAIN after the last record, or EPIPE after an overrun
    except OSError:
        pass
    finally:
        os.close(descriptor)
    return [
        Figure(
            "stage",
            "read",
            (time.process_time_ns() - before_ns) / max(count, 1) / 1000,
            "us/record",
        )
    ]


def _save_position() -> Figure:
    with tempfile.TemporaryDirectory() as name:
        cursor_file = CursorFile(Path(name) / "position.json", "0" * 32)
        numbers = iter(range(1, 1_000_000))
        taken_s = cpu_s(
            lambda: cursor_file.save({"file:/var/log/kern.log": Position(next(numbers))})
        )
        cursor_file.close()
    return Figure("stage", "write the position", taken_s * 1e6, "us/batch")


def at_epoch(records: Sequence[Record]) -> WallTimes:
    """Return the Unix epoch for every record."""
    return WallTimes([0] * len(records), [None] * len(records))


if __name__ == "__main__":
    sys.stdout.buffer.write(msgspec.json.encode(figures()))
