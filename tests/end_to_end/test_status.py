# SPDX-License-Identifier: GPL-2.0-or-later
"""The status and the metrics of a real daemon."""

import contextlib
import os
import secrets
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import msgspec

from klogd_py.monitoring.status import Status
from klogd_py.monitoring.status_socket import CACHE_S
from tests.end_to_end.program import Program, configure, lines_of, socket_of, write_kmsg
from tests.json_documents import read_document
from tests.needs import needs_kmsg
from tests.waiting import wait_until

pytestmark = needs_kmsg


def run_status(folder: Path, *options: str) -> subprocess.CompletedProcess[str]:
    command = [
        sys.executable,
        "-m",
        "klogd_py",
        "status",
        "--socket",
        str(socket_of(folder)),
        *options,
    ]
    return subprocess.run(command, capture_output=True, encoding="utf-8", timeout=30, check=False)


def read_status(folder: Path) -> Status:
    """Return the present status, not the document that was built for the client before."""
    time.sleep(CACHE_S)
    done = run_status(folder, "--json")
    assert done.returncode == 0, done.stderr
    return msgspec.json.decode(done.stdout, type=Status)


def configure_unwatched(folder: Path, text: str) -> Path:
    return configure(folder, f"{text}\n[watch]\nfiles = false\n")


def test_undecodable_drop_in_name_leaves_status_readable(tmp_path: Path) -> None:
    drop_ins = tmp_path / "klogd-py.toml.d"
    drop_ins.mkdir()
    with Program(tmp_path, "--sink", f"file:{tmp_path}/kern.log") as program:
        Path(os.fsdecode(os.fsencode(drop_ins) + b"/\xff.toml")).touch()
        program.wait_for_log("keeping the old configuration")
        (change,) = [
            found for found in read_status(tmp_path).changes if found.what == "configuration"
        ]
        assert (
            change.taken,
            "\\udcff.toml: expected a name of printable characters" in change.detail,
        ) == (False, True)
        assert program.stop() == 0


def test_status_counts_records_and_deliveries(tmp_path: Path) -> None:
    good, bad, marker = (
        tmp_path / "kern.log",
        tmp_path / "missing" / "kern.log",
        f"marker-{secrets.token_hex(8)}",
    )
    config = configure_unwatched(tmp_path, f'sinks = ["file:{good}", "file:{bad}"]')
    with Program(tmp_path, config=config) as program:
        write_kmsg(f"<11>{marker}")
        wait_until(lambda: [line for line in lines_of(good) if marker in line], "the marker")
        program.wait_for_log("is down, retrying")
        written_before = len(lines_of(good))
        current = read_status(tmp_path)
        first, second = current.sinks
        assert (current.pid, first.state, second.state) == (program.process.pid, "up", "down")
        assert written_before <= first.delivered <= len(lines_of(good))
        assert second.queued >= first.delivered
        assert "No such file" in second.last_error
        assert current.input.severities["err"] >= 1
        assert first.next_seq is not None
        assert current.input.next_seq is not None
        assert first.next_seq <= current.input.next_seq <= (current.input.newest_seq or 0) + 1
        table = run_status(tmp_path).stdout
        assert f"file:{bad}" in table
        assert "\x1b" not in table
        bad.parent.mkdir()
        wait_until(lambda: read_status(tmp_path).sinks[1].state == "up", "the second sink")
        assert program.stop() == 0
    assert not socket_of(tmp_path).exists()


def test_status_without_a_daemon_exits_with_1(tmp_path: Path) -> None:
    configure(tmp_path)
    done = run_status(tmp_path)
    assert (done.returncode, done.stdout) == (1, "")
    assert "no daemon answers at" in done.stderr


def outcomes(folder: Path) -> dict[str, bool]:
    return {change.what: change.taken for change in read_status(folder).changes}


def test_refused_reload_is_shown_until_one_succeeds(tmp_path: Path) -> None:
    config = configure_unwatched(tmp_path, f'sinks = ["file:{tmp_path}/kern.log"]')
    with Program(tmp_path, config=config) as program:
        assert read_status(tmp_path).changes == ()
        config.write_text(config.read_text() + "[nonsense]\n")
        program.send(signal.SIGHUP)
        program.wait_for_log("keeping the old configuration")
        (refused,) = wait_until(lambda: read_status(tmp_path).changes, "the refusal")
        assert (refused.what, refused.why, refused.taken) == ("configuration", "SIGHUP", False)
        assert "nonsense" in refused.detail
        configure_unwatched(tmp_path, f'sinks = ["file:{tmp_path}/other.log"]')
        program.send(signal.SIGHUP)
        program.wait_for_notification("READY=1", times=2)
        wanted = {"configuration": True, "symbols": True}
        wait_until(lambda: outcomes(tmp_path) == wanted, "both outcomes")
        assert program.stop() == 0


def test_hundred_silent_clients_delay_no_record(tmp_path: Path) -> None:
    log, marker = tmp_path / "kern.log", f"marker-{secrets.token_hex(8)}"
    with (
        Program(
            tmp_path, config=configure_unwatched(tmp_path, f'sinks = ["file:{log}"]')
        ) as program,
        contextlib.ExitStack() as clients,
    ):
        for _ in range(100):
            client = clients.enter_context(socket.socket(socket.AF_UNIX))
            client.settimeout(5)
            client.connect(str(socket_of(tmp_path)))
        write_kmsg(marker)
        wait_until(lambda: [line for line in lines_of(log) if marker in line], "the marker")
        assert program.stop() == 0


def test_metrics_file_moves_with_the_configuration(tmp_path: Path) -> None:
    first, second = tmp_path / "first.prom", tmp_path / "second.prom"
    sinks = f'sinks = ["file:{tmp_path}/kern.log"]'
    with Program(
        tmp_path,
        config=configure_unwatched(
            tmp_path, f'{sinks}\n[metrics]\ntextfile = "{first}"\nperiod_s = 1'
        ),
    ) as program:
        wait_until(
            lambda: any(line.startswith("klogd_records_total") for line in lines_of(first)),
            "metrics",
        )
        configure_unwatched(tmp_path, f'{sinks}\n[metrics]\ntextfile = "{second}"\nperiod_s = 1')
        program.send(signal.SIGHUP)
        wait_until(lambda: lines_of(second), "metrics elsewhere")
        assert program.stop() == 0


def test_daemon_runs_without_prometheus_client(tmp_path: Path) -> None:
    (tmp_path / "prometheus_client.py").write_text("raise ImportError('not here')\n")
    config = configure_unwatched(
        tmp_path, f'sinks = ["file:{tmp_path}/kern.log"]\nmetrics.textfile = "{tmp_path}/k.prom"'
    )
    with Program(tmp_path, config=config, PYTHONPATH=str(tmp_path)) as program:
        program.wait_for_log("no metrics: the Python library prometheus-client cannot be used")
        assert run_status(tmp_path).returncode == 0
        assert program.stop() == 0


def test_second_daemon_leaves_socket_of_the_first(tmp_path: Path) -> None:
    (tmp_path / "second").mkdir()
    second = configure(tmp_path / "second", f'sinks = ["file:{tmp_path}/second.log"]\n')
    second.write_text(
        second.read_text().replace(str(socket_of(tmp_path / "second")), str(socket_of(tmp_path)))
    )
    with Program(
        tmp_path, config=configure_unwatched(tmp_path, f'sinks = ["file:{tmp_path}/kern.log"]')
    ) as program:
        with Program(tmp_path / "second", config=second) as other:
            other.wait_for_log("another daemon listens there")
            assert other.stop() == 0
        assert read_status(tmp_path).pid == program.process.pid
        assert program.stop() == 0


def test_refused_map_leaves_old_one_in_use(tmp_path: Path) -> None:
    path = tmp_path / "System.map"
    path.write_text("c0100000 T _text\nc010b800 T do_fork\nc0200000 A _end\n")
    config = configure_unwatched(
        tmp_path,
        f'sinks = ["file:{tmp_path}/kern.log"]\n'
        f'[symbols]\nmap = "{path}"\nkallsyms = ""\nmodules = ""',
    )
    with Program(tmp_path, config=config) as program:
        used = read_status(tmp_path).names.map
        assert used is not None
        path.write_text("nothing like a map\n")
        program.send(signal.SIGUSR2)
        program.wait_for_log("symbols reloaded after SIGUSR2")
        current = read_status(tmp_path)
        assert current.names.map is not None
        assert current.names.map.path == used.path
        (change,) = current.changes
        assert (change.what, change.taken) == ("symbols", False)
        assert "holds no symbols" in change.detail
        assert program.stop() == 0


def replace_atomically(config: Path, text: str) -> None:
    """Replace a configuration by rename(2).

    A file that is being written is empty for a moment, which means the default sinks.
    """
    new = config.with_suffix(".new")
    new.write_text(text)
    new.replace(config)


def test_reloads_lose_or_repeat_no_record(
    tmp_path: Path,
) -> None:
    log = tmp_path / "kern.json"
    text = f'sinks = ["file:{log}"]\nfile.format = "json"\n'
    config = configure_unwatched(tmp_path, text)
    whole = config.read_text().replace("[watch]\nfiles = false\n", "watch.files = false\n")
    with Program(tmp_path, config=config) as program:
        for number in range(12):
            write_kmsg(f"number {number}")
            if number % 3 == 0:
                replace_atomically(
                    config,
                    f"{whole}translate.duplicate_raw = {'true' if number % 2 else 'false'}\n",
                )
            elif number % 3 == 1:
                replace_atomically(config, "broken = [")
            program.send((signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2)[number % 3])
        replace_atomically(config, whole)
        marker = f"marker-{secrets.token_hex(8)}"
        write_kmsg(marker)
        wait_until(lambda: [line for line in lines_of(log) if marker in line], "the marker")
        assert program.stop() == 0
    expected = None
    for entry in map(read_document, lines_of(log)):
        gap = entry.get("gap", {})
        first = gap["first"] if gap else entry["seq"]
        last = gap["last"] if gap else first
        assert expected in (None, first)
        expected = int(last) + 1
