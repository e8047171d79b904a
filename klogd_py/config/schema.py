# SPDX-License-Identifier: GPL-2.0-or-later
"""Define the keys of the configuration and their defaults, one frozen Struct for each table.

`klogd_py.config.loader` reads them from files, and `klogd_py.config.validation` checks them by
their types and annotations. Every number has a `Range`, every free string a `TextCheck`, every list
a `Length`.

The docstring below a field describes its key. scripts/generate-config writes etc/klogd-py.toml and
docs/klogd-py.toml.5 from these docstrings, the types and the defaults. The text up to the second
paragraph stands in both files, the rest only in the manual page. scripts/config_docs/description.py
defines the form of a docstring.
"""

from typing import Literal

from msgspec import Struct

from klogd_py.config.output_sections import (
    ConsoleSection,
    FileSection,
    JournalSection,
    JsonSection,
    QueueSection,
    Sinks,
    TextSection,
)
from klogd_py.config.reports_section import ReportsSection
from klogd_py.config.value_types import (
    AccountName,
    Burst,
    ConsoleLevel,
    ListenAddress,
    OptionalPath,
    OptionalPathTemplate,
    OptionalSocketPath,
    PrometheusFile,
    SearchPaths,
    Seconds,
)


class InputSection(Struct, frozen=True, forbid_unknown_fields=True):
    """Where the kernel's messages are read."""

    source: Literal["auto", "/dev/kmsg", "/proc/kmsg", "syslog"] = "auto"
    """The kernel interface to read:

    * "auto": the first of the following that can be read
    * "/dev/kmsg": records with sequence numbers; several programs can read them
    * "/proc/kmsg": the classic stream; each message goes to one reader only
    * "syslog": the system call syslog(2), which reads the same stream
    """


class SymbolsSection(Struct, frozen=True, forbid_unknown_fields=True):
    """The files that symbols are read from. They must be regular files."""

    map: OptionalPath = ""
    """The System.map, or the vmlinux with symbols, to use, unless it is proved to belong to another
    kernel. An empty string searches for one.
    """
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
    """Where to search for a System.map or a vmlinux, in this order. The first one that belongs to
    the running kernel is used. ``{release}`` stands for the output of ``uname -r``.

    A file whose path contains the release is accepted by its name if nothing contradicts it.
    """
    kallsyms: OptionalPath = "/proc/kallsyms"
    """The symbols of the running kernel, for addresses that the map does not cover, and to verify
    the map. An empty string disables them.
    """
    modules: OptionalPath = "/proc/modules"
    """The list of loaded modules, which names the module of an address that has no symbol. An empty
    string disables it, and modules are not watched.
    """
    module_files: OptionalPathTemplate = "/lib/modules/{release}"
    """The directory of the module files. They name the functions of modules where `kallsyms` does
    not. An empty string disables them.

    The files may be compressed with gzip, xz, bzip2 or zstd. zstd needs Python 3.14, or the Python
    package zstandard.
    """


class TranslateSection(Struct, frozen=True, forbid_unknown_fields=True):
    """How lines are changed."""

    style: Literal["replace", "append", "off"] = "replace"
    """What to do with an address that has a symbol:

    * "replace": put the symbol in its place
    * "append": put the symbol after it
    * "off": nothing; no symbols are loaded
    """
    resymbolize: bool = False
    """Replace ``[<address>]`` by its symbol even where the kernel has printed the symbol beside it,
    as the classic klogd did.

    The program klogd(8) does so unless it is given --no-resymbolize. A number whose upper half is
    zero in 16 digits may be a hashed pointer, and is never replaced there.
    """
    duplicate_raw: bool = False
    """Repeat each changed line as the kernel printed it."""
    join_continuations: bool = True
    """Join the records of a line that the kernel printed in several pieces.

    A record with the flag ``c`` is appended to the last record of the same caller. If the kernel
    does not record callers, it is appended to the record directly before it, provided that facility
    and level are the same. A line that looks unfinished waits 50 ms for its continuation. JSON and
    the journal list the sequence numbers of the pieces. No gap covers these numbers.
    """
    reload_on_oops: bool = False
    """Reload the symbols whenever a record says Oops, before it is translated."""


class RateLimitSection(Struct, frozen=True, forbid_unknown_fields=True):
    """Which records are left out. They are counted and announced. Errors and worse always pass.

    A record is announced in its place as a gap with the cause ``rate-limit``. Records without a
    sequence number always pass, too. Reports of crashes are made of all records.
    """

    min_severity: Literal["err", "warning", "notice", "info", "debug"] = "debug"
    """Records less severe than this are left out; "debug" leaves out none."""
    burst: Burst = 0
    """How many lines that differ only in their numbers pass in each interval."""
    interval_s: Seconds = 10
    """The length of an interval."""


class StateSection(Struct, frozen=True, forbid_unknown_fields=True):
    """Where the positions of the sinks are kept."""

    cursor_file: OptionalPath = "/var/lib/klogd-py/position.json"
    """The file that holds the next record of each sink, so that nothing is sent twice after a
    restart. An empty string disables it. A path that is not a regular file, or a file that does not
    belong to root, the daemon's user or the owner of the directory, is ignored and not changed.

    A file with several links, one that other users can write, and a damaged one are ignored as
    well. Every sink then gets all records in the kernel's ring buffer, and one message in the log
    says so. The directory must exist. Without a file, every start sends the ring buffer from its
    oldest record.
    """


class WatchSection(Struct, frozen=True, forbid_unknown_fields=True):
    """What is reloaded without a signal."""

    files: bool = True
    """Reload when a map or the configuration appears, changes or disappears.

    Directories that do not exist yet are watched too.
    """
    modules: bool = True
    """Reload the symbols when a kernel module is loaded or unloaded."""


class StatusSection(Struct, frozen=True, forbid_unknown_fields=True):
    """Where the status is served, and to whom."""

    socket: OptionalSocketPath = "/run/klogd-py/status"
    """The Unix socket that `klogd-py status` connects to. Root and the daemon's user get the whole
    status. An empty string disables it.

    The kernel tells who the caller is. The last directory of the path is created if it is missing.
    Root creates a socket only where no other user can replace it.
    """
    group: AccountName = ""
    """A group whose members get the status without kernel addresses, which would reveal the offset
    of a randomised kernel. For the service: "klogd-py".

    The service may not change the group of a file to one that it does not run as.
    """


class MetricsSection(Struct, frozen=True, forbid_unknown_fields=True):
    """Where metrics are written and served. They need the Python package prometheus-client.

    Without it klogd-py logs that it is missing, and does everything else. No metric contains an
    address.
    """

    textfile: PrometheusFile = ""
    """A file for the textfile collector of the Prometheus node_exporter; its name must end in
    ``.prom``. An empty string disables it.

    An example is /var/lib/prometheus/node-exporter/klogd.prom. The file is replaced as a whole, so
    klogd-py must be able to write in its directory. The service needs a drop-in with
    ``ReadWritePaths=`` for that.
    """
    period_s: Seconds = 15
    """How often the file is written."""
    listen: ListenAddress = ""
    """The address that serves ``/metrics`` to Prometheus over HTTP: a loopback address such as
    "127.0.0.1:9184" or "[::1]:9184", or "unix:PATH". Requests over TCP must be for localhost or a
    loopback address. An empty string disables the server.

    Every local caller that can connect gets an answer; other machines cannot connect. The host of a
    request is checked so that a web page cannot read the metrics by a name of its own that resolves
    to this machine (DNS rebinding). A request must be complete within two seconds. If there are
    more than 64 connections, the one that has been silent for longest is closed.

    The service has no network: use "unix:/run/klogd-py/metrics", or a drop-in with
    ``PrivateNetwork=no`` and ``RestrictAddressFamilies=AF_INET``.
    """


class LogSection(Struct, frozen=True, forbid_unknown_fields=True):
    """What klogd-py logs about itself."""

    level: Literal["error", "warning", "info", "debug"] = "info"
    """The least severe messages that are logged."""


class Config(Struct, frozen=True, forbid_unknown_fields=True):
    """The whole configuration; ``Config()`` is the default.

    Size: one field for each table of the file.
    """

    sinks: Sinks = ("syslog",)
    """Where records go, each sink once. A sink with keys of its own is a table ``[[sinks]]``.

    * "console": standard output, for a person to read
    * "file:PATH": a file that lines are appended to
    * "file:-": standard output, with the lines of a file
    * "syslog": the socket /dev/log
    * "syslog:SOCKET": another syslog socket
    * "journal": the journal of this machine
    * "journal:SOCKET": another socket with the journal's native protocol

    These strings are the short form of a sink, which is also its name. An entry may also be a table
    with the keys of ``[[sinks]]``. Drop-ins may add and change single sinks by such tables; see
    above.
    """
    console_level: ConsoleLevel = 0
    """Which messages the kernel itself prints on the console, where 1 stands for emergencies only
    and 8 for all.

    klogd-py does not restore the old setting when it exits.
    """
    user: AccountName = ""
    """The user to run as after the start, if klogd-py is started as root. It keeps only CAP_SYSLOG.
    Files in directories that users other than root can change are opened as this user. An empty
    string keeps root. The service does not need this key: systemd starts it as the user klogd-py.

    klogd-py opens what only root can open before that; see klogd-py(8).
    """
    input: InputSection = InputSection()
    symbols: SymbolsSection = SymbolsSection()
    translate: TranslateSection = TranslateSection()
    file: FileSection = FileSection()
    console: ConsoleSection = ConsoleSection()
    text: TextSection = TextSection()
    json: JsonSection = JsonSection()
    journal: JournalSection = JournalSection()
    ratelimit: RateLimitSection = RateLimitSection()
    queue: QueueSection = QueueSection()
    reports: ReportsSection = ReportsSection()
    state: StateSection = StateSection()
    watch: WatchSection = WatchSection()
    status: StatusSection = StatusSection()
    metrics: MetricsSection = MetricsSection()
    log: LogSection = LogSection()
