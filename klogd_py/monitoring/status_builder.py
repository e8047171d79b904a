# SPDX-License-Identifier: GPL-2.0-or-later
"""Build the status document from the parts of a running daemon.

`StatusBuilder.build` only reads. It runs on the event loop and takes a millisecond at most.
"""

import os
import time
from datetime import UTC, datetime

import msgspec

from klogd_py import __version__
from klogd_py.monitoring.status import (
    InputState,
    JobFailure,
    MapState,
    NamesState,
    OopsState,
    ReloadResult,
    ReportsState,
    SinkState,
    Status,
)
from klogd_py.pipeline.clock import Clock
from klogd_py.pipeline.merged_pipeline import MergedPipeline
from klogd_py.pipeline.pipeline import Pipeline
from klogd_py.pipeline.stats import Counters
from klogd_py.record.types import Cause
from klogd_py.reports.report_counts import HookOutcome, ReportCounts
from klogd_py.sinks.manager import SinkManager
from klogd_py.sinks.queue import SinkQueue
from klogd_py.sources.kmsg_device import KmsgDevice
from klogd_py.sources.proc_kmsg import ProcKmsg
from klogd_py.sources.source import Source
from klogd_py.symbols import description
from klogd_py.symbols.map_check import MapStatus
from klogd_py.symbols.symbol_set import SymbolSet
from klogd_py.system.jobs import Jobs

# Not counted as lost: overwritten before the first start, delivered as raw bytes, or left out as
# configured
NOT_LOST = frozenset((Cause.PRE_START, Cause.UNPARSABLE, Cause.RATE_LIMIT))
SOURCE_CAUSES = (Cause.OVERRUN, Cause.EINVAL, Cause.UNPARSABLE, Cause.RATE_LIMIT)
SINK_CAUSES = (Cause.PRE_START, Cause.RESTART, Cause.OVERRUN, Cause.SINK_DROP)


class StatusBuilder:
    """Collects the state of one daemon. Mutable: it keeps the results of the last reloads."""

    def __init__(
        self,
        source: Source,
        pipeline: Pipeline | MergedPipeline,
        sink_manager: SinkManager,
        clock: Clock,
        boot_id: str | None,
        jobs: Jobs,
        reports: ReportCounts | None = None,
    ) -> None:
        """``reports`` is ``None`` if crashes are not collected into reports."""
        self.reports = reports
        self.changes: dict[str, ReloadResult] = {}
        self._source = source
        self._pipeline = pipeline
        self._sink_manager = sink_manager
        self._clock = clock
        self._boot_id = boot_id
        self._jobs = jobs
        self._started = format_utc(time.time_ns() // 1000)
        self._started_s = time.monotonic()

    def record_reload(self, what: str, why: str, taken: bool, detail: str = "") -> None:
        """Store the result of a reload of the ``what``: "configuration" or "symbols".

        ``why`` is the trigger, ``detail`` the reason for a failure; it may be empty.
        """
        self.changes[what] = ReloadResult(
            what,
            escape_invalid_utf8(why),
            format_utc(time.time_ns() // 1000),
            taken,
            escape_invalid_utf8(detail),
        )

    def build(self, symbols: SymbolSet) -> Status:
        """Return the current document; ``symbols`` are those in use."""
        counters = self._pipeline.counters
        return Status(
            version=__version__,
            pid=os.getpid(),
            boot_id=self._boot_id or "",
            started=self._started,
            uptime_s=int(time.monotonic() - self._started_s),
            input=self._input_state(counters),
            sinks=tuple(_sink_state(queue) for queue in self._sink_manager.queues.values()),
            names=_names_state(symbols, counters),
            changes=tuple(self.changes.values()),
            oops=self._oops_state(counters),
            crashes={kind.value: count for kind, count in counters.crashes.by_kind.items()},
            reports=None if self.reports is None else _reports_state(self.reports),
            failures=tuple(
                JobFailure(job, failure.reason, format_utc(failure.at_us), failure.count)
                for job, failure in self._jobs.failures.copy().items()
            ),
        )

    def _input_state(self, counters: Counters) -> InputState:
        expected = self._source.expected if isinstance(self._source, KmsgDevice) else None
        ends = [end for end in (expected, counters.next_seq) if end is not None]
        return InputState(
            source=self._source.name,
            sees_losses=not isinstance(self._source, ProcKmsg),
            paused=not self._pipeline.reader.running.is_set(),
            next_seq=counters.next_seq,
            newest_seq=max(ends) - 1 if ends else None,
            records=counters.records,
            severities={
                severity.name.lower(): count for severity, count in counters.severities.items()
            },
            gaps={cause.value: counters.gaps[cause] for cause in SOURCE_CAUSES},
            clock=counters.time_source.value if counters.time_source else None,
        )

    def _oops_state(self, counters: Counters) -> OopsState | None:
        last = counters.crashes.last_oops
        if last is None:
            return None
        return OopsState(
            format_utc(self._clock.wall_time(last).us),
            last.seq,
            escape_invalid_utf8(last.text),
            counters.crashes.oopses,
        )


def escape_invalid_utf8(text: str) -> str:
    r"""Return text that can be encoded in UTF-8: a lone surrogate becomes ``\udcff``."""
    return text.encode("utf-8", "backslashreplace").decode()


def format_utc(wall_us: int) -> str:
    """Return microseconds since the Unix epoch in ISO 8601: ``2026-11-25T09:00:00.000Z``."""
    return (
        datetime.fromtimestamp(wall_us / 1_000_000, UTC)
        .isoformat(timespec="milliseconds")
        .replace("+00:00", "Z")
    )


def _reports_state(counts: ReportCounts) -> ReportsState:
    by_kind: dict[str, dict[str, int]] = {}
    for (kind, severity), count in counts.by_kind.items():
        by_kind.setdefault(kind, {})[severity.value] = count
    last, spool = counts.last, counts.spool
    return ReportsState(
        counts=by_kind,
        last=last and msgspec.structs.replace(last, title=escape_invalid_utf8(last.title)),
        last_at=dict(counts.last_at),
        suppressed=counts.suppressed,
        low_confidence=counts.low_confidence,
        spool=msgspec.structs.replace(spool, problem=escape_invalid_utf8(spool.problem)),
        hook_calls={outcome.value: counts.hook_calls[outcome] for outcome in HookOutcome},
        hook_error=escape_invalid_utf8(counts.hook_error),
    )


def _sink_state(queue: SinkQueue) -> SinkState:
    missed = queue.missed
    position = queue.position
    down, failure = queue.health.down, queue.health.last_failure
    return SinkState(
        name=queue.sink.name,
        state=_state_name(queue),
        queued=queue.backlog.entry_count,
        queued_bytes=queue.backlog.bytes,
        limit_bytes=queue.backlog.limits.limit_bytes,
        delivered=queue.delivered,
        lost=sum(count for cause, count in missed.items() if cause not in NOT_LOST),
        gaps={cause.value: missed.get(cause, 0) for cause in SINK_CAUSES},
        next_seq=None if position is None else position.next_seq,
        error="" if down is None else down.reason,
        last_error="" if failure is None else failure.reason,
        last_error_at=None if failure is None else format_utc(failure.at_us),
        failures=queue.health.failures,
        filtered=queue.filter.left_out,
    )


def _state_name(queue: SinkQueue) -> str:
    if queue.health.is_gone:
        return "gone"
    if queue.health.down is not None:
        return "down"
    return "behind" if queue.needs_reread else "waiting" if queue.backlog.entry_count else "up"


def _names_state(symbols: SymbolSet, counters: Counters) -> NamesState:
    refused = [verdict for verdict in symbols.verdicts if verdict.status is MapStatus.REFUSED]
    return NamesState(
        headline=description.headline(symbols),
        map=_map_state(symbols),
        refused=tuple(MapState(str(verdict.path), verdict.reason) for verdict in refused),
        symbols={"kallsyms": symbols.kernel_symbols} if symbols.kernel_symbols else {},
        modules=symbols.modules.listing.count,
        named=dict(counters.named),
        nameless={
            reason.value: count
            for reason, count in (*counters.nameless.items(), *counters.withheld.items())
        },
        remarks=symbols.remarks,
    )


def _map_state(symbols: SymbolSet) -> MapState | None:
    used, slide = symbols.in_use, symbols.slide
    if used is None:
        return None
    return MapState(
        str(used.path),
        used.reason,
        used.proof.value if used.proof else None,
        f"{slide.value:#x}" if slide else None,
        f"{slide.confidence}: {slide.proof}" if slide else "",
        symbols.unproven_reason or "",
    )
