"""Builds the sinks that a configuration names. Together with the daemon the only place where concrete sinks are named."""

import contextlib
from collections.abc import Callable, Iterable

from klogd_py.config import Config, SinkTerms
from klogd_py.journald import Routes
from klogd_py.sinks import Sink
from klogd_py.sinks.console import Colour, ConsoleSink
from klogd_py.sinks.file import FileForm, FileSink
from klogd_py.sinks.journal import JournalSink
from klogd_py.sinks.mailroom import Terms
from klogd_py.sinks.outbox import WhenFull
from klogd_py.sinks.syslog import SyslogSink

SINKS: dict[str, Callable[[Config, str, str, Routes], Sink]] = {
    "console": lambda config, boot, rest, routes: ConsoleSink(Colour(config.console.colour), config.console.json, boot_id=boot),
    "file": lambda config, boot, rest, routes: FileSink(rest, FileForm(config.file.form), int(config.file.mode, 8), boot),
    "syslog": lambda config, boot, rest, routes: (
        SyslogSink(rest) if rest else SyslogSink(at=routes.syslog_path, additions=routes.syslog_adds)
    ),
    "journal": lambda config, boot, rest, routes: JournalSink(boot, rest, additions=routes.journal_adds and not rest),
}


def build_sink(spec: str, config: Config, boot: str, routes: Routes) -> Sink:
    """The sink that ``console``, ``file:PATH``, ``syslog[:SOCKET]`` or ``journal[:SOCKET]`` stands for.

    Only a sink without a socket of its own is routed: whoever names one gets everything there.
    """
    kind, _, rest = spec.partition(":")
    return SINKS[kind](config, boot, rest, routes)


def open_files(sinks: Iterable[Sink], user: int, group: int) -> None:
    """Open the files among the sinks now, for a daemon that may not do so later; who cannot be opened says so when written to."""
    for sink in sinks:
        if isinstance(sink, FileSink):
            with contextlib.suppress(OSError):
                sink.open_for(user, group)


def terms_for(spec: str, config: Config, live: bool) -> Terms:
    """How much may wait for a sink and what becomes of the rest; what is no running kernel can wait for ever."""
    own = config.outbox.sink.get(spec, SinkTerms())
    when_full = (own.when_full or config.outbox.when_full) if live else "wait"
    return Terms((own.limit_kib or config.outbox.limit_kib) << 10, WhenFull(when_full))
