# SPDX-License-Identifier: GPL-2.0-or-later
"""``klogd-py reports list``: print a table of the issues, and new reports as they come."""

import os
import shlex
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from functools import partial

import msgspec
from msgspec import structs

from klogd_py.cli.command_line import CommandLine
from klogd_py.cli.exit_status import FAILED
from klogd_py.cli.output import print_error, print_json
from klogd_py.cli.reports.issue_rows import (
    IssueRow,
    Wanted,
    boot_of,
    choose_rows,
    format_table,
)
from klogd_py.cli.reports.printing import title_colour
from klogd_py.cli.reports.stored import current_boot, load_for_caller, root_command, run_on_spool
from klogd_py.cli.usage_error import UsageError
from klogd_py.reports.document import without_text
from klogd_py.spool.errors import BrokenReport, NoSuchReport
from klogd_py.spool.issues import ReportSummary
from klogd_py.spool.reader import NO_REPORTS, BrokenFile, Listing, Spool
from klogd_py.system.terminal import BOLD, PLAIN, is_coloured


def list_reports(line: CommandLine) -> int:
    """Print the issues that the options select. Returns the exit status."""
    return run_on_spool(line, partial(_list, line))


def _list(line: CommandLine, spool: Spool) -> int:
    listing = spool.list()
    wanted = _wanted(line, listing.summaries)
    rows = choose_rows(listing.summaries, spool.issues().issues, wanted)
    follows = line.has("follow")
    if line.has("json"):
        documents = [document for row in rows if (document := _document(spool, row)) is not None]
        if follows:
            for document in documents:
                _print_line(document)
        else:
            print_json(documents)
    elif rows:
        print_rows(rows)
    elif not follows:
        print_error("no report matches" if listing.summaries else NO_REPORTS)
    _print_broken(spool, listing.broken)
    if follows:
        return _follow(line, spool, listing, wanted, rows)
    return 0


def print_rows(rows: Sequence[IssueRow]) -> None:
    """Print a table of issues: as wide as the terminal, in a pipe as wide as it is."""
    table = format_table(rows, datetime.now().astimezone(), _width())
    print(*_coloured(table, rows), sep="\n", flush=True)


def _coloured(table: Sequence[str], rows: Sequence[IssueRow]) -> list[str]:
    """Return heading and lines, on a terminal with titles in the colours of ``show``."""
    if not is_coloured(sys.stdout):
        return list(table)
    heading, *lines = table
    # The title, and the blanks behind it
    begin = heading.index("TITLE")
    end = next((heading.index(name) for name in ("MODULE", "SURE") if name in heading), None)
    coloured = [f"{BOLD}{heading}{PLAIN}"]
    for row, text in zip(rows, lines, strict=True):
        colour = title_colour(row.newest.severity, panicked=row.newest.panicked)
        behind = "" if end is None else text[end:]
        coloured.append(f"{text[:begin]}{colour}{text[begin:end]}{PLAIN}{behind}")
    return coloured


def _print_broken(spool: Spool, files: Sequence[BrokenFile]) -> None:
    """Say which files are no reports, and how the first one is read or removed."""
    for file in files:
        print_error(f"{spool.path}/{file.name}: {file.reason}")
    if not files:
        return
    if files[0].is_denied:
        print_error(f"type: {root_command()}")
    else:
        print_error(f"to remove it: sudo rm {shlex.quote(f'{spool.path}/{files[0].name}')}")


def _width() -> int | None:
    try:
        return os.get_terminal_size(sys.stdout.fileno()).columns or None
    except (OSError, ValueError):
        return None


def _wanted(line: CommandLine, summaries: Sequence[ReportSummary]) -> Wanted:
    since_us, kinds, boot = (line.values.get(name) for name in ("since", "kinds", "report_boot"))
    since = None
    if isinstance(since_us, int):
        since = f"{datetime.fromtimestamp(since_us / 1e6, UTC):%Y-%m-%dT%H:%M:%S.%f}Z"
    boot_id = None
    if isinstance(boot, int):
        boot_id = boot_of(boot, summaries, current_boot())
        if boot_id is None:
            raise UsageError(
                f"no reports are kept of boot {boot}",
                f"{line.program}: 0 is this boot, -1 the last one before it that has reports",
            )
    return Wanted(since, kinds if isinstance(kinds, frozenset) else None, boot_id)


def _document(spool: Spool, row: IssueRow) -> object | None:
    """Return the newest report of an issue with the counts of the issue, without its text."""
    try:
        report = without_text(load_for_caller(spool, row.newest.id))
    # Removed or broken meanwhile
    except (BrokenReport, NoSuchReport):
        return None
    return structs.replace(
        report, count=row.count, first_seen=row.first_seen, last_seen=row.last_seen
    )


def _print_line(document: object) -> None:
    print(msgspec.json.encode(document).decode(), flush=True)


def _follow(
    line: CommandLine, spool: Spool, listing: Listing, wanted: Wanted, rows: list[IssueRow]
) -> int:
    """Print each report that is stored from now on, below the rows, until interrupted."""
    from klogd_py.system.libraries import WATCHDOG, describe_import_error

    try:
        from klogd_py.cli.reports.following import new_reports
    except ImportError as error:
        print_error(f"--follow: {describe_import_error(WATCHDOG, error)}")
        print_error("leave out --follow, or install it")
        return FAILED
    for summary in new_reports(spool, listing.summaries):
        new = choose_rows([summary], [], wanted)
        if line.has("json"):
            for row in new:
                _print_line(_document(spool, row))
        elif new:
            _print_new(rows, new)
            rows += new
    return FAILED


def _print_new(before: Sequence[IssueRow], new: Sequence[IssueRow]) -> None:
    """Print rows below those that are there, with the same columns."""
    now, rows = datetime.now().astimezone(), [*before, *new]
    table = format_table(rows, now, _width())
    heading, *lines = _coloured(table, rows)
    # The columns may not be those of the last heading.
    if not before or format_table(before, now, _width())[0].split() != table[0].split():
        print(heading)
    print(*lines[len(before) :], sep="\n", flush=True)
