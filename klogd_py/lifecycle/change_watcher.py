# SPDX-License-Identifier: GPL-2.0-or-later
"""Watch the configuration files, the symbol sources and the kernel modules, and reload on a change.

The configuration says what is watched: ``watch.files`` and ``watch.modules``.
"""

import asyncio
import logging
import os
from collections.abc import Callable
from pathlib import Path

from klogd_py.lifecycle.active_config import ActiveConfig
from klogd_py.lifecycle.config_files import ConfigFiles
from klogd_py.symbols.symbol_sources import Sources
from klogd_py.system.jobs import Jobs
from klogd_py.watch.watcher import Watcher

# The watchers take long to import: records flow first.
STARTUP_DELAY_S = 0.2

logger = logging.getLogger("klogd_py")


class ChangeWatcher:
    """What is watched at present. Mutable; lives on the event loop."""

    def __init__(
        self,
        files: ConfigFiles,
        active: ActiveConfig,
        sources: Callable[[], Sources],
        *,
        reload_config: Callable[[str], None],
        reload_symbols: Callable[[str], None],
        jobs: Jobs,
    ) -> None:
        """The two reloads are called with a reason for the log; they return at once."""
        self._files = files
        self._active = active
        self._sources = sources
        self._reload_config = reload_config
        self._reload_symbols = reload_symbols
        self._jobs = jobs
        self._watcher = Watcher(self._on_file_changed, self._on_module_changed, jobs)

    async def start(self) -> None:
        """Start to watch once the backlog has been delivered."""
        await asyncio.sleep(STARTUP_DELAY_S)
        await self.update()

    async def update(self) -> None:
        """Watch what the configuration in use says, and nothing else."""
        watch = self._active.config.watch
        sources = self._sources()
        paths: set[Path] = set()
        if watch.files:
            paths = {self._files.path, self._files.drop_ins}
            paths |= {candidate.path for candidate in sources.searched_maps()}
            paths |= {sources.given_map} if sources.given_map is not None else set()
        await self._jobs.run(
            "file watcher", lambda: self._watcher.watch_files(paths, self._files.drop_ins), None
        )
        # A change before the watch began has caused no event.
        if paths and self._files.have_changed():
            self._on_file_changed(self._files.path)
        listing = sources.modules.listing
        has_modules = listing is not None and os.path.exists(listing)
        if watch.modules and not has_modules:
            logger.debug("this kernel has no loadable modules to watch")
        wanted = watch.modules and has_modules
        await self._jobs.run("module watcher", lambda: self._watcher.watch_modules(wanted), None)

    def close(self) -> None:
        """Stop watching; no reload is asked for after this."""
        self._watcher.close()

    def _on_file_changed(self, path: Path) -> None:
        reload = self._reload_config if self._files.contain(path) else self._reload_symbols
        reload(f"a change of {path}")

    def _on_module_changed(self, name: str) -> None:
        self._reload_symbols(f"module {name} came or went")
