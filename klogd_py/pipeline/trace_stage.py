# SPDX-License-Identifier: GPL-2.0-or-later
"""Recognise traces in a stream of records, and hold their lines while these may change symbols.

A trace that has ended leaves the stage as a value of the batch. While an oops may show or
contradict a load address, its records are held until it ends, for
`klogd_py.oops.trace_buffer.MAX_HOLD_S` at most: symbols that its last line disproves must not have
been printed. Where nothing can be learned, no record waits.
"""

from klogd_py.oops.crash_signatures import CRASH_MARKERS
from klogd_py.oops.marker_search import MarkerSearch
from klogd_py.oops.provenance import Origin
from klogd_py.oops.trace_buffer import TraceBuffer
from klogd_py.pipeline.batch import Batch
from klogd_py.pipeline.stage import CurrentSymbols, Stage, SymbolRequest
from klogd_py.record.types import Gap, Record

_HEADERS = MarkerSearch(CRASH_MARKERS)


class TraceStage(Stage):
    """Recognises traces. Mutable: the held records, the open traces."""

    job = "evidence"
    depends_on_symbols = True

    def __init__(
        self, symbols: CurrentSymbols, origin: Origin, *, live: bool, keeps_all: bool
    ) -> None:
        """``live``: the records are those of the running kernel, whose modules come and go.

        ``keeps_all``: traces that cannot change the symbols are recognised, too.
        """
        self._symbols = symbols
        self._origin = origin
        self._live = live
        self._keeps_all = keeps_all
        self._buffer = TraceBuffer(origin)
        # When the last of the held records was read
        self._read_s: float | None = None
        # The batch for which the loaded modules were compared
        self._compared_for: Batch | None = None

    def request(self, batch: Batch) -> SymbolRequest | None:
        """A trace proves something only for modules that are known to be loaded."""
        symbols = self._symbols
        if symbols.is_loading:
            return SymbolRequest.LOADED if batch.may_contain_trace else None
        if (
            self._live
            and batch is not self._compared_for
            and symbols.symbols.modules.needs_traces
            and batch.may_contain_trace
        ):
            self._compared_for = batch
            return SymbolRequest.BEFORE_TRACE
        return None

    def push(self, batch: Batch, now_s: float) -> Batch:
        """Return the records that may go on now, and the traces that have ended."""
        self._compared_for = None
        may_hold = self._symbols.reads_traces
        may_begin: set[int] = set()
        if may_hold or self._keeps_all:
            may_begin = {*batch.crash_lines, *batch.address_lines}
        if self._buffer.is_idle and not may_begin:
            self._buffer.pass_by(batch.items)
            return batch
        if batch.read_s is not None:
            self._read_s = batch.read_s
        observed = self._buffer.push(batch.items, may_begin, now_s, may_hold=may_hold)
        passed = batch.with_items(observed.ready, observed.traces)
        if observed.ready:
            passed.read_s = self._read_s
        return passed

    def flush(self) -> Batch:
        """Return all held records, and every open trace."""
        observed = self._buffer.flush()
        return Batch(observed.ready, traces=tuple(observed.traces))

    def deadline(self) -> float | None:
        """When held records must go on, or an open trace ends."""
        if self._buffer.is_empty or self._symbols.reads_traces:
            return self._buffer.deadline()
        # A trace has proved what the held records waited for.
        return 0.0

    @property
    def pending(self) -> list[Record | Gap]:
        """The held records."""
        return self._buffer.pending

    def restart(self) -> None:
        """Forget the held records and the open traces."""
        self._buffer = TraceBuffer(self._origin)

    def skip(self, text: bytes) -> None:
        """Take note of the last of these lines."""
        self._buffer.skip(text)

    def ignores(self, text: bytes, *, may_have_marker: bool) -> bool:
        """Whether no trace is open, and none begins in these lines, which hold no address."""
        if not self._buffer.is_idle:
            return False
        if not may_have_marker or not (self._symbols.reads_traces or self._keeps_all):
            return True
        return not _HEADERS.is_any_in(text)
