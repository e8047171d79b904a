# SPDX-License-Identifier: GPL-2.0-or-later
"""The status document and the metrics of a real daemon in a known state, field by field.

Scripts and dashboards depend on these names. A test here that fails means that they would break.
"""

import asyncio
import os
import re
import signal
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from klogd_py.config.run_options import RunOptions
from klogd_py.daemon import Daemon
from klogd_py.monitoring import prometheus
from klogd_py.monitoring.status import Status
from tests.entries import position_at
from tests.fakes import FakeRing
from tests.monitoring.golden import METRICS, STATUS

MAP = (
    "ffffffff81000000 T _text\n"
    "ffffffff816b9000 t vfs_write\n"
    "ffffffff816b9800 t vfs_read\n"
    "ffffffff82000000 T _etext\n"
)
CONFIGURATION = """
sinks = ["file:{folder}/kern.log", "file:{folder}/missing/kern.log"]
symbols.search = ["{folder}/System.map-other", "{folder}/System.map"]
symbols.kallsyms = "{folder}/kallsyms"
symbols.modules = "{folder}/modules"
state.cursor_file = ""
reports.spool = "{folder}/reports"
status.socket = ""
watch.files = false
watch.modules = false
"""
RECORDS = (
    (6, "eth0: link up"),
    (3, "BUG: unable to handle page fault for address: 0000000000000000"),
    (4, "RIP: 0010:[<ffffffff816b9363>]"),
    (4, "RIP: 0010:[<ffffffff90000000>]"),
    (6, "the end"),
)
TIMEOUT_S = 20.0


def write_files(folder: Path) -> Path:
    """Write the files of a small machine; return the configuration."""
    config = folder / "klogd-py.toml"
    config.write_text(CONFIGURATION.format(folder=folder))
    (folder / "kallsyms").write_text(MAP)
    (folder / "modules").write_text("loop 16384 0 - Live 0xffffffffc0100000\n")
    (folder / "System.map").write_text(MAP)
    (folder / "System.map-other").write_text(MAP.replace("816b9000", "816b8000"))
    return config


async def wait_until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(TIMEOUT_S):
        while not condition():
            await asyncio.sleep(0.01)


async def status_after_records(folder: Path) -> Status:
    """Run a daemon over `RECORDS`, an overrun, a refused reload and an error in a job."""
    config, ring, log = write_files(folder), FakeRing(capacity=8), folder / "kern.log"
    options = RunOptions(config_path=str(config))
    daemon = Daemon(options, ring.device)
    for prefix, text in RECORDS:
        seq = ring.next_seq
        ring.log(raw=f"{prefix},{seq},{seq * 1000},-;{text}\n".encode())
    running = asyncio.create_task(daemon.run())
    await wait_until(lambda: log.exists() and "the end" in log.read_text())
    # More records than the ring holds: the daemon does not run until they are all logged
    ring.log(20)
    first, _ = daemon.flow.sink_manager.queues.values()
    await wait_until(lambda: first.position == position_at(ring.next_seq))
    config.write_text("broken = [")
    os.kill(os.getpid(), signal.SIGHUP)
    await wait_until(lambda: bool(daemon.reporting.status_builder.changes))
    daemon.jobs.call("example", lambda: [][1], None)
    assert daemon.flow.reports is not None
    counts = daemon.flow.reports.counts
    # The oops has ended when nothing follows it for two seconds
    await wait_until(lambda: counts.spool.issues == 1)
    status = daemon.reporting.status_builder.build(daemon.symbol_manager.symbols)
    # Otherwise the daemon waits for the second sink before it stops
    (folder / "missing").mkdir()
    os.kill(os.getpid(), signal.SIGTERM)
    await running
    return status


@pytest.fixture
def status(tmp_path: Path, signals_as_before: None) -> Status:
    return asyncio.run(status_after_records(tmp_path))


def normalized(status: Status, folder: Path) -> object:
    """The document as JSON has it, without what differs from run to run."""
    text = msgspec.json.encode(status).decode().replace(str(folder), "DIR")
    text = re.sub(r'"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z"', '"TIME"', text)
    text = re.sub(r'"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z"', '"TIME"', text)
    text = re.sub(r'"(pid|uptime_s|queued_bytes|size_bytes)":\d+', r'"\1":0', text)
    text = re.sub(r'"(version|boot_id|id)":"[^"]+"', r'"\1":"X"', text)
    # A slow machine reads the records too late for "live"
    text = text.replace('"clock":"backlog"', '"clock":"live"')
    return msgspec.json.decode(text)


def test_status_document_has_every_field_unchanged(status: Status, tmp_path: Path) -> None:
    assert normalized(status, tmp_path) == STATUS


def test_metrics_keep_their_names_and_labels(status: Status, tmp_path: Path) -> None:
    lines = prometheus.encode(status).decode().replace(str(tmp_path), "DIR").splitlines()
    samples = [line.rpartition(" ")[0] for line in lines if not line.startswith("#")]
    samples = [re.sub(r'version="[^"]+"', 'version="X"', sample) for sample in samples]
    assert samples == METRICS
