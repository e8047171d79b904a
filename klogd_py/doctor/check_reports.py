# SPDX-License-Identifier: GPL-2.0-or-later
"""Check that crashes become reports, which are kept, readable, explained, and given to the hook.

Source of truth: journalctl(1) ``--update-catalog``; statvfs(3); inode(7) for the modes.
"""

import os
import re
import stat
from pathlib import Path

from klogd_py.config.sink_config import JournalSinkConfig
from klogd_py.config.sink_tables import parse_sinks
from klogd_py.doctor import remedies
from klogd_py.doctor.distribution import Init, find_init
from klogd_py.doctor.finding import Finding, fail, ok, warn
from klogd_py.doctor.host import Host
from klogd_py.doctor.service_unit import find_unit, may_execute
from klogd_py.record.quantity import quantity
from klogd_py.system.regular_file import read_if_readable

_CATALOGS = ("/usr/lib/systemd/catalog", "/usr/local/lib/systemd/catalog")
_CATALOG = "klogd-py.catalog"
_DATABASE = "/var/lib/systemd/catalog/database"
_DATABASE_BYTES = 64 << 20
_MESSAGE_ID = re.compile(r"^-- ([0-9a-f]{32})$", re.MULTILINE)
# What the group of the directory needs: to list and to enter it, and to pass the one above
_LIST = stat.S_IRGRP | stat.S_IXGRP


def check_reports(host: Host) -> list[Finding]:
    """Check that reports are collected, and that they can be written and read."""
    section, daemon = host.config.reports, host.daemon
    if not section.enabled:
        return [ok("reports", "crashes are not reported, as configured: reports.enabled = false")]
    if daemon is not None and daemon.reports is None:
        restart = remedies.act_on_service(host, "restart", "klogd-py")
        return [warn("reports", "the running klogd-py does not report crashes", restart)]
    if not section.spool:
        return [ok("reports", "not kept, as configured")]
    found = _problems(host, section.spool)
    if found:
        return found
    kept = daemon.reports.spool if daemon is not None and daemon.reports is not None else None
    if kept is None or not kept.reports:
        return [ok("reports", f"each crash of the kernel becomes one in {section.spool}")]
    crashes = quantity(kept.issues, "crash", "crashes")
    return [ok("reports", f"{quantity(kept.reports, 'report')} of {crashes} in {section.spool}")]


def _problems(host: Host, spool: str) -> list[Finding]:
    """Return why reports cannot be written, or not be read by their group."""
    daemon = host.daemon
    if daemon is not None and daemon.reports is not None and daemon.reports.spool.problem:
        words = f"they are not kept: {daemon.reports.spool.problem}"
        return [fail("reports", words, _make_room(spool))]
    folder = host.path_of(spool)
    place = folder if os.path.isdir(folder) else folder.parent
    if not os.path.isdir(place):
        words = f"the directory of {spool} does not exist: no report is kept"
        return [warn("reports", words, f"mkdir -p {Path(spool).parent}")]
    if _is_read_only(place):
        return [fail("reports", f"{spool} is on a read-only file system", _make_room(spool))]
    if _is_full(place):
        return [fail("reports", f"the file system of {spool} is full", _make_room(spool))]
    return _unreadable(host, spool)


def _make_room(spool: str) -> str:
    return f"make room, or mount it writable: df -h {spool}; df -i {spool}"


def _is_read_only(place: Path) -> bool:
    try:
        return bool(os.statvfs(place).f_flag & os.ST_RDONLY)
    except OSError:
        return False


def _is_full(place: Path) -> bool:
    """Tell whether a file system has no room for users, or no file left; some count none."""
    try:
        room = os.statvfs(place)
    except OSError:
        return False
    return not room.f_bavail or (room.f_files > 0 and not room.f_favail)


def _unreadable(host: Host, spool: str) -> list[Finding]:
    """Return why members of the directory's group cannot list the reports."""
    try:
        own, above = os.stat(host.path_of(spool)), os.stat(host.path_of(spool).parent)
    # It is not there yet, or this user may not see it
    except OSError:
        return []
    if own.st_mode & _LIST != _LIST:
        remedy = f"chmod 750 {spool}"
    elif not above.st_mode & stat.S_IXOTH and not (
        above.st_mode & stat.S_IXGRP and above.st_gid == own.st_gid
    ):
        remedy = f"chmod o+x {Path(spool).parent}"
    else:
        return []
    return [warn("reports", f"only root and the daemon's user can read {spool}", remedy)]


def check_hook(host: Host) -> list[Finding]:
    """Check that the program can be executed that is called for each report."""
    command = host.config.reports.exec
    if not command or not host.config.reports.enabled:
        return []
    program, daemon = command[0], host.daemon
    path = host.path_of(program)
    if not host.exists(program):
        remedy = remedies.change_settings(host, "reports.exec")
        return [fail("hook", f"{program} of reports.exec does not exist", remedy)]
    if not path.is_file() or not path.stat().st_mode & 0o111:
        return [fail("hook", f"{program} of reports.exec is no program", f"chmod +x {program}")]
    if find_init(host) is Init.SYSTEMD and not may_execute(host, program):
        remedy = (
            f"[Service] and ExecPaths={program} in: systemctl edit klogd-py, then: "
            f"{remedies.act_on_service(host, 'restart', 'klogd-py')}"
        )
        return [fail("hook", f"the service may not execute {program}", remedy)]
    if daemon is not None and daemon.reports is not None and daemon.reports.hook_error:
        return [warn("hook", daemon.reports.hook_error, "klogd-py status")]
    return [ok("hook", f"{program} is called for each report")]


def check_catalog(host: Host) -> list[Finding]:
    """Check that ``journalctl -x`` can explain reports, if the journal gets them."""
    to_journal = any(isinstance(sink, JournalSinkConfig) for sink in parse_sinks(host.config))
    if not host.config.reports.enabled or not to_journal or find_unit(host) is None:
        return []
    texts = [host.read_text(f"{place}/{_CATALOG}") for place in _CATALOGS]
    ids = {bytes.fromhex(found) for text in texts for found in _MESSAGE_ID.findall(text)}
    if not ids:
        words = f"journalctl -x cannot explain reports: {_CATALOG} is not installed"
        return [warn("catalog", words, "install klogd-py again: make install, or its package")]
    database = read_if_readable(host.path_of(_DATABASE), _DATABASE_BYTES) or b""
    if not all(found in database for found in ids):
        words = "journalctl -x cannot explain reports: the journal has not read their text"
        return [warn("catalog", words, "journalctl --update-catalog")]
    return []
