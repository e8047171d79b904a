# SPDX-License-Identifier: GPL-2.0-or-later
"""``klogd-py reports show``, ``export`` and ``forget``: what is done with single reports."""

from collections.abc import Mapping
from datetime import UTC, datetime
from functools import partial

from msgspec import structs

from klogd_py.cli.command_line import CommandLine
from klogd_py.cli.exit_status import FAILED
from klogd_py.cli.output import print_error
from klogd_py.cli.reports.printing import print_documents, print_raw, print_report
from klogd_py.cli.reports.publishing import check_publishing, published
from klogd_py.cli.reports.stored import load_for_caller, occurrences_in, run_on_spool
from klogd_py.cli.usage_error import UsageError
from klogd_py.record.quantity import quantity
from klogd_py.reports.documents.ureport2 import OperatingSystem
from klogd_py.spool.reader import LAST, Spool


def show(line: CommandLine) -> int:
    """Print a report for people, its lines only, or its document. Returns the exit status."""
    if line.has("raw") and line.has("json"):
        raise UsageError("--raw and --json exclude each other", f"{line.program}: leave out one")
    return run_on_spool(line, partial(_show, line))


def _show(line: CommandLine, spool: Spool) -> int:
    report = load_for_caller(spool, spool.find(_name(line)))
    occurrences = occurrences_in(spool, report)
    if line.has("raw"):
        print_raw(report)
    elif line.has("json"):
        # As the text and the list have it
        counted = structs.replace(report, count=occurrences.count)
        print_documents([(counted, occurrences)], "json", OperatingSystem(), as_list=False)
    else:
        print_report(report, occurrences)
    return 0


def export(line: CommandLine) -> int:
    """Print a report in a format for other programs or people. Returns the exit status."""
    check_publishing(line)
    return run_on_spool(line, partial(_export, line))


def _export(line: CommandLine, spool: Spool) -> int:
    report = load_for_caller(spool, spool.find(_name(line)))
    occurrences = occurrences_in(spool, report)
    shown = published(line, structs.replace(report, count=occurrences.count))
    if line.has("public"):
        # Their names hold digits of the ids of boots.
        occurrences = structs.replace(occurrences, others=())
    system = read_operating_system()
    print_documents([(shown, occurrences)], line.text("format") or "text", system, as_list=False)
    return 0


def forget(line: CommandLine) -> int:
    """Remove reports by name, or those that are older than a time. Returns the exit status."""
    older_us = line.values.get("older")
    if bool(line.operands) == isinstance(older_us, int):
        raise UsageError(
            "forget needs either names or --older",
            f"{line.program}: type: {line.program} reports forget ID, or --older 30d",
        )
    return run_on_spool(line, partial(_forget, line), writes=True)


def _forget(line: CommandLine, spool: Spool) -> int:
    older_us = line.values.get("older")
    if isinstance(older_us, int):
        moment = datetime.fromtimestamp(older_us / 1e6, UTC)
        removed = spool.forget_before(moment)
    else:
        removed = spool.forget([one for name in line.operands for one in spool.find_all(name)])
    print_error(f"{quantity(removed, 'report')} removed")
    return 0 if removed or isinstance(older_us, int) else FAILED


def _name(line: CommandLine) -> str:
    return line.operands[0] if line.operands else LAST


def read_operating_system() -> OperatingSystem:
    """Return the system of this machine, as its os-release names it."""
    import platform

    try:
        values: Mapping[str, str] = platform.freedesktop_os_release()
    except OSError:
        return OperatingSystem()
    name, version = values.get("ID", "linux"), values.get("VERSION_ID", "unknown")
    return OperatingSystem(name, version)
