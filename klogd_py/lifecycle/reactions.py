# SPDX-License-Identifier: GPL-2.0-or-later
"""React to signals and to changes of files and modules: reload the configuration or the symbols."""

import asyncio

from klogd_py.lifecycle.active_config import ActiveConfig
from klogd_py.lifecycle.background_tasks import BackgroundTasks
from klogd_py.lifecycle.change_watcher import ChangeWatcher
from klogd_py.lifecycle.config_files import ConfigFiles
from klogd_py.lifecycle.config_reloader import ConfigReloader
from klogd_py.lifecycle.reporting import Reporting
from klogd_py.pipeline.symbol_manager import SymbolManager
from klogd_py.system.jobs import Jobs


class Reactions:
    """The reloads of one daemon. Mutable; lives on the event loop."""

    def __init__(
        self,
        files: ConfigFiles,
        active: ActiveConfig,
        symbol_manager: SymbolManager,
        reporting: Reporting,
        group: asyncio.TaskGroup,
        jobs: Jobs,
        *,
        live: bool,
    ) -> None:
        """``group`` has the tasks; ``live``: changes of this machine matter."""
        self._symbol_manager = symbol_manager
        self._jobs = jobs
        self._live = live
        self._tasks = BackgroundTasks(group, jobs)
        self.watcher = ChangeWatcher(
            files,
            active,
            symbol_manager.sources,
            reload_config=self.reload_config,
            reload_symbols=self.reload_symbols,
            jobs=jobs,
        )
        self.reloader = ConfigReloader(
            files,
            active,
            reporting.status_builder,
            reporting.service_manager,
            self._on_config_applied,
            jobs,
        )

    def reload_config(self, reason: str) -> None:
        """Start to reload the configuration, and then the symbols; returns at once."""
        self._tasks.start("reload", lambda: self.reloader.reload(reason))

    def reload_symbols(self, reason: str) -> None:
        """Start to load the symbols again; returns at once."""
        self._tasks.start("symbols", lambda: self._symbol_manager.reload(reason))

    def cancel(self) -> None:
        """Cancel what has been started, and start nothing else."""
        self._tasks.cancel()

    def close(self) -> None:
        """Stop watching."""
        self._jobs.call("watchers", self.watcher.close, None)

    async def _on_config_applied(self, reason: str) -> None:
        await self._symbol_manager.reload(reason)
        if self._live:
            await self._jobs.run("watchers", self.watcher.update, None)
