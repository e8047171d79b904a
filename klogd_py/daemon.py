"""The long-running service: builds its parts from one Config, carries records from the source to every sink, and reacts
to signals, to changed files and to modules that come and go.

The only place where concrete sources, sinks and watchers are named. One event loop; the atlas is drawn in a thread and
swapped in one assignment, and reading waits for it, since the kernel's ring is the queue.
"""

import asyncio
import errno
import logging
import os
import signal
from collections.abc import Callable, Coroutine
from pathlib import Path

from klogd_py import config as configuration
from klogd_py import device, notify
from klogd_py.clock import Clock, LiveClock, ReplayClock
from klogd_py.config import BadConfig, Config
from klogd_py.device import KmsgDevice, Source
from klogd_py.holdback import may_begin
from klogd_py.invocation import Invocation
from klogd_py.position import Ledger, PositionNotSaved, boot_id
from klogd_py.record import Entry, Gap, Place, Record, Unknown
from klogd_py.replay import open_replay
from klogd_py.sinks import Sink
from klogd_py.sinks.console import Colour, ConsoleSink
from klogd_py.sinks.file import FileForm, FileSink
from klogd_py.sinks.journal import JournalSink
from klogd_py.sinks.mailroom import Mailroom
from klogd_py.sinks.syslog import SyslogSink
from klogd_py.symbols import search
from klogd_py.symbols.atlas import Atlas
from klogd_py.symbols.learning import Learning
from klogd_py.symbols.sources import Sources
from klogd_py.symbols.survey import Survey, module_layout, survey
from klogd_py.translate import Decoded, Manner, Stood, Style, announce, translate
from klogd_py.watch.follower import Follower

SAVE_PERIOD_S = 1.0
STOP_LIMIT_S = 5.0
LONGEST_PAUSE_S = 5.0
SETTLED_S = 0.2  # records may flow for so long before the watchers, slow to import, are started

logger = logging.getLogger("klogd_py")


SINKS: dict[str, Callable[[Config, str, str], Sink]] = {
    "console": lambda config, boot, rest: ConsoleSink(Colour(config.console.colour), config.console.json),
    "file": lambda config, boot, rest: FileSink(rest, FileForm(config.file.form), int(config.file.mode, 8)),
    "syslog": lambda config, boot, rest: SyslogSink(rest),
    "journal": lambda config, boot, rest: JournalSink(boot, rest),
}


def build_sink(spec: str, config: Config, boot: str) -> Sink:
    """The sink that ``console``, ``file:PATH``, ``syslog[:SOCKET]`` or ``journal[:SOCKET]`` stands for."""
    kind, _, rest = spec.partition(":")
    return SINKS[kind](config, boot, rest)


class Daemon:
    """One run. Everything that changes while it runs is an attribute here, in the mailroom or in the source."""

    def __init__(self, invocation: Invocation, source: Source | None = None) -> None:
        """Read the configuration and open the source, unless one is given.

        Raises:
            BadConfig: the configuration is wrong.
            SourceUnavailable: no kernel log interface can be used.
        """
        self._invocation = invocation
        self.config = invocation.config()
        self._live = not invocation.input
        self.source = source or self._open_source()
        self.survey = Survey(Atlas())
        self._learning = Learning()
        self.status = 0
        self._boot = boot_id() if self._live else ""
        self._clock: Clock = LiveClock() if self._live else ReplayClock()
        self._ledger = self._open_ledger()
        self.mailroom = Mailroom(self._announce, self._owed, patient=not self._live)
        self._carried = 0
        self._stood: Stood = set()
        self._unsaved = ""  # why the position could not be saved the last time
        self._stopping = asyncio.Event()
        self._running = asyncio.Event()  # cleared between TSTP and CONT
        self._redrawing = asyncio.Lock()
        self._reloading = asyncio.Lock()
        self._save_timer: asyncio.TimerHandle | None = None
        self._config_path = Path(invocation.config_path or configuration.DEFAULT_PATH).absolute()
        self._drop_ins = self._config_path.with_name(f"{self._config_path.name}.d")
        self._follower = Follower(self._file_changed, self._module_changed)
        self._group = asyncio.TaskGroup()

    async def run(self, ready: Callable[[], None] = lambda: None) -> int:
        """Carry records until the source ends or a signal says stop; returns the exit status.

        ``ready`` is called when records are about to flow.
        """
        self._take_signals()
        self._set_console_level()
        self._arrange_sinks()
        if isinstance(self.source, KmsgDevice):
            self.source.skip_below(self.mailroom.first_owed)
        self._adopt(survey(self._sources()))
        self._running.set()
        notify.tell(f"READY=1\n{self._status_line()}")
        ready()
        try:
            async with self._group as group:
                tasks = [group.create_task(self._carry()), group.create_task(self._feed_watchdog())]
                if self._live and not self._invocation.once:
                    tasks.append(group.create_task(self._follow_changes()))
                await self._stopping.wait()
                for task in tasks:
                    task.cancel()
        finally:
            await self._finish()
        return self.status

    # The main job

    async def _carry(self) -> None:
        """Read a batch, name what is in it, post it to every sink; for ever, or until the source is empty."""
        failures = 0
        while True:
            await self._running.wait()
            await self.mailroom.room()
            try:
                async with self._redrawing:
                    batch = self.source.read_batch()
            except OSError as error:
                failures += 1
                if not await self._survive(error, failures):
                    return
                continue
            failures = 0
            if self.source.remark:
                logger.info("%s", self.source.remark)
                self.source.remark = ""
            if batch:
                await self._deliver(batch)
            elif self.source.exhausted or (self._invocation.once and self._live):
                await self._deliver([], last=True)
                await self.mailroom.settled()
                self._stopping.set()
                return
            else:
                await self._readable_or_due()

    async def _readable_or_due(self) -> None:
        """Wait for records, or until those that an unfinished oops holds back must go."""
        try:
            async with asyncio.timeout(self._learning.due_in_s(asyncio.get_running_loop().time())):
                await device.readable(self.source)
        except TimeoutError:
            await self._deliver([])

    async def _deliver(self, batch: list[Record | Gap], last: bool = False) -> None:
        if self._live and self.survey.loaded.asks_traces and may_begin(batch) and await asyncio.to_thread(self._modules_differ):
            await self._redraw("the beginning of a trace")  # whose proof counts only for modules that are known to be there
        batch, found = self._learning.take(batch, asyncio.get_running_loop().time(), self.survey)
        if last:
            held, found = self._learning.end(found)
            batch += held
        if found is not self.survey:
            self._adopt(found)
        if self.config.translate.paranoid and any("Oops" in item.text for item in batch if isinstance(item, Record)):
            await self._redraw("an Oops")
        self._clock.anchor()
        entries, unknown = self._translated(batch)
        if unknown and self._live and await asyncio.to_thread(self._modules_differ):
            # An oops can come before the event that tells of its module, whose init function may still be running.
            await self._redraw("an address that no symbol contained")
            entries, _ = self._translated(batch)
        self.mailroom.post(entries)
        self._carried += len(batch)
        if self.mailroom.all_gone:
            self._stopping.set()
        if self._save_timer is None:
            self._save_timer = asyncio.get_running_loop().call_later(SAVE_PERIOD_S, self._save)
        await asyncio.sleep(0)

    def _translated(self, batch: list[Record | Gap]) -> tuple[list[Entry], bool]:
        """The batch as entries, and whether it holds a code address that has no place."""
        atlas = self.survey.atlas
        unknown = False

        def place_of(address: int) -> Place | Unknown:
            nonlocal unknown
            place = atlas.place_of(address)
            unknown = unknown or isinstance(place, Unknown)
            return place

        return translate(batch, place_of, self._manner(), self._clock.wall_us_of, self._stood), unknown

    def _modules_differ(self) -> bool:
        """Whether other modules are loaded now than when the symbols were read, or at other addresses."""
        return module_layout(self._sources()) != self.survey.layout

    async def _survive(self, error: OSError, failures: int) -> bool:
        """Wait longer after each failed read; without permission there is no use in trying again, and it stops."""
        if error.errno in (errno.EPERM, errno.EACCES):
            logger.error("%s: %s; stopping", self.source.name, error.strerror)
            self.status = 1
            self._stopping.set()
            return False
        pause_s = min(0.1 * 2 ** min(failures, 10), LONGEST_PAUSE_S)
        logger.error("%s: %s; trying again in %.1f s", self.source.name, error.strerror, pause_s)
        await asyncio.sleep(pause_s)
        return True

    def _announce(self, gap: Gap) -> Entry:
        return announce(gap, self._clock.wall_us_of)

    def _manner(self) -> Manner:
        settings = self.config.translate
        return Manner(Style(settings.style), Decoded(settings.decoded), settings.twice)

    # Building

    def _open_source(self) -> Source:
        if self._invocation.input:
            return open_replay(self._invocation.input, self._invocation.input_form)
        return device.open_source(self.config.input.source)

    def _open_ledger(self) -> Ledger | None:
        """The saved position, if this source has sequence numbers to save."""
        if not self.config.state.position or not isinstance(self.source, KmsgDevice):
            return None
        ledger = Ledger(Path(self.config.state.position), self._boot)
        newest = None if ledger.is_empty else self.source.newest()
        if newest is not None:
            ledger.forget_beyond(newest)
        if ledger.remark:
            logger.warning("%s", ledger.remark)
        return ledger

    def _owed(self, sink: str) -> int | None:
        return self._ledger.owed(sink) if self._ledger else None

    def _arrange_sinks(self) -> None:
        sinks = [build_sink(spec, self.config, self._boot) for spec in self.config.sinks]
        self.mailroom.arrange(sinks, self.config.outbox.limit_kib << 10)
        if self._live and "journal" in os.path.realpath("/dev/log") and any(sink.name == "syslog:/dev/log" for sink in sinks):
            logger.info("/dev/log belongs to the journal, which reads the kernel's messages itself: expect them twice there")

    def _sources(self) -> Sources:
        return self._invocation.sources(self.config, elsewhere=not self._live)

    def _set_console_level(self) -> None:
        if not self.config.console_level:
            return
        try:
            device.set_console_level(self.config.console_level)
        except OSError as error:
            logger.warning("console level %d not set: %s", self.config.console_level, error.strerror)

    # Names

    async def _redraw(self, reason: str) -> None:
        """Draw a new atlas off the loop and swap it in."""
        async with self._redrawing:
            before = self.survey
            drawn = await asyncio.to_thread(survey, self._sources(), before=before)
            if before is not self.survey:  # an oops that was held back taught something meanwhile
                drawn = await asyncio.to_thread(survey, self._sources(), before=self.survey)
            self._adopt(drawn)
        logger.info("symbols read anew after %s", reason)
        notify.tell(self._status_line())

    def _adopt(self, found: Survey) -> None:
        """Take an atlas into use, and tell the operator what is new about it."""
        before, self.survey = self.survey, found
        for line in found.summary:
            if line not in before.summary:
                logger.info("%s", line)
        for remark in found.remarks:
            if remark not in before.remarks:
                logger.warning("%s", remark)

    # Reactions

    def _take_signals(self) -> None:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, self._stopping.set)
        loop.add_signal_handler(signal.SIGUSR1, self._start, lambda: self._redraw("SIGUSR1"))
        loop.add_signal_handler(signal.SIGUSR2, self._start, lambda: self._redraw("SIGUSR2"))
        loop.add_signal_handler(signal.SIGHUP, self._start, lambda: self._reload("SIGHUP"))
        loop.add_signal_handler(signal.SIGTSTP, self._pause)
        loop.add_signal_handler(signal.SIGCONT, self._resume)
        for number in (signal.SIGALRM, signal.SIGQUIT, signal.SIGPIPE):
            signal.signal(number, signal.SIG_IGN)

    def _start(self, job: Callable[[], Coroutine[None, None, None]]) -> None:
        if not self._stopping.is_set():
            self._group.create_task(job())

    def _pause(self) -> None:
        if self._running.is_set():
            logger.info("paused: records stay in the kernel's buffer")
        self._running.clear()

    def _resume(self) -> None:
        if not self._running.is_set():
            logger.info("resumed")
        self._running.set()

    async def _reload(self, reason: str) -> None:
        """Read the configuration anew; a wrong one changes nothing. Sinks are opened anew."""
        async with self._reloading:
            try:
                config = self._invocation.config()
            except BadConfig as error:
                logger.error("keeping the old configuration: %s", error)
                return
            await self._change_to(config, reason)

    async def _change_to(self, config: Config, reason: str) -> None:
        for table in ("input", "state"):
            if getattr(config, table) != getattr(self.config, table):
                logger.warning("the change in [%s] takes effect at the next start", table)
        notify.tell("RELOADING=1")
        self.config = config
        logging.getLogger("klogd_py").setLevel(config.log.level.upper())
        self._set_console_level()
        self._arrange_sinks()
        await self._redraw(reason)
        if self._live:
            await self._follow()
        notify.tell(f"READY=1\n{self._status_line()}")

    def _file_changed(self, path: Path) -> None:
        if path.parent == self._drop_ins or path in (self._config_path, self._drop_ins):
            self._start(lambda: self._reload(f"a change of {path}"))
        else:
            self._start(lambda: self._redraw(f"a change of {path}"))

    def _module_changed(self, name: str) -> None:
        self._start(lambda: self._redraw(f"module {name} came or went"))

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

    def _save(self) -> None:
        """Write the position; once more later if sinks still have something to send."""
        self._save_timer = None
        if self._ledger is not None:
            try:
                self._ledger.save(self.mailroom.positions)
            except PositionNotSaved as error:
                if str(error) != self._unsaved:
                    logger.warning("position not saved, a restart sends records again: %s", error)
                self._unsaved = str(error)
        notify.tell(self._status_line())
        if self.mailroom.busy and not self._stopping.is_set():
            self._save_timer = asyncio.get_running_loop().call_later(SAVE_PERIOD_S, self._save)

    def _status_line(self) -> str:
        down = [name for name, outbox in self.mailroom.outboxes.items() if outbox.last_error]
        state = f"; down: {', '.join(down)}" if down else ""
        return f"STATUS={self._carried} records from {self.source.name}; {self.survey.headline}{state}"

    async def _finish(self) -> None:
        """Send what waits, within a limit; remember where each sink stands; let go."""
        notify.tell("STOPPING=1")
        self._follower.close()
        if self._save_timer is not None:
            self._save_timer.cancel()
        await self._deliver(self.source.rest(), last=True)
        await self.mailroom.empty(STOP_LIMIT_S)
        self._save()
        if self.mailroom.close():
            self.status = 1
        self.source.close()
