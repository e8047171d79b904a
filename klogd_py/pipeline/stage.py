# SPDX-License-Identifier: GPL-2.0-or-later
"""Define what a stage is, and what it may ask of the symbols."""

from enum import Enum
from typing import Protocol

from klogd_py.pipeline.batch import Batch
from klogd_py.record.types import Gap, Record
from klogd_py.symbols.symbol_set import SymbolSet


class SymbolRequest(Enum):
    """What must happen to the symbols before a stage takes a batch.

    The value is the reason that is logged where the symbols are loaded again.
    """

    # Wait for the load in progress
    LOADED = "a load in progress"
    # Load again if other modules are loaded than before; each waits for a load in progress
    BEFORE_TRACE = "the beginning of a trace"
    AFTER_FAILURE = "an address that no symbol contained"
    # Load again
    AT_OOPS = "an Oops"


class CurrentSymbols(Protocol):
    """The symbols in use, which stages read, and replace when an oops shows more."""

    symbols: SymbolSet

    @property
    def is_loading(self) -> bool:
        """Whether symbols are being loaded, so that an address may have another symbol soon."""

    @property
    def reads_traces(self) -> bool:
        """Whether a trace may change the symbols, so that its lines wait for its end."""

    def set_current(self, found: SymbolSet) -> None:
        """Replace the symbols in use."""


class Stage:
    """One step on the way of all records. Mutable; times are those of one even clock.

    A stage may hold records back, and passes them on in order. What a stage does not override
    passes everything. ``job`` is the name of its work in reports of unexpected errors. A stage
    that ``depends_on_symbols`` is asked for its `request` before each batch.
    """

    job = ""
    depends_on_symbols = False

    def request(self, batch: Batch) -> SymbolRequest | None:
        """What must happen to the symbols before `push` of this batch; ``None`` in most cases.

        Asked again after each request was fulfilled.
        """
        return None

    def push(self, batch: Batch, now_s: float) -> Batch:
        """Take a batch, and return what may go on; the same batch if there is nothing to do.

        An empty batch passes on what has been held for long enough.
        """
        return batch

    def flush(self) -> Batch:
        """Return all that is held: nothing, where `push` ends it with the last batch."""
        return Batch([])

    def deadline(self) -> float | None:
        """When an empty batch should be pushed at the latest; ``None`` if nothing is held."""
        return None

    @property
    def pending(self) -> list[Record | Gap]:
        """All that is held, in order."""
        return []

    def restart(self) -> None:
        """Forget what is held, after an unexpected error; settings stay."""

    def ignores(self, text: bytes, *, may_have_marker: bool) -> bool:
        """Whether whole lines may pass as text, since this stage has nothing to do with them.

        None of them holds an address. Unless ``may_have_marker``, none holds a marker of
        `klogd_py.pipeline.line_shapes`.
        """
        return True

    def skip(self, text: bytes) -> None:
        """Take note of lines that passed as text, which every stage ignores."""
