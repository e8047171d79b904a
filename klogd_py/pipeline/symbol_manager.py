# SPDX-License-Identifier: GPL-2.0-or-later
"""Which names are in force, and when are they read anew?

Holds the `SymbolSet` that every record is translated with. A new one is drawn in a thread and swapped
in by one assignment. Requests that come while one is being drawn share the next: a hundred signals
make two surveys at most.
"""

import asyncio
import logging
from collections.abc import Callable, Sequence
from functools import partial

from klogd_py.symbols import description
from klogd_py.symbols.resolver import SymbolResolver
from klogd_py.symbols.symbol_loader import load_symbols, module_layout
from klogd_py.symbols.symbol_set import SymbolSet
from klogd_py.symbols.symbol_sources import Sources
from klogd_py.system.errors import describe_unexpected
from klogd_py.system.jobs import Jobs
from klogd_py.system.worker_thread import WorkerThread

JOB = "symbols"

logger = logging.getLogger(__name__)


class SymbolManager:
    """The names of this run. Mutable; lives on the event loop.

    Records wait while `lock` is held.
    """

    def __init__(
        self,
        sources: Callable[[], Sources],
        changed: Callable[[Sequence[str]], None],
        jobs: Jobs | None = None,
    ) -> None:
        """``sources`` is asked anew for each survey; ``changed`` is called with the reasons after
        one has been taken into use.

        It is called after one could not be drawn as well, since `failure` is news, too.
        """
        self.symbols = SymbolSet(SymbolResolver())
        self.lock = asyncio.Lock()
        # The unexpected error for which the last survey could not be drawn, and the old one is kept
        self.failure = ""
        self._sources = sources
        self._on_change = changed
        self._jobs = jobs or Jobs()
        self._worker = WorkerThread("symbols")
        self._reasons: dict[str, None] = {}
        # A survey that has not begun
        self._next: asyncio.Task[None] | None = None

    async def load_first(self) -> None:
        """Read the symbols.

        Takes the lock at once, so that no record which wants a name flows before.
        """
        async with self.lock:
            try:
                self.set_current(await self._worker.call(lambda: load_symbols(self._sources())))
            except Exception as error:
                self._fail(("the start",), error)

    async def reset(self, release: str) -> None:
        """Read the symbols as if no record had been seen but one, of a kernel of this release."""
        try:
            self.set_current(
                (await self._worker.call(lambda: load_symbols(self._sources()))).for_release(
                    release
                )
            )
        except Exception as error:
            # The old one is that of another kernel
            self.symbols = SymbolSet(SymbolResolver())
            self._fail(("another boot",), error)

    async def reload(self, reason: str) -> None:
        """Have the symbols read anew, and wait for it."""
        self._reasons[reason] = None
        if self._next is None or self._next.done():
            self._next = asyncio.get_running_loop().create_task(
                self._jobs.run(JOB, self._reload, None)
            )
        await asyncio.shield(self._next)

    def set_current(self, found: SymbolSet) -> None:
        """Take a survey into use, and tell the operator what is new about it."""
        before = self.symbols
        known = description.summary(before)
        lines = [line for line in description.summary(found) if line not in known]
        remarks = [remark for remark in found.remarks if remark not in before.remarks]
        self.symbols, self.failure = found, ""
        for line in lines:
            logger.info("%s", line)
        for remark in remarks:
            logger.warning("%s", remark)

    async def modules_changed(self) -> bool:
        """Whether other modules are loaded now than when the symbols were read, or at other
        addresses.
        """
        read = partial(self._worker.call, lambda: module_layout(self._sources()))
        return (
            await self._jobs.run(JOB, read, self.symbols.module_layout)
            != self.symbols.module_layout
        )

    async def _reload(self) -> None:
        async with self.lock:
            reasons, self._next = tuple(self._reasons), None
            self._reasons.clear()
            try:
                self.set_current(await self._load(self.symbols))
            except Exception as error:
                self._fail(reasons, error)
                return
        for reason in reasons:
            logger.info("symbols read anew after %s", reason)
        self._on_change(reasons)

    async def _load(self, before: SymbolSet) -> SymbolSet:
        drawn = await self._worker.call(lambda: load_symbols(self._sources(), before=before))
        # An oops that was held back taught something meanwhile
        if before is not self.symbols:
            drawn = await self._worker.call(
                lambda: load_symbols(self._sources(), before=self.symbols)
            )
        return drawn

    def _fail(self, reasons: Sequence[str], error: Exception) -> None:
        """Keep the names that are in force, since others could not be read."""
        self._jobs.report(JOB, error)
        self.failure = describe_unexpected(error)
        self._on_change(reasons)
