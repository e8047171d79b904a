# SPDX-License-Identifier: GPL-2.0-or-later
r"""Make the entry with which a report is announced to every sink. Pure.

Its text is one line of keys and values, for programs. Titles and names are untrusted: a value that
is no plain word stands in quotes, where ``"`` and ``\`` have a ``\`` before them and a control
character is ``\xHH``.
"""

import re
from collections.abc import Iterator
from datetime import datetime

from klogd_py.record.report import Confidence, Report, ReportSeverity
from klogd_py.record.types import KERN, SYSLOG_IDENTIFIER, Entry, Record, Severity
from klogd_py.reports.document import without_text

PRIORITIES = {
    ReportSeverity.FATAL: Severity.CRIT,
    ReportSeverity.ERROR: Severity.ERR,
    ReportSeverity.HANG: Severity.ERR,
    ReportSeverity.WARNING: Severity.WARNING,
}
MAX_VALUE_CHARS = 300
_WORD = re.compile(r"[A-Za-z0-9_.,:/@+<>~-]{1,300}")


def announce(report: Report) -> Entry:
    """Return the entry of a report; its time is that of the last line of the report.

    ``klogd-py: report 1:0123456789abcdef kind=kasan severity=error title="KASAN: use-after-free
    Read in nic_poll" function=nic_poll module=nic file=drivers/net/nic.c:12 count=1
    id=20261127T180405-1a2b3c4d``
    """
    text = f"{SYSLOG_IDENTIFIER}: {report_line(report)}"
    usec = None if report.usec is None else report.usec.first
    severity = Severity.CRIT if report.panicked else PRIORITIES[report.severity]
    record = Record(text, KERN << 3 | severity, usec=usec)
    wall_us = microseconds(report.last_seen or report.first_seen)
    return Entry(record, wall_us, text, is_own=True, report=without_text(report))


def report_line(report: Report) -> str:
    """Return a report as one line: ``report 1:0123456789abcdef kind=warning ...``."""
    pairs = (f"{key}={_quoted(value)}" for key, value in _facts(report) if value)
    return f"report {_quoted(report.fingerprint.issue)} {' '.join(pairs)}"


def message(report: Report) -> str:
    """Return the title, with the number of occurrences: ``WARNING in nic_poll (3 times)``.

    One that stands for none was announced before, and a panic followed.
    """
    if report.count == 0:
        return f"{report.title} (the kernel panicked)"
    return report.title if report.count == 1 else f"{report.title} ({report.count} times)"


def microseconds(moment: str) -> int:
    """Return the microseconds from the epoch to an ISO 8601 time in UTC; 0 if it is none."""
    try:
        found = datetime.fromisoformat(moment)
    except ValueError:
        return 0
    return round(found.timestamp() * 1_000_000)


def _facts(report: Report) -> Iterator[tuple[str, str]]:
    yield "kind", report.kind
    yield "severity", report.severity.value
    yield "title", report.title
    yield "function", report.function
    yield "module", report.module
    if report.source is not None:
        yield "file", f"{report.source.file}:{report.source.line}"
    yield "count", str(report.count)
    if report.confidence is not Confidence.HIGH:
        yield "confidence", report.confidence.value
    if report.panicked:
        yield "panicked", "yes"
    yield "id", report.id


def _quoted(value: str) -> str:
    if _WORD.fullmatch(value):
        return value
    cut = value[:MAX_VALUE_CHARS].replace("\\", "\\\\").replace('"', '\\"')
    return f'"{shown_safely(cut)}"'


def shown_safely(text: str) -> str:
    r"""Return a text with control characters and bytes that are not UTF-8 as ``\xHH``."""
    return text if text.isprintable() else "".join(map(_shown, text))


def _shown(character: str) -> str:
    if character.isprintable():
        return character
    code = ord(character)
    if 0xDC80 <= code <= 0xDCFF:
        return f"\\x{code - 0xDC00:02x}"
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}"
