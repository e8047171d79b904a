"""Which keys has the configuration, and what do they default to? One frozen value for each table.

Values only; `klogd_py.config` reads them from files, and checks what the types alone cannot say.
"""

from typing import Literal

from msgspec import Struct


class Input(Struct, frozen=True, forbid_unknown_fields=True):
    """``[input]``"""

    source: Literal["auto", "/dev/kmsg", "/proc/kmsg", "syslog"] = "auto"


class Names(Struct, frozen=True, forbid_unknown_fields=True):
    """``[names]``"""

    map: str = ""
    search: tuple[str, ...] = (
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
    kallsyms: str = "/proc/kallsyms"
    modules: str = "/proc/modules"
    module_files: str = "/lib/modules/{release}"


class Translate(Struct, frozen=True, forbid_unknown_fields=True):
    """``[translate]``"""

    style: Literal["replace", "append", "off"] = "replace"
    decoded: Literal["keep", "replace"] = "keep"
    twice: bool = False
    join: bool = True
    paranoid: bool = False


class FileSection(Struct, frozen=True, forbid_unknown_fields=True):
    """``[file]``"""

    form: Literal["text", "klogd", "json"] = "text"
    mode: str = "0640"


class ConsoleSection(Struct, frozen=True, forbid_unknown_fields=True):
    """``[console]``"""

    colour: Literal["auto", "always", "never"] = "auto"
    json: bool = False


class SinkTerms(Struct, frozen=True, forbid_unknown_fields=True):
    """``[outbox.sink."NAME"]``; what is not set is as in ``[outbox]``."""

    limit_kib: int | None = None
    when_full: Literal["wait", "drop"] | None = None


class Journal(Struct, frozen=True, forbid_unknown_fields=True):
    """``[journal]``"""

    mode: Literal["auto", "enrich", "sole", "feed"] = "auto"


class Flood(Struct, frozen=True, forbid_unknown_fields=True):
    """``[flood]``"""

    floor: Literal["err", "warning", "notice", "info", "debug"] = "debug"
    repeats: int = 0
    period_s: int = 10


class Outbox(Struct, frozen=True, forbid_unknown_fields=True):
    """``[outbox]``"""

    limit_kib: int = 8192
    when_full: Literal["wait", "drop"] = "wait"
    sink: dict[str, SinkTerms] = {}


class State(Struct, frozen=True, forbid_unknown_fields=True):
    """``[state]``"""

    position: str = "/var/lib/klogd-py/position.json"


class Watch(Struct, frozen=True, forbid_unknown_fields=True):
    """``[watch]``"""

    files: bool = True
    modules: bool = True


class StatusSection(Struct, frozen=True, forbid_unknown_fields=True):
    """``[status]``"""

    socket: str = "/run/klogd-py/status"
    group: str = ""


class Metrics(Struct, frozen=True, forbid_unknown_fields=True):
    """``[metrics]``"""

    textfile: str = ""
    period_s: int = 15
    listen: str = ""


class Log(Struct, frozen=True, forbid_unknown_fields=True):
    """``[log]``"""

    level: Literal["error", "warning", "info", "debug"] = "info"


class Config(Struct, frozen=True, forbid_unknown_fields=True):
    """Everything that can be set, with its default."""

    sinks: tuple[str, ...] = ("syslog",)
    console_level: int = 0
    user: str = ""
    input: Input = Input()
    names: Names = Names()
    translate: Translate = Translate()
    file: FileSection = FileSection()
    console: ConsoleSection = ConsoleSection()
    journal: Journal = Journal()
    flood: Flood = Flood()
    outbox: Outbox = Outbox()
    state: State = State()
    watch: Watch = Watch()
    status: StatusSection = StatusSection()
    metrics: Metrics = Metrics()
    log: Log = Log()
