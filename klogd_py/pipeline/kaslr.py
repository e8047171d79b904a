# SPDX-License-Identifier: GPL-2.0-or-later
"""Infer the load address of the kernel and its modules from the traces in a stream of records."""

from klogd_py.oops.trace_parser import parse_trace
from klogd_py.pipeline.batch import Batch
from klogd_py.pipeline.stage import CurrentSymbols, Stage


class KaslrStage(Stage):
    """Updates the symbols in use from the traces of a batch, whose records pass unchanged."""

    job = "evidence"

    def __init__(self, symbols: CurrentSymbols) -> None:
        self._symbols = symbols

    def push(self, batch: Batch, now_s: float) -> Batch:
        """Infer what the traces of the batch show, in order."""
        for trace in batch.traces:
            symbols = self._symbols.symbols
            if not self._symbols.reads_traces:
                break
            found = symbols.update_from_trace(parse_trace(trace.lines))
            if found is not symbols:
                self._symbols.set_current(found)
        return batch
