# SPDX-License-Identifier: GPL-2.0-or-later
"""End a batch where another boot begins.

The load address inferred for one boot does not hold for the next. So all stages pass on what they
hold of the boot that ends, and the symbols of the next one are loaded before it goes on.
"""

from klogd_py.oops.boot_boundary import BootBoundary
from klogd_py.pipeline.batch import Batch
from klogd_py.pipeline.stage import Stage
from klogd_py.record.types import Gap, Record


class BootStage(Stage):
    """Splits the stream at boots. Mutable: what follows the last boundary."""

    job = "boots"

    def __init__(self, *, enabled: bool, only_banners: bool = False) -> None:
        """Not ``enabled`` for the running kernel, which boots once.

        ``only_banners`` is that of `BootBoundary`.
        """
        self._enabled = enabled
        self._boundary = BootBoundary(only_banners=only_banners)
        # Begins with the first record of a boot
        self._rest: list[Record | Gap] = []

    def push(self, batch: Batch, now_s: float) -> Batch:
        """Return the items up to the next boundary, as a batch that states it.

        The rest goes on with the next batch, which may be empty.
        """
        if not self._enabled:
            return batch
        if not self._rest and self._boundary.observe_run(batch.records, batch.texts):
            return batch
        rest, self._rest = self._rest, []
        items = [*rest, *batch.items] if rest else batch.items
        for at in range(bool(rest), len(items)):
            item = items[at]
            next_boot = self._boundary.detect(item) if isinstance(item, Record) else None
            if next_boot is not None:
                self._rest = list(items[at:])
                return Batch(items[:at], is_last=True, next_boot=next_boot)
        return batch.with_items(items) if rest else batch

    @property
    def pending(self) -> list[Record | Gap]:
        """What follows the last boundary."""
        return self._rest

    def restart(self) -> None:
        """Forget what follows the last boundary."""
        self._rest = []

    def ignores(self, text: bytes, *, may_have_marker: bool) -> bool:
        """Whether no boot begins in these lines."""
        if self._rest or not self._enabled:
            return not self._rest
        return self._boundary.is_same_boot(text, may_have_marker=may_have_marker)

    def skip(self, text: bytes) -> None:
        """Take note of the timestamps of these lines."""
        if self._enabled:
            self._boundary.skip(text)
