# SPDX-License-Identifier: GPL-2.0-or-later
"""Which keys has the configuration, and what do they default to? One frozen value for each table.

Values only; `klogd_py.config.loader` reads them from files, and checks them by their types and
annotations. Every number has its `Limits` and every text that is chosen freely its `Form`.
"""

from typing import Annotated, Literal

from msgspec import Struct

from klogd_py.config.value_types import (
    MAX_ENTRIES,
    Burst,
    ConsoleLevel,
    Count,
    KiB,
    ListeningAddress,
    OctalMode,
    PathOrNothing,
    Places,
    PrometheusFile,
    Seconds,
    SequenceTracker,
    Sink,
    Sinks,
    SocketOrNothing,
    TemplateOrNothing,
)


class InputSection(Struct, frozen=True, forbid_unknown_fields=True):
    """``[input]``"""

    source: Literal["auto", "/dev/kmsg", "/proc/kmsg", "syslog"] = "auto"


class SymbolsSection(Struct, frozen=True, forbid_unknown_fields=True):
    """``[symbols]``"""

    map: PathOrNothing = ""
    search: Places = (
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
    kallsyms: PathOrNothing = "/proc/kallsyms"
    modules: PathOrNothing = "/proc/modules"
    module_files: TemplateOrNothing = "/lib/modules/{release}"


class TranslateSection(Struct, frozen=True, forbid_unknown_fields=True):
    """``[translate]``"""

    style: Literal["replace", "append", "off"] = "replace"
    resymbolize: bool = False
    duplicate_raw: bool = False
    join_continuations: bool = True
    reload_on_oops: bool = False


class FileSection(Struct, frozen=True, forbid_unknown_fields=True):
    """``[file]``"""

    format: Literal["text", "klogd", "json"] = "text"
    mode: OctalMode = "0640"


class ConsoleSection(Struct, frozen=True, forbid_unknown_fields=True):
    """``[console]``"""

    colour: Literal["auto", "always", "never"] = "auto"
    json: bool = False


class SinkQueueSection(Struct, frozen=True, forbid_unknown_fields=True):
    """``[queue.sink."NAME"]``; what is not set is as in ``[queue]``."""

    limit_kib: KiB | None = None
    when_full: Literal["wait", "drop"] | None = None


class JournalSection(Struct, frozen=True, forbid_unknown_fields=True):
    """``[journal]``"""

    mode: Literal["auto", "additions", "exclusive", "forward"] = "auto"


class RateLimitSection(Struct, frozen=True, forbid_unknown_fields=True):
    """``[ratelimit]``"""

    min_severity: Literal["err", "warning", "notice", "info", "debug"] = "debug"
    burst: Burst = 0
    interval_s: Seconds = 10


class QueueSection(Struct, frozen=True, forbid_unknown_fields=True):
    """``[queue]``"""

    limit_kib: KiB = 8192
    when_full: Literal["wait", "drop"] = "wait"
    sink: Annotated[dict[Sink, SinkQueueSection], Count(0, MAX_ENTRIES, "sink")] = {}


class StateSection(Struct, frozen=True, forbid_unknown_fields=True):
    """``[state]``"""

    cursor_file: PathOrNothing = "/var/lib/klogd-py/position.json"


class WatchSection(Struct, frozen=True, forbid_unknown_fields=True):
    """``[watch]``"""

    files: bool = True
    modules: bool = True


class StatusSection(Struct, frozen=True, forbid_unknown_fields=True):
    """``[status]``"""

    socket: SocketOrNothing = "/run/klogd-py/status"
    group: SequenceTracker = ""


class MetricsSection(Struct, frozen=True, forbid_unknown_fields=True):
    """``[metrics]``"""

    textfile: PrometheusFile = ""
    period_s: Seconds = 15
    listen: ListeningAddress = ""


class LogSection(Struct, frozen=True, forbid_unknown_fields=True):
    """``[log]``"""

    level: Literal["error", "warning", "info", "debug"] = "info"


class Config(Struct, frozen=True, forbid_unknown_fields=True):
    """Everything that can be set, with its default."""

    sinks: Sinks = ("syslog",)
    console_level: ConsoleLevel = 0
    user: SequenceTracker = ""
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
