# SPDX-License-Identifier: GPL-2.0-or-later
"""Which sinks does a configuration name? Builds them.

The only place where concrete sinks are named.
"""

import logging
from collections.abc import Callable
from pathlib import Path

from klogd_py.config.schema import Config, SinkQueueSection
from klogd_py.sinks import Sink, journald_routing
from klogd_py.sinks.console import Colour, ConsoleSink
from klogd_py.sinks.cursor_store import CursorStore
from klogd_py.sinks.drop_policy import QueueLimits, WhenFull
from klogd_py.sinks.file import OPEN_FLAGS, FileSink
from klogd_py.sinks.file_format import FileFormat
from klogd_py.sinks.journal import JournalSink
from klogd_py.sinks.journald_routing import JournaldRouting
from klogd_py.sinks.local_syslog import SyslogSink
from klogd_py.sinks.manager import SinkManager
from klogd_py.sinks.preopened_files import PreopenedFiles
from klogd_py.system import trusted_directory
from klogd_py.system.privileges import User

logger = logging.getLogger(__name__)

SINKS: dict[str, Callable[[Config, str, str, JournaldRouting, PreopenedFiles | None], Sink]] = {
    "console": lambda config, boot, *_: ConsoleSink(
        Colour(config.console.colour), config.console.json, boot_id=boot
    ),
    "file": lambda config, boot, rest, _, preopened: FileSink(
        rest, FileFormat(config.file.format), int(config.file.mode, 8), boot, preopened
    ),
    "syslog": lambda config, boot, rest, routes, _: (
        SyslogSink(rest)
        if rest
        else SyslogSink(at=routes.syslog_path, additions=routes.syslog_additions_only)
    ),
    "journal": lambda config, boot, rest, routes, _: JournalSink(
        boot, rest, additions=routes.journal_additions_only and not rest
    ),
}


def build_sink(
    spec: str,
    config: Config,
    boot: str,
    routes: JournaldRouting,
    preopened: PreopenedFiles | None = None,
) -> Sink:
    """The sink that ``console``, ``file:PATH``, ``syslog[:SOCKET]`` or ``journal[:SOCKET]`` stands
    for.

    Only a sink without a socket of its own is routed: whoever names one gets everything there.
    """
    kind, _, rest = spec.partition(":")
    return SINKS[kind](config, boot, rest, routes, preopened)


def queue_limits(spec: str, config: Config, live: bool) -> QueueLimits:
    """How much may wait for a sink and what becomes of the rest.

    What is no running kernel can wait for ever.
    """
    own = config.queue.sink.get(spec, SinkQueueSection())
    when_full = (own.when_full or config.queue.when_full) if live else "wait"
    return QueueLimits((own.limit_kib or config.queue.limit_kib) << 10, WhenFull(when_full))


class SinkFactory:
    """The sinks of one run. Mutable: by which ways they lead at present."""

    def __init__(
        self, sink_manager: SinkManager, cursors: CursorStore, boot_id: str, *, live: bool
    ) -> None:
        """``live`` says that records come from the running kernel."""
        self._manager = sink_manager
        self._cursors = cursors
        self._boot_id = boot_id
        self._live = live
        self._routes = JournaldRouting()
        self._preopened = PreopenedFiles()

    def preopen(self, user: User, config: Config) -> None:
        """Open the log files and the position in root's own directories, before the daemon goes on
        as this user.

        The user may not be able to. What lies where others can change it is left to the user: root
        touches nothing there. Raises CursorFileInUse.
        """
        sinks = [
            build_sink(spec, config, self._boot_id, JournaldRouting()) for spec in config.sinks
        ]
        for sink in sinks:
            if isinstance(sink, FileSink) and sink.path is not None:
                try:
                    self._preopened.open(
                        sink.path, OPEN_FLAGS, int(config.file.mode, 8), (user.number, user.group)
                    )
                # The sink says so when it is written to
                except OSError as error:
                    logger.debug("%s is not open yet: %s", sink.name, error.strerror)
        position = config.state.cursor_file
        if (
            any(sink.keeps_position for sink in sinks)
            and position
            and not trusted_directory.is_shared(position)
        ):
            self._cursors.open()

    def configure(self, config: Config) -> None:
        """Have the sinks that a configuration names, and no others.

        Raises CursorFileInUse, and nothing is changed then.
        """
        routes = JournaldRouting()
        if self._live and {"journal", "syslog"} & set(config.sinks):
            routes = journald_routing.choose(
                config.journal.mode, journald_routing.detect(Path("/")), config.sinks
            )
        wanted = [
            spec for spec in config.sinks if spec != "syslog" or not routes.syslog_is_redundant
        ]
        sinks = {
            spec: build_sink(spec, config, self._boot_id, routes, self._preopened)
            for spec in wanted
        }
        if any(sink.keeps_position for sink in sinks.values()):
            self._cursors.open()
        for reason in routes.reasons:
            if reason not in self._routes.reasons:
                logger.info("%s", reason)
        self._routes = routes
        terms = {sink.name: queue_limits(spec, config, self._live) for spec, sink in sinks.items()}
        self._cursors.save(
            self._manager.positions,
            self._manager.ahead,
            # A sink that goes now may come back
        )
        self._manager.configure(sinks.values(), terms.__getitem__)
