# SPDX-License-Identifier: GPL-2.0-or-later
"""Give the journal the facts of a report, each in a field of its own. No I/O.

``journalctl -x`` shows the text that the message catalog has for `MESSAGE_ID`;
``journalctl MESSAGE_ID=...`` finds all reports.

Source of truth: systemd.journal-fields(7) for CODE_FILE, CODE_LINE, CODE_FUNC and MESSAGE_ID;
systemd/klogd-py.catalog has the text.
"""

from collections.abc import Iterator

from klogd_py.record.report import Report
from klogd_py.reports.announcement import message
from klogd_py.reports.document import fitted

MESSAGE_ID = "ed1765b5c93c4a38b11ad05b8475c37c"
DOCUMENT_LIMIT_BYTES = 48 << 10


def report_fields(report: Report) -> Iterator[tuple[str, object]]:
    """Yield the fields of a report; ``None`` and empty values are to be left out."""
    yield "MESSAGE", message(report)
    yield "MESSAGE_ID", MESSAGE_ID
    yield "CODE_FUNC", report.function
    if report.source is not None:
        yield "CODE_FILE", report.source.file
        yield "CODE_LINE", report.source.line
    if report.seq is not None:
        yield "KLOGD_SEQ", report.seq.first
    yield "KLOGD_BOOT_ID", report.boot.id
    yield "KLOGD_REPORT_ID", report.id
    yield "KLOGD_REPORT_KIND", report.kind
    yield "KLOGD_REPORT_SEVERITY", report.severity.value
    yield "KLOGD_REPORT_FUNCTION", report.function
    yield "KLOGD_REPORT_MODULE", report.module
    yield "KLOGD_REPORT_FINGERPRINT", report.fingerprint.issue
    yield "KLOGD_REPORT_COUNT", report.count
    yield "KLOGD_REPORT_CONFIDENCE", report.confidence.value
    yield "KLOGD_REPORT_TAINT", report.kernel.taint.letters
    yield "KLOGD_REPORT", fitted(report, DOCUMENT_LIMIT_BYTES).decode()
