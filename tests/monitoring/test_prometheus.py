# SPDX-License-Identifier: GPL-2.0-or-later
import os
import re
import stat
from collections.abc import Callable
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from klogd_py.monitoring import prometheus
from tests.documents import SEVERITIES, sink, status

WHOLE = status(sink("file:/a", "down", "No such file", 5), sink('syslog:"odd"\n\\name'), overrun=2)


def samples() -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    """What Prometheus itself reads from our text."""
    found = text_string_to_metric_families(prometheus.encode(WHOLE).decode())
    return {
        (one.name, tuple(sorted(one.labels.items()))): one.value
        for family in found
        for one in family.samples
    }


@pytest.mark.parametrize(
    ("name", "labels", "value"),
    [
        ("klogd_records_total", {"severity": "info"}, 1195),
        ("klogd_gap_records_total", {"cause": "overrun"}, 2),
        ("klogd_sink_up", {"sink": "file:/a"}, 0),
        ("klogd_sink_up", {"sink": 'syslog:"odd"\n\\name'}, 1),
        ("klogd_sink_lost_records_total", {"sink": "file:/a"}, 5),
        ("klogd_sink_queued_bytes", {"sink": "file:/a"}, 2048),
        ("klogd_sink_gap_records_total", {"sink": "file:/a", "cause": "overrun"}, 5),
        ("klogd_oopses_total", {}, 1),
        ("klogd_crashes_total", {"kind": "warning"}, 3),
        ("klogd_crashes_total", {"kind": "panic"}, 0),
        ("klogd_job_failures_total", {"job": "file watcher"}, 3),
        ("klogd_map_in_use", {}, 1),
        ("klogd_last_reload_successful", {"what": "configuration"}, 0),
        ("klogd_build_info", {"version": "1.0"}, 1),
    ],
)
def test_prometheus_parser_reads_values_of_document(
    name: str, labels: dict[str, str], value: float
) -> None:
    assert samples()[name, tuple(sorted(labels.items()))] == value


def test_every_severity_has_a_series() -> None:
    assert {labels[0][1] for name, labels in samples() if name == "klogd_records_total"} == set(
        SEVERITIES
    )


def test_metric_names_follow_the_prometheus_conventions() -> None:
    families = list(prometheus.metric_families(WHOLE))
    assert len(families) > 10
    for family in families:
        assert re.fullmatch(r"klogd_[a-z_]+", family.name)
        assert family.documentation.endswith(".")
        if family.type == "counter":
            assert {one.name for one in family.samples} == {f"{family.name}_total"}


def test_exported_metrics_contain_no_kernel_address() -> None:
    assert not re.search(rb"0x[0-9a-f]|ffff8", prometheus.encode(WHOLE))


def test_file_is_replaced_atomically_with_mode_0644(tmp_path: Path) -> None:
    path = tmp_path / "klogd.prom"
    before = os.umask(0o077)
    try:
        prometheus.write(path, b"old\n")
        with path.open("rb") as reader:
            prometheus.write(path, b"new\n")
            assert reader.read() == b"old\n"
    finally:
        os.umask(before)
    assert path.read_bytes() == b"new\n"
    assert stat.S_IMODE(path.stat().st_mode) == 0o644
    assert list(tmp_path.iterdir()) == [path]


def test_failed_write_leaves_no_temporary_file(tmp_path: Path) -> None:
    (tmp_path / "klogd.prom").mkdir()
    with pytest.raises(IsADirectoryError):
        prometheus.write(tmp_path / "klogd.prom", b"new\n")
    assert [path.name for path in tmp_path.iterdir()] == ["klogd.prom"]


@pytest.mark.parametrize(
    "plant", [os.mkfifo, lambda path: path.symlink_to("elsewhere"), Path.mkdir]
)
def test_planted_temporary_name_is_never_written(
    tmp_path: Path, plant: Callable[[Path], None]
) -> None:
    planted = tmp_path / f".klogd.prom.{os.getpid()}"
    plant(planted)
    prometheus.write(tmp_path / "klogd.prom", b"new\n")
    assert (tmp_path / "klogd.prom").read_bytes() == b"new\n"
    assert {path.name for path in tmp_path.iterdir()} == {planted.name, "klogd.prom"}


@pytest.mark.parametrize("kind", ["link", "FIFO", "other file"])
def test_existing_link_or_fifo_is_replaced(tmp_path: Path, kind: str) -> None:
    path, other = tmp_path / "klogd.prom", tmp_path / "other"
    other.write_text("precious")
    if kind == "link":
        path.symlink_to(other)
    elif kind == "FIFO":
        os.mkfifo(path)
    else:
        os.link(other, path)
    prometheus.write(path, b"new\n")
    assert (path.read_bytes(), path.is_symlink(), other.read_text()) == (
        b"new\n",
        False,
        "precious",
    )
