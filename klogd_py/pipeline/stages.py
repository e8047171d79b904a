# SPDX-License-Identifier: GPL-2.0-or-later
"""Make the stages that every record passes, in their order.

The daemon, ``--input`` and ``translate`` have the same list. What one of them does not need is a
stage that passes everything.
"""

from collections.abc import Callable, Collection

from klogd_py.pipeline.boot_stage import BootStage
from klogd_py.pipeline.clock import Clock
from klogd_py.pipeline.continuation import Joiner
from klogd_py.pipeline.kaslr_stage import KaslrStage
from klogd_py.pipeline.ratelimit import RateLimiter
from klogd_py.pipeline.report_stage import ReportStage
from klogd_py.pipeline.stage import CurrentSymbols
from klogd_py.pipeline.stage_list import StageList
from klogd_py.pipeline.symbol_stage import Naming, SymbolStage
from klogd_py.pipeline.trace_stage import TraceStage
from klogd_py.record.crash_kind import CrashKind


class Stages(StageList):
    """The stages of one stream of records, by name where they have settings. Mutable."""

    def __init__(
        self,
        symbols: CurrentSymbols,
        clock: Clock,
        naming: Naming,
        report: Callable[[str, Exception], None],
        *,
        live: bool,
        any_sink_between: Callable[[int, int], bool] = lambda seq, other: False,
        only_banners: bool = False,
        keeps_all_traces: bool = False,
        report_kinds: Collection[CrashKind] = (),
    ) -> None:
        """``live``: the records are those of the running kernel.

        ``report_kinds`` are the kinds of crashes that are reported. The other arguments are those
        of the stages; ``report`` is that of `StageList`.
        """
        self.joiner = Joiner(any_sink_between)
        self.kaslr_stage = KaslrStage(symbols, naming.origin)
        self.symbol_stage = SymbolStage(symbols, clock, naming, report, live=live)
        self.report_stage = ReportStage(naming.origin, report_kinds, live=live)
        self.rate_limiter = RateLimiter()
        super().__init__(
            [
                # First, since a line never goes on in the next boot
                BootStage(enabled=not live, only_banners=only_banners),
                self.joiner,
                TraceStage(symbols, naming.origin, live=live, keeps_all=keeps_all_traces),
                self.kaslr_stage,
                self.symbol_stage,
                # Behind it, since the lines of a report have symbols
                self.report_stage,
                # Last, since a report needs each of its lines
                self.rate_limiter,
            ],
            report,
        )
