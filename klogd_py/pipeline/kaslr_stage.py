# SPDX-License-Identifier: GPL-2.0-or-later
"""Infer the load address of the kernel and its modules from the traces in a stream of records."""

from klogd_py.oops import provenance
from klogd_py.oops.provenance import Origin
from klogd_py.oops.trace_parser import parse_trace
from klogd_py.pipeline.batch import Batch
from klogd_py.pipeline.stage import CurrentSymbols, Stage, SymbolRequest


class KaslrStage(Stage):
    """Updates the symbols in use from the traces of a batch, whose records pass unchanged.

    ``reload_on_oops`` may be changed at any time: symbols are loaded again at each Oops.
    """

    job = "evidence"
    depends_on_symbols = True

    def __init__(self, symbols: CurrentSymbols, origin: Origin) -> None:
        self.reload_on_oops = False
        self._symbols = symbols
        self._origin = origin
        # The batch for which symbols were loaded again
        self._reloaded_for: Batch | None = None

    def request(self, batch: Batch) -> SymbolRequest | None:
        """Symbols that are loaded again, if configured."""
        if not self.reload_on_oops or batch is self._reloaded_for or not self._has_oops(batch):
            return None
        self._reloaded_for = batch
        return SymbolRequest.AT_OOPS

    def push(self, batch: Batch, now_s: float) -> Batch:
        """Infer what the traces of the batch show, in order."""
        self._reloaded_for = None
        for trace in batch.traces:
            symbols = self._symbols.symbols
            if not self._symbols.reads_traces:
                break
            found = symbols.update_from_trace(parse_trace(trace.lines))
            if found is not symbols:
                self._symbols.set_current(found)
        return batch

    def _has_oops(self, batch: Batch) -> bool:
        return any(
            "Oops" in batch.texts[at] and provenance.is_oops_header(batch.records[at], self._origin)
            for at in batch.crash_lines
        )
