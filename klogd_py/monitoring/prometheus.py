# SPDX-License-Identifier: GPL-2.0-or-later
"""Convert a status document to Prometheus metrics.

`encode` returns the text for the HTTP exporter, `write` stores it for the textfile collector of
node-exporter, which reads ``*.prom``. No metric contains a kernel address. Only this module and
`report_metrics` import prometheus-client, and they are imported only if metrics are configured.

Source of truth: https://prometheus.io/docs/practices/naming;
https://prometheus.io/docs/instrumenting/exposition_formats.
"""

import contextlib
import os
import secrets
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from pathlib import Path

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, InfoMetricFamily, Metric
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest
from prometheus_client.registry import CollectorRegistry

from klogd_py.monitoring.report_metrics import report_metrics
from klogd_py.monitoring.status import (
    InputState,
    NamesState,
    OopsState,
    ReloadResult,
    SinkState,
    Status,
)
from klogd_py.system.trusted_directory import directory_of

CONTENT_TYPE = CONTENT_TYPE_LATEST
Value = Callable[[SinkState], float]
_SINK_METRICS: tuple[
    tuple[type[CounterMetricFamily] | type[GaugeMetricFamily], str, str, Value], ...
] = (
    (
        CounterMetricFamily,
        "delivered_entries",
        "Entries that the sink accepted.",
        lambda sink: sink.delivered,
    ),
    (
        CounterMetricFamily,
        "lost_records",
        "Records that the sink should have received and did not.",
        lambda sink: sink.lost,
    ),
    (
        CounterMetricFamily,
        "filtered_records",
        "Records that the filter of the sink left out.",
        lambda sink: sink.filtered,
    ),
    (
        CounterMetricFamily,
        "failures",
        "How often the sink went down.",
        lambda sink: sink.failures,
    ),
    (
        GaugeMetricFamily,
        "queued_entries",
        "Entries in the queue of the sink.",
        lambda sink: sink.queued,
    ),
    (
        GaugeMetricFamily,
        "queued_bytes",
        "Approximate memory of the queued entries.",
        lambda sink: sink.queued_bytes,
    ),
    (
        GaugeMetricFamily,
        "queue_limit_bytes",
        "Memory limit of the queue.",
        lambda sink: sink.limit_bytes,
    ),
    (
        GaugeMetricFamily,
        "up",
        "0 if the sink is down or gone, otherwise 1.",
        lambda sink: sink.state not in ("down", "gone"),
    ),
)


class _Collector:
    """The collector that the registry calls for one document."""

    def __init__(self, status: Status) -> None:
        self._status = status

    def collect(self) -> Iterable[Metric]:
        return metric_families(self._status)


def encode(status: Status) -> bytes:
    """Return all metrics in the text format of Prometheus."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Collector(status))
    return generate_latest(registry)


def write(path: Path, content: bytes) -> None:
    """Replace a file atomically, with mode 0644; raises OSError.

    It blocks as long as the disk does. Other users can often write to the directory of the textfile
    collector: the temporary file has an unpredictable name and is opened with O_EXCL.
    """
    with directory_of(path) as directory:
        # A hidden name that does not end with .prom: the collector ignores it
        temporary = f".{path.name}.{secrets.token_hex(8)}"
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
        descriptor = os.open(temporary, flags, 0o644, dir_fd=directory.descriptor)
        try:
            with open(descriptor, "wb") as file:
                # The umask of the service does not apply
                os.fchmod(descriptor, 0o644)
                file.write(content)
            os.rename(
                temporary,
                directory.name,
                src_dir_fd=directory.descriptor,
                dst_dir_fd=directory.descriptor,
            )
        except OSError:
            with contextlib.suppress(OSError):
                os.unlink(temporary, dir_fd=directory.descriptor)
            raise


def metric_families(status: Status) -> Iterable[Metric]:
    """Return every metric family, without kernel addresses."""
    info = InfoMetricFamily("klogd_build", "Version of the running daemon.")
    info.add_metric([], {"version": status.version})
    yield info
    yield GaugeMetricFamily(
        "klogd_start_time_seconds", "Start of the daemon.", _epoch_s(status.started)
    )
    yield from _input_metrics(status.input)
    yield from _sink_metrics(status.sinks)
    yield from _symbol_metrics(status.names)
    yield from _oops_metrics(status.oops)
    yield _labelled_counter(
        "klogd_crashes", "Crash reports seen, warnings among them.", "kind", status.crashes
    )
    if status.reports is not None:
        yield from report_metrics(status.reports)
    yield from _reload_metrics(status.changes)
    failures = {failure.job: failure.count for failure in status.failures}
    yield _labelled_counter(
        "klogd_job_failures", "Unexpected errors of a job that was continued.", "job", failures
    )


def _input_metrics(source: InputState) -> Iterable[Metric]:
    yield _labelled_counter(
        "klogd_records", "Records received from the kernel.", "severity", source.severities
    )
    yield _labelled_counter(
        "klogd_gap_records", "Records that were not passed to any sink.", "cause", source.gaps
    )
    if source.next_seq is not None:
        yield GaugeMetricFamily(
            "klogd_next_sequence_number",
            "Sequence number of the first record not yet passed to the sinks.",
            source.next_seq,
        )
    yield GaugeMetricFamily("klogd_paused", "1 while reading is paused.", source.paused)


def _symbol_metrics(names: NamesState) -> Iterable[Metric]:
    yield _labelled_counter(
        "klogd_named_addresses", "Addresses resolved to a symbol.", "source", names.named
    )
    yield _labelled_counter(
        "klogd_nameless_addresses",
        "Code addresses not resolved to a symbol.",
        "reason",
        names.nameless,
    )
    in_use = names.map is not None and names.map.slide is not None
    yield GaugeMetricFamily(
        "klogd_map_in_use", "1 if a map is in use and its KASLR offset is known.", in_use
    )


def _oops_metrics(oops: OopsState | None) -> Iterable[Metric]:
    yield CounterMetricFamily("klogd_oopses", "Oopses seen.", oops.count if oops else 0)
    if oops is not None:
        yield GaugeMetricFamily(
            "klogd_last_oops_time_seconds", "When the last oops was printed.", _epoch_s(oops.at)
        )


def _sink_metrics(sinks: tuple[SinkState, ...]) -> Iterable[Metric]:
    for kind, name, help_text, value in _SINK_METRICS:
        family = kind(f"klogd_sink_{name}", help_text, labels=["sink"])
        for sink in sinks:
            family.add_metric([sink.name], float(value(sink)))
        yield family
    gaps = CounterMetricFamily(
        "klogd_sink_gap_records", "Records missing for this sink only.", labels=["sink", "cause"]
    )
    for sink in sinks:
        for cause, count in sink.gaps.items():
            gaps.add_metric([sink.name, cause], count)
    yield gaps


def _reload_metrics(changes: Sequence[ReloadResult]) -> Iterable[Metric]:
    reloaded_at = GaugeMetricFamily(
        "klogd_last_reload_time_seconds", "Time of the last reload.", labels=["what"]
    )
    successful = GaugeMetricFamily(
        "klogd_last_reload_successful", "1 if the last reload succeeded.", labels=["what"]
    )
    for change in changes:
        reloaded_at.add_metric([change.what], _epoch_s(change.at))
        successful.add_metric([change.what], float(change.taken))
    yield reloaded_at
    yield successful


def _labelled_counter(name: str, help_text: str, label: str, counts: Mapping[str, int]) -> Metric:
    family = CounterMetricFamily(name, help_text, labels=[label])
    for value, count in counts.items():
        family.add_metric([value], count)
    return family


def _epoch_s(time: str) -> float:
    return datetime.fromisoformat(time).timestamp()
