# SPDX-License-Identifier: GPL-2.0-or-later
"""Apply a configuration to the parts of the running daemon.

Input, state and user are used at the start only. Everything else can be applied again.
"""

import logging
from pathlib import Path

from klogd_py.config.errors import BadConfig
from klogd_py.config.schema import Config, RateLimitSection
from klogd_py.lifecycle.crash_reports import CrashReports
from klogd_py.monitoring.reporter import StatusReporter
from klogd_py.pipeline.merged_pipeline import MergedPipeline
from klogd_py.pipeline.pipeline import Pipeline
from klogd_py.pipeline.stages import Stages
from klogd_py.pipeline.symbolize import FormatOptions, Style
from klogd_py.record.types import Severity
from klogd_py.sinks.factory import SinkFactory
from klogd_py.sources import proc_kmsg
from klogd_py.system.errors import describe_unexpected
from klogd_py.system.jobs import Jobs

logger = logging.getLogger("klogd_py")


class ActiveConfig:
    """The configuration in use, and the parts that it is applied to. Mutable."""

    def __init__(
        self,
        config: Config,
        pipeline: Pipeline | MergedPipeline,
        sink_factory: SinkFactory,
        reporter: StatusReporter,
        jobs: Jobs,
        *,
        reports_status: bool,
        reports: CrashReports | None = None,
    ) -> None:
        """``reports_status`` says that the status socket and the metrics are served."""
        self.config = config
        self._pipeline = pipeline
        self._sink_factory = sink_factory
        self._reporter = reporter
        self._jobs = jobs
        self._reports_status = reports_status
        self._reports = reports
        self._ratelimit = RateLimitSection()

    def apply_first(self, path: Path) -> None:
        """Create the sinks and configure the pipeline, before any record flows.

        Raises:
            BadConfig: an unexpected error in the use of the configuration at ``path``.
            OSError: a sink or the cursor file cannot be used; CursorFileInUse among them.
        """
        try:
            self._sink_factory.configure(self.config)
            self._configure_pipeline()
        # CursorFileInUse and the like say themselves what is wrong.
        except OSError:
            raise
        except Exception as error:
            raise BadConfig(
                f"{path}: unexpected error in its use: {describe_unexpected(error)}"
            ) from error

    async def apply(self, config: Config) -> None:
        """Put another configuration into use; one that fails leaves a mixture of both."""
        self.config = config
        self._configure_pipeline()
        self._sink_factory.configure(config)
        # A new sink may need records that are in the ring buffer already.
        self._pipeline.reader.wake()
        logging.getLogger("klogd_py").setLevel(config.log.level.upper())
        self.set_console_level()
        await self.open_status()

    async def open_status(self) -> None:
        """Open the status socket and the metrics that the configuration names, close others."""
        if self._reports_status:
            await self._reporter.configure(self.config.status, self.config.metrics)

    def set_console_level(self) -> None:
        """Set the kernel's console log level, if the configuration has one; log a failure."""
        if not self.config.console_level:
            return
        try:
            proc_kmsg.set_console_level(self.config.console_level)
        except OSError as error:
            logger.warning(
                "console level %d not set: %s", self.config.console_level, error.strerror
            )
        except Exception as error:
            self._jobs.report("console level", error)

    def _configure_pipeline(self) -> None:
        for pipeline in self._pipeline.pipelines:
            self._configure_stages(pipeline.stages)
        self._ratelimit = self.config.ratelimit

    def _configure_stages(self, stages: Stages) -> None:
        settings = self.config.translate
        stages.symbol_stage.format_options = FormatOptions(
            Style(settings.style), settings.resymbolize, settings.duplicate_raw
        )
        stages.kaslr_stage.reload_on_oops = settings.reload_on_oops
        stages.joiner.enabled = settings.join_continuations
        if self._reports is not None:
            self._reports.configure(self.config.reports, stages.report_stage)
        # An unchanged limit keeps what it has counted so far.
        if self._ratelimit != self.config.ratelimit:
            limit = self.config.ratelimit
            min_severity = Severity[limit.min_severity.upper()]
            stages.rate_limiter.configure(min_severity, limit.burst, limit.interval_s)
