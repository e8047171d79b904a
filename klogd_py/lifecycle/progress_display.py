# SPDX-License-Identifier: GPL-2.0-or-later
"""Show how far a run with ``--input`` has come, on a terminal that shows nothing else."""

import asyncio
import logging
import sys

from klogd_py.lifecycle.record_flow import RecordFlow
from klogd_py.sources.capture_chain import CaptureChain
from klogd_py.system.progress import PERIOD_S, Progress, ProgressLine

logger = logging.getLogger("klogd_py")


async def show_progress(flow: RecordFlow) -> None:
    """Show the progress until cancelled. Records on the same terminal show it themselves."""
    if flow.live or not sys.stderr.isatty() or sys.stdout.isatty():
        return
    line = ProgressLine(sys.stderr)

    def erase_first(record: logging.LogRecord) -> bool:
        line.erase()
        return True

    for handler in logger.handlers:
        handler.addFilter(erase_first)
    try:
        while True:
            await asyncio.sleep(PERIOD_S)
            if line.is_due:
                line.show(progress_of(flow))
    finally:
        line.erase()
        for handler in logger.handlers:
            handler.removeFilter(erase_first)


def progress_of(flow: RecordFlow) -> Progress:
    """Return how far the reading of all inputs has come."""
    sources = [source for source in flow.sources if isinstance(source, CaptureChain)]
    totals = [source.total_bytes for source in sources]
    known = [total for total in totals if total is not None]
    counters = [pipeline.counters for pipeline in flow.pipeline.pipelines]
    return Progress(
        sum(source.done_bytes for source in sources),
        sum(known) if len(known) == len(totals) else None,
        sum(counter.records for counter in counters),
        sum(counter.named.total() for counter in counters),
    )
