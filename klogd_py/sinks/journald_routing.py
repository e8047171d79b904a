# SPDX-License-Identifier: GPL-2.0-or-later
"""Does the journal of this machine read the kernel's messages by itself, and whose is /dev/log?

A plain copy sent to a journal that has read the same record is a duplicate, and nothing that a
program sends can pass for the journal's own: clients may not set ``_TRANSPORT`` and its like. Nor
does the journal hand on to a syslogd what it read from the kernel, although it hands on everything
else.

Source of truth: journald.conf(5) ``ReadKMsg=``; systemd-journald.service(8); systemd.conf(5) for
where settings are read from.
"""

import os
from collections.abc import Collection
from pathlib import Path

from msgspec import Struct

from klogd_py.system.regular_file import read_regular

SOCKET = "run/systemd/journal/socket"
# Where the journal hands on to a syslogd
SYSLOGD = "run/systemd/journal/syslog"
DUPLICATES = "journald reads the kernel's messages itself: expect them twice until its ReadKMsg=no takes effect"
ADDITIONS_ONLY = (
    "journald reads the kernel's messages itself: it gets only what klogd-py adds to them"
)
FORWARDS_ADDITIONS = "journald reads the kernel's messages itself: it gets what klogd-py adds, the syslogd behind it everything"
SYSLOG_LEFT_OUT = (
    'the sink "syslog" is left out: /dev/log is the journal\'s, which "journal" serves'
)
FORWARDED_TWICE = (
    "what the journal gets it hands on to the syslogd, if ForwardToSyslog=yes: lines with names come there once more, as user.*, "
    "unless they are dropped as in rsyslog-klogd-py.conf"
)
# The first has the last word
_CONFIG_DIRECTORIES = ("etc", "run", "usr/local/lib", "usr/lib", "lib")
# Of a file of settings
_MAX_BYTES = 1 << 20
_NO = frozenset(("0", "no", "n", "false", "f", "off"))


class Journald(Struct, frozen=True):
    """What was seen of the journal; nothing of it holds where none is running."""

    running: bool = False
    reads_kernel: bool = False
    has_dev_log: bool = False
    # The socket of a syslogd that the journal feeds, if there is one
    syslogd: str = ""


class JournaldRouting(Struct, frozen=True):
    """Where records go: whether a sink gets only what klogd-py adds to them, and which socket
    "syslog" stands for.

    ``syslog_is_redundant`` says that "syslog" would bring the journal what "journal" brings it.
    ``reasons`` are for the operator.
    """

    journal_additions_only: bool = False
    syslog_additions_only: bool = False
    syslog_path: str = ""
    syslog_is_redundant: bool = False
    reasons: tuple[str, ...] = ()


def detect(root: Path) -> Journald:
    """Look at the machine below ``root``."""
    if not os.path.exists(root / SOCKET):
        return Journald()
    syslogd = root / SYSLOGD
    owned = "systemd/journal" in _link_target(root / "dev/log")
    return Journald(
        True, reads_kernel(root), owned, str(syslogd) if os.path.exists(syslogd) else ""
    )


def _link_target(link: Path) -> str:
    """Where a symbolic link leads; empty if it is none."""
    try:
        return os.readlink(link)
    except OSError:
        return ""


def reads_kernel(root: Path) -> bool:
    """Whether the settings of the journal have it read the kernel's messages, which is the default."""
    value = "yes"
    for path in _config_files(root):
        try:
            text = read_regular(path, _MAX_BYTES).decode("utf-8", "replace")
        except OSError:
            continue
        for line in text.splitlines():
            key, equals, given = line.partition("=")
            if equals and key.strip() == "ReadKMsg":
                value = given.strip().lower() or "yes"
    return value not in _NO


def choose(mode: str, journald: Journald, sinks: Collection[str]) -> JournaldRouting:
    """What becomes of the ``sinks`` "journal" and "syslog" under ``mode``.

    The modes are those of ``journal.mode``: auto, additions, forward and exclusive.
    """
    if mode == "auto":
        mode = (
            "exclusive"
            if not journald.reads_kernel
            else "forward"
            if journald.syslogd
            else "additions"
        )
    both = "journal" in sinks and "syslog" in sinks
    if mode == "forward":
        return _choose_forward(journald, both)
    idle = both and journald.has_dev_log
    reasons = (SYSLOG_LEFT_OUT,) if idle else ()
    if mode == "exclusive":
        return JournaldRouting(
            syslog_is_redundant=idle,
            reasons=(DUPLICATES, *reasons) if journald.reads_kernel else reasons,
        )
    return JournaldRouting(
        journal_additions_only=True,
        syslog_additions_only=journald.has_dev_log,
        syslog_is_redundant=idle,
        reasons=(ADDITIONS_ONLY, *reasons),
    )


def _choose_forward(journald: Journald, both: bool) -> JournaldRouting:
    socket = journald.syslogd or f"/{SYSLOGD}"
    return JournaldRouting(
        journal_additions_only=True,
        syslog_path=socket if journald.has_dev_log or not journald.running else "",
        reasons=(FORWARDS_ADDITIONS, FORWARDED_TWICE) if both else (FORWARDS_ADDITIONS,),
    )


def _config_files(root: Path) -> list[Path]:
    """The files that count, the one with the last word last."""
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
