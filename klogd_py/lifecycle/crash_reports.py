# SPDX-License-Identifier: GPL-2.0-or-later
"""Connect the reports of crashes with the pipeline, the sinks and the configuration.

Where reports begin that are not kept yet is saved with the positions of the sinks. From there the
ring buffer is read again at the start, although the sinks have come further: of a crash that was
only half printed when the daemon was killed, no line is missing then.
"""

import contextlib
import os
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

from klogd_py.config.reports_section import ReportsSection
from klogd_py.pipeline.report_stage import ReportStage
from klogd_py.record.crash_kind import NOTES, CrashKind
from klogd_py.record.sequence import Position
from klogd_py.record.types import Entry
from klogd_py.reports.describe import describe
from klogd_py.reports.raw_report import RawReport
from klogd_py.reports.report_counts import ReportCounts
from klogd_py.spool.recorder import ReportRecorder
from klogd_py.spool.report_directory import ReportDirectory
from klogd_py.spool.retention import Limits
from klogd_py.spool.settings import HookSettings, ReportSettings
from klogd_py.spool.store import ReportStore
from klogd_py.system.file_identity import FileOwner
from klogd_py.system.jobs import Jobs

# Among the positions of the sinks, none of which can have such a name
POSITION_NAME = "[reports]"


class CrashReports:
    """The reports of one daemon. Mutable; lives on the event loop."""

    def __init__(self, boot_id: str, send: Callable[[Sequence[Entry]], None], jobs: Jobs) -> None:
        """``send`` gives entries to every sink."""
        self._store = ReportStore(boot_id, jobs)
        self._recorder = ReportRecorder(
            partial(describe, boot_id=boot_id, host=os.uname().nodename), send, self._store, jobs
        )
        self._stage: ReportStage | None = None
        # Where an earlier run in this boot has come to
        self._start_seq = 0

    @property
    def counts(self) -> ReportCounts:
        """What the status and the metrics show."""
        return self._store.counts

    def make_spool(self, section: ReportsSection, owner: FileOwner) -> None:
        """Make the directory as root for the user who is to write into it.

        Where that fails, the first write says so.
        """
        if section.enabled and section.spool:
            with contextlib.suppress(OSError):
                ReportDirectory(Path(section.spool)).create(owner)

    def take(self, raw: RawReport) -> None:
        """Take a report of the pipeline."""
        self._recorder.take(raw)

    def configure(self, section: ReportsSection, stage: ReportStage) -> None:
        """Use a configuration from now on, for the stage that collects the reports as well."""
        self._stage = stage
        self._store.position = lambda: stage.unreported_seq
        stage.configure(kinds_of(section))
        self._recorder.configure(settings_of(section))

    def begin_at(self, saved: Position | None) -> int:
        """Take the position that was saved; returns from where the ring buffer is to be read."""
        self._start_seq = 0 if saved is None else saved.next_seq
        return self._start_seq

    async def start(self) -> None:
        """Read what earlier runs have kept."""
        await self._recorder.start(self._start_seq)

    @property
    def is_enabled(self) -> bool:
        """Whether reports are made."""
        return self._recorder.settings.enabled

    @property
    def position(self) -> Position | None:
        """The position to save: all reports before it are kept, or need not be.

        ``None`` before the first record.
        """
        if self._stage is None or not self.is_enabled:
            return None
        seqs = [self._stage.unreported_seq, self._recorder.lowest_seq]
        lowest = min(seq for seq in seqs if seq is not None)
        return Position(max(lowest, self._start_seq))

    async def finish(self, limit_s: float) -> None:
        """Announce and write what waits."""
        await self._recorder.finish(limit_s)


def kinds_of(section: ReportsSection) -> frozenset[CrashKind]:
    """Return the kinds that a configuration asks for."""
    if not section.enabled:
        return frozenset()
    wanted = frozenset(map(CrashKind, section.kinds))
    if not wanted:
        wanted = frozenset(CrashKind) - NOTES
    return wanted | NOTES if section.notes else wanted


def settings_of(section: ReportsSection) -> ReportSettings:
    """Return the settings of the recorder in a configuration."""
    return ReportSettings(
        section.enabled,
        Path(section.spool) if section.spool else None,
        Limits(section.limit_reports, section.limit_mib << 20, section.limit_days),
        float(section.period_s),
        HookSettings(section.exec, float(section.exec_timeout_s), section.exec_public),
    )
