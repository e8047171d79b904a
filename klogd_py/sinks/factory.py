# SPDX-License-Identifier: GPL-2.0-or-later
"""Build the sinks that the configuration names.

Only this module names the classes of sinks.
"""

import logging
from pathlib import Path

from klogd_py.config.output_sections import SinkQueueSection
from klogd_py.config.schema import Config
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
from klogd_py.system.file_identity import FileOwner
from klogd_py.system.privileges import User

logger = logging.getLogger(__name__)


def build_sink(
    spec: str,
    config: Config,
    boot_id: str,
    routing: JournaldRouting,
    preopened: PreopenedFiles | None = None,
) -> Sink:
    """Build the sink of ``console``, ``file:PATH``, ``syslog[:SOCKET]`` or ``journal[:SOCKET]``.

    The routing applies to sinks without a socket; a sink with one gets everything.
    """
    kind, _, target = spec.partition(":")
    if kind == "console":
        return ConsoleSink(Colour(config.console.colour), config.console.json, boot_id=boot_id)
    if kind == "file":
        file_format, mode = FileFormat(config.file.format), int(config.file.mode, 8)
        return FileSink(target, file_format, mode, boot_id, preopened)
    if kind == "journal":
        return JournalSink(boot_id, target, additions=routing.journal_additions_only and not target)
    if kind != "syslog":
        raise ValueError(f"no such sink: {spec}")
    if target:
        return SyslogSink(target)
    return SyslogSink(at=routing.syslog_path, additions=routing.syslog_additions_only)


def queue_limits(spec: str, config: Config, live: bool) -> QueueLimits:
    """Return the limits of a sink's queue.

    A source that is not the running kernel can always wait.
    """
    own = config.queue.sink.get(spec, SinkQueueSection())
    when_full = (own.when_full or config.queue.when_full) if live else "wait"
    return QueueLimits((own.limit_kib or config.queue.limit_kib) << 10, WhenFull(when_full))


class SinkFactory:
    """Builds the sinks of one run. Mutable: it remembers the present routing."""

    def __init__(
        self, sink_manager: SinkManager, cursors: CursorStore, boot_id: str, *, live: bool
    ) -> None:
        """``live``: records come from the running kernel."""
        self._manager = sink_manager
        self._cursors = cursors
        self._boot_id = boot_id
        self._live = live
        self._routing = JournaldRouting()
        self._preopened = PreopenedFiles()

    def preopen(self, user: User, config: Config) -> None:
        """Open the log files and the cursor file in root's directories, before becoming ``user``.

        The user may have no permission to open them. Files in directories that other users can
        change are left for the user to open, since root must not touch them.

        Raises:
            CursorFileInUse: another daemon has locked the cursor file.
        """
        sinks = [
            build_sink(spec, config, self._boot_id, JournaldRouting()) for spec in config.sinks
        ]
        owner = FileOwner(user.number, user.group)
        for sink in sinks:
            if isinstance(sink, FileSink) and sink.path is not None:
                try:
                    self._preopened.open(sink.path, OPEN_FLAGS, int(config.file.mode, 8), owner)
                # `send` reports it.
                except OSError as error:
                    logger.debug("%s is not open yet: %s", sink.name, error.strerror)
        path = config.state.cursor_file
        has_position = any(sink.keeps_position for sink in sinks)
        if has_position and path and not trusted_directory.is_shared(path):
            self._cursors.open()

    def configure(self, config: Config) -> None:
        """Configure the manager with exactly the sinks of a configuration.

        Raises:
            CursorFileInUse: another daemon has locked the cursor file; nothing is changed.
        """
        routing = JournaldRouting()
        if self._live and {"journal", "syslog"} & set(config.sinks):
            routing = journald_routing.choose(
                config.journal.mode, journald_routing.detect(Path("/")), config.sinks
            )
        wanted = [
            spec for spec in config.sinks if spec != "syslog" or not routing.syslog_is_redundant
        ]
        sinks = {
            spec: build_sink(spec, config, self._boot_id, routing, self._preopened)
            for spec in wanted
        }
        if any(sink.keeps_position for sink in sinks.values()):
            self._cursors.open()
        for reason in routing.reasons:
            if reason not in self._routing.reasons:
                logger.info("%s", reason)
        self._routing = routing
        limits = {sink.name: queue_limits(spec, config, self._live) for spec, sink in sinks.items()}
        # A sink that is removed now may be configured again.
        self._cursors.save(self._manager.positions)
        self._manager.configure(sinks.values(), limits.__getitem__)
