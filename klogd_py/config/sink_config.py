# SPDX-License-Identifier: GPL-2.0-or-later
"""Define the configured sinks as values: one frozen Struct for each type.

`klogd_py.config.sink_tables` makes them from the configuration, with the defaults of the tables
``[file]``, ``[console]`` and ``[queue]`` filled in.
"""

from msgspec import Struct

from klogd_py.config.filter_types import LEAST_SEVERE
from klogd_py.config.sink_shorthand import STDOUT, Destination, SinkType
from klogd_py.config.value_types import ColourName, FormatName, WhenFullName


class QueueSettings(Struct, frozen=True):
    """How much may wait for a sink, and what to do with the rest."""

    limit_kib: int
    when_full: WhenFullName


class FilterSettings(Struct, frozen=True):
    """Which records a sink gets; by default all.

    ``min_severity`` is the number of the least severe level. A record needs one of ``subsystem``
    and one of ``match``, if there are any, and none of the others.
    """

    min_severity: int = LEAST_SEVERE
    subsystem: tuple[str, ...] = ()
    exclude_subsystem: tuple[str, ...] = ()
    match: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()


class RotationSettings(Struct, frozen=True):
    """How large a file may become, and how many older ones are kept."""

    limit_kib: int
    keep: int


class ConsoleSinkConfig(Struct, frozen=True):
    """Standard output, for a person or as JSON."""

    name: str
    queue: QueueSettings
    is_json: bool
    colour: ColourName
    filter: FilterSettings = FilterSettings()


class FileSinkConfig(Struct, frozen=True):
    """A file that lines are appended to; ``-`` is standard output. ``mode`` is for a new file.

    Without ``rotation`` the file grows until another program moves it.
    """

    name: str
    queue: QueueSettings
    path: str
    format: FormatName
    mode: int
    filter: FilterSettings = FilterSettings()
    rotation: RotationSettings | None = None


class SyslogSinkConfig(Struct, frozen=True):
    """The listener of a syslog socket; ``None`` is /dev/log, or where ``[journal]`` routes it."""

    name: str
    queue: QueueSettings
    socket: str | None
    filter: FilterSettings = FilterSettings()


class JournalSinkConfig(Struct, frozen=True):
    """The journal at a socket; ``None`` is the journal of this machine."""

    name: str
    queue: QueueSettings
    socket: str | None
    filter: FilterSettings = FilterSettings()


SinkConfig = ConsoleSinkConfig | FileSinkConfig | SyslogSinkConfig | JournalSinkConfig


def short_form(sink: SinkConfig) -> str:
    """Return the name that the sink has if it is not given one."""
    match sink:
        case ConsoleSinkConfig():
            return Destination(SinkType.CONSOLE).name
        case FileSinkConfig():
            return Destination(SinkType.FILE, sink.path).name
        case SyslogSinkConfig():
            return Destination(SinkType.SYSLOG, sink.socket).name
        case JournalSinkConfig():
            return Destination(SinkType.JOURNAL, sink.socket).name


def writes_to_stdout(sink: SinkConfig) -> bool:
    """Whether a sink writes to the standard output of the process."""
    return isinstance(sink, ConsoleSinkConfig) or (
        isinstance(sink, FileSinkConfig) and sink.path == STDOUT
    )


def writes_json(sink: SinkConfig) -> bool:
    """Whether a sink writes one JSON document per record."""
    match sink:
        case ConsoleSinkConfig():
            return sink.is_json
        case FileSinkConfig():
            return sink.format == "json"
        case _:
            return False


def is_routed(sink: SinkConfig) -> bool:
    """Whether ``journal.mode`` decides what a sink gets: it sends to a default socket."""
    return isinstance(sink, SyslogSinkConfig | JournalSinkConfig) and sink.socket is None
