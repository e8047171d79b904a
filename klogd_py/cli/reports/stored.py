# SPDX-License-Identifier: GPL-2.0-or-later
"""Reach the reports that the daemon has stored, and say what to type if that is not possible."""

import os
import shlex
import sys
from collections.abc import Callable
from pathlib import Path

from klogd_py.cli.command_line import CommandLine
from klogd_py.cli.conversion import to_run_options
from klogd_py.cli.exit_status import FAILED
from klogd_py.cli.output import print_error
from klogd_py.config.errors import ConfigError
from klogd_py.record.report import Report
from klogd_py.reports.documents.occurrences import Occurrences
from klogd_py.reports.hidden_addresses import without_addresses
from klogd_py.spool.errors import AmbiguousName, BrokenReport, NoSuchReport, SpoolError
from klogd_py.spool.reader import DEFAULT_PATH, Spool

_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
_GROUP = "klogd-py"


def current_boot() -> str:
    """Return the id of the running boot, 32 hexadecimal digits; empty if it is not known."""
    try:
        return _BOOT_ID.read_text(encoding="ascii").strip().replace("-", "")
    except (OSError, UnicodeDecodeError):
        return ""


def load_for_caller(spool: Spool, report_id: str) -> Report:
    """Return a report; only root sees addresses in it, as in the status.

    Raises:
        SpoolError: it is not there, or cannot be read.
    """
    report = spool.load(report_id)
    return report if os.geteuid() == 0 else without_addresses(report)


def occurrences_in(spool: Spool, report: Report) -> Occurrences:
    """Return what the spool knows of the occurrences of the issue of a report."""
    name = report.fingerprint.issue
    summaries = [one for one in spool.list().summaries if one.fingerprint.issue == name]
    times = tuple(sorted(one.first_seen for one in summaries if one.first_seen))
    for issue in spool.issues().issues:
        if issue.fingerprint == name:
            return Occurrences(
                max(issue.count, len(summaries)), issue.first_seen, issue.last_seen, times
            )
    ends = sorted(one.last_seen for one in summaries if one.last_seen)
    last = (ends or times or ("",))[-1]
    return Occurrences(max(1, len(summaries)), times[0] if times else "", last, times)


def explain(error: SpoolError, spool: Spool) -> int:
    """Print what is wrong and, in a second line, what to type. Returns the exit status."""
    cause = error.__cause__
    typed = shlex.join(["klogd-py", *sys.argv[1:]])
    reason = f"{spool.path}: {cause.strerror}" if isinstance(cause, OSError) else str(error)
    print_error(reason)
    if isinstance(cause, PermissionError):
        print_error(f"type: sudo {typed}; or join the group: sudo usermod -aG {_GROUP} $USER")
    elif isinstance(error, NoSuchReport | AmbiguousName):
        print_error("the names are listed by: klogd-py reports list")
    elif isinstance(error, BrokenReport):
        print_error("remove it with: sudo klogd-py reports forget ID")
    elif isinstance(cause, FileNotFoundError | NotADirectoryError):
        print_error("the service stores reports there; for a log: klogd-py reports decode FILE")
    else:
        print_error(f"see: ls -l {shlex.quote(str(spool.path))}")
    return FAILED


def run_on_spool(line: CommandLine, job: Callable[[Spool], int]) -> int:
    """Do a job with the spool that a command line means, and explain what fails.

    Returns the exit status.
    """
    path = line.text("spool") or _configured_path(line)
    if not path:
        print_error("reports.spool is empty in the configuration: the daemon stores no reports")
        print_error("for a log: klogd-py reports decode FILE")
        return FAILED
    spool = Spool(Path(path))
    try:
        return job(spool)
    except SpoolError as error:
        return explain(error, spool)


def _configured_path(line: CommandLine) -> str:
    """Return the configured directory; the default one if the configuration is wrong now."""
    try:
        return to_run_options(line).load_config().reports.spool
    except ConfigError as error:
        print_error(str(error))
        return str(DEFAULT_PATH)
