# SPDX-License-Identifier: GPL-2.0-or-later
"""``klogd-py reports decode``: find the crashes in logs, without a daemon.

The records pass the same stages as those of the daemon, with the symbols that are named.
"""

import asyncio
import os
import shlex
import sys
from collections.abc import Sequence

from klogd_py.cli.command_line import CommandLine
from klogd_py.cli.conversion import to_run_options
from klogd_py.cli.exit_status import FAILED
from klogd_py.cli.output import print_error, report_errors
from klogd_py.cli.reports.printing import Counted, print_documents, print_report
from klogd_py.cli.reports.publishing import check_publishing, published
from klogd_py.cli.reports.reading import read_reports
from klogd_py.cli.translate import NO_SYMBOLS_NAMED
from klogd_py.cli.usage_error import UsageError
from klogd_py.config.run_options import RunOptions
from klogd_py.pipeline.symbol_manager import SymbolManager
from klogd_py.record.quantity import quantity
from klogd_py.record.report import Report
from klogd_py.record.selection import Following
from klogd_py.reports.documents.occurrences import occurrences_of
from klogd_py.reports.documents.ureport2 import OperatingSystem
from klogd_py.sources.capture_chain import open_streams
from klogd_py.sources.source import Source, SourceUnavailable
from klogd_py.system import logging_setup


def decode(line: CommandLine) -> int:
    """Print the crashes in the files, or in standard input.

    Returns the exit status: 1 if there is no crash, or a file cannot be read.
    """
    if line.has("json") and line.text("format") not in (None, "json"):
        raise UsageError("--json and --format exclude each other", f"{line.program}: leave out one")
    check_publishing(line)
    options = to_run_options(line)
    # What is wrong with an input is logged by the parts of the daemon.
    logging_setup.to_stderr("warning")
    try:
        streams = open_streams(
            line.operands or ("-",), line.text("input_format") or "auto", Following.NO
        )
    except SourceUnavailable as error:
        for reason in str(error).splitlines():
            print_error(reason)
        print_error(_remedy(error.__cause__, line.operands))
        return FAILED
    reports, status, is_whole = asyncio.run(_read(streams, options))
    reports = [published(line, report) for report in reports]
    _print(reports, "json" if line.has("json") else line.text("format") or "text")
    if not reports:
        return _explain_nothing(line.operands, is_whole=is_whole)
    if not options.symbols.names_sources and not all(report.function for report in reports):
        print_error(NO_SYMBOLS_NAMED)
    return status


def _print(reports: Sequence[Report], form: str) -> None:
    if form == "text":
        _print_issues(reports)
    elif reports or form != "html":
        each = [(report, occurrences_of([report])) for report in reports]
        counted = _count(reports) if form == "html" else each
        print_documents(counted, form, OperatingSystem(), as_list=True)


def _explain_nothing(operands: Sequence[str], *, is_whole: bool) -> int:
    """Say that there is no crash, and what to type. Returns the exit status."""
    if is_whole:
        print_error("no crash was found")
        print_error(f"see the kernel's messages in it: klogd-py --input {_file(operands)}")
    else:
        print_error("no crash was found in what can be read")
        print_error("decode a copy of the log that is whole")
    return FAILED


def _remedy(cause: BaseException | None, operands: Sequence[str]) -> str:
    """Return what to type where no input can be opened."""
    if isinstance(cause, PermissionError):
        return f"type: sudo {shlex.join(['klogd-py', *sys.argv[1:]])}"
    if isinstance(cause, FileNotFoundError | NotADirectoryError):
        return f"see what is there: ls {shlex.quote(os.path.dirname(_file(operands)) or '.')}"
    if isinstance(cause, IsADirectoryError):
        return f"name the logs in it: klogd-py reports decode {_file(operands)}/*"
    return "a whole log of text is needed, such as: dmesg | klogd-py reports decode"


def _file(operands: Sequence[str]) -> str:
    """Return the one file that was named, for a shell."""
    return shlex.quote(operands[0]) if len(operands) == 1 and operands[0] != "-" else "FILE"


async def _read(streams: Sequence[Source], options: RunOptions) -> tuple[list[Report], int, bool]:
    """Return the reports in all streams, the exit status, and whether all was read."""
    sources = options.build_symbol_sources(options.load_config(), may_be_foreign=True)
    reports: list[Report] = []
    status, is_whole = 0, True
    for number, stream in enumerate(streams):
        manager = SymbolManager(lambda: sources, lambda reasons: None)
        await manager.load_first()
        if number == 0:
            status = report_errors(manager.symbols, options)
            if status:
                print_error("see which maps are here: klogd-py maps")
        reading = await read_reports(stream, manager, reports)
        status, is_whole = max(status, reading), is_whole and not reading
    return reports, status, is_whole


def _count(reports: Sequence[Report]) -> Counted:
    """Return the first report of each issue, and the occurrences of it."""
    by_issue: dict[str, list[Report]] = {}
    for report in reports:
        by_issue.setdefault(report.fingerprint.issue, []).append(report)
    return [(found[0], occurrences_of(found)) for found in by_issue.values()]


def _print_issues(reports: Sequence[Report]) -> None:
    """Print the first report of each issue, and a summary if there are several reports."""
    counted = _count(reports)
    for number, (report, occurrences) in enumerate(counted):
        if number:
            print("\n")
        print_report(report, occurrences)
    if len(reports) > 1:
        crashes = quantity(len(reports), "crash", "crashes")
        print(f"\n{crashes}, {len(counted)} different; each of them: --json")
