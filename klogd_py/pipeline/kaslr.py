# SPDX-License-Identifier: GPL-2.0-or-later
"""What does the stream of records teach about the map, and which of them must wait until it is
learnt?

Between the source and the translation: records go through unchanged and in order. While an oops can
show something that is wanted, or contradict what another has shown, its records wait for its end,
for `klogd_py.oops.trace_buffer.HOLD_LIMIT_S` at most: names that its last line takes back must not have
been printed.
"""

from collections.abc import Callable, Sequence

from klogd_py.oops.provenance import Origin
from klogd_py.oops.trace_buffer import TraceBuffer
from klogd_py.oops.trace_parser import Trace
from klogd_py.record.types import Gap, Record
from klogd_py.symbols.symbol_set import SymbolSet


class KaslrStage:
    """Feeds traces to a survey. Mutable: what is held back."""

    def __init__(
        self, origin: Origin = Origin.CAPTURE, failed: Callable[[Exception], None] | None = None
    ) -> None:
        """``failed`` hears of an unexpected error in reading a trace, which then teaches nothing;
        else it is raised.
        """
        self._buffer = TraceBuffer(origin)
        self._failed = failed

    @property
    def pending(self) -> list[Record | Gap]:
        """What is held back; a copy."""
        return self._buffer.pending

    @property
    def is_holding(self) -> bool:
        """Whether records wait for the end of an oops."""
        return not self._buffer.is_empty

    @property
    def is_idle(self) -> bool:
        """Whether a record that neither begins a trace nor belongs to one makes no difference."""
        return self._buffer.is_idle

    def push(
        self, batch: Sequence[Record | Gap], now_s: float, found: SymbolSet
    ) -> tuple[list[Record | Gap], SymbolSet]:
        """The records that may be translated now, and the survey to do it with.

        An empty batch lets overdue ones go.
        """
        if not found.reads_traces and self._buffer.is_empty:
            return list(batch), found
        ready, traces = self._buffer.push(batch, now_s, found.reads_traces)
        found = self._infer(found, traces)
        if not found.reads_traces:
            ready += self._buffer.release()
        return ready, found

    def flush(self, found: SymbolSet) -> tuple[list[Record | Gap], SymbolSet]:
        """Everything that waits, since nothing will follow."""
        ready, traces = self._buffer.flush()
        return ready, self._infer(found, traces)

    def due_in_s(self, now_s: float) -> float | None:
        """How long what waits may wait; ``None`` if nothing does."""
        return self._buffer.due_in_s(now_s)

    def _infer(self, found: SymbolSet, traces: Sequence[Trace]) -> SymbolSet:
        for trace in traces:
            try:
                found = found.update_from_trace(trace)
            except Exception as error:
                if self._failed is None:
                    raise
                self._failed(error)
        return found
