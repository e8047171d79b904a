# SPDX-License-Identifier: GPL-2.0-or-later
"""The Grafana dashboard: its form, and each of its queries on the metrics of a daemon.

Debian's Prometheus scrapes a daemon that has seen crashes, with the alert rules. Grafana itself is
not needed: its variables are replaced here.
"""

import asyncio
import os
import re
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec
import pytest

from klogd_py.config.run_options import RunOptions
from klogd_py.daemon import Daemon
from klogd_py.monitoring import prometheus
from tests.documents import status
from tests.fakes import FakeRing
from tests.monitoring.prometheus_server import (
    RULES,
    Answer,
    PrometheusServer,
    free_port,
    needs_prometheus,
)
from tests.monitoring.test_report_status import counts_of_a_bad_day, status_of
from tests.signals import restored_signals

DASHBOARD = RULES.with_name("klogd-py-dashboard.json")
COLUMNS = 24
FOREIGN = {"node_exporter", "node_textfile_mtime_seconds"}
CONFIGURATION = """
sinks = ["file:{folder}/kern.log"]
state.cursor_file = ""
status.socket = ""
watch.files = false
watch.modules = false
symbols.search = []
metrics.listen = "127.0.0.1:{port}"
reports.spool = "{folder}/reports"
"""
CRASH = (
    "BUG: kernel NULL pointer dereference, address: 0000000000000028",
    "#PF: supervisor read access in kernel mode",
    "#PF: error_code(0x0000) - not-present page",
    "PGD 0 P4D 0",
    "Oops: 0000 [#1] PREEMPT SMP NOPTI",
    "CPU: 1 PID: 812 Comm: netperf Not tainted 6.1.0-30-amd64 #1  Debian 6.1.124-1",
    "RIP: 0010:nic_poll+0x5d/0x140 [nic]",
    "Call Trace:",
    " <TASK>",
    " __napi_poll+0x98/0x3a0",
    " net_rx_action+0x3f1/0x8a0",
    " </TASK>",
    "---[ end trace 0000000000000000 ]---",
)
# Grafana puts these in; the range of a panel is at least four scrapes.
VARIABLES = {"$__rate_interval": "30s", "$__range": "1m", "$instance": ".*"}
FIRST_CRASH = 'klogd_reports_total{kind="null-deref"} == 1'
TIMEOUT_S = 60.0


class Position(msgspec.Struct, frozen=True):
    """The place of a panel on the grid."""

    x: int
    y: int
    w: int
    h: int

    @property
    def cells(self) -> set[tuple[int, int]]:
        return {
            (column, line)
            for column in range(self.x, self.x + self.w)
            for line in range(self.y, self.y + self.h)
        }


class Target(msgspec.Struct, frozen=True):
    """A query of a panel."""

    ref_id: str = msgspec.field(name="refId")
    expr: str


class Panel(msgspec.Struct, frozen=True):
    """A panel; a row has no targets."""

    id: int
    title: str
    type: str
    grid: Position = msgspec.field(name="gridPos")
    targets: tuple[Target, ...] = ()


class Annotation(msgspec.Struct, frozen=True):
    """Marks on the time axis."""

    name: str
    expr: str


class Annotations(msgspec.Struct, frozen=True):
    """The key of that name."""

    list: tuple[Annotation, ...]


class Dashboard(msgspec.Struct, frozen=True):
    """The keys that are checked here."""

    panels: tuple[Panel, ...]
    annotations: Annotations


def read_dashboard() -> Dashboard:
    return msgspec.json.decode(DASHBOARD.read_bytes(), type=Dashboard)


def queries() -> Iterator[tuple[str, str]]:
    """Each query with the title of its panel."""
    for panel in read_dashboard().panels:
        for target in panel.targets:
            yield f"{panel.title} {target.ref_id}", target.expr
    for annotation in read_dashboard().annotations.list:
        yield annotation.name, annotation.expr


QUERIES = dict(queries())


def filled(expression: str) -> str:
    for name, value in VARIABLES.items():
        expression = expression.replace(name, value)
    return expression


def log_crash(ring: FakeRing) -> None:
    """Let the kernel print an oops, a line each millisecond."""
    for text in CRASH:
        seq = ring.next_seq
        ring.log(raw=f"1,{seq},{seq * 1000},-;{text}\n".encode())


async def wait_until(condition: Callable[[], bool]) -> None:
    """Wait for a condition that asks the server, while the daemon runs."""
    async with asyncio.timeout(TIMEOUT_S):
        while not await asyncio.to_thread(condition):
            await asyncio.sleep(0.2)


class Evaluated(msgspec.Struct, frozen=True):
    """What the server said."""

    answers: dict[str, Answer]
    rules: dict[str, str]
    instances: list[str]


def evaluate(server: PrometheusServer) -> Evaluated:
    answers = {title: server.query(filled(expr)) for title, expr in QUERIES.items()}
    instances = server.label_values("klogd_build_info", "instance")
    return Evaluated(answers, server.rules(), instances)


async def run_daemon_and_server(folder: Path) -> Evaluated:
    """Let a daemon report crashes, the first before it is scraped and one more then."""
    config, port, ring = folder / "klogd-py.toml", free_port(), FakeRing()
    config.write_text(CONFIGURATION.format(folder=folder, port=port))
    daemon = Daemon(RunOptions(config_path=str(config)), ring.device)
    log_crash(ring)
    running = asyncio.create_task(daemon.run())
    with PrometheusServer(folder, port) as server:
        await wait_until(lambda: server.query(FIRST_CRASH).series != ())
        log_crash(ring)
        daemon.jobs.call("example", lambda: [][1], None)
        daemon.reporting.status_builder.record_reload("configuration", "SIGHUP", taken=True)
        slowest = QUERIES["Crash reports by kind A"], QUERIES["Alerts A"]
        await wait_until(lambda: all(server.query(filled(expr)).series for expr in slowest))
        evaluated = await asyncio.to_thread(evaluate, server)
    os.kill(os.getpid(), signal.SIGTERM)
    await running
    return evaluated


@pytest.fixture(scope="module")
def evaluated(tmp_path_factory: pytest.TempPathFactory) -> Evaluated:
    with restored_signals():
        return asyncio.run(run_daemon_and_server(tmp_path_factory.mktemp("prometheus")))


@needs_prometheus
@pytest.mark.parametrize("title", QUERIES)
def test_query_of_each_panel_has_a_result(evaluated: Evaluated, title: str) -> None:
    answer = evaluated.answers[title]
    assert answer.error == ""
    assert answer.series != ()


@needs_prometheus
def test_server_evaluates_all_rules_without_error(evaluated: Evaluated) -> None:
    names = re.findall(r"- (?:alert|record): (\S+)", RULES.read_text())
    assert len(names) > 10
    assert evaluated.rules == dict.fromkeys(names, "")


@needs_prometheus
def test_variable_of_the_dashboard_lists_machines(evaluated: Evaluated) -> None:
    assert len(evaluated.instances) == 1
    assert evaluated.instances[0].startswith("127.0.0.1:")


@needs_prometheus
def test_panel_counts_crashes_of_the_daemon(evaluated: Evaluated) -> None:
    title = "Crash reports since the start of the daemon A"
    assert ({"severity": "fatal"}, 2.0) in evaluated.answers[title].series


def test_panels_lie_beside_each_other_on_grid() -> None:
    panels = read_dashboard().panels
    cells = [cell for panel in panels for cell in panel.grid.cells]
    assert len(cells) == len(set(cells)) > 100
    assert max(column for column, _ in cells) == COLUMNS - 1
    assert len({panel.id for panel in panels}) == len(panels)


def test_each_panel_but_rows_has_a_query() -> None:
    without = {panel.type for panel in read_dashboard().panels if not panel.targets}
    assert without == {"row"}


@pytest.mark.parametrize("path", [RULES, DASHBOARD], ids=lambda path: path.name)
def test_rules_and_dashboard_name_only_existing_metrics(path: Path) -> None:
    exported = prometheus.encode(status()) + prometheus.encode(status_of(counts_of_a_bad_day()))
    known = set(re.findall(r"^(klogd_\w+)", exported.decode(), re.MULTILINE))
    named = set(re.findall(r"\b(?:klogd|node)_\w+", path.read_text()))
    assert len(named) > 10
    assert named - known - FOREIGN == set()
