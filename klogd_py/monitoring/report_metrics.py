# SPDX-License-Identifier: GPL-2.0-or-later
"""Convert the counts of crash reports to metrics.

No label has the name of a function or a title: their number has no limit. Each kind has a series
from the start, since increase() of Prometheus does not see the first value of a series.
"""

from collections.abc import Iterable
from datetime import datetime

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric

from klogd_py.monitoring.status import ReportsState
from klogd_py.record.crash_kind import CrashKind
from klogd_py.reports.detection.headers import facts_of


def report_metrics(reports: ReportsState) -> Iterable[Metric]:
    """Return the families of metrics about crash reports."""
    yield _reports(reports)
    yield _last_times(reports)
    yield CounterMetricFamily(
        "klogd_reports_suppressed",
        "Reports without an entry of their own, as their crash had one shortly before.",
        reports.suppressed,
    )
    yield CounterMetricFamily(
        "klogd_reports_low_confidence",
        "Reports whose title or function is doubtful.",
        reports.low_confidence,
    )
    spool = reports.spool
    yield GaugeMetricFamily(
        "klogd_report_issues", "Different crashes among the reports that are kept.", spool.issues
    )
    yield GaugeMetricFamily("klogd_report_spool_reports", "Reports that are kept.", spool.reports)
    yield GaugeMetricFamily(
        "klogd_report_spool_bytes", "Size of the reports that are kept.", spool.size_bytes
    )
    yield GaugeMetricFamily(
        "klogd_report_spool_problem",
        "1 if the last report could not be written to the spool.",
        bool(spool.problem),
    )
    yield _hook_calls(reports)


def _reports(reports: ReportsState) -> Metric:
    family = CounterMetricFamily(
        "klogd_reports", "Crash reports, each occurrence.", labels=["kind", "severity"]
    )
    counts = {(kind.value, facts_of(kind).severity.value): 0 for kind in CrashKind}
    for kind, severities in reports.counts.items():
        counts |= {(kind, severity): count for severity, count in severities.items()}
    for (name, severity), count in counts.items():
        family.add_metric([name, severity], count)
    return family


def _last_times(reports: ReportsState) -> Metric:
    family = GaugeMetricFamily(
        "klogd_report_last_timestamp_seconds",
        "When the last report of a kind was printed.",
        labels=["kind"],
    )
    for kind, at in reports.last_at.items():
        family.add_metric([kind], datetime.fromisoformat(at).timestamp())
    return family


def _hook_calls(reports: ReportsState) -> Metric:
    family = CounterMetricFamily(
        "klogd_report_hook_calls", "Calls of the hook, by how they ended.", labels=["outcome"]
    )
    for outcome, count in reports.hook_calls.items():
        family.add_metric([outcome], count)
    return family
