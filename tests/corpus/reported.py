# SPDX-License-Identifier: GPL-2.0-or-later
"""Collect the reports in a log, which is read as any capture is."""

from collections.abc import Sequence

from klogd_py.oops.provenance import Origin
from klogd_py.pipeline.batch import Batch
from klogd_py.pipeline.boot_symbols import BootSymbols
from klogd_py.pipeline.clock import CaptureClock
from klogd_py.pipeline.stage_list import raise_error
from klogd_py.pipeline.stages import Stages
from klogd_py.pipeline.symbol_stage import Naming
from klogd_py.record.types import Gap, Record
from klogd_py.reports.detection.detector import DEFAULT_KINDS
from klogd_py.reports.raw_report import RawReport
from klogd_py.sources.capture_records import CaptureRecords
from klogd_py.symbols.resolver import SymbolResolver
from klogd_py.symbols.symbol_set import SymbolSet

_BATCH_RECORDS = 512


def reports_in(raw: bytes) -> list[RawReport]:
    """Return the reports in the bytes of a log, each as it was when it ended."""
    return reports_of(CaptureRecords().push(raw, is_end=True))


def reports_of(records: Sequence[Record | Gap]) -> list[RawReport]:
    """Return the reports in records of a capture, each as it was when it ended."""
    symbols = BootSymbols(SymbolSet(SymbolResolver()))
    stages = Stages(
        symbols,
        CaptureClock(),
        Naming(Origin.CAPTURE),
        raise_error,
        live=False,
        report_kinds=DEFAULT_KINDS,
    )
    found: dict[tuple[int, str], RawReport] = {}

    def run(batch: Batch) -> None:
        passed = stages.push(batch, 0.0)
        while True:
            for report in passed.reports:
                found[id(report.header.record), report.header.text] = report
            if stages.request is not None:
                passed = stages.resume(0.0)
            elif passed.next_boot is not None:
                symbols.begin_boot(passed.next_boot)
                passed = stages.push(Batch([]), 0.0)
            else:
                return

    for start in range(0, len(records), _BATCH_RECORDS):
        run(Batch(records[start : start + _BATCH_RECORDS]))
    run(Batch([], is_last=True))
    # Reports come out when they end, and are wanted in the order of their headers.
    places = {id(record): at for at, record in enumerate(records)}
    return sorted(found.values(), key=lambda report: places.get(id(report.header.record), -1))
