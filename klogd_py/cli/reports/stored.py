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
from klogd_py.record.report import Report
from klogd_py.reports.documents.occurrences import Occurrences
from klogd_py.reports.hidden_addresses import without_addresses
from klogd_py.spool.errors import AmbiguousName, BrokenReport, NoSuchReport, SpoolError
from klogd_py.spool.reader import NO_REPORTS, Spool

_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
_GROUP = "klogd-py"
_FOR_A_LOG = "for a log: klogd-py reports decode FILE"


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
    others = tuple(one.id for one in summaries if one.id != report.id)
    for issue in spool.issues().issues:
        if issue.fingerprint == name:
            return Occurrences(
                max(issue.count, len(summaries)), issue.first_seen, issue.last_seen, times, others
            )
    ends = sorted(one.last_seen for one in summaries if one.last_seen)
    last = (ends or times or ("",))[-1]
    return Occurrences(max(1, len(summaries)), times[0] if times else "", last, times, others)


def root_command() -> str:
    """Return what was typed, as root would type it."""
    return f"sudo {shlex.join(['klogd-py', *sys.argv[1:]])}"


def _where_to_keep(spool: Spool, line: CommandLine) -> str:
    parent = spool.path.parent
    if line.has("spool"):
        return "name another directory"
    if not parent.is_dir():
        return f"to keep reports: sudo mkdir -p {shlex.quote(str(parent))}"
    return "the daemon makes it at start"


def explain(error: SpoolError, spool: Spool, line: CommandLine, *, writes: bool = False) -> int:
    """Print what is wrong and, in a second line, what to type. Returns the exit status.

    ``writes``: the command changes the reports, which members of the group may only read.
    """
    cause = error.__cause__
    print_error(f"{spool.path}: {cause.strerror}" if isinstance(cause, OSError) else str(error))
    if isinstance(cause, PermissionError):
        typed = f"type: {root_command()}"
        group = f"; or join the group: sudo usermod -aG {_GROUP} $USER"
        print_error(typed if writes else typed + group)
    elif isinstance(error, NoSuchReport) and str(error) == NO_REPORTS:
        print_error(_FOR_A_LOG)
    elif isinstance(error, NoSuchReport | AmbiguousName):
        print_error(f"the issues are listed by: {list_command(line)}")
    elif isinstance(error, BrokenReport):
        print_error(f"the others are listed by: {list_command(line)}")
    elif isinstance(cause, FileNotFoundError | NotADirectoryError):
        print_error(f"{_where_to_keep(spool, line)}; {_FOR_A_LOG}")
    else:
        print_error(f"see: ls -l {shlex.quote(str(spool.path))}")
    return FAILED


def list_command(line: CommandLine) -> str:
    """Return the command that lists the reports which a command line means."""
    named = [
        word
        for flag, name in (("--spool", "spool"), ("--config", "config_path"))
        if (value := line.text(name)) is not None
        for word in (flag, value)
    ]
    return shlex.join(["klogd-py", "reports", "list", *named])


def run_on_spool(line: CommandLine, job: Callable[[Spool], int], *, writes: bool = False) -> int:
    """Do a job with the spool that a command line means, and explain what fails.

    Returns the exit status. ``writes``: the job changes the reports.

    Raises:
        ConfigError: the configuration is wrong.
    """
    path = line.text("spool") or to_run_options(line).load_config().reports.spool
    if not path:
        print_error("reports.spool is empty in the configuration: the daemon stores no reports")
        print_error(_FOR_A_LOG)
        return FAILED
    spool = Spool(Path(path))
    try:
        return job(spool)
    except SpoolError as error:
        return explain(error, spool, line, writes=writes)
