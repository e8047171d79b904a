# SPDX-License-Identifier: GPL-2.0-or-later
"""The daemon: builds its parts from one configuration, runs them on one event loop, stops them.

Knows every package but ``doctor`` and ``cli``; the reactions to signals and changes are in
``lifecycle``.
"""

import asyncio
import logging
import os
from collections.abc import Callable, Sequence
from functools import partial

from klogd_py.config.run_options import RunOptions
from klogd_py.config.schema import Config
from klogd_py.lifecycle.active_config import ActiveConfig
from klogd_py.lifecycle.background_tasks import BackgroundTasks
from klogd_py.lifecycle.change_watcher import ChangeWatcher
from klogd_py.lifecycle.config_files import ConfigFiles
from klogd_py.lifecycle.config_reloader import ConfigReloader
from klogd_py.lifecycle.input_source import build_cursor_store, open_input, origin_of
from klogd_py.lifecycle.service_manager import ServiceManager
from klogd_py.lifecycle.signal_handlers import install_signal_handlers
from klogd_py.monitoring.reporter import StatusReporter
from klogd_py.monitoring.status_builder import StatusBuilder
from klogd_py.pipeline.clock import CaptureClock, Clock, LiveClock
from klogd_py.pipeline.pipeline import Pipeline
from klogd_py.pipeline.symbol_manager import SymbolManager
from klogd_py.record.gaps import announce
from klogd_py.sinks.cursor_file import boot_id
from klogd_py.sinks.factory import SinkFactory
from klogd_py.sinks.manager import SinkManager
from klogd_py.sources.kmsg_device import KmsgDevice
from klogd_py.sources.source import Source
from klogd_py.symbols import description
from klogd_py.symbols.symbol_sources import Sources
from klogd_py.system import privileges
from klogd_py.system.jobs import Jobs

# Records still queued after this time are left for the next start.
STOP_LIMIT_S = 5.0

logger = logging.getLogger("klogd_py")


class Daemon:
    """One run of the daemon. Mutable; lives on the event loop."""

    def __init__(
        self, options: RunOptions, source: Source | None = None, jobs: Jobs | None = None
    ) -> None:
        """Read the configuration and open the source, unless one is given.

        ``jobs`` counts and logs the unexpected errors of everything that is started.

        Raises:
            ConfigError: the configuration is wrong, or names a user that does not exist.
            SourceUnavailable: no kernel log interface can be used.
        """
        self.jobs = jobs or Jobs()
        self._options = options
        self.config_files = ConfigFiles(options)
        config = self.config_files.load()
        self._user = options.look_up_user(config)
        self._live = options.capture is None
        self.source = source or open_input(options, config)
        self.symbol_manager = SymbolManager(
            self._symbol_sources, self._on_symbols_loaded, self.jobs
        )
        self.exit_status = 0
        self._boot = boot_id() if self._live else None
        self._clock: Clock = LiveClock() if self._live else CaptureClock()
        self._cursors = build_cursor_store(self.source, config, self._boot)
        self.sink_manager = self._build_sink_manager()
        self.pipeline = self._build_pipeline()
        self._status_builder = StatusBuilder(
            self.source, self.pipeline, self.sink_manager, self._clock, self._boot, self.jobs
        )
        self._reporter = StatusReporter(
            lambda: self._status_builder.build(self.symbol_manager.symbols), self.jobs
        )
        self._service_manager = ServiceManager(self._reporter, self.jobs)
        self._sink_factory = SinkFactory(
            self.sink_manager, self._cursors, self._boot, live=self._live
        )
        self._active = self._build_active_config(config)
        self._watcher = self._build_watcher()
        self._reloader = self._build_reloader()
        self._stopping = asyncio.Event()
        self._group = asyncio.TaskGroup()
        self._reactions = BackgroundTasks(self._group, self.jobs)

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
            self.pipeline.reader.running,
            stop=self._stopping.set,
            reload_config=self._start_config_reload,
            reload_symbols=self._start_symbol_reload,
        )
        self._active.set_console_level()
        # Before symbols are loaded: a reload runs as this user, and must find as many of them.
        if self._user is not None:
            self._drop_privileges(self._user)
        self._active.apply_first(self.config_files.path)
        if isinstance(self.source, KmsgDevice):
            self.source.skip_below(self.sink_manager.lowest_next_seq)
        self.pipeline.reader.running.set()
        await self._active.open_status()
        try:
            async with self._group as group:
                tasks = self._start_tasks(group, on_ready)
                await self._stopping.wait()
                self._reactions.cancel()
                for task in tasks:
                    task.cancel()
        finally:
            await self._finish()
        return self.exit_status

    def _build_sink_manager(self) -> SinkManager:
        return SinkManager(
            partial(announce, wall_us_of=lambda record: self._clock.wall_time(record).us),
            self._cursors.position,
            rereadable=self._is_numbered,
            on_progress=self._on_progress,
            jobs=self.jobs,
        )

    def _build_pipeline(self) -> Pipeline:
        return Pipeline(
            self.source,
            self.sink_manager,
            self.symbol_manager,
            self._clock,
            live=self._live,
            once=self._options.once,
            origin=origin_of(self.source, live=self._live),
            any_text=self._options.any_text,
            jobs=self.jobs,
        )

    def _build_active_config(self, config: Config) -> ActiveConfig:
        return ActiveConfig(
            config,
            self.pipeline,
            self._sink_factory,
            self._reporter,
            self.jobs,
            reports_status=self._runs_until_stopped,
        )

    def _build_watcher(self) -> ChangeWatcher:
        return ChangeWatcher(
            self.config_files,
            self._active,
            self._symbol_sources,
            reload_config=self._start_config_reload,
            reload_symbols=self._start_symbol_reload,
            jobs=self.jobs,
        )

    def _build_reloader(self) -> ConfigReloader:
        return ConfigReloader(
            self.config_files,
            self._active,
            self._status_builder,
            self._service_manager,
            self._on_config_applied,
            self.jobs,
        )

    @property
    def _is_numbered(self) -> bool:
        """Whether records have sequence numbers, and can be read again from one."""
        return isinstance(self.source, KmsgDevice)

    @property
    def _runs_until_stopped(self) -> bool:
        """Whether records come from the running kernel and go on coming."""
        return self._live and not self._options.once

    def _symbol_sources(self) -> Sources:
        return self._options.build_symbol_sources(self.config, may_be_foreign=not self._live)

    def _drop_privileges(self, user: privileges.User) -> None:
        """Change from root to a user, once files that only root can create or replace are open.

        Raises:
            CursorFileInUse: another daemon uses the same cursor file.
            PrivilegesNotDropped: the process may not change to that user.
        """
        if os.geteuid() == 0:
            self._sink_factory.preopen(user, self.config)
            if self._runs_until_stopped:
                self._reporter.open_socket_for(user.number, self.config.status)
        privileges.drop_privileges(user)

    def _start_tasks(
        self, group: asyncio.TaskGroup, on_ready: Callable[[], None]
    ) -> list[asyncio.Task[None]]:
        jobs = self.jobs
        startup = group.create_task(jobs.supervise("start", partial(self._start_up, on_ready)))
        tasks = [
            startup,
            group.create_task(jobs.supervise("delivery", partial(self._deliver, startup))),
            group.create_task(jobs.supervise("watchdog", self._service_manager.feed_watchdog)),
        ]
        if self._runs_until_stopped:
            tasks.append(group.create_task(jobs.supervise("watchers", self._watcher.start)))
        return tasks

    async def _start_up(self, on_ready: Callable[[], None]) -> None:
        """Load the symbols, and report that the daemon is ready."""
        await self.symbol_manager.load_first()
        self._service_manager.notify_ready()
        self.jobs.call("start", on_ready, None)

    async def _deliver(self, startup: asyncio.Task[None]) -> None:
        """Deliver records until the source ends or no sink is left, then stop the daemon."""
        self.exit_status = await self.pipeline.run()
        await asyncio.wait([startup])
        self._stopping.set()

    def _start_config_reload(self, reason: str) -> None:
        self._reactions.start("reload", lambda: self._reloader.reload(reason))

    def _start_symbol_reload(self, reason: str) -> None:
        self._reactions.start("symbols", lambda: self.symbol_manager.reload(reason))

    async def _on_config_applied(self, reason: str) -> None:
        await self.symbol_manager.reload(reason)
        if self._live:
            await self.jobs.run("watchers", self._watcher.update, None)

    def _on_symbols_loaded(self, reasons: Sequence[str]) -> None:
        """Record that other symbols are in use, or why they are not."""
        found = self.symbol_manager.symbols
        refusal = self.symbol_manager.failure or found.replacement_refusal
        self._status_builder.record_reload(
            "symbols", ", ".join(reasons), not refusal, refusal or description.headline(found)
        )
        self._reporter.notify()

    def _on_progress(self) -> None:
        """Save the cursors and report the status after a sink may have accepted records."""
        self.jobs.call("positions", self._save_cursors, None)
        if self.sink_manager.all_gone:
            self._stopping.set()
        self._reporter.notify_soon()

    def _save_cursors(self) -> None:
        self._cursors.save(self.sink_manager.positions)

    async def _finish(self) -> None:
        """Deliver what is queued within `STOP_LIMIT_S`, save the cursors, close everything."""
        jobs = self.jobs
        self._service_manager.notify_stopping()
        jobs.call("watchers", self._watcher.close, None)
        now_s = asyncio.get_running_loop().time
        end_s = now_s() + STOP_LIMIT_S
        try:
            async with asyncio.timeout_at(end_s):
                await jobs.run("delivery", self.pipeline.finish, None)
        except TimeoutError:
            logger.warning(
                "records that were read are left for the next start: "
                "the symbols are still being read"
            )
        await jobs.run("stop", lambda: self.sink_manager.flush(max(0, end_s - now_s())), None)
        jobs.call("positions", self._save_cursors, None)
        jobs.call("status socket", self._reporter.close, None)
        if jobs.call("stop", self.sink_manager.close, 1):
            self.exit_status = 1
        jobs.call("positions", self._cursors.close, None)
        jobs.call("reading", self.source.close, None)
