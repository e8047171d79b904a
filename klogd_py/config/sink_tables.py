# SPDX-License-Identifier: GPL-2.0-or-later
"""Make typed sinks of the list ``sinks``, whose entries are short forms or tables; pure.

A table says only what differs from the tables ``[file]``, ``[console]`` and ``[queue]``. A key that
the type of the sink does not have is an error, which says why.
"""

import contextlib
from collections.abc import Iterable, Iterator, Sequence
from typing import get_args

from klogd_py.config.errors import WrongKey
from klogd_py.config.filter_types import LEAST_SEVERE, as_tuple, severity_number
from klogd_py.config.output_sections import SinkTable
from klogd_py.config.schema import Config
from klogd_py.config.sink_config import (
    ConsoleSinkConfig,
    FileSinkConfig,
    FilterSettings,
    JournalSinkConfig,
    QueueSettings,
    RotationSettings,
    SinkConfig,
    SyslogSinkConfig,
)
from klogd_py.config.sink_shorthand import (
    STDOUT,
    Destination,
    SinkType,
    destination_named,
    parse_shorthand,
)
from klogd_py.config.value_text import format_choices, format_value
from klogd_py.config.value_types import SinkTypeName

# The keys that only some types have
_OWN_KEYS = {
    SinkType.CONSOLE: ("format", "colour"),
    SinkType.FILE: ("path", "format", "mode", "rotate_kib", "rotate_keep"),
    SinkType.SYSLOG: ("socket",),
    SinkType.JOURNAL: ("socket",),
}
_WORDS = {
    SinkType.CONSOLE: "a console",
    SinkType.FILE: "a file",
    SinkType.SYSLOG: "syslog",
    SinkType.JOURNAL: "the journal",
}
_IS_STDOUT = 'it is standard output; for a file type: type = "file"'
_TO_A_SOCKET = 'it has a socket; type: socket = "PATH"'
# Why a type does not have a key, and what to type instead
_REASONS = {
    (SinkType.CONSOLE, "path"): _IS_STDOUT,
    (SinkType.CONSOLE, "socket"): 'it is standard output; for a socket type: type = "syslog"',
    (SinkType.CONSOLE, "mode"): _IS_STDOUT,
    (SinkType.FILE, "socket"): 'it has a path; type: path = "PATH"',
    (SinkType.FILE, "colour"): 'only a console is coloured; type: type = "console"',
    (SinkType.SYSLOG, "path"): _TO_A_SOCKET,
    (SinkType.JOURNAL, "path"): _TO_A_SOCKET,
    (SinkType.SYSLOG, "format"): 'RFC 3164 defines its lines; for others type: type = "file"',
    (SinkType.JOURNAL, "format"): 'it stores fields, not lines; for lines type: type = "file"',
}
# The same for a key that one type has
_REASON_FOR_KEY = {
    "mode": "only a file has permissions; remove the key",
    "colour": "only a console is coloured; remove the key",
    "rotate_kib": "only a file is rotated; remove the key",
    "rotate_keep": "only a file is rotated; remove the key",
}


def parse_sinks(config: Config) -> tuple[SinkConfig, ...]:
    """Return the sinks of a configuration, in their order.

    Raises:
        WrongKey: a sink is incomplete, has a key of another type, or is there twice; not for a
            configuration that `klogd_py.config.loader` has returned.
    """
    destinations, sinks = list[Destination](), list[SinkConfig]()
    for index, entry in enumerate(config.sinks):
        with located(index):
            destinations.append(_find_any(entry))
            sinks.append(_build(entry, destinations[-1], config))
    check_names(sink.name for sink in sinks)
    _check_destinations(destinations, sinks)
    return tuple(sinks)


@contextlib.contextmanager
def located(index: int) -> Iterator[None]:
    """Name the table of the list in a WrongKey: ``key sinks[1].mode: ...``."""
    try:
        yield
    except WrongKey as error:
        words = str(error)
        if not words.startswith("key sinks."):
            raise
        raise WrongKey(words.replace("key sinks.", f"key sinks[{index}].", 1)) from error


def name_of(entry: str | SinkTable) -> str:
    """Return the name of a sink; raises WrongKey if the table neither has a name nor says enough.

    The name that is a short form has its longest spelling: ``syslog:/dev/log`` for ``syslog``.
    """
    if isinstance(entry, SinkTable) and entry.name is not None:
        named = destination_named(entry.name)
        return entry.name if named is None else named.name
    return _find_any(entry).name


def find_destination(table: SinkTable) -> Destination:
    """Return where the sink of a table sends to.

    Raises:
        WrongKey: the table does not say so, or has a key that such a sink does not have.
    """
    named = destination_named(table.name) if table.name is not None else None
    if table.type is not None:
        kind = SinkType(table.type)
    elif named is not None:
        kind = named.type
    else:
        known = (
            f"no sink before is named {format_value(table.name)}"
            if table.name
            else "it has no name"
        )
        choices = format_choices(get_args(SinkTypeName))
        raise WrongKey(f"key sinks.type: expected {choices}, as {known}")
    _check_keys(table, kind)
    path = table.path if kind is SinkType.FILE else table.socket
    is_named = named is not None and named.type is kind
    if kind is SinkType.FILE and path is None and not is_named:
        raise WrongKey(
            f"key sinks.path: expected the path of the file{_in_words(table)},"
            ' such as path = "/var/log/kern.log"'
        )
    found = Destination(kind, path)
    if is_named and path is None:
        assert named is not None
        found = named
    if kind is SinkType.FILE and found.path == STDOUT:
        _check_standard_output(table)
    if named is None or found is named:
        return found
    if found.name != named.name:
        raise WrongKey(
            f"key sinks.name: expected {format_value(found.name)} or a word such as 'kern',"
            f" got {format_value(table.name)}, which is the short form of another sink"
        )
    return found


def check_names(names: Iterable[str]) -> None:
    """Raise WrongKey if a name is there twice."""
    seen: set[str] = set()
    for name in names:
        if name in seen:
            expected = "each sink" if destination_named(name) is not None else "each name"
            raise WrongKey(f"key sinks: expected {expected} once, got {format_value(name)} twice")
        seen.add(name)


def _find_any(entry: str | SinkTable) -> Destination:
    return parse_shorthand(entry) if isinstance(entry, str) else find_destination(entry)


def _build(entry: str | SinkTable, to: Destination, config: Config) -> SinkConfig:
    table = entry if isinstance(entry, SinkTable) else SinkTable()
    name = name_of(entry)
    queue = QueueSettings(
        table.queue_kib or config.queue.limit_kib, table.when_full or config.queue.when_full
    )
    conditions = _filter_settings(table)
    match to.type:
        case SinkType.CONSOLE:
            is_json = config.console.json if table.format is None else table.format == "json"
            colour = table.colour or config.console.colour
            return ConsoleSinkConfig(name, queue, is_json, colour, conditions)
        case SinkType.FILE:
            assert to.path is not None
            mode = int(table.mode or config.file.mode, 8)
            form = table.format or config.file.format
            rotation = _rotation_settings(table, to.path, config)
            return FileSinkConfig(name, queue, to.path, form, mode, conditions, rotation)
        case SinkType.SYSLOG:
            return SyslogSinkConfig(name, queue, to.path, conditions)
        case SinkType.JOURNAL:
            return JournalSinkConfig(name, queue, to.path, conditions)


def _rotation_settings(table: SinkTable, path: str, config: Config) -> RotationSettings | None:
    if path == STDOUT:
        return None
    defaults = config.file
    limit_kib = defaults.rotate_kib if table.rotate_kib is None else table.rotate_kib
    keep = table.rotate_keep or defaults.rotate_keep
    return RotationSettings(limit_kib, keep) if limit_kib else None


def _filter_settings(table: SinkTable) -> FilterSettings:
    return FilterSettings(
        LEAST_SEVERE if table.min_severity is None else severity_number(table.min_severity),
        as_tuple(table.subsystem),
        as_tuple(table.exclude_subsystem),
        as_tuple(table.match),
        as_tuple(table.exclude),
    )


def _check_keys(table: SinkTable, kind: SinkType) -> None:
    for key in ("path", "socket", "format", "mode", "colour", "rotate_kib", "rotate_keep"):
        if getattr(table, key) is None or key in _OWN_KEYS[kind]:
            continue
        reason = _REASONS.get((kind, key)) or _REASON_FOR_KEY[key]
        raise WrongKey(f"key sinks.{key}: {_WORDS[kind]} has no {key}{_in_words(table)}: {reason}")
    if kind is SinkType.CONSOLE and table.format == "klogd":
        raise WrongKey(
            f"key sinks.format: expected 'text' or 'json' for a console{_in_words(table)},"
            " got 'klogd'"
        )


def _check_standard_output(table: SinkTable) -> None:
    for key in ("rotate_kib", "rotate_keep"):
        if getattr(table, key):
            raise WrongKey(
                f"key sinks.{key}: standard output is not rotated{_in_words(table)}; remove the key"
            )


def _check_destinations(found: Sequence[Destination], sinks: Sequence[SinkConfig]) -> None:
    """Raise WrongKey if two sinks send to the same place under different names."""
    name_at: dict[Destination, str] = {}
    for to, sink in zip(found, sinks, strict=True):
        other = name_at.setdefault(to.normalized, sink.name)
        if other == sink.name:
            continue
        if destination_named(other) and destination_named(sink.name):
            raise WrongKey(
                f"key sinks: expected each sink once, got {format_value(sink.name)} twice"
            )
        raise WrongKey(
            f"key sinks: expected each destination once, got {format_value(to.name)} for the sinks"
            f" {format_value(other)} and {format_value(sink.name)};"
            f" to change the first one: name = {format_value(other)}"
        )


def _in_words(table: SinkTable) -> str:
    """Return the name of the sink for a message; empty if the table has none."""
    return f" (sink {format_value(table.name)})" if table.name else ""
