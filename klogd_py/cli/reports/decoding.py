# SPDX-License-Identifier: GPL-2.0-or-later
"""``klogd-py reports decode``: find the crashes in logs, without a daemon.

The records pass the same stages as those of the daemon, with the symbols that are named.
"""

import asyncio
from collections.abc import Sequence

from klogd_py.cli.command_line import CommandLine
from klogd_py.cli.conversion import to_run_options
from klogd_py.cli.exit_status import FAILED
from klogd_py.cli.output import print_error, report_errors
from klogd_py.cli.reports.printing import Counted, print_documents, print_report
from klogd_py.cli.reports.reading import read_reports
from klogd_py.cli.translate import NO_SYMBOLS_NAMED
from klogd_py.config.run_options import RunOptions
from klogd_py.pipeline.symbol_manager import SymbolManager
from klogd_py.record.quantity import quantity
from klogd_py.record.report import Report
from klogd_py.record.selection import Following
from klogd_py.reports.documents.occurrences import occurrences_of
from klogd_py.reports.documents.ureport2 import OperatingSystem
from klogd_py.reports.public.public import make_public
from klogd_py.sources.capture_chain import open_streams
from klogd_py.sources.source import Source, SourceUnavailable
from klogd_py.system import logging_setup


def decode(line: CommandLine) -> int:
    """Print the crashes in the files, or in standard input.

    Returns the exit status: 1 if there is no crash, or a file cannot be read.
    """
    options = to_run_options(line)
    # What is wrong with an input is logged by the parts of the daemon.
    logging_setup.to_stderr("warning")
    try:
        streams = open_streams(
            line.operands or ("-",), line.text("input_format") or "auto", Following.NO
        )
    except SourceUnavailable as error:
        print_error(str(error))
        return FAILED
    reports, status = asyncio.run(_read(streams, options))
    form = "json" if line.has("json") else line.text("format") or "text"
    if line.has("public"):
        reports = [make_public(report) for report in reports]
    if form == "text":
        _print_issues(reports)
    elif reports or form != "html":
        each = [(report, occurrences_of([report])) for report in reports]
        counted = _count(reports) if form == "html" else each
        print_documents(counted, form, OperatingSystem(), as_list=True)
    if not reports:
        print_error("no crash was found")
        return FAILED
    if not options.symbols.names_sources and not all(report.function for report in reports):
        print_error(NO_SYMBOLS_NAMED)
    return status


async def _read(streams: Sequence[Source], options: RunOptions) -> tuple[list[Report], int]:
    """Return the reports in all streams, and the exit status of the reading."""
    sources = options.build_symbol_sources(options.load_config(), may_be_foreign=True)
    reports: list[Report] = []
    status = 0
    for number, stream in enumerate(streams):
        manager = SymbolManager(lambda: sources, lambda reasons: None)
        await manager.load_first()
        if number == 0:
            status = report_errors(manager.symbols, options)
        status = max(status, await read_reports(stream, manager, reports))
    return reports, status


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
