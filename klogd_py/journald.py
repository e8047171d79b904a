"""Does the journal of this machine read the kernel's messages by itself, and whose is /dev/log?

A plain copy sent to a journal that has read the same record is a duplicate, and nothing that a program sends can pass for the
journal's own: clients may not set ``_TRANSPORT`` and its like. Nor does the journal hand on to a syslogd what it read from
the kernel, although it hands on everything else.

Source of truth: journald.conf(5) ``ReadKMsg=``; systemd-journald.service(8); systemd.conf(5) for where settings are read from.
"""

from pathlib import Path

from msgspec import Struct

SOCKET = "run/systemd/journal/socket"
SYSLOGD = "run/systemd/journal/syslog"  # where the journal hands on to a syslogd
_PLACES = ("etc", "run", "usr/local/lib", "usr/lib", "lib")  # the first has the last word
_NO = frozenset(("0", "no", "n", "false", "f", "off"))


class Journald(Struct, frozen=True):
    """What was seen of the journal; nothing of it holds where none is running."""

    running: bool = False
    reads_kernel: bool = False
    has_dev_log: bool = False
    syslogd: str = ""  # the socket of a syslogd that the journal feeds, if there is one


class Routes(Struct, frozen=True):
    """Where records go: whether a sink gets only what klogd-py adds to them, and which socket "syslog" stands for."""

    journal_adds: bool = False
    syslog_adds: bool = False
    syslog_path: str = ""
    reason: str = ""


def look(root: Path) -> Journald:
    """Look at the machine below ``root``."""
    if not (root / SOCKET).exists():
        return Journald()
    dev_log = root / "dev/log"
    owned = dev_log.is_symlink() and "systemd/journal" in str(dev_log.readlink())
    syslogd = root / SYSLOGD
    return Journald(True, reads_kernel(root), owned, str(syslogd) if syslogd.exists() else "")


def reads_kernel(root: Path) -> bool:
    """Whether the settings of the journal have it read the kernel's messages, which is the default."""
    value = "yes"
    for path in _settings(root):
        try:
            text = path.read_text(errors="replace")
        except OSError:
            continue
        for line in text.splitlines():
            key, equals, given = line.partition("=")
            if equals and key.strip() == "ReadKMsg":
                value = given.strip().lower() or "yes"
    return value not in _NO


def routes(mode: str, found: Journald) -> Routes:
    """What becomes of the sinks "journal" and "syslog" under ``mode``: auto, enrich, sole or feed."""
    if mode == "auto":
        mode = "sole" if not found.reads_kernel else "feed" if found.syslogd else "enrich"
    if mode == "sole":
        reason = ""
        if found.reads_kernel:
            reason = "journald reads the kernel's messages itself: expect them twice until its ReadKMsg=no takes effect"
        return Routes(reason=reason)
    if mode == "feed":
        socket = found.syslogd or f"/{SYSLOGD}"
        return Routes(
            journal_adds=True,
            syslog_path=socket if found.has_dev_log or not found.running else "",
            reason="journald reads the kernel's messages itself: it gets what klogd-py adds, the syslogd behind it everything",
        )
    return Routes(
        journal_adds=True,
        syslog_adds=found.has_dev_log,
        reason="journald reads the kernel's messages itself: it gets only what klogd-py adds to them",
    )


def _settings(root: Path) -> list[Path]:
    """The files that count, the one with the last word last."""
    main = [place for name in _PLACES if (place := root / name / "systemd/journald.conf").exists()][:1]
    drop_ins: dict[str, Path] = {}
    for name in reversed(_PLACES):
        for path in (root / name / "systemd/journald.conf.d").glob("*.conf"):
            drop_ins[path.name] = path
    return main + [drop_ins[name] for name in sorted(drop_ins)]
