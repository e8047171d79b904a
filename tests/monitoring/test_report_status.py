# SPDX-License-Identifier: GPL-2.0-or-later
"""Crash reports in the status document, in its table, and in the metrics."""

import re
from unittest.mock import Mock

import msgspec
import pytest
from prometheus_client.parser import text_string_to_metric_families

from klogd_py.monitoring import prometheus
from klogd_py.monitoring.status import Status, without_addresses
from klogd_py.monitoring.status_builder import StatusBuilder
from klogd_py.monitoring.status_table import render_table
from klogd_py.pipeline.stats import Counters
from klogd_py.record.address_mask import HIDDEN
from klogd_py.record.crash_kind import CrashKind
from klogd_py.record.report import Confidence, ReportSeverity
from klogd_py.reports.report_counts import HookOutcome, ReportCounts, SpoolUsage
from klogd_py.symbols.resolver import SymbolResolver
from klogd_py.symbols.symbol_set import SymbolSet
from tests.documents import status
from tests.reports_made import REPORT, make_report

NAME = "20261127T180405-1a2b3c4d"


def counts_of_a_bad_day() -> ReportCounts:
    """Three reports of two kinds, one of them doubtful, a full disk and a hook that is too slow."""
    counts = ReportCounts()
    counts.count(REPORT)
    counts.count(make_report(confidence=Confidence.LOW))
    counts.count(
        make_report(
            id=NAME,
            kind="warning",
            severity=ReportSeverity.WARNING,
            title="WARNING in nic\x1b[31m\udcff at ffffffff81234567",
            last_seen="2026-11-27T18:05:06.000000Z",
        )
    )
    counts.suppressed = 2
    counts.spool = SpoolUsage(3, 2, 70_000, "/var/lib/klogd-py/reports: No space left on device")
    counts.count_hook(HookOutcome.TIMED_OUT, "/usr/local/bin/page: no end after 30 s")
    return counts


def status_of(counts: ReportCounts | None) -> Status:
    """The document of a daemon with these counts."""
    pipeline = Mock(counters=Counters())
    manager = Mock(queues={})
    source = Mock()
    source.name = "/dev/kmsg"
    jobs = Mock(failures={})
    builder = StatusBuilder(source, pipeline, manager, Mock(), None, jobs, counts)
    return builder.build(SymbolSet(SymbolResolver()))


def table_of(counts: ReportCounts | None) -> list[str]:
    shown = render_table(status_of(counts), colour=False)
    blocks = [block.splitlines() for block in shown.split("\n\n")]
    return next((block for block in blocks if block[0].startswith("REPORTS")), [])


def samples(document: Status) -> dict[tuple[str, str], float]:
    """The metrics of reports by name and labels, as Prometheus reads them."""
    found = text_string_to_metric_families(prometheus.encode(document).decode())
    return {
        (one.name, ",".join(f"{key}={one.labels[key]}" for key in sorted(one.labels))): one.value
        for family in found
        for one in family.samples
        if one.name.startswith("klogd_report")
    }


def test_document_counts_reports_by_kind_and_severity() -> None:
    reports = status_of(counts_of_a_bad_day()).reports
    assert reports is not None
    assert reports.counts == {"kasan": {"error": 2}, "warning": {"warning": 1}}
    assert (reports.total, reports.suppressed, reports.low_confidence) == (3, 2, 1)
    assert reports.hook_calls == {"succeeded": 0, "failed": 0, "timed-out": 1, "dropped": 0}


def test_document_with_odd_title_can_be_encoded() -> None:
    document = status_of(counts_of_a_bad_day())
    assert msgspec.json.decode(msgspec.json.encode(document), type=Status) == document
    assert document.reports is not None
    assert document.reports.last is not None
    assert "\\udcff" in document.reports.last.title


def test_address_of_a_title_is_hidden_for_others() -> None:
    reports = without_addresses(status_of(counts_of_a_bad_day())).reports
    assert reports is not None
    assert reports.last is not None
    assert reports.last.title.endswith(f"at {HIDDEN}")
    assert reports.last.id == NAME


def test_table_shows_counts_last_report_and_problems() -> None:
    assert [
        re.sub(r"20\d\d-\d\d-\d\d \d\d:\d\d:06", "TIME", line)
        for line in table_of(counts_of_a_bad_day())
    ] == [
        "REPORTS",
        "since the start  3: 2 kasan, 1 warning; 2 not sent one by one; 1 doubtful",
        "last             TIME  WARNING in nic\\x1b[31m\\udcff at ffffffff81234567",
        "kept             3 reports of 2 crashes, 68 KiB: klogd-py reports",
        "not kept         /var/lib/klogd-py/reports: No space left on device",
        "hook             /usr/local/bin/page: no end after 30 s",
    ]


def test_table_without_reports_has_no_part_of_them() -> None:
    assert table_of(None) == []
    assert table_of(ReportCounts()) == []
    assert len(table_of(counts_of_a_bad_day())) > 1


def test_crashes_are_not_shown_beside_reports() -> None:
    reports = status_of(counts_of_a_bad_day()).reports
    both = msgspec.structs.replace(status(), reports=reports)
    assert "crashes  -" not in re.sub(" +", "  ", render_table(both, colour=False))
    alone = msgspec.structs.replace(both, reports=status_of(ReportCounts()).reports)
    assert "crashes  -" in re.sub(" +", "  ", render_table(alone, colour=False))


def test_metrics_of_reports_have_these_values() -> None:
    found = samples(status_of(counts_of_a_bad_day()))
    zeros = {key for key, value in found.items() if key[0] == "klogd_reports_total" and not value}
    kasan_at, warning_at = 1795802645.231004, 1795802706.0
    assert {key: value for key, value in found.items() if key not in zeros} == {
        ("klogd_reports_total", "kind=kasan,severity=error"): 2,
        ("klogd_reports_total", "kind=warning,severity=warning"): 1,
        ("klogd_report_last_timestamp_seconds", "kind=kasan"): kasan_at,
        ("klogd_report_last_timestamp_seconds", "kind=warning"): warning_at,
        ("klogd_reports_suppressed_total", ""): 2,
        ("klogd_reports_low_confidence_total", ""): 1,
        ("klogd_report_issues", ""): 2,
        ("klogd_report_spool_reports", ""): 3,
        ("klogd_report_spool_bytes", ""): 70_000,
        ("klogd_report_spool_problem", ""): 1,
        ("klogd_report_hook_calls_total", "outcome=succeeded"): 0,
        ("klogd_report_hook_calls_total", "outcome=failed"): 0,
        ("klogd_report_hook_calls_total", "outcome=timed-out"): 1,
        ("klogd_report_hook_calls_total", "outcome=dropped"): 0,
    }


def test_every_kind_has_a_series_from_the_start() -> None:
    found = samples(status_of(ReportCounts()))
    labels = [labels for name, labels in found if name == "klogd_reports_total"]
    kinds = {label.partition(",")[0].removeprefix("kind=") for label in labels}
    assert kinds == {kind.value for kind in CrashKind}
    assert "kind=null-deref,severity=fatal" in labels


def test_daemon_without_reports_has_no_metric_of_them() -> None:
    assert samples(status_of(None)) == {}
    assert len(samples(status_of(ReportCounts()))) > 5


@pytest.mark.parametrize("word", ["nic_poll", "WARNING", NAME, "function", "title"])
def test_metrics_name_no_function_and_no_title(word: str) -> None:
    labels = [labels for _, labels in samples(status_of(counts_of_a_bad_day()))]
    assert "kind=kasan,severity=error" in labels
    assert word not in " ".join(labels)
