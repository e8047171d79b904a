# SPDX-License-Identifier: GPL-2.0-or-later
"""Infer the load address of the kernel and its modules from the traces in a stream of records.

Records pass unchanged and in order. While an oops may show or contradict a load address, its
records are held until it ends, for `klogd_py.oops.trace_buffer.MAX_HOLD_S` at most: symbols that
its last line disproves must not have been printed.
"""

from collections.abc import Callable, Sequence

from klogd_py.oops.provenance import Origin
from klogd_py.oops.trace_buffer import TraceBuffer
from klogd_py.oops.trace_parser import Trace
from klogd_py.record.types import Gap, Record
from klogd_py.symbols.symbol_set import SymbolSet


class KaslrStage:
    """Updates a symbol set from traces. Mutable: the held records."""

    def __init__(
        self, origin: Origin = Origin.CAPTURE, failed: Callable[[Exception], None] | None = None
    ) -> None:
        """``failed`` is called with an unexpected error in a trace, which is then ignored.

        Without it the error is raised.
        """
        self._buffer = TraceBuffer(origin)
        self._failed = failed

    @property
    def pending(self) -> list[Record | Gap]:
        """The held records; a copy."""
        return self._buffer.pending

    @property
    def is_holding(self) -> bool:
        """Whether records wait for the end of an oops."""
        return not self._buffer.is_empty

    @property
    def is_idle(self) -> bool:
        """Whether no trace is open, so that only the beginning of a trace makes a difference."""
        return self._buffer.is_idle

    def push(
        self, batch: Sequence[Record | Gap], now_s: float, found: SymbolSet
    ) -> tuple[list[Record | Gap], SymbolSet]:
        """Return the records that may be symbolized now, and the symbols to use.

        An empty batch returns records that have been held for too long.
        """
        if not found.reads_traces and self._buffer.is_empty:
            return list(batch), found
        ready, traces = self._buffer.push(batch, now_s, found.reads_traces)
        found = self._infer(found, traces)
        if not found.reads_traces:
            ready += self._buffer.release()
        return ready, found

    def flush(self, found: SymbolSet) -> tuple[list[Record | Gap], SymbolSet]:
        """Return all held records, and the symbols to use: nothing will follow."""
        ready, traces = self._buffer.flush()
        return ready, self._infer(found, traces)

    def due_in_s(self, now_s: float) -> float | None:
        """Seconds until held records must go on; ``None`` if none are held."""
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
