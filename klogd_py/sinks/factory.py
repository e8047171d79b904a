# SPDX-License-Identifier: GPL-2.0-or-later
"""Build the sinks that the configuration names.

Only this module names the classes of sinks.
"""

import logging
from collections.abc import Sequence
from functools import cache
from pathlib import Path

import msgspec

from klogd_py.config.filter_types import compile_expression
from klogd_py.config.schema import Config
from klogd_py.config.sink_config import (
    ConsoleSinkConfig,
    FileSinkConfig,
    FilterSettings,
    JournalSinkConfig,
    RotationSettings,
    SinkConfig,
    SyslogSinkConfig,
    is_routed,
    short_form,
    writes_json,
    writes_to_stdout,
)
from klogd_py.config.sink_shorthand import DEV_LOG
from klogd_py.config.sink_tables import parse_sinks
from klogd_py.sinks import Sink, journald_routing
from klogd_py.sinks.console import Colour, ConsoleSink
from klogd_py.sinks.cursor_store import CursorStore
from klogd_py.sinks.drop_policy import QueueLimits, WhenFull
from klogd_py.sinks.entry_filter import EntryFilter, Expression
from klogd_py.sinks.file import FileSink
from klogd_py.sinks.file_format import FileFormat, LineSettings
from klogd_py.sinks.formats import host_name
from klogd_py.sinks.journal import SOCKET, JournalSink
from klogd_py.sinks.journald_routing import JournaldRouting, JournalMode
from klogd_py.sinks.local_syslog import SyslogSink
from klogd_py.sinks.log_file import OPEN_FLAGS
from klogd_py.sinks.machine_identity import MachineIdentity
from klogd_py.sinks.manager import SinkManager
from klogd_py.sinks.preopened_files import PreopenedFiles
from klogd_py.sinks.rotation import RotationLimits
from klogd_py.system import trusted_directory
from klogd_py.system.file_identity import FileOwner
from klogd_py.system.libraries import SYSTEMD, find_import_error
from klogd_py.system.machine_id import MACHINE_ID, NoMachineId, read_application_id
from klogd_py.system.privileges import User

logger = logging.getLogger(__name__)


def build_sink(
    config: SinkConfig,
    settings: LineSettings,
    routing: JournaldRouting,
    preopened: PreopenedFiles | None = None,
) -> Sink:
    """Build one sink.

    The routing applies to sinks without a socket; a sink with one gets everything.
    """
    match config:
        case ConsoleSinkConfig():
            colour = Colour(config.colour)
            return ConsoleSink(colour, config.is_json, settings=settings, name=config.name)
        case FileSinkConfig():
            return FileSink(
                config.path,
                FileFormat(config.format),
                config.mode,
                settings,
                preopened,
                name=config.name,
                rotation=rotation_limits(config.rotation),
            )
        case JournalSinkConfig():
            additions = routing.journal_additions_only and is_routed(config)
            path = config.socket or _journal_without_library()
            boot_id = settings.identity.boot_id or None
            return JournalSink(boot_id, path, name=config.name, additions=additions)
        case SyslogSinkConfig():
            socket = config.socket or routing.syslog_path or DEV_LOG
            additions = routing.syslog_additions_only and is_routed(config)
            return SyslogSink(socket, name=config.name, additions=additions)


@cache
def _journal_without_library() -> str | None:
    """Return the socket to use if systemd-python cannot be used, else ``None``; log it once."""
    reason = find_import_error(SYSTEMD)
    if reason is None:
        return None
    logger.warning("%s; the journal is reached through %s alone", reason, SOCKET)
    return SOCKET


def queue_limits(config: SinkConfig, live: bool) -> QueueLimits:
    """Return the limits of a sink's queue.

    A source that is not the running kernel can always wait.
    """
    when_full = WhenFull(config.queue.when_full) if live else WhenFull.WAIT
    return QueueLimits(config.queue.limit_kib << 10, when_full)


def rotation_limits(settings: RotationSettings | None) -> RotationLimits | None:
    """Return when a file is rotated; ``None`` if it is not."""
    if settings is None:
        return None
    return RotationLimits(settings.limit_kib << 10, settings.keep)


def entry_filter(settings: FilterSettings) -> EntryFilter | None:
    """Return the filter of a sink; ``None`` if it gets everything."""
    if settings == FilterSettings():
        return None
    return EntryFilter(
        settings.min_severity,
        frozenset(settings.subsystem),
        frozenset(settings.exclude_subsystem),
        tuple(Expression("match", compile_expression(text)) for text in settings.match),
        tuple(Expression("exclude", compile_expression(text)) for text in settings.exclude),
    )


class SinkFactory:
    """Builds the sinks of one run. Mutable: it remembers the present routing."""

    def __init__(
        self,
        sink_manager: SinkManager,
        cursors: CursorStore,
        identity: MachineIdentity,
        *,
        live: bool,
    ) -> None:
        """``live``: records come from the running kernel.

        ``identity`` is what is known of its boot; host and machine id are filled in here.
        """
        self._manager = sink_manager
        self._cursors = cursors
        self._identity = identity
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
        sinks = parse_sinks(config)
        owner = FileOwner(user.number, user.group)
        for sink in sinks:
            if not isinstance(sink, FileSinkConfig) or writes_to_stdout(sink):
                continue
            try:
                self._preopened.open(Path(sink.path), OPEN_FLAGS, sink.mode, owner)
            # `send` reports it.
            except OSError as error:
                logger.debug("%s is not open yet: %s", sink.name, error.strerror)
        path = config.state.cursor_file
        has_position = any(not writes_to_stdout(sink) for sink in sinks)
        if has_position and path and not trusted_directory.is_shared(path):
            self._cursors.open()

    def configure(self, config: Config) -> None:
        """Configure the manager with exactly the sinks of a configuration.

        Raises:
            CursorFileInUse: another daemon has locked the cursor file; nothing is changed.
        """
        configured = parse_sinks(config)
        routing = self._choose_routing(config, configured)
        wanted = {sink.name: sink for sink in configured if not routing.leaves_out(sink)}
        settings = LineSettings.of_run(
            self._identify(config),
            kernel_stamp=config.text.kernel_stamp,
            of_capture=not self._live,
            json_sinks=sum(map(writes_json, wanted.values())),
        )
        sinks = [build_sink(sink, settings, routing, self._preopened) for sink in wanted.values()]
        if any(sink.keeps_position for sink in sinks):
            self._cursors.open()
        for reason in routing.reasons:
            if reason not in self._routing.reasons:
                logger.info("%s", reason)
        self._routing = routing
        # A sink that is removed now may be configured again.
        self._cursors.save(self._manager.positions)
        for sink in wanted.values():
            # Its destination has the records that it had before it was given a name.
            if sink.name != short_form(sink):
                self._cursors.hand_over(short_form(sink), sink.name)
        self._manager.configure(
            sinks,
            lambda name: queue_limits(wanted[name], self._live),
            lambda name: entry_filter(wanted[name].filter),
        )

    def _identify(self, config: Config) -> MachineIdentity:
        """Return what documents say of this machine, whose host name may have changed.

        A capture is from another machine, for all that is known.
        """
        if not self._live:
            return MachineIdentity()
        found = ""
        if config.json.machine_id:
            try:
                found = read_application_id(MACHINE_ID)
            except NoMachineId as error:
                logger.warning("%s; JSON documents have no machine_id", error)
        return msgspec.structs.replace(self._identity, host=host_name(), machine_id=found)

    def _choose_routing(self, config: Config, sinks: Sequence[SinkConfig]) -> JournaldRouting:
        if not self._live or not any(map(is_routed, sinks)):
            return JournaldRouting()
        mode = JournalMode(config.journal.mode)
        return journald_routing.choose(mode, journald_routing.detect(Path("/")), sinks)
