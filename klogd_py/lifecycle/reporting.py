# SPDX-License-Identifier: GPL-2.0-or-later
"""Build what tells the state of the daemon: to status clients, metrics and the service manager."""

import logging
from collections.abc import Sequence

from klogd_py.lifecycle.record_flow import RecordFlow
from klogd_py.lifecycle.service_manager import ServiceManager
from klogd_py.monitoring.reporter import StatusReporter
from klogd_py.monitoring.status_builder import StatusBuilder
from klogd_py.pipeline.symbol_manager import SymbolManager
from klogd_py.symbols import description
from klogd_py.system.jobs import Jobs

logger = logging.getLogger("klogd_py")


class Reporting:
    """The reports of one daemon. Mutable; lives on the event loop."""

    def __init__(self, flow: RecordFlow, symbol_manager: SymbolManager, jobs: Jobs) -> None:
        self._symbol_manager = symbol_manager
        self._flow = flow
        self.status_builder = StatusBuilder(
            flow.source,
            flow.pipeline,
            flow.sink_manager,
            flow.clock,
            flow.boot_id,
            jobs,
            flow.reports.counts if flow.reports is not None else None,
        )
        self.reporter = StatusReporter(
            lambda: self.status_builder.build(symbol_manager.symbols), jobs
        )
        self.service_manager = ServiceManager(self.reporter, jobs)

    def log_frames(self) -> None:
        """Log at the end of a capture how many of its frames have no name, and why."""
        pipelines = self._flow.pipeline.pipelines
        for source, pipeline in zip(self._flow.sources, pipelines, strict=True):
            if (frames := pipeline.counters.frames) is not None:
                where = f"{source.name}: " if len(pipelines) > 1 else ""
                for line in frames.lines(pipeline.unproven_reason, (), where, has_format=True):
                    logger.warning("%s", line)

    def record_symbol_load(self, reasons: Sequence[str]) -> None:
        """Report that other symbols are in use, or why they are not."""
        found = self._symbol_manager.symbols
        refusal = self._symbol_manager.failure or found.replacement_refusal
        self.status_builder.record_reload(
            "symbols", ", ".join(reasons), not refusal, refusal or description.headline(found)
        )
        self.reporter.notify()
