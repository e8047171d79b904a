# SPDX-License-Identifier: GPL-2.0-or-later
"""Print reports for people, and as documents."""

import sys
from collections.abc import Sequence
from datetime import UTC, tzinfo

import msgspec

from klogd_py import __version__
from klogd_py.record.report import Report, ReportSeverity
from klogd_py.reports.documents.occurrences import Occurrences
from klogd_py.reports.documents.text import Look, TextLine, plain_text, text_lines
from klogd_py.reports.documents.ureport2 import OperatingSystem
from klogd_py.system.terminal import BOLD, PLAIN, RED, YELLOW, is_coloured

# Faint, as far as the terminal can show that
_DIM = "\x1b[2m"
_SEVERE = (ReportSeverity.FATAL, ReportSeverity.ERROR)
# Reports with the occurrences of their issues
Counted = Sequence[tuple[Report, Occurrences]]


def print_report(report: Report, occurrences: Occurrences) -> None:
    """Print a report in the time zone of this machine, coloured on a terminal."""
    colours = is_coloured(sys.stdout)
    title = title_colour(report.severity, panicked=report.panicked)
    looks = {Look.TITLE: BOLD + title, Look.HEADING: BOLD, Look.NOISE: _DIM, Look.BLAMED: BOLD}
    for line in text_lines(report, occurrences, None):
        print(_coloured(line, looks) if colours else line.text)


def title_colour(severity: ReportSeverity, *, panicked: bool) -> str:
    """Return the colour of the title of a report: red is an error."""
    return RED if severity in _SEVERE or panicked else YELLOW


def _coloured(line: TextLine, looks: dict[Look, str]) -> str:
    return f"{looks[line.look]}{line.text}{PLAIN}" if line.look in looks else line.text


def print_raw(report: Report) -> None:
    """Print the lines of a report as the kernel printed them, with symbols."""
    from klogd_py.system.terminal import escape_controls

    shown = map(escape_controls, report.text) if sys.stdout.isatty() else report.text
    print(*shown, sep="\n")


def print_documents(
    reports: Counted, form: str, system: OperatingSystem, *, as_list: bool, zone: tzinfo = UTC
) -> None:
    """Print reports in a format of ``--format``; with ``as_list`` JSON is an array."""
    if form == "text":
        print("\n\n".join(plain_text(*one, zone).rstrip("\n") for one in reports))
    elif form == "html":
        from klogd_py.reports.documents.html_page import html_page

        print(html_page(reports, zone, __version__), end="")
    else:
        documents = [_document(report, form, system) for report, _ in reports]
        raw = msgspec.json.encode(documents if as_list else documents[0])
        print(msgspec.json.format(raw, indent=2).decode())


def _document(report: Report, form: str, system: OperatingSystem) -> object:
    if form == "ureport2":
        from klogd_py.reports.documents.ureport2 import ureport2

        return ureport2(report, system, __version__)
    if form == "sentry":
        from klogd_py.reports.documents.sentry import sentry_event

        return sentry_event(report, __version__)
    from klogd_py.reports.document import encode

    return msgspec.Raw(encode(report))
