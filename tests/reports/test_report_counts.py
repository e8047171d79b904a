# SPDX-License-Identifier: GPL-2.0-or-later
from klogd_py.record.report import Confidence, Fingerprint, Report, ReportSeverity
from klogd_py.reports.report_counts import HookOutcome, LastReport, ReportCounts


def report(
    id: str,
    at: str,
    kind: str = "warning",
    severity: ReportSeverity = ReportSeverity.WARNING,
    confidence: Confidence = Confidence.HIGH,
) -> Report:
    return Report(
        id=id,
        kind=kind,
        title=f"{kind} in nic_poll",
        severity=severity,
        fingerprint=Fingerprint("1:a", "1:b", "1:c"),
        crash_class=kind,
        confidence=confidence,
        first_seen=at,
        last_seen=at,
    )


def test_occurrences_are_counted_by_kind_and_severity() -> None:
    counts = ReportCounts()
    for at in ("2026-11-27T10:00:00.000Z", "2026-11-27T10:00:01.000Z"):
        counts.count(report("a", at, confidence=Confidence.LOW))
    counts.count(report("b", "2026-11-27T10:00:02.000Z", "panic", ReportSeverity.FATAL))
    assert dict(counts.by_kind) == {
        ("warning", ReportSeverity.WARNING): 2,
        ("panic", ReportSeverity.FATAL): 1,
    }
    assert (counts.total, counts.low_confidence) == (3, 2)


def test_last_report_is_the_newest_by_time() -> None:
    counts = ReportCounts()
    counts.count(report("new", "2026-11-27T10:00:05.000Z", "panic"))
    counts.count(report("old", "2026-11-27T10:00:04.000Z"))
    newest = "2026-11-27T10:00:05.000Z"
    assert counts.last == LastReport("new", "panic", "panic in nic_poll", newest)
    assert counts.last_at == {"panic": newest, "warning": "2026-11-27T10:00:04.000Z"}


def test_report_before_the_start_is_not_counted() -> None:
    counts = ReportCounts()
    counts.remember(report("a", "2026-11-27T10:00:00.000Z"))
    assert (counts.total, counts.last is not None) == (0, True)
    assert counts.last_at == {"warning": "2026-11-27T10:00:00.000Z"}


def test_error_of_hook_ends_with_next_success() -> None:
    counts = ReportCounts()
    counts.count_hook(HookOutcome.TIMED_OUT, "/usr/local/bin/page: no end after 30 s")
    assert counts.hook_error == "/usr/local/bin/page: no end after 30 s"
    counts.count_hook(HookOutcome.SUCCEEDED)
    assert (counts.hook_error, counts.hook_calls[HookOutcome.TIMED_OUT]) == ("", 1)
