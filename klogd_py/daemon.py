# SPDX-License-Identifier: GPL-2.0-or-later
"""The long-running service: builds its parts from one Config, and reacts to signals, changed files
and modules.

The only place where concrete sources and watchers are named. One event loop.
"""

import asyncio
import logging
import os
import signal
import time
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from pathlib import Path

from klogd_py.config import loader as configuration
from klogd_py.config.loader import BadConfig
from klogd_py.config.run_options import RunOptions
from klogd_py.config.schema import Config, RateLimitSection
from klogd_py.monitoring.reporter import StatusReporter
from klogd_py.monitoring.status_builder import StatusBuilder
from klogd_py.oops.provenance import Origin
from klogd_py.pipeline.clock import CaptureClock, Clock, LiveClock
from klogd_py.pipeline.pipeline import Pipeline
from klogd_py.pipeline.ratelimit import RateLimiter
from klogd_py.pipeline.symbol_manager import SymbolManager
from klogd_py.pipeline.symbolize import FormatOptions, Style
from klogd_py.record.gaps import announce
from klogd_py.record.types import Severity
from klogd_py.sinks.cursor_file import CursorFileInUse, boot_id
from klogd_py.sinks.cursor_store import CursorStore
from klogd_py.sinks.factory import SinkFactory
from klogd_py.sinks.manager import SinkManager
from klogd_py.sources import factory, proc_kmsg
from klogd_py.sources.capture import open_capture
from klogd_py.sources.kmsg_device import KmsgDevice
from klogd_py.sources.source import Source
from klogd_py.symbols import description
from klogd_py.symbols.symbol_sources import Sources
from klogd_py.system import privileges, sd_notify, signals
from klogd_py.system.errors import describe_unexpected
from klogd_py.system.jobs import Jobs
from klogd_py.watch.watcher import Watcher

STOP_LIMIT_S = 5.0
# Records may flow for so long before the watchers, slow to import, are started
SETTLED_S = 0.2

logger = logging.getLogger("klogd_py")


class Daemon:
    """One run.

    Everything that changes while it runs is an attribute here, in the mailroom or in the source.
    """

    def __init__(
        self, invocation: RunOptions, source: Source | None = None, jobs: Jobs | None = None
    ) -> None:
        """Read the configuration and open the source, unless one is given. ``jobs`` are the
        boundaries of whatever it starts.

        Raises:
            BadConfig: the configuration is wrong, or the user that it names is not there.
            SourceUnavailable: no kernel log interface can be used.
            PositionInUse: another daemon uses the same position file.
        """
        self.jobs = jobs or Jobs()
        self._invocation = invocation
        self._config_path = Path(invocation.config_path or configuration.DEFAULT_PATH).absolute()
        # of its files, before they are read
        self._standing = configuration.identify_files(self._config_path)
        self.config = invocation.load_config()
        self._user = invocation.look_up_user(self.config)
        self._live = not invocation.input
        self.source = source or self._open_source()
        self.naming = SymbolManager(self._sources, self._renamed, self.jobs)
        self.status = 0
        self._boot = boot_id() if self._live else ""
        self._clock: Clock = LiveClock() if self._live else CaptureClock()
        self._books = CursorStore(
            self.config.state.cursor_file if self._numbered else "", self._boot, self._newest
        )
        told = partial(announce, wall_us_of=lambda record: self._clock.wall_time(record)[0])
        self.sink_manager = SinkManager(
            told,
            self._books.next_seq,
            rereadable=self._numbered,
            on_progress=self._moved,
            jobs=self.jobs,
            ahead=self._books.ahead,
        )
        self.pipeline = Pipeline(
            self.source,
            self.sink_manager,
            self.naming,
            self._clock,
            live=self._live,
            once=invocation.once,
            origin=self._origin,
            any_text=invocation.any_text,
            jobs=self.jobs,
        )
        self._status_builder = StatusBuilder(
            self.source, self.pipeline, self.sink_manager, self._clock, self._boot, self.jobs
        )
        self.reporting = StatusReporter(
            lambda: self._status_builder.build(self.naming.symbols), self.jobs
        )
        self._outlets = SinkFactory(self.sink_manager, self._books, self._boot, live=self._live)
        self._ratelimit = RateLimitSection()
        self._stopping = asyncio.Event()
        self._reloading = asyncio.Lock()
        self._drop_ins = self._config_path.with_name(f"{self._config_path.name}.d")
        self._follower = Watcher(self._file_changed, self._module_changed, self.jobs)
        self._group = asyncio.TaskGroup()
        self._started: set[asyncio.Task[None]] = set()

    async def run(self, ready: Callable[[], None] = lambda: None) -> int:
        """Carry records until the source ends or a signal says stop; returns the exit status.

        ``ready`` is called when nothing keeps records from flowing; those that want no names do so
        before.

        Raises:
            BadConfig: the sinks cannot be arranged as the configuration has it.
            PrivilegesNotDropped: this process may not become the user that it is to go on as.
        """
        self.jobs.catch_all(asyncio.get_running_loop())
        self._take_signals()
        self._set_console_level()
        if self._user is not None:
            self._go_on_as(
                self._user
                # Before symbols are read, or a later look at them would find less than this one
            )
        self._arrange_first()
        if isinstance(self.source, KmsgDevice):
            self.source.skip_below(self.sink_manager.lowest_next_seq)
        self.pipeline.reader.running.set()
        await self._open_windows()
        try:
            async with self._group as group:
                jobs = self.jobs
                beginning = group.create_task(jobs.supervise("start", partial(self._begin, ready)))
                tasks = [
                    beginning,
                    group.create_task(jobs.supervise("delivery", partial(self._carry, beginning))),
                ]
                tasks.append(group.create_task(jobs.supervise("watchdog", self._feed_watchdog)))
                if self._live and not self._invocation.once:
                    tasks.append(
                        group.create_task(jobs.supervise("watchers", self._follow_changes))
                    )
                await self._stopping.wait()
                for task in (*tasks, *self._started):
                    task.cancel()
        finally:
            await self._finish()
        return self.status

    # Building

    def _go_on_as(self, user: privileges.User) -> None:
        """Let go of root, once everything is open that lies where only root can put anything.

        Raises:
            PositionInUse: another daemon uses the same position file.
            PrivilegesNotDropped: this process may not become that user.
        """
        if os.geteuid() == 0:
            self._outlets.preopen(user, self.config)
            if self._is_asked:
                self.reporting.open_socket_for(user.number, self.config.status)
        privileges.drop_privileges(user)

    async def _begin(self, ready: Callable[[], None]) -> None:
        """Read the symbols, and say that we are there."""
        await self.naming.load_first()
        self._tell_ready()
        self.jobs.call("start", ready, None)

    def _tell_ready(self) -> None:
        self.jobs.call(
            "service manager",
            lambda: sd_notify.notify(f"READY=1\n{self.reporting.notify_line}"),
            None,
        )

    async def _carry(self, beginning: asyncio.Task[None]) -> None:
        """Carry records; stop when there are none to come, or nobody to bring them to."""
        self.status = await self.pipeline.run()
        await asyncio.wait([beginning])
        self._stopping.set()

    def _set_manner(self) -> None:
        """Have records treated as the configuration says."""
        settings = self.config.translate
        self.pipeline.entry_builder.format_options = FormatOptions(
            Style(settings.style), settings.resymbolize, settings.duplicate_raw
        )
        self.pipeline.stages.join_continuations = settings.join_continuations
        self.pipeline.delivery.reload_on_oops = settings.reload_on_oops
        if (
            self._ratelimit != self.config.ratelimit
            # What has been counted so far holds on where nothing changed
        ):
            self._ratelimit = self.config.ratelimit
            min_severity = Severity[self._ratelimit.min_severity.upper()]
            self.pipeline.stages.limiter = RateLimiter(
                min_severity, self._ratelimit.burst, self._ratelimit.interval_s
            )

    def _arrange_first(self) -> None:
        """Have the sinks and the manner that the configuration names.

        Raises BadConfig for what nobody foresaw in it.
        """
        try:
            self._outlets.configure(self.config)
            self._set_manner()
        # PositionInUse and the like say themselves what is wrong
        except OSError:
            raise
        except Exception as error:
            raise BadConfig(
                f"{self._config_path}: unexpected error in its use: {describe_unexpected(error)}"
            ) from error

    def _open_source(self) -> Source:
        if self._invocation.input:
            return open_capture(self._invocation.input, self._invocation.input_format)
        return factory.open_source(self.config.input.source, self._invocation.inherited_fds)

    @property
    def _origin(self) -> Origin:
        """How the source's records come."""
        if not self._live:
            return Origin.CAPTURE
        return Origin.LINES if isinstance(self.source, proc_kmsg.ProcKmsg) else Origin.RECORDS

    @property
    def _numbered(self) -> bool:
        """Whether the source numbers its records, and can go back to one."""
        return isinstance(self.source, KmsgDevice)

    def _newest(self) -> int | None:
        return self.source.newest() if isinstance(self.source, KmsgDevice) else None

    def _sources(self) -> Sources:
        return self._invocation.build_symbol_sources(self.config, may_be_foreign=not self._live)

    def _set_console_level(self) -> None:
        if not self.config.console_level:
            return
        try:
            proc_kmsg.set_console_level(self.config.console_level)
        except OSError as error:
            logger.warning(
                "console level %d not set: %s", self.config.console_level, error.strerror
            )
        except Exception as error:
            self.jobs.report("console level", error)

    # Reactions

    def _take_signals(self) -> None:
        loop = asyncio.get_running_loop()
        jobs = self.jobs
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(
                number, jobs.guard("stop", self._stopping.set, self._stopping.set)
            )
        loop.add_signal_handler(
            signal.SIGUSR1, jobs.guard("signal USR1", lambda: self._redraw("SIGUSR1"))
        )
        loop.add_signal_handler(
            signal.SIGUSR2, jobs.guard("signal USR2", lambda: self._redraw("SIGUSR2"))
        )
        loop.add_signal_handler(
            signal.SIGHUP,
            jobs.guard("signal HUP", lambda: self._start("reload", lambda: self._reload("SIGHUP"))),
        )
        loop.add_signal_handler(signal.SIGTSTP, jobs.guard("pause", self._pause))
        loop.add_signal_handler(signal.SIGCONT, jobs.guard("resume", self._resume))
        for number in signals.IGNORED:
            signal.signal(number, signal.SIG_IGN)
        signals.unblock_all()

    def _redraw(self, reason: str) -> None:
        self._start("symbols", lambda: self.naming.reload(reason))

    def _start(self, name: str, job: Callable[[], Awaitable[None]]) -> None:
        if not self._stopping.is_set():
            task = self._group.create_task(self.jobs.run(name, job, None))
            self._started.add(task)
            task.add_done_callback(self.jobs.guard(name, self._started.discard))

    def _pause(self) -> None:
        if self.pipeline.reader.running.is_set():
            logger.info("paused: records stay in the kernel's buffer")
        self.pipeline.reader.running.clear()

    def _resume(self) -> None:
        if not self.pipeline.reader.running.is_set():
            logger.info("resumed")
        self.pipeline.reader.running.set()

    async def _reload(self, reason: str) -> None:
        """Read the configuration anew; a wrong one changes nothing. Sinks are opened anew."""
        async with self._reloading:
            self.jobs.call(
                "service manager",
                lambda: sd_notify.notify(sd_notify.reloading_message(time.monotonic())),
                None,
            )
            self._standing = configuration.identify_files(self._config_path)
            try:
                config = self._invocation.load_config()
                # It takes effect at the next start, which it must not prevent.
                if config.user != self.config.user:
                    self._invocation.look_up_user(config)
                await self._change_to(config, reason)
            except (BadConfig, CursorFileInUse) as error:
                self._refuse(reason, str(error))
            except Exception as error:
                self.jobs.report("reload", error)
                self._refuse(reason, describe_unexpected(error))
            self._tell_ready()

    async def _change_to(self, config: Config, reason: str) -> None:
        late = ", ".join(
            key
            for key in ("input", "state", "user")
            if getattr(config, key) != getattr(self.config, key)
        )
        if late:
            logger.warning("the change of %s takes effect at the next start", late)
        before = self.config
        try:
            await self._use(config)
        except Exception:
            self.config = before
            await self.jobs.run("reload", lambda: self._use(before), None)
            raise
        self._status_builder.record_reload(
            "configuration", reason, True, late and f"{late} at the next start"
        )
        await self.naming.reload(reason)
        if self._live:
            await self.jobs.run("watchers", self._follow, None)

    async def _use(self, config: Config) -> None:
        self.config = config
        self._set_manner()
        self._outlets.configure(config)
        # A new sink may be owed what has gone by
        self.pipeline.reader.wake()
        logging.getLogger("klogd_py").setLevel(config.log.level.upper())
        self._set_console_level()
        await self._open_windows()

    def _refuse(self, reason: str, why: str) -> None:
        logger.error("keeping the old configuration: %s", why)
        self._status_builder.record_reload("configuration", reason, False, why)

    def _renamed(self, reasons: Sequence[str]) -> None:
        """Other symbols have been taken into use."""
        found = self.naming.symbols
        refusal = self.naming.failure or found.replacement_refusal
        self._status_builder.record_reload(
            "symbols", ", ".join(reasons), not refusal, refusal or description.headline(found)
        )
        self.reporting.notify()

    @property
    def _is_asked(self) -> bool:
        """Whether anybody may ask how things stand; nobody does about a text from elsewhere."""
        return self._live and not self._invocation.once

    async def _open_windows(self) -> None:
        if self._is_asked:
            await self.reporting.configure(self.config.status, self.config.metrics)

    def _file_changed(self, path: Path) -> None:
        if path.parent == self._drop_ins or path in (self._config_path, self._drop_ins):
            self._start("reload", lambda: self._reload(f"a change of {path}"))
        else:
            self._redraw(f"a change of {path}")

    def _module_changed(self, name: str) -> None:
        self._redraw(f"module {name} came or went")

    async def _follow_changes(self) -> None:
        """Start the watchers, once the backlog has been delivered."""
        await asyncio.sleep(SETTLED_S)
        await self._follow()

    async def _follow(self) -> None:
        """Watch what the configuration wants watched, and nothing else."""
        sources = self._sources()
        files: set[Path] = set()
        if self.config.watch.files:
            files = {self._config_path, self._drop_ins}
            files |= {path for path, _ in sources.map_paths()}
            files |= {Path(sources.given_map)} if sources.given_map else set()
        await self.jobs.run(
            "file watcher", lambda: self._follower.watch_files(files, self._drop_ins), None
        )
        # What was saved before it was watched has made no event.
        if files and configuration.identify_files(self._config_path) not in ((), self._standing):
            self._file_changed(self._config_path)
        modular = bool(sources.modules) and os.path.exists(sources.modules)
        if self.config.watch.modules and not modular:
            logger.debug("this kernel has no loadable modules to watch")
        wanted = self.config.watch.modules and modular
        await self.jobs.run("module watcher", lambda: self._follower.watch_modules(wanted), None)

    # Housekeeping

    async def _feed_watchdog(self) -> None:
        period_s = sd_notify.watchdog_period_s(os.environ, os.getpid())
        while period_s is not None:
            sd_notify.notify("WATCHDOG=1")
            await asyncio.sleep(period_s)

    def _save_positions(self) -> None:
        self._books.save(self.sink_manager.positions, self.sink_manager.ahead)

    def _moved(self) -> None:
        """A sink may have accepted something.

        Write down where it stands, and tell the manager of it before long.
        """
        self.jobs.call("positions", self._save_positions, None)
        if self.sink_manager.all_gone:
            self._stopping.set()
        self.reporting.notify_soon()

    async def _finish(self) -> None:
        """Send what waits, within a limit; remember where each sink stands; let go."""
        jobs = self.jobs
        jobs.call("service manager", lambda: sd_notify.notify("STOPPING=1"), None)
        jobs.call("watchers", self._follower.close, None)
        now_s = asyncio.get_running_loop().time
        end_s = now_s() + STOP_LIMIT_S
        try:
            async with asyncio.timeout_at(end_s):
                await jobs.run("delivery", self.pipeline.finish, None)
        except TimeoutError:
            logger.warning(
                "records that were read are left for the next start: the symbols are still being read"
            )
        await jobs.run("stop", lambda: self.sink_manager.flush(max(0, end_s - now_s())), None)
        jobs.call("positions", self._save_positions, None)
        jobs.call("status socket", self.reporting.close, None)
        if jobs.call("stop", self.sink_manager.close, 1):
            self.status = 1
        jobs.call("positions", self._books.close, None)
        jobs.call("reading", self.source.close, None)
