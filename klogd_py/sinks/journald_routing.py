# SPDX-License-Identifier: GPL-2.0-or-later
"""Detect what journald reads and forwards, and choose what the sinks send to it.

A plain copy of a record is a duplicate in a journal that has read the same record, and a client
cannot replace the journal's own record: it may not set ``_TRANSPORT`` and similar fields. The
journal also does not forward kernel messages to a syslogd, although it forwards everything else.

Source of truth: journald.conf(5) ``ReadKMsg=``; systemd-journald.service(8); systemd.conf(5) for
the configuration directories.
"""

import os
from collections.abc import Collection
from enum import Enum
from pathlib import Path

from msgspec import Struct

from klogd_py.config.sink_config import (
    JournalSinkConfig,
    SinkConfig,
    SyslogSinkConfig,
    is_routed,
)
from klogd_py.system.regular_file import read_if_readable

SOCKET = "run/systemd/journal/socket"
# journald forwards to the syslogd that listens here.
SYSLOGD = "run/systemd/journal/syslog"
DUPLICATES = (
    "journald reads the kernel's messages itself: "
    "expect them twice until its ReadKMsg=no takes effect"
)
ADDITIONS_ONLY = (
    "journald reads the kernel's messages itself: it gets only what klogd-py adds to them"
)
FORWARDS_ADDITIONS = (
    "journald reads the kernel's messages itself: "
    "it gets what klogd-py adds, the syslogd behind it everything"
)
SYSLOG_LEFT_OUT = (
    'the sink "syslog" is left out: /dev/log is the journal\'s, which "journal" serves'
)
FORWARDED_TWICE = (
    "journald forwards what it gets to the syslogd if ForwardToSyslog=yes: lines with symbols come "
    "there twice, the second time as user.*, unless they are dropped as in rsyslog-klogd-py.conf"
)
# In order of precedence
_CONFIG_DIRECTORIES = ("etc", "run", "usr/local/lib", "usr/lib", "lib")
_MAX_CONFIG_BYTES = 1 << 20
_FALSE = frozenset(("0", "no", "n", "false", "f", "off"))


class JournalMode(Enum):
    """What is sent beside a journald that may read the kernel's messages itself."""

    # One of the others, as journald is configured
    AUTO = "auto"
    # Only what klogd-py adds
    ADDITIONS = "additions"
    # The same, and everything to the syslogd behind journald
    FORWARD = "forward"
    # Everything
    EXCLUSIVE = "exclusive"


class Journald(Struct, frozen=True):
    """What the journal of this machine does; all false where none is running."""

    running: bool = False
    reads_kernel: bool = False
    has_dev_log: bool = False
    # The socket of the syslogd that journald forwards to
    syslogd: str | None = None


class JournaldRouting(Struct, frozen=True):
    """What the sinks "journal" and "syslog" send, and where.

    ``*_additions_only``: the sink gets only what klogd-py adds to records. ``syslog_path`` is the
    socket of "syslog", /dev/log if ``None``. ``syslog_is_redundant``: "syslog" would send to the
    journal what "journal" sends. ``reasons`` are messages for the operator.
    """

    journal_additions_only: bool = False
    syslog_additions_only: bool = False
    syslog_path: str | None = None
    syslog_is_redundant: bool = False
    reasons: tuple[str, ...] = ()

    def leaves_out(self, sink: SinkConfig) -> bool:
        """Whether a sink is not used at all."""
        is_syslog = isinstance(sink, SyslogSinkConfig) and is_routed(sink)
        return is_syslog and self.syslog_is_redundant


def detect(root: Path) -> Journald:
    """Detect the journal of the machine whose root directory is ``root``."""
    if not os.path.exists(root / SOCKET):
        return Journald()
    syslogd = root / SYSLOGD
    owned = "systemd/journal" in _link_target(root / "dev/log")
    return Journald(
        True, reads_kernel(root), owned, str(syslogd) if os.path.exists(syslogd) else None
    )


def _link_target(link: Path) -> str:
    """Return the target of a symbolic link; empty if it is none."""
    try:
        return os.readlink(link)
    except OSError:
        return ""


def reads_kernel(root: Path) -> bool:
    """Whether the journal is configured to read kernel messages, which is the default."""
    value = "yes"
    for path in _config_files(root):
        content = read_if_readable(path, _MAX_CONFIG_BYTES) or b""
        for line in content.decode("utf-8", "replace").splitlines():
            key, equals, given = line.partition("=")
            if equals and key.strip() == "ReadKMsg":
                value = given.strip().lower() or "yes"
    return value not in _FALSE


def choose(mode: JournalMode, journald: Journald, sinks: Collection[SinkConfig]) -> JournaldRouting:
    """Choose what those of the ``sinks`` get that send to the default sockets."""
    if mode is JournalMode.AUTO and not journald.reads_kernel:
        mode = JournalMode.EXCLUSIVE
    elif mode is JournalMode.AUTO:
        mode = JournalMode.FORWARD if journald.syslogd else JournalMode.ADDITIONS
    both = {SyslogSinkConfig, JournalSinkConfig} <= {type(s) for s in sinks if is_routed(s)}
    if mode is JournalMode.FORWARD:
        return _choose_forward(journald, both)
    redundant = both and journald.has_dev_log
    reasons = (SYSLOG_LEFT_OUT,) if redundant else ()
    if mode is JournalMode.EXCLUSIVE:
        return JournaldRouting(
            syslog_is_redundant=redundant,
            reasons=(DUPLICATES, *reasons) if journald.reads_kernel else reasons,
        )
    return JournaldRouting(
        journal_additions_only=True,
        syslog_additions_only=journald.has_dev_log,
        syslog_is_redundant=redundant,
        reasons=(ADDITIONS_ONLY, *reasons),
    )


def _choose_forward(journald: Journald, both: bool) -> JournaldRouting:
    socket = journald.syslogd or f"/{SYSLOGD}"
    return JournaldRouting(
        journal_additions_only=True,
        syslog_path=socket if journald.has_dev_log or not journald.running else None,
        reasons=(FORWARDS_ADDITIONS, FORWARDED_TWICE) if both else (FORWARDS_ADDITIONS,),
    )


def _config_files(root: Path) -> list[Path]:
    """Return the configuration files in effect; a later one overrides an earlier one."""
    main = [
        place
        for name in _CONFIG_DIRECTORIES
        if os.path.exists(place := root / name / "systemd/journald.conf")
    ][:1]
    drop_ins: dict[str, Path] = {}
    for name in reversed(_CONFIG_DIRECTORIES):
        for path in (root / name / "systemd/journald.conf.d").glob("*.conf"):
            drop_ins[path.name] = path
    return main + [drop_ins[name] for name in sorted(drop_ins)]
