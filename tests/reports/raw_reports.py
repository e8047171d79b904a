# SPDX-License-Identifier: GPL-2.0-or-later
"""Make the lines of a crash from a text, as the detector would."""

from klogd_py.record.types import Record
from klogd_py.reports.detection.headers import find_header
from klogd_py.reports.raw_report import RawReport, ReportLine

USEC = 5_218_310


def report_lines(text: str, prefix: int = 4) -> tuple[ReportLine, ...]:
    """Return a line for each line of a text, a millisecond apart."""
    return tuple(
        ReportLine(Record(line, prefix, 1840 + number, USEC + number * 1000), line, number)
        for number, line in enumerate(text.strip("\n").split("\n"))
    )


def raw_report(text: str, context: str = "") -> RawReport:
    """Return the report that begins with the first line of a text."""
    lines = report_lines(text)
    found = find_header(lines[0].text)
    assert found is not None, lines[0].text
    return RawReport(found.kind, lines, report_lines(context) if context else ())


def trace(*functions: str, label: str = "Call Trace:") -> str:
    """Return the lines of a stack: each function at a place of its own."""
    return "\n".join([label, *(f" {name}+0x1f/0x40" for name in functions)])
