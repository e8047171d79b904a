# SPDX-License-Identifier: GPL-2.0-or-later
"""How do things stand, in numbers for Prometheus?

Turns the document of `klogd_py.monitoring.status` into metric families, and those into text: for
the textfile collector of node-exporter, written as a whole or not at all, and for whoever asks over
HTTP. prometheus-client is imported here alone, and this module only where metrics are configured.

Source of truth: https://prometheus.io/docs/practices/naming; the textfile collector reads
``*.prom``.
"""

import contextlib
import os
import secrets
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from pathlib import Path

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, InfoMetricFamily, Metric
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest
from prometheus_client.registry import CollectorRegistry

from klogd_py.monitoring.status import SinkState, Status
from klogd_py.system.trusted_directory import directory_of

CONTENT_TYPE = CONTENT_TYPE_LATEST
Value = Callable[[SinkState], float]
_OF_SINKS: tuple[
    tuple[type[CounterMetricFamily] | type[GaugeMetricFamily], str, str, Value], ...
] = (
    (
        CounterMetricFamily,
        "delivered_entries",
        "Entries that the sink has accepted.",
        lambda sink: sink.delivered,
    ),
    (
        CounterMetricFamily,
        "lost_records",
        "Records that the sink should have had.",
        lambda sink: sink.lost,
    ),
    (
        CounterMetricFamily,
        "failures",
        "How often the sink has gone down.",
        lambda sink: sink.failures,
    ),
    (
        GaugeMetricFamily,
        "queued_entries",
        "Entries that wait for the sink.",
        lambda sink: sink.queued,
    ),
    (
        GaugeMetricFamily,
        "queued_bytes",
        "About the memory that they take.",
        lambda sink: sink.queued_bytes,
    ),
    (
        GaugeMetricFamily,
        "queue_limit_bytes",
        "The memory that they may take.",
        lambda sink: sink.limit_bytes,
    ),
    (
        GaugeMetricFamily,
        "up",
        "1 unless the sink is down or gone.",
        lambda sink: sink.state not in ("down", "gone"),
    ),
)


class _Collector:
    """What the registry asks: everything is drawn anew at each scrape."""

    def __init__(self, status: Status) -> None:
        self._status = status

    def collect(self) -> Iterable[Metric]:
        return families(self._status)


def text(status: Status) -> bytes:
    """All metrics in the text format of Prometheus."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Collector(status))
    return generate_latest(registry)


def write(path: Path, content: bytes) -> None:
    """Replace a file as a whole, readable by everybody; raises OSError. May block as long as the
    disk does.

    The directory is often one that others may write to: what is written first has a name that
    nobody can foresee, and is new.
    """
    with directory_of(path) as directory:
        # Hidden, and not *.prom: the collector passes it over
        beside = f".{path.name}.{secrets.token_hex(8)}"
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
        descriptor = os.open(beside, flags, 0o644, dir_fd=directory.descriptor)
        try:
            with open(descriptor, "wb") as file:
                # Whatever the umask of the service is
                os.fchmod(descriptor, 0o644)
                file.write(content)
            os.rename(
                beside,
                directory.name,
                src_dir_fd=directory.descriptor,
                dst_dir_fd=directory.descriptor,
            )
        except OSError:
            with contextlib.suppress(OSError):
                os.unlink(beside, dir_fd=directory.descriptor)
            raise


def families(status: Status) -> Iterable[Metric]:
    """Every metric family, without addresses."""
    info = InfoMetricFamily("klogd_build", "The version that runs.")
    info.add_metric([], {"version": status.version})
    yield info
    yield GaugeMetricFamily(
        "klogd_start_time_seconds", "When it was started.", _seconds(status.started)
    )
    found = status.input
    yield _labelled(
        "klogd_records", "Records that came from the kernel.", "severity", found.severities
    )
    yield _labelled("klogd_gap_records", "Records that no sink gets as such.", "cause", found.gaps)
    if found.next_seq is not None:
        yield GaugeMetricFamily(
            "klogd_next_sequence_number",
            "The first record that is not handed to the sinks.",
            found.next_seq,
        )
    yield GaugeMetricFamily(
        "klogd_paused", "1 while records are left in the kernel's buffer.", found.paused
    )
    yield from _of_sinks(status.sinks)
    yield _labelled(
        "klogd_named_addresses", "Addresses that were given a name.", "source", status.names.named
    )
    yield _labelled(
        "klogd_nameless_addresses",
        "Code addresses without a name.",
        "reason",
        status.names.nameless,
    )
    yield GaugeMetricFamily(
        "klogd_map_in_use", "1 if a map is in use whose place is known.", bool(_map_in_use(status))
    )
    yield CounterMetricFamily(
        "klogd_oopses", "Oopses that were seen.", status.oops.count if status.oops else 0
    )
    if status.oops is not None:
        yield GaugeMetricFamily(
            "klogd_last_oops_time_seconds",
            "When the last one was printed.",
            _seconds(status.oops.at),
        )
    yield from _of_changes(status)
    failures = {one.job: one.count for one in status.failures}
    yield _labelled(
        "klogd_job_failures", "Unexpected errors that a job has survived.", "job", failures
    )


def _of_sinks(sinks: tuple[SinkState, ...]) -> Iterable[Metric]:
    for kind, name, words, value in _OF_SINKS:
        family = kind(f"klogd_sink_{name}", words, labels=["sink"])
        for sink in sinks:
            family.add_metric([sink.name], float(value(sink)))
        yield family
    gaps = CounterMetricFamily(
        "klogd_sink_gap_records", "Records missing for this sink alone.", labels=["sink", "cause"]
    )
    for sink in sinks:
        for cause, count in sink.gaps.items():
            gaps.add_metric([sink.name, cause], count)
    yield gaps


def _of_changes(status: Status) -> Iterable[Metric]:
    when = GaugeMetricFamily(
        "klogd_last_reload_time_seconds", "When something was last to be changed.", labels=["what"]
    )
    taken = GaugeMetricFamily(
        "klogd_last_reload_successful", "1 if it was taken into use.", labels=["what"]
    )
    for change in status.changes:
        when.add_metric([change.what], _seconds(change.at))
        taken.add_metric([change.what], float(change.taken))
    yield when
    yield taken


def _labelled(name: str, words: str, label: str, counts: Mapping[str, int]) -> Metric:
    family = CounterMetricFamily(name, words, labels=[label])
    for value, count in counts.items():
        family.add_metric([value], count)
    return family


def _map_in_use(status: Status) -> bool:
    return status.names.map is not None and status.names.map.slide is not None


def _seconds(time: str) -> float:
    return datetime.fromisoformat(time).timestamp()
