# SPDX-License-Identifier: GPL-2.0-or-later
"""Take the reports of the running kernel: describe, count, keep and announce each of them.

A report is announced at once, or with others of its issue when their period ends
(`klogd_py.reports.storm`); `ReportStore` writes it in a thread. One that was read before, in an
earlier run of this boot, is ignored. One whose end was not seen is only written. A report that
comes again, because a panic followed on it, is written and announced again, and counted once.
"""

import asyncio
from collections import OrderedDict
from collections.abc import Callable, Sequence
from functools import partial

from msgspec import structs

from klogd_py.record.report import Report
from klogd_py.record.types import Entry
from klogd_py.reports.announcement import announce
from klogd_py.reports.raw_report import RawReport
from klogd_py.reports.storm import StormControl
from klogd_py.spool.hook import ReportHook
from klogd_py.spool.settings import ReportSettings
from klogd_py.spool.store import ReportStore
from klogd_py.system.jobs import Jobs

# Reports of which is known that they were here
MAX_RECENT = 1024
JOB = "reports"


class ReportRecorder:
    """The reports of one daemon. Mutable; lives on the event loop."""

    def __init__(
        self,
        describe: Callable[[RawReport], Report],
        send: Callable[[Sequence[Entry]], None],
        store: ReportStore,
        jobs: Jobs,
    ) -> None:
        """``send`` gives entries to every sink."""
        self.settings = ReportSettings(enabled=False)
        self.counts = store.counts
        self._describe = describe
        self._send = send
        self._store = store
        self._jobs = jobs
        self._storm = StormControl()
        self._hook = ReportHook(self.counts, jobs)
        # By id: whether the kernel had panicked
        self._recent: OrderedDict[str, bool] = OrderedDict()
        # What came before the spool was read
        self._early: list[RawReport] = []
        self._timer: asyncio.TimerHandle | None = None

    async def start(self, next_seq: int) -> None:
        """Read the spool, and announce what was left there uncounted.

        All records before ``next_seq`` were taken by an earlier run in this boot.
        """
        for report in await self._store.open(next_seq):
            self.counts.count(report)
            self._offer(report)
        self._take_early()

    def configure(self, settings: ReportSettings) -> None:
        """Use other settings from now on."""
        self.settings = settings
        self._storm.period_s = settings.period_s
        self._hook.settings = settings.hook
        self._store.configure(settings.spool if settings.enabled else None, settings.limits)

    def take(self, raw: RawReport) -> None:
        """Take a report, which may come again under the same identity."""
        if not self.settings.enabled:
            return
        if not self._store.is_open:
            self._early.append(raw)
            return
        seq = raw.header.record.seq
        if seq is not None and self._store.is_known(seq):
            return
        report = self._jobs.call(JOB, partial(self._describe, raw), None)
        if report is None:
            report = self._describe_header(raw)
        report = structs.replace(report, id=self._store.unique_id(report.id, seq))
        if not raw.is_complete:
            self._store.add_open(structs.replace(report, truncated=True))
        elif (panicked_before := self._recent.get(report.id)) is None:
            self._remember(report)
            self.counts.count(report)
            self._store.add(report, seq)
            self._offer(report)
        else:
            self._remember(report)
            self._store.add_open(report)
            if report.panicked and not panicked_before:
                # It was announced with others or alone, so it must not be counted again.
                self._announce([structs.replace(report, count=0)])

    @property
    def lowest_seq(self) -> int | None:
        """The lowest number of the header of a report that is not on the disk yet."""
        early = (raw.header.record.seq for raw in self._early)
        found = [self._store.lowest_seq, *early]
        return min((seq for seq in found if seq is not None), default=None)

    async def finish(self, limit_s: float) -> None:
        """Announce and write what waits, for at most ``limit_s`` seconds."""
        self._hook.close()
        if self._timer is not None:
            self._timer.cancel()
        if not self._store.is_open:
            self._store.is_open = True
            self._take_early()
        self._announce_due(self._storm.flush())
        await self._store.finish(limit_s)

    def _take_early(self) -> None:
        early, self._early = self._early, []
        for raw in early:
            self._jobs.call(JOB, partial(self.take, raw), None)

    def _describe_header(self, raw: RawReport) -> Report:
        """Return a report with what its header says; its other lines are text alone."""
        only_header = structs.replace(raw, lines=raw.lines[:1], truncated=True)
        text = tuple(line.text for line in raw.lines)
        return structs.replace(self._describe(only_header), text=text)

    def _remember(self, report: Report) -> None:
        self._recent[report.id] = report.panicked
        while len(self._recent) > MAX_RECENT:
            self._recent.popitem(last=False)

    def _offer(self, report: Report) -> None:
        """Announce a report, or let it wait for the end of the period of its issue."""
        now_s = _now_s()
        # Never less than before: of those that wait, the newest one will be announced.
        self.counts.suppressed += self._storm.replaces_waiting(report, now_s)
        self._announce_due(self._storm.add(report, now_s))
        self._set_timer()

    def _announce_due(self, reports: Sequence[Report]) -> None:
        """Announce what the control of storms returns."""
        if reports:
            self._announce(reports)

    def _announce(self, reports: Sequence[Report]) -> None:
        """Give reports to every sink and to the hook, each as one entry."""
        self._send([announce(report) for report in reports])
        for report in reports:
            self._hook.offer(report)

    def _set_timer(self) -> None:
        """Wake up at the end of the next period in which something waits."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        due_s = self._storm.deadline()
        if due_s is not None:
            loop = asyncio.get_running_loop()
            self._timer = loop.call_at(due_s, self._jobs.guard(JOB, self._on_due))

    def _on_due(self) -> None:
        self._announce_due(self._storm.due(_now_s()))
        self._set_timer()


def _now_s() -> float:
    return asyncio.get_running_loop().time()
