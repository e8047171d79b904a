# SPDX-License-Identifier: GPL-2.0-or-later
"""Run batches through stages in order.

Nothing here waits: where a stage needs other symbols first, the list stops before it and states the
request; the caller fulfils it and calls `StageList.resume`. A stage in which an unexpected error
occurs is restarted, and passes on what it held and what it was given, unchanged: the batch has left
the source and must not be lost.
"""

from collections.abc import Callable, Sequence

from msgspec import Struct

from klogd_py.pipeline.batch import Batch
from klogd_py.pipeline.stage import Stage, SymbolRequest

# So often a stage is asked for one batch: loads may follow on one another without end.
_MAX_REQUESTS = 4


class _Suspended(Struct, frozen=True):
    """A batch that waits before the stage of an index; ``count`` is that of its requests."""

    index: int
    batch: Batch
    request: SymbolRequest
    count: int


class StageList:
    """The stages of one stream, in order. Mutable: the batch that waits before a stage."""

    def __init__(self, stages: Sequence[Stage], report: Callable[[str, Exception], None]) -> None:
        """``report`` is called with the job and the error when a stage fails."""
        self._stages = list(stages)
        self._report = report
        self._suspended: _Suspended | None = None

    @property
    def request(self) -> SymbolRequest | None:
        """What must happen to the symbols before `resume`; ``None`` if no batch waits."""
        return self._suspended.request if self._suspended is not None else None

    def push(self, batch: Batch, now_s: float) -> Batch:
        """Run a batch through all stages; returns what comes out, nothing while `request` is set.

        A batch that `is_last` takes with it all that is held.
        """
        assert self._suspended is None
        if batch.read_s is None and batch.items:
            batch.read_s = now_s
        return self._run(0, batch, now_s)

    def resume(self, now_s: float) -> Batch:
        """Go on with the batch that waits; returns what comes out."""
        waiting, self._suspended = self._suspended, None
        assert waiting is not None
        return self._run(waiting.index, waiting.batch, now_s, waiting.count)

    def deadline(self) -> float | None:
        """When a stage must pass on what it holds; ``None`` if none holds anything."""
        deadlines = (stage.deadline() for stage in self._stages)
        return min((due_s for due_s in deadlines if due_s is not None), default=None)

    def ignores(self, text: bytes, *, may_have_marker: bool) -> bool:
        """Whether whole lines without an address may pass as text: all stages ignore them."""
        return all(stage.ignores(text, may_have_marker=may_have_marker) for stage in self._stages)

    def skip(self, text: bytes) -> None:
        """Take note of lines that passed as text."""
        for stage in self._stages:
            stage.skip(text)

    def _run(self, first: int, batch: Batch, now_s: float, asked: int = 0) -> Batch:
        for index in range(first, len(self._stages)):
            stage = self._stages[index]
            held = stage.pending
            try:
                if stage.depends_on_symbols:
                    request = stage.request(batch) if asked < _MAX_REQUESTS else None
                    if request is not None:
                        self._suspended = _Suspended(index, batch, request, asked + 1)
                        return Batch([])
                    asked = 0
                passed = stage.push(batch, now_s)
                batch = passed.followed_by(stage.flush()) if batch.is_last else passed
            except Exception as error:
                self._report(stage.job, error)
                stage.restart()
                if held:
                    batch = batch.with_items([*held, *batch.items])
        return batch


def raise_error(job: str, error: Exception) -> None:
    """End with an unexpected error in a stage, as a command does; a ``report`` for `StageList`."""
    raise error
