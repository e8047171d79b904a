# SPDX-License-Identifier: GPL-2.0-or-later
"""Hold the symbols in use, and load them again on request.

Symbols are loaded in a thread, and the `SymbolSet` that every record is symbolized with is replaced
by one assignment. Requests that come during a load share the next one: a hundred signals cause two
loads at most.
"""

import asyncio
import logging
from collections.abc import Callable, Sequence
from functools import partial

from klogd_py.oops.boot_boundary import NextBoot
from klogd_py.pipeline.stage import SymbolRequest
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
    """The symbols of this run. Mutable; lives on the event loop. `lock` is held during a load.

    Size: what is in use, the load in progress and the one that is requested change together.
    """

    def __init__(
        self,
        sources: Callable[[], Sources],
        changed: Callable[[Sequence[str]], None],
        jobs: Jobs | None = None,
        *,
        has_end: bool = False,
    ) -> None:
        """``has_end``: the source ends, and a summary then says why the slide is not known.

        ``sources`` is called for each load; ``changed`` is called after it with the reasons.

        ``changed`` is also called after a failed load; see `failure`.
        """
        self.symbols = SymbolSet(SymbolResolver())
        self.lock = asyncio.Lock()
        # The unexpected error of the last load, after which the old symbols are kept
        self.failure: str | None = None
        self.sources = sources
        self._on_change = changed
        self._jobs = jobs or Jobs()
        self._has_end = has_end
        self._worker = WorkerThread("symbols", ends_idle=True)
        # Begins each line about the symbols of one stream among several
        self._prefix = ""
        self._streams: list[SymbolManager] = []
        self._reasons: dict[str, None] = {}
        # A load that has not begun
        self._next: asyncio.Task[None] | None = None
        # Those that were loaded last, before an oops changed them; ``None`` after a reload
        self._loaded: SymbolSet | None = None

    @property
    def is_loading(self) -> bool:
        """Whether symbols are being loaded; records that need symbols wait for it."""
        return self.lock.locked()

    @property
    def reads_traces(self) -> bool:
        """Whether an oops may change the symbols."""
        return self.symbols.reads_traces

    async def load_first(self) -> None:
        """Load the symbols; takes the lock at once, so that no record that needs symbols passes
        before.
        """
        async with self.lock:
            try:
                self.set_current(await self._load_anew())
            except Exception as error:
                self._fail(("the start",), error)
            for stream in self._streams:
                stream.symbols, stream._loaded = self.symbols, self._loaded

    def for_stream(self, name: str) -> "SymbolManager":
        """Return a manager for another stream, which starts with the symbols that are loaded first.

        What is inferred from one stream does not hold for another. Called before `load_first`.
        """
        found = SymbolManager(self.sources, self._on_change, self._jobs)
        found.lock, found._prefix = self.lock, f"{name}: "
        self._streams.append(found)
        return found

    def use_none(self) -> None:
        """Stop using any symbols."""
        self.symbols = SymbolSet(SymbolResolver())

    async def begin_boot(self, boot: NextBoot) -> None:
        """Use the symbols for another boot; they are loaded if they were reloaded meanwhile."""
        try:
            found = self._loaded or await self._load_anew()
            self.set_current(found if boot.release is None else found.for_release(boot.release))
        except Exception as error:
            # The old symbols are those of another kernel.
            self.use_none()
            self._fail(("another boot",), error)

    async def fulfil(self, request: SymbolRequest) -> None:
        """Do what a stage needs before it takes a batch."""
        if request is SymbolRequest.AT_OOPS:
            await self.reload(request.value)
            return
        async with self.lock:
            # Wait while symbols are being loaded.
            pass
        if request is SymbolRequest.LOADED:
            return
        is_needed = request is SymbolRequest.AFTER_FAILURE or self.symbols.modules.needs_traces
        if is_needed and await self.modules_changed():
            await self.reload(request.value)

    async def reload(self, reason: str) -> None:
        """Load the symbols again, and wait for it."""
        self._reasons[reason] = None
        if self._next is None or self._next.done():
            self._next = asyncio.get_running_loop().create_task(
                self._jobs.run(JOB, self._reload, None)
            )
        await asyncio.shield(self._next)

    def set_current(self, found: SymbolSet) -> None:
        """Replace the symbols in use, and log what is new about them."""
        before = self.symbols
        if found is before:
            self.failure = None
            return
        known = description.summary(before)
        left_out = [description.slide_line(found)] if self._has_end and found.lacks_slide else []
        lines = [line for line in description.summary(found) if line not in (*known, *left_out)]
        remarks = [remark for remark in found.remarks if remark not in before.remarks]
        self.symbols, self.failure = found, None
        for line in lines:
            logger.info("%s%s", self._prefix, line)
        for remark in remarks:
            logger.warning("%s%s", self._prefix, remark)

    async def modules_changed(self) -> bool:
        """Whether the loaded modules or their addresses differ from when the symbols were
        loaded.
        """
        read = partial(self._worker.call, lambda: module_layout(self.sources()))
        return (
            await self._jobs.run(JOB, read, self.symbols.module_layout)
            != self.symbols.module_layout
        )

    async def _load_anew(self) -> SymbolSet:
        self._loaded = await self._worker.call(lambda: load_symbols(self.sources()))
        return self._loaded

    async def _reload(self) -> None:
        async with self.lock:
            self._loaded = None
            reasons, self._next = tuple(self._reasons), None
            self._reasons.clear()
            try:
                self.set_current(await self._load(self.symbols))
            except Exception as error:
                self._fail(reasons, error)
                return
        for reason in reasons:
            logger.info("symbols reloaded after %s", reason)
        self._on_change(reasons)

    async def _load(self, before: SymbolSet) -> SymbolSet:
        loaded = await self._worker.call(lambda: load_symbols(self.sources(), before=before))
        # Meanwhile a load address was inferred from an oops.
        if before is not self.symbols:
            loaded = await self._worker.call(
                lambda: load_symbols(self.sources(), before=self.symbols)
            )
        return loaded

    def _fail(self, reasons: Sequence[str], error: Exception) -> None:
        """Keep the symbols in use, since others could not be loaded."""
        self._jobs.report(JOB, error)
        self.failure = describe_unexpected(error)
        self._on_change(reasons)
