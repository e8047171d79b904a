# SPDX-License-Identifier: GPL-2.0-or-later
"""The daemon: builds its parts from one configuration, runs them on one event loop, stops them.

The parts are in ``lifecycle``.
"""

import asyncio
import os
from collections.abc import Callable, Sequence
from functools import partial

from klogd_py.config.run_options import RunOptions
from klogd_py.config.schema import Config
from klogd_py.lifecycle.active_config import ActiveConfig
from klogd_py.lifecycle.config_files import ConfigFiles
from klogd_py.lifecycle.early_imports import import_used_modules
from klogd_py.lifecycle.progress_display import show_progress
from klogd_py.lifecycle.reactions import Reactions
from klogd_py.lifecycle.record_flow import RecordFlow
from klogd_py.lifecycle.reporting import Reporting
from klogd_py.lifecycle.signal_handlers import install_signal_handlers
from klogd_py.pipeline.symbol_manager import SymbolManager
from klogd_py.sources.source import Source
from klogd_py.symbols.symbol_sources import Sources
from klogd_py.system import privileges
from klogd_py.system.file_identity import FileOwner
from klogd_py.system.jobs import Jobs


class Daemon:
    """One run of the daemon: the order of its start and of its stop. Mutable; lives on the event
    loop.
    """

    def __init__(
        self, options: RunOptions, source: Source | None = None, jobs: Jobs | None = None
    ) -> None:
        """Read the configuration and open the source, unless one is given.

        ``jobs`` counts and logs the unexpected errors of everything that is started.

        Raises:
            ConfigError: the configuration is wrong, or names a user that does not exist.
            SourceUnavailable: no kernel log interface can be used.
        """
        self.jobs = jobs = jobs or Jobs()
        self._options = options
        self.config_files = ConfigFiles(options)
        config = self.config_files.load()
        self._user = options.look_up_user(config)
        self.symbol_manager = SymbolManager(
            self._symbol_sources, self._on_symbols_loaded, jobs, has_end=bool(options.capture)
        )
        self.exit_status = 0
        self.flow = RecordFlow(
            options, config, self.symbol_manager, self._on_progress, jobs, source
        )
        self.reporting = Reporting(self.flow, self.symbol_manager, jobs)
        self._active = ActiveConfig(
            config,
            self.flow.pipeline,
            self.flow.sink_factory,
            self.reporting.reporter,
            jobs,
            reports_status=self._runs_until_stopped,
            reports=self.flow.reports,
        )
        self._stopping = asyncio.Event()
        self._group = asyncio.TaskGroup()
        self.reactions = Reactions(
            self.config_files,
            self._active,
            self.symbol_manager,
            self.reporting,
            self._group,
            jobs,
            live=self.flow.live,
        )

    @property
    def config(self) -> Config:
        """The configuration in use."""
        return self._active.config

    async def run(self, on_ready: Callable[[], None] = lambda: None) -> int:
        """Deliver records until the source ends or a signal stops the daemon.

        ``on_ready`` is called once the symbols are loaded; records that need none flow before.
        Returns the exit status.

        Raises:
            BadConfig: the sinks cannot be created from the configuration.
            CursorFileInUse: another daemon uses the same cursor file.
            PrivilegesNotDropped: the process may not change to the configured user.
        """
        self.jobs.catch_all(asyncio.get_running_loop())
        install_signal_handlers(
            self.jobs,
            self.flow.pipeline.reader.running,
            stop=self.stop,
            reload_config=self.reactions.reload_config,
            reload_symbols=self.reactions.reload_symbols,
        )
        self._active.set_console_level()
        # Before symbols are loaded: a reload runs as this user, and must find as many of them.
        if self._user is not None:
            self._drop_privileges(self._user)
        self._active.apply_first(self.config_files.path)
        self.flow.start()
        await self._active.open_status()
        try:
            async with self._group as group:
                tasks = self._start_tasks(group, on_ready)
                await self._stopping.wait()
                self.reactions.cancel()
                for task in tasks:
                    task.cancel()
        finally:
            await self._finish()
        return self.exit_status

    def stop(self) -> None:
        """Let `run` deliver what has been read, and return."""
        self._stopping.set()

    @property
    def _runs_until_stopped(self) -> bool:
        """Whether records come from the running kernel and go on coming."""
        return self.flow.live and not self._options.once

    def _symbol_sources(self) -> Sources:
        return self._options.build_symbol_sources(self.config, may_be_foreign=not self.flow.live)

    def _drop_privileges(self, user: privileges.User) -> None:
        """Change from root to a user, once files that only root can create or replace are open.

        Raises:
            CursorFileInUse: another daemon uses the same cursor file.
            PrivilegesNotDropped: the process may not change to that user.
        """
        if os.geteuid() == 0:
            self.flow.sink_factory.preopen(user, self.config)
            if self._runs_until_stopped:
                self.reporting.reporter.open_socket_for(user.number, self.config.status)
            if self.flow.reports is not None:
                owner = FileOwner(user.number, user.group)
                self.flow.reports.make_spool(self.config.reports, owner)
            import_used_modules(self.config)
        privileges.drop_privileges(user)

    def _start_tasks(
        self, group: asyncio.TaskGroup, on_ready: Callable[[], None]
    ) -> list[asyncio.Task[None]]:
        jobs, watchdog = self.jobs, self.reporting.service_manager.feed_watchdog
        startup = group.create_task(jobs.supervise("start", partial(self._start_up, on_ready)))
        tasks = [
            startup,
            group.create_task(jobs.supervise("delivery", partial(self._deliver, startup))),
            group.create_task(jobs.supervise("watchdog", watchdog)),
            group.create_task(jobs.supervise("progress", partial(show_progress, self.flow))),
        ]
        if (reports := self.flow.reports) is not None:
            tasks.append(group.create_task(jobs.run("reports", reports.start, None)))
        if self._runs_until_stopped:
            tasks.append(
                group.create_task(jobs.supervise("watchers", self.reactions.watcher.start))
            )
        return tasks

    async def _start_up(self, on_ready: Callable[[], None]) -> None:
        """Load the symbols, and report that the daemon is ready."""
        await self.symbol_manager.load_first()
        self.reporting.service_manager.notify_ready()
        self.jobs.call("start", on_ready, None)

    async def _deliver(self, startup: asyncio.Task[None]) -> None:
        """Deliver records until the source ends or no sink is left, then stop the daemon."""
        self.exit_status = await self.flow.pipeline.run()
        await asyncio.wait([startup])
        self.stop()

    def _on_symbols_loaded(self, reasons: Sequence[str]) -> None:
        self.reporting.record_symbol_load(reasons)

    def _on_progress(self) -> None:
        """Report the status after a sink may have accepted records; stop if no sink is left."""
        if self.flow.sink_manager.all_gone:
            self.stop()
        self.reporting.reporter.notify_soon()

    async def _finish(self) -> None:
        """Deliver what is queued, and close everything."""
        self.reporting.service_manager.notify_stopping()
        self.reactions.close()
        await self.flow.finish()
        self.jobs.call("summary", self.reporting.log_frames, None)
        self.jobs.call("status socket", self.reporting.reporter.close, None)
        if self.flow.close():
            self.exit_status = 1
