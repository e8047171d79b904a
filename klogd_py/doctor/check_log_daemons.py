# SPDX-License-Identifier: GPL-2.0-or-later
"""Check other log daemons: journald, the daemon behind /dev/log, other kernel log daemons.

Source of truth: systemd-journald.service(8) and its syslog_fixup_facility, which changes facility
kern to user; the modules imklog and imkmsg of rsyslog; the source system() of syslog-ng; klogd of
busybox and sysklogd; syslogd(8) of sysklogd 2, option -k.
"""

import re
from collections.abc import Iterator
from pathlib import Path

from msgspec import Struct

from klogd_py.config.sink_config import SyslogSinkConfig, is_routed
from klogd_py.config.sink_tables import parse_sinks
from klogd_py.doctor import remedies
from klogd_py.doctor.finding import Finding, fail, ok, warn
from klogd_py.doctor.host import Host, Process
from klogd_py.sinks import journald_routing
from klogd_py.sinks.journald_routing import JournalMode

_KEEPING_KERN = ("rsyslogd", "syslog-ng", "busybox")
_RSYSLOG = re.compile(
    r"^[ \t]*(?:\$ModLoad\s+|module\s*\(\s*load\s*=\s*\")(im(?:klog|kmsg))\b", re.MULTILINE
)
_SYSLOG_NG = re.compile(r"^[^#\n]*(?:\bsystem\s*\(\s*\)|/(?:proc|dev)/kmsg)", re.MULTILINE)
_SHARED = ("/proc/kmsg", "syslog")


def check_journald(host: Host) -> list[Finding]:
    """Check whether journald reads the kernel's messages too, and what that means for the sinks."""
    seen = journald_routing.detect(host.root)
    if not seen.running:
        return [ok("journald", "is not running")]
    if not seen.reads_kernel:
        return [
            ok(
                "journald",
                "does not read the kernel's messages (ReadKMsg=no): klogd-py sends it all of them",
            )
        ]
    sinks = parse_sinks(host.config)
    if not any(map(is_routed, sinks)):
        return [ok("journald", "reads the kernel's messages itself; no sink sends to it")]
    found = journald_routing.choose(JournalMode(host.config.journal.mode), seen, sinks)
    if journald_routing.DUPLICATES in found.reasons:
        return [warn("journald", journald_routing.DUPLICATES, remedies.make_exclusive(host))]
    if journald_routing.FORWARDED_TWICE in found.reasons:
        remedy = remedies.drop_second_copy(host)
        return [warn("journald", journald_routing.FORWARDED_TWICE, remedy)]
    return [ok("journald", "; ".join(found.reasons) or "reads the kernel's messages itself")]


def check_dev_log(host: Host) -> list[Finding]:
    """Check that messages sent to /dev/log keep facility kern."""
    sinks = parse_sinks(host.config)
    if not any(isinstance(sink, SyslogSinkConfig) and is_routed(sink) for sink in sinks):
        return [ok("/dev/log", "no sink sends to it")]
    seen = journald_routing.detect(host.root)
    route = journald_routing.choose(JournalMode(host.config.journal.mode), seen, sinks)
    if route.syslog_is_redundant:
        return [ok("/dev/log", journald_routing.SYSLOG_LEFT_OUT)]
    if route.syslog_path:
        return [_check_forwarded(host, route.syslog_path)]
    if seen.has_dev_log:
        words = "it belongs to journald, which does not keep facility kern for messages of programs"
        remedy = remedies.change_settings(host, 'journal.mode = "forward"')
        if not seen.syslogd:
            journal = remedies.change_settings(host, 'sinks = ["journal"]')
            remedy = f"{remedies.start_syslogd(host)}, or: {journal}"
        return [warn("/dev/log", words, remedy)]
    if not host.exists("/dev/log"):
        words = "no daemon listens on it: records are queued until a syslogd starts"
        return [
            fail(
                "/dev/log",
                words,
                f"{remedies.start_syslogd(host)}, or other sinks in {remedies.name_settings(host)}",
            )
        ]
    return [_check_listener(host)]


def check_other_daemons(host: Host) -> list[Finding]:
    """Check for other daemons that log kernel messages, or take them from klogd-py."""
    shared = host.config.input.source in _SHARED or not host.exists("/dev/kmsg")
    readers = list(_other_readers(host))
    listed = {reader.process.pid for reader in readers}
    readers += [
        _Reader(process, "reads /proc/kmsg", f"kill {process.pid}")
        for process in host.processes_holding("/proc/kmsg")
        if process.pid not in listed and not process.is_ours
    ]
    return [_reader_finding(reader, shared) for reader in readers] or [
        ok("other klogd", "none runs")
    ]


class _Reader(Struct, frozen=True):
    """Another reader of the kernel's log: how it reads, and the command that stops that."""

    process: Process
    how: str
    remedy: str


def _reader_finding(reader: _Reader, shared: bool) -> Finding:
    """Return the finding about a reader; ``shared``: the source gives each message to one only."""
    who = f"{reader.process.name} (process {reader.process.pid}) {reader.how}"
    if shared:
        return fail(
            "other klogd",
            f"{who}: klogd-py misses messages, as /proc/kmsg gives each one to one reader only",
            reader.remedy,
        )
    return warn(
        "other klogd",
        f"{who}: what klogd-py sends to syslog is in its logs twice",
        reader.remedy,
    )


def _other_readers(host: Host) -> Iterator[_Reader]:
    """Yield the other log daemons that read the kernel's log."""
    for process in host.iter_processes():
        if process.is_ours:
            continue
        if process.name == "klogd" or "klogd" in process.arguments[1:2]:
            yield _Reader(
                process,
                "is another kernel log daemon",
                remedies.stop_always(host, "klogd"),
            )
        elif process.name == "rsyslogd":
            restart = remedies.act_on_service(host, "restart", "rsyslog")
            for module in _rsyslog_modules(host):
                place = f"{module.name} in {module.file}"
                remedy = f"comment out {place}, then: {restart}"
                yield _Reader(process, f"loads {place}", remedy)
        elif process.name == "syslog-ng" and _SYSLOG_NG.search(
            host.read_text("/etc/syslog-ng/syslog-ng.conf")
        ):
            remedy = (
                "replace system() by unix-dgram(/dev/log) in /etc/syslog-ng/syslog-ng.conf, "
                f"then: {remedies.act_on_service(host, 'restart', 'syslog-ng')}"
            )
            yield _Reader(process, "reads the kernel's log by its source system()", remedy)


class _RsyslogModule(Struct, frozen=True):
    """An input module of rsyslog that reads the kernel's log, and the file that loads it."""

    name: str
    file: Path


def _rsyslog_modules(host: Host) -> Iterator[_RsyslogModule]:
    for path in [
        host.path_of("/etc/rsyslog.conf"),
        *sorted(host.path_of("/etc/rsyslog.d").glob("*.conf")),
    ]:
        file = Path("/") / path.relative_to(host.root)
        for name in _RSYSLOG.findall(host.read_text(str(file))):
            yield _RsyslogModule(name, file)


def _check_forwarded(host: Host, path: str) -> Finding:
    name = f"/{Path(path).relative_to(host.root)}" if Path(path).is_relative_to(host.root) else path
    if host.exists(name):
        return ok(
            "/dev/log",
            f"it belongs to journald; klogd-py sends to the syslogd at {name}, which keeps kern",
        )
    return fail(
        "/dev/log",
        f"no syslogd listens on {name}: records are queued until one starts",
        remedies.start_syslogd(host),
    )


def _check_listener(host: Host) -> Finding:
    owner = host.find_listener("/dev/log")
    if owner is None:
        return ok("/dev/log", "a syslogd listens on it (only root can see which)")
    is_busybox = owner.program is not None and owner.program.endswith("/busybox")
    if owner.name in _KEEPING_KERN or is_busybox or "-k" in owner.arguments:
        return ok(
            "/dev/log",
            f"{owner.name} (process {owner.pid}) listens on it and keeps facility kern",
        )
    words = (
        f"{owner.name} (process {owner.pid}) listens on it; "
        "that of sysklogd changes facility kern to user without option -k"
    )
    return warn("/dev/log", words, f"add -k to the options of {owner.name}, and restart it")
