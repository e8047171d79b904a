# SPDX-License-Identifier: GPL-2.0-or-later
"""Run the stages between reader and sinks: join continuations, limit the rate, buffer traces.

Records pass the stages in order. A stage in which an unexpected error occurs is restarted, and
passes on what it held and what it was given, unchanged: the batch has left the source and must not
be lost.
"""

from collections.abc import Callable
from functools import partial

from klogd_py.oops.provenance import Origin
from klogd_py.pipeline.continuation import Joiner
from klogd_py.pipeline.kaslr import KaslrStage
from klogd_py.pipeline.ratelimit import RateLimiter
from klogd_py.record.types import Gap, Record
from klogd_py.symbols.symbol_set import SymbolSet
from klogd_py.system.jobs import Jobs


class Stages:
    """The stages of one stream of records. Mutable; all times are those of one even clock.

    ``limiter`` and ``join_continuations`` may be changed at any time.
    """

    def __init__(
        self, any_sink_between: Callable[[int, int], bool], origin: Origin, jobs: Jobs
    ) -> None:
        """``any_sink_between`` is that of `Joiner`."""
        self.join_continuations = True
        self.limiter = self._active_limiter = RateLimiter()
        self._origin = origin
        self._jobs = jobs
        self._joiner = Joiner(any_sink_between)
        self._kaslr = self._new_kaslr_stage()

    @property
    def has_joined(self) -> bool:
        """Whether any record of this stream was joined from pieces."""
        return self._joiner.has_joined

    @property
    def is_holding_trace(self) -> bool:
        """Whether records wait for the end of an oops."""
        return self._kaslr.is_holding

    @property
    def is_holding_line(self) -> bool:
        """Whether the joiner or the rate limiter holds anything."""
        return bool(self._joiner.pending or self._active_limiter.pending)

    @property
    def pending(self) -> list[Record | Gap]:
        """Everything that waits in one of the stages, in order."""
        return [*self._kaslr.pending, *self._active_limiter.pending, *self._joiner.pending]

    def restart(self) -> None:
        """Empty all stages after an unexpected error; their settings stay."""
        self._kaslr = self._new_kaslr_stage()
        self._joiner = self._joiner.restarted()
        self._active_limiter = self.limiter = self.limiter.restarted()

    def join(self, batch: list[Record | Gap], now_s: float) -> list[Record | Gap]:
        """Join the pieces of lines; returns what may go on."""
        pending = self._joiner.pending
        if not pending and not self.join_continuations:
            return batch
        try:
            return self._joiner.push(batch, now_s)
        except Exception as error:
            self._jobs.report("joining", error)
            self._joiner = self._joiner.restarted()
            return [*pending, *batch]

    def flush_joiner(self) -> list[Record | Gap]:
        """Return the piece that waits for its continuation."""
        return self._joiner.flush()

    def buffer_traces(
        self, batch: list[Record | Gap], now_s: float, symbols: SymbolSet, last: bool
    ) -> tuple[list[Record | Gap], SymbolSet]:
        """Hold back the records of an oops while it may still change the symbols.

        Returns what may go on, and the symbols to use for it. With ``last`` nothing is held.
        """
        held = self._kaslr.pending
        try:
            ready, found = self._kaslr.push(batch, now_s, symbols)
            if last:
                rest, found = self._kaslr.flush(found)
                ready += rest
            return ready, found
        except Exception as error:
            self._jobs.report("evidence", error)
            self._kaslr = self._new_kaslr_stage()
            return [*held, *batch], symbols

    def limit(self, batch: list[Record | Gap], now_s: float, last: bool) -> list[Record | Gap]:
        """Suppress records as configured; returns ``batch`` itself if nothing is limited."""
        ended: list[Record | Gap] = []
        if self.limiter is not self._active_limiter:
            ended, self._active_limiter = self._active_limiter.flush(), self.limiter
        if self._active_limiter.is_idle and not ended:
            return batch
        pending = self._active_limiter.pending
        try:
            passed = [*ended, *self._active_limiter.push(batch, now_s)]
            return [*passed, *self._active_limiter.flush()] if last else passed
        except Exception as error:
            self._jobs.report("flood limit", error)
            self.limiter = self._active_limiter = self._active_limiter.restarted()
            return [*ended, *pending, *batch]

    def due_in_s(self, now_s: float) -> float | None:
        """Seconds until a stage must pass on what it holds; ``None`` if none holds anything."""
        waits_s = (
            self._kaslr.due_in_s(now_s),
            self._joiner.due_in_s(now_s),
            self._active_limiter.due_in_s(now_s),
        )
        return min((wait_s for wait_s in waits_s if wait_s is not None), default=None)

    def _new_kaslr_stage(self) -> KaslrStage:
        return KaslrStage(self._origin, partial(self._jobs.report, "evidence"))
