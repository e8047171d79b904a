# SPDX-License-Identifier: GPL-2.0-or-later
"""Define the keys of the configuration and their defaults, one frozen Struct for each table.

`klogd_py.config.loader` reads them from files, and `klogd_py.config.validation` checks them by
their types and annotations. Every number has a `Range`, every free string a `TextCheck`, every list
a `Length`.
"""

from typing import Annotated, Literal

from msgspec import Struct

from klogd_py.config.value_types import (
    MAX_ENTRIES,
    AccountName,
    Burst,
    ConsoleLevel,
    KiB,
    Length,
    ListenAddress,
    OctalMode,
    OptionalPath,
    OptionalPathTemplate,
    OptionalSocketPath,
    PrometheusFile,
    SearchPaths,
    Seconds,
    Sink,
    Sinks,
)


class InputSection(Struct, frozen=True, forbid_unknown_fields=True):
    """``[input]``: where the kernel's messages are read."""

    source: Literal["auto", "/dev/kmsg", "/proc/kmsg", "syslog"] = "auto"


class SymbolsSection(Struct, frozen=True, forbid_unknown_fields=True):
    """``[symbols]``: the files that symbols are read from."""

    map: OptionalPath = ""
    search: SearchPaths = (
        "/boot/System.map-{release}",
        "/boot/System.map",
        "/System.map",
        "/usr/src/linux/System.map",
        "/usr/lib/debug/boot/System.map-{release}",
        "/lib/modules/{release}/System.map",
        "/usr/lib/modules/{release}/System.map",
        "/lib/modules/{release}/build/System.map",
        "/System.map-{release}",
        "/usr/src/linux/System.map-{release}",
        "/usr/lib/debug/boot/vmlinux-{release}",
        "/usr/lib/debug/lib/modules/{release}/vmlinux",
        "/boot/vmlinux-{release}",
        "/lib/modules/{release}/vmlinux",
        "/lib/modules/{release}/build/vmlinux",
    )
    kallsyms: OptionalPath = "/proc/kallsyms"
    modules: OptionalPath = "/proc/modules"
    module_files: OptionalPathTemplate = "/lib/modules/{release}"


class TranslateSection(Struct, frozen=True, forbid_unknown_fields=True):
    """``[translate]``: how lines are changed."""

    style: Literal["replace", "append", "off"] = "replace"
    resymbolize: bool = False
    duplicate_raw: bool = False
    join_continuations: bool = True
    reload_on_oops: bool = False


class FileSection(Struct, frozen=True, forbid_unknown_fields=True):
    """``[file]``: the format of file sinks and the mode of new files."""

    format: Literal["text", "klogd", "json"] = "text"
    mode: OctalMode = "0640"


class ConsoleSection(Struct, frozen=True, forbid_unknown_fields=True):
    """``[console]``: the format of the console sink."""

    colour: Literal["auto", "always", "never"] = "auto"
    json: bool = False


class SinkQueueSection(Struct, frozen=True, forbid_unknown_fields=True):
    """``[queue.sink."NAME"]``: the keys of ``[queue]`` for one sink; ``None`` means as there."""

    limit_kib: KiB | None = None
    when_full: Literal["wait", "drop"] | None = None


class JournalSection(Struct, frozen=True, forbid_unknown_fields=True):
    """``[journal]``: what is sent to a journal that reads the kernel's messages itself."""

    mode: Literal["auto", "additions", "exclusive", "forward"] = "auto"


class RateLimitSection(Struct, frozen=True, forbid_unknown_fields=True):
    """``[ratelimit]``: which records are left out."""

    min_severity: Literal["err", "warning", "notice", "info", "debug"] = "debug"
    burst: Burst = 0
    interval_s: Seconds = 10


class QueueSection(Struct, frozen=True, forbid_unknown_fields=True):
    """``[queue]``: how much may wait for a sink, and what happens to the rest."""

    limit_kib: KiB = 8192
    when_full: Literal["wait", "drop"] = "wait"
    sink: Annotated[dict[Sink, SinkQueueSection], Length(0, MAX_ENTRIES, "sink")] = {}


class StateSection(Struct, frozen=True, forbid_unknown_fields=True):
    """``[state]``: where the cursors are kept."""

    cursor_file: OptionalPath = "/var/lib/klogd-py/position.json"


class WatchSection(Struct, frozen=True, forbid_unknown_fields=True):
    """``[watch]``: what reloads symbols or configuration by itself."""

    files: bool = True
    modules: bool = True


class StatusSection(Struct, frozen=True, forbid_unknown_fields=True):
    """``[status]``: where the status is served, and to whom."""

    socket: OptionalSocketPath = "/run/klogd-py/status"
    group: AccountName = ""


class MetricsSection(Struct, frozen=True, forbid_unknown_fields=True):
    """``[metrics]``: where metrics are written and served."""

    textfile: PrometheusFile = ""
    period_s: Seconds = 15
    listen: ListenAddress = ""


class LogSection(Struct, frozen=True, forbid_unknown_fields=True):
    """``[log]``: how much the daemon logs about itself."""

    level: Literal["error", "warning", "info", "debug"] = "info"


class Config(Struct, frozen=True, forbid_unknown_fields=True):
    """The whole configuration; ``Config()`` is the default."""

    sinks: Sinks = ("syslog",)
    console_level: ConsoleLevel = 0
    user: AccountName = ""
    input: InputSection = InputSection()
    symbols: SymbolsSection = SymbolsSection()
    translate: TranslateSection = TranslateSection()
    file: FileSection = FileSection()
    console: ConsoleSection = ConsoleSection()
    journal: JournalSection = JournalSection()
    ratelimit: RateLimitSection = RateLimitSection()
    queue: QueueSection = QueueSection()
    state: StateSection = StateSection()
    watch: WatchSection = WatchSection()
    status: StatusSection = StatusSection()
    metrics: MetricsSection = MetricsSection()
    log: LogSection = LogSection()
