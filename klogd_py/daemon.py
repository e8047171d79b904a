"""The long-running service: builds its parts from one Config, and reacts to signals, changed files and modules.

The only place where concrete sources and watchers are named. One event loop.
"""

import asyncio
import logging
import os
import signal
import time
from collections.abc import Callable, Coroutine, Sequence
from functools import partial
from pathlib import Path

from klogd_py import config as configuration
from klogd_py import device, notify, privileges, text_device
from klogd_py.bookkeeper import Bookkeeper
from klogd_py.carrier import Carrier
from klogd_py.clock import Clock, LiveClock, ReplayClock
from klogd_py.config import BadConfig
from klogd_py.device import KmsgDevice, Source
from klogd_py.flood import Limiter
from klogd_py.gaps import announce
from klogd_py.invocation import Invocation
from klogd_py.naming import Naming
from klogd_py.outlets import Outlets
from klogd_py.position import PositionInUse, boot_id
from klogd_py.record import Severity
from klogd_py.replay import open_replay
from klogd_py.reporting import Reporting
from klogd_py.settings import Config, Flood
from klogd_py.sinks.mailroom import Mailroom
from klogd_py.snapshot import Camera
from klogd_py.symbols import search
from klogd_py.symbols.sources import Sources
from klogd_py.translate import Decoded, Manner, Style
from klogd_py.watch.follower import Follower

STOP_LIMIT_S = 5.0
SETTLED_S = 0.2  # records may flow for so long before the watchers, slow to import, are started

logger = logging.getLogger("klogd_py")


class Daemon:
    """One run. Everything that changes while it runs is an attribute here, in the mailroom or in the source."""

    def __init__(self, invocation: Invocation, source: Source | None = None) -> None:
        """Read the configuration and open the source, unless one is given.

        Raises:
            BadConfig: the configuration is wrong, or the user that it names is not there.
            SourceUnavailable: no kernel log interface can be used.
            PositionInUse: another daemon uses the same position file.
        """
        self._invocation = invocation
        self.config = invocation.config()
        self._user = self._named_user()
        self._live = not invocation.input
        self.source = source or self._open_source()
        self.naming = Naming(self._sources, self._renamed)
        self.status = 0
        self._boot = boot_id() if self._live else ""
        self._clock: Clock = LiveClock() if self._live else ReplayClock()
        self._books = Bookkeeper(self.config.state.position if self._numbered else "", self._boot, self._newest)
        told = partial(announce, wall_us_of=lambda record: self._clock.wall_of(record)[0])
        self.mailroom = Mailroom(told, self._books.owed, rereadable=self._numbered, moved=self._moved, ahead=self._books.ahead)
        self.carrier = Carrier(
            self.source,
            self.mailroom,
            self.naming,
            self._clock,
            live=self._live,
            once=invocation.once,
        )
        self._camera = Camera(self.source, self.carrier, self.mailroom, self._clock, self._boot)
        self.reporting = Reporting(lambda: self._camera.take(self.naming.survey))
        self._outlets = Outlets(self.mailroom, self._books, self._boot, self._user, live=self._live)
        self._flood = Flood()
        self._stopping = asyncio.Event()
        self._reloading = asyncio.Lock()
        self._config_path = Path(invocation.config_path or configuration.DEFAULT_PATH).absolute()
        self._drop_ins = self._config_path.with_name(f"{self._config_path.name}.d")
        self._follower = Follower(self._file_changed, self._module_changed)
        self._group = asyncio.TaskGroup()
        self._jobs: set[asyncio.Task[None]] = set()

    async def run(self, ready: Callable[[], None] = lambda: None) -> int:
        """Carry records until the source ends or a signal says stop; returns the exit status.

        ``ready`` is called when nothing keeps records from flowing; those that want no names do so before.

        Raises:
            CannotBecome: this process may not become the user that it is to go on as.
        """
        self._take_signals()
        self._set_console_level()
        self._outlets.arrange(self.config)
        if self._is_asked:
            self.reporting.listen(self.config.status, self._user.number if self._user else -1)
        if self._user is not None:
            privileges.become(self._user)  # before symbols are read, or a later look at them would find less than this one
        if isinstance(self.source, KmsgDevice):
            self.source.skip_below(self.mailroom.first_owed)
        self._set_manner()
        self.carrier.intake.running.set()
        await self._open_windows()
        try:
            async with self._group as group:
                beginning = group.create_task(self._begin(ready))
                tasks = [beginning, group.create_task(self._carry(beginning)), group.create_task(self._feed_watchdog())]
                if self._live and not self._invocation.once:
                    tasks.append(group.create_task(self._follow_changes()))
                await self._stopping.wait()
                for task in (*tasks, *self._jobs):
                    task.cancel()
        finally:
            await self._finish()
        return self.status

    # Building

    async def _begin(self, ready: Callable[[], None]) -> None:
        """Read the symbols, and say that we are there."""
        await self.naming.draw_first()
        notify.tell(f"READY=1\n{self.reporting.line}")
        ready()

    async def _carry(self, beginning: asyncio.Task[None]) -> None:
        """Carry records; stop when there are none to come, or nobody to bring them to."""
        self.status = await self.carrier.run()
        await beginning
        self._stopping.set()

    def _set_manner(self) -> None:
        """Have records treated as the configuration says."""
        settings = self.config.translate
        self.carrier.manner = Manner(Style(settings.style), Decoded(settings.decoded), settings.twice)
        self.carrier.join, self.carrier.paranoid = settings.join, settings.paranoid
        if self._flood != self.config.flood:  # what has been counted so far holds on where nothing changed
            self._flood = self.config.flood
            floor = Severity[self._flood.floor.upper()]
            self.carrier.limiter = Limiter(floor, self._flood.repeats, self._flood.period_s)

    def _named_user(self) -> privileges.User | None:
        """The user to go on as, if one is named; raises BadConfig."""
        try:
            return privileges.look_up(self.config.user) if self.config.user else None
        except privileges.NoSuchUser as error:
            raise BadConfig(f"key user: {error}") from error

    def _open_source(self) -> Source:
        if self._invocation.input:
            return open_replay(self._invocation.input, self._invocation.input_form)
        return device.open_source(self.config.input.source, self._invocation.handed)

    @property
    def _numbered(self) -> bool:
        """Whether the source numbers its records, and can go back to one."""
        return isinstance(self.source, KmsgDevice)

    def _newest(self) -> int | None:
        return self.source.newest() if isinstance(self.source, KmsgDevice) else None

    def _sources(self) -> Sources:
        return self._invocation.sources(self.config, elsewhere=not self._live)

    def _set_console_level(self) -> None:
        if not self.config.console_level:
            return
        try:
            text_device.set_console_level(self.config.console_level)
        except OSError as error:
            logger.warning("console level %d not set: %s", self.config.console_level, error.strerror)

    # Reactions

    def _take_signals(self) -> None:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, self._stopping.set)
        loop.add_signal_handler(signal.SIGUSR1, self._start, lambda: self.naming.redraw("SIGUSR1"))
        loop.add_signal_handler(signal.SIGUSR2, self._start, lambda: self.naming.redraw("SIGUSR2"))
        loop.add_signal_handler(signal.SIGHUP, self._start, lambda: self._reload("SIGHUP"))
        loop.add_signal_handler(signal.SIGTSTP, self._pause)
        loop.add_signal_handler(signal.SIGCONT, self._resume)
        for number in (signal.SIGALRM, signal.SIGQUIT, signal.SIGPIPE):
            signal.signal(number, signal.SIG_IGN)

    def _start(self, job: Callable[[], Coroutine[None, None, None]]) -> None:
        if not self._stopping.is_set():
            task = self._group.create_task(job())
            self._jobs.add(task)
            task.add_done_callback(self._jobs.discard)

    def _pause(self) -> None:
        if self.carrier.intake.running.is_set():
            logger.info("paused: records stay in the kernel's buffer")
        self.carrier.intake.running.clear()

    def _resume(self) -> None:
        if not self.carrier.intake.running.is_set():
            logger.info("resumed")
        self.carrier.intake.running.set()

    async def _reload(self, reason: str) -> None:
        """Read the configuration anew; a wrong one changes nothing. Sinks are opened anew."""
        async with self._reloading:
            notify.tell(notify.reloading(time.monotonic()))
            try:
                config = self._invocation.config()
            except BadConfig as error:
                self._refuse(reason, error)
            else:
                await self._change_to(config, reason)
            notify.tell(f"READY=1\n{self.reporting.line}")

    async def _change_to(self, config: Config, reason: str) -> None:
        late = ", ".join(key for key in ("input", "state", "user") if getattr(config, key) != getattr(self.config, key))
        if late:
            logger.warning("the change of %s takes effect at the next start", late)
        before, self.config = self.config, config
        try:
            self._outlets.arrange(self.config)
        except PositionInUse as error:
            self.config = before
            self._refuse(reason, error)
            return
        self.carrier.intake.wake()  # a new sink may be owed what has gone by
        logging.getLogger("klogd_py").setLevel(config.log.level.upper())
        self._set_console_level()
        self._set_manner()
        await self._open_windows()
        self._camera.note("configuration", reason, True, late and f"{late} at the next start")
        await self.naming.redraw(reason)
        if self._live:
            await self._follow()

    def _refuse(self, reason: str, error: Exception) -> None:
        logger.error("keeping the old configuration: %s", error)
        self._camera.note("configuration", reason, False, str(error))

    def _renamed(self, reasons: Sequence[str]) -> None:
        """Other symbols have been taken into use."""
        found = self.naming.survey
        self._camera.note("symbols", ", ".join(reasons), not found.refusal, found.refusal or found.headline)
        self.reporting.tell()

    @property
    def _is_asked(self) -> bool:
        """Whether anybody may ask how things stand; nobody does about a text from elsewhere."""
        return self._live and not self._invocation.once

    async def _open_windows(self) -> None:
        if self._is_asked:
            await self.reporting.arrange(self.config.status, self.config.metrics)

    def _file_changed(self, path: Path) -> None:
        if path.parent == self._drop_ins or path in (self._config_path, self._drop_ins):
            self._start(lambda: self._reload(f"a change of {path}"))
        else:
            self._start(lambda: self.naming.redraw(f"a change of {path}"))

    def _module_changed(self, name: str) -> None:
        self._start(lambda: self.naming.redraw(f"module {name} came or went"))

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
            files |= {path for path, _ in search.candidates(sources.places, sources.release, sources.root)}
            files |= {Path(sources.given_map)} if sources.given_map else set()
        await self._follower.follow_files(files, self._drop_ins)
        modular = bool(sources.modules) and Path(sources.modules).exists()
        if self.config.watch.modules and not modular:
            logger.debug("this kernel has no loadable modules to watch")
        await self._follower.follow_modules(self.config.watch.modules and modular)

    # Housekeeping

    async def _feed_watchdog(self) -> None:
        period_s = notify.watchdog_period_s(os.environ, os.getpid())
        while period_s is not None:
            notify.tell("WATCHDOG=1")
            await asyncio.sleep(period_s)

    def _moved(self) -> None:
        """A sink may have accepted something: write down where it stands, and tell the manager of it before long."""
        self._books.save(self.mailroom.positions, self.mailroom.ahead)
        if self.mailroom.all_gone:
            self._stopping.set()
        self.reporting.tell_soon()

    async def _finish(self) -> None:
        """Send what waits, within a limit; remember where each sink stands; let go."""
        notify.tell("STOPPING=1")
        self._follower.close()
        now_s = asyncio.get_running_loop().time
        end_s = now_s() + STOP_LIMIT_S
        try:
            async with asyncio.timeout_at(end_s):
                await self.carrier.finish()
        except TimeoutError:
            logger.warning("records that were read are left for the next start: the symbols are still being read")
        await self.mailroom.empty(max(0, end_s - now_s()))
        self._books.save(self.mailroom.positions, self.mailroom.ahead)
        self.reporting.close()
        if self.mailroom.close():
            self.status = 1
        self._books.close()
        self.source.close()
