# SPDX-License-Identifier: GPL-2.0-or-later
"""Filters with the real kernel log: records, gaps and what was left out are the whole range."""

import json
import secrets
import signal
from pathlib import Path
from typing import Any

import msgspec
import pytest
from msgspec import Struct

from klogd_py.monitoring.status import Status
from klogd_py.monitoring.status_client import fetch_status
from tests.end_to_end.program import Program, configure, lines_of, socket_of, write_kmsg
from tests.json_documents import read_documents
from tests.needs import needs_kmsg
from tests.waiting import wait_until

pytestmark = needs_kmsg

CONFIGURATION = """
watch.files = false
file.format = "json"

[[sinks]]
name = "match"
type = "file"
path = "{folder}/match.log"
match = '^{marker} \\d*[02468]$'

[[sinks]]
name = "severity"
type = "file"
path = "{folder}/severity.log"
min_severity = "warn"
exclude = '{marker} 3$'
"""


NAMES = ("match", "severity")


class Run(Struct, frozen=True):
    """What one run of the daemon said of one sink at its end: its range, and what was left out."""

    name: str
    first: int
    next_seq: int
    left_out: int


class Log:
    """The configured files of one folder over several runs of the daemon."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.marker = f"marker-{secrets.token_hex(8)}"
        text = CONFIGURATION.format(folder=folder, marker=self.marker)
        self.config = configure(folder, text)
        self.written = 0
        self.runs: list[Run] = []

    def start(self) -> Program:
        self.positions = dict.fromkeys(NAMES, 0)
        cursors = self.folder / "position.json"
        if cursors.exists():
            self.positions |= json.loads(cursors.read_text())["next"]
        return Program(self.folder, config=self.config)

    def write(self, *severities: int) -> None:
        for severity in severities:
            write_kmsg(f"<{8 + severity}>{self.marker} {self.written}")
            self.written += 1

    def finish(self) -> None:
        """Write a last record, which both get, and wait for it; note what was left out."""
        self.written += self.written % 2
        self.write(1)
        last = self.written - 1
        wait_until(lambda: all(last in self.ours(name) for name in NAMES), "the last record")
        status = msgspec.json.decode(fetch_status(socket_of(self.folder)), type=Status)
        for sink in status.sinks:
            assert sink.next_seq is not None
            first = self.positions[sink.name]
            self.runs.append(Run(sink.name, first, sink.next_seq, sink.filtered))

    def documents(self, name: str) -> list[dict[str, Any]]:
        path = self.folder / f"{name}.log"
        return read_documents(path.read_bytes()) if lines_of(path) else []

    def ours(self, name: str) -> list[int]:
        """The numbers of the records with our marker, in their order."""
        texts = [str(one["text"]) for one in self.documents(name)]
        return [int(text.rpartition(" ")[2]) for text in texts if self.marker in text]

    def check_sum(self) -> None:
        """Check each run; records of other programs may follow on what its end shows."""
        assert len(self.runs) > 1
        for run in self.runs:
            within = range(run.first, run.next_seq)
            gaps = [one["gap"] for one in self.documents(run.name) if "gap" in one]
            lost = sum(gap["count"] for gap in gaps if gap["first"] in within)
            seqs = [one["seq"] for one in self.documents(run.name) if one.get("seq") in within]
            assert len(set(seqs)) == len(seqs)
            assert len(seqs) + lost + run.left_out == len(within), run


@pytest.fixture
def log(tmp_path: Path) -> Log:
    return Log(tmp_path)


def test_counts_add_up_live_and_after_restart(log: Log) -> None:
    with log.start() as program:
        log.write(6, 6, 4, 4, 3)
        log.finish()
        assert program.stop() == 0
    # While no daemon runs
    log.write(4, 4, 6)
    with log.start() as program:
        log.write(4, 6)
        log.finish()
        assert program.stop() == 0
    log.check_sum()
    assert log.ours("match") == [number for number in range(log.written) if number % 2 == 0]
    assert log.ours("severity") == [2, 4, 6, 7, 8, 10, 12]


def test_killed_daemon_repeats_nothing_left_out(log: Log) -> None:
    with log.start() as program:
        log.write(4, 6)
        log.finish()
        program.stop(signal.SIGKILL)
    with log.start() as program:
        log.write(6)
        log.finish()
    log.check_sum()
    assert log.ours("match") == [0, 2, 4]


def test_reload_changes_what_later_records_pass(log: Log) -> None:
    text = log.config.read_text()
    with log.start() as program:
        log.write(6, 6, 4)
        wait_until(lambda: log.ours("severity") == [2], "the warning")
        log.config.write_text(text.replace('"warn"', '"info"').replace("[02468]", "[13579]"))
        program.send(signal.SIGHUP)
        program.wait_for_notification("READY=1", times=2)
        log.write(6, 6, 7)
        wait_until(lambda: log.ours("severity") == [2, 4], "the message after it")
        wait_until(lambda: log.ours("match") == [0, 2, 3, 5], "the odd numbers")
        log.config.write_text(text.replace("[02468]", "[02468"))
        program.send(signal.SIGHUP)
        program.wait_for_log(
            "key sinks[0].match: expected a regular expression "
            "(unterminated character set at character 29), got"
        )
        log.write(6, 6)
        wait_until(lambda: log.ours("match") == [0, 2, 3, 5, 7], "the odd numbers")
        assert program.stop() == 0


@pytest.mark.parametrize("option", ["--level=err", "--facility=user", "--grep=^marker-"])
def test_unselected_records_are_not_lost(option: str, tmp_path: Path) -> None:
    marker = f"marker-{secrets.token_hex(8)}"
    with Program(tmp_path, "--follow-new", "--sink=console", "--json", option) as program:
        for number in range(20):
            write_kmsg(f"<11>{marker} {number}")
            for _ in range(number % 3):
                write_kmsg("<30>another program")
        wait_until(lambda: f"{marker} 19" in program.output.read_text(), "the last record")
        assert program.stop() == 0
    found = read_documents(program.output.read_bytes())
    assert [one for one in found if "gap" in one] == []
    assert [one["text"] for one in found if marker in str(one["text"])] == [
        f"{marker} {number}" for number in range(20)
    ]


def test_files_are_rotated_while_the_daemon_runs(tmp_path: Path) -> None:
    path, marker = tmp_path / "kern.log", f"marker-{secrets.token_hex(8)}"
    config = configure(
        tmp_path,
        f'[[sinks]]\ntype = "file"\npath = "{path}"\nrotate_kib = 64\nmatch = "{marker}"\n',
    )
    with Program(tmp_path, config=config) as program:
        for number in range(300):
            write_kmsg(f"<12>{marker} {number} {'x' * 500}")
        files = [tmp_path / "kern.log.2", tmp_path / "kern.log.1", path]
        last = f"{marker} 299 "
        wait_until(lambda: any(last in line for line in lines_of(path)), "the last record")
        assert program.stop() == 0
    numbers = [line.split()[-2] for file in files for line in lines_of(file) if marker in line]
    assert numbers == [str(number) for number in range(300)]
    assert all(file.stat().st_size <= 64 << 10 for file in files)
