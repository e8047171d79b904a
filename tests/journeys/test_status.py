# SPDX-License-Identifier: GPL-2.0-or-later
"""How things stand with the whole daemon, as whoever asks hears it."""

import contextlib
import os
import secrets
import signal
import socket
import subprocess
import sys
from pathlib import Path

import msgspec

from klogd_py.monitoring.status import Status
from tests.journeys.program import Program, configure, lines_of, needs_kmsg, say, socket_of
from tests.waiting import wait_until

pytestmark = needs_kmsg


def status(folder: Path, *options: str) -> subprocess.CompletedProcess[str]:
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


def document(folder: Path) -> Status:
    done = status(folder, "--json")
    assert done.returncode == 0, done.stderr
    return msgspec.json.decode(done.stdout, type=Status)


def quiet(folder: Path, text: str) -> Path:
    return configure(folder, f"{text}\n[watch]\nfiles = false\n")


def test_a_drop_in_whose_name_is_no_text_leaves_an_answer(tmp_path: Path) -> None:
    drop_ins = tmp_path / "klogd-py.toml.d"
    drop_ins.mkdir()
    with Program(tmp_path, "--sink", f"file:{tmp_path}/kern.log") as program:
        Path(os.fsdecode(os.fsencode(drop_ins) + b"/\xff.toml")).touch()
        program.await_log("keeping the old configuration")
        (change,) = [found for found in document(tmp_path).changes if found.what == "configuration"]
        assert (
            change.taken,
            "\\udcff.toml: expected a name of printable characters" in change.detail,
        ) == (False, True)
        assert program.stop() == 0


def test_the_status_counts_what_has_come_and_where_it_went(tmp_path: Path) -> None:
    good, bad, marker = (
        tmp_path / "kern.log",
        tmp_path / "missing" / "kern.log",
        f"marker-{secrets.token_hex(8)}",
    )
    config = quiet(tmp_path, f'sinks = ["file:{good}", "file:{bad}"]')
    with Program(tmp_path, config=config) as program:
        say(f"<11>{marker}")
        wait_until(lambda: [line for line in lines_of(good) if marker in line], "the marker")
        program.await_log("is down, retrying")
        least = len(lines_of(good))
        told = document(tmp_path)
        first, second = told.sinks
        assert (told.pid, first.state, second.state) == (program.process.pid, "up", "down")
        assert least <= first.delivered <= len(lines_of(good))
        assert second.queued >= first.delivered
        assert "No such file" in second.last_error
        assert told.input.severities["err"] >= 1
        assert first.next_seq is not None
        assert told.input.next_seq is not None
        assert first.next_seq <= told.input.next_seq <= (told.input.newest_seq or 0) + 1
        table = status(tmp_path).stdout
        assert f"file:{bad}" in table
        assert "\x1b" not in table
        bad.parent.mkdir()
        wait_until(lambda: document(tmp_path).sinks[1].state == "up", "the second sink")
        assert program.stop() == 0
    assert not socket_of(tmp_path).exists()


def test_without_a_daemon_the_status_says_so_and_fails(tmp_path: Path) -> None:
    configure(tmp_path)
    done = status(tmp_path)
    assert (done.returncode, done.stdout) == (1, "")
    assert "no daemon answers at" in done.stderr


def test_a_refused_reload_is_told_with_its_reason_until_one_is_taken(tmp_path: Path) -> None:
    config = quiet(tmp_path, f'sinks = ["file:{tmp_path}/kern.log"]')
    with Program(tmp_path, config=config) as program:
        assert document(tmp_path).changes == ()
        config.write_text(config.read_text() + "[nonsense]\n")
        program.send(signal.SIGHUP)
        program.await_log("keeping the old configuration")
        (refused,) = document(tmp_path).changes
        assert (refused.what, refused.why, refused.taken) == ("configuration", "SIGHUP", False)
        assert "nonsense" in refused.detail
        quiet(tmp_path, f'sinks = ["file:{tmp_path}/other.log"]')
        program.send(signal.SIGHUP)
        program.await_told("READY=1", times=2)
        outcomes = {change.what: change.taken for change in document(tmp_path).changes}
        assert outcomes == {"configuration": True, "symbols": True}
        assert program.stop() == 0


def test_callers_without_manners_do_not_keep_records_waiting(tmp_path: Path) -> None:
    log, marker = tmp_path / "kern.log", f"marker-{secrets.token_hex(8)}"
    with (
        Program(tmp_path, config=quiet(tmp_path, f'sinks = ["file:{log}"]')) as program,
        contextlib.ExitStack() as callers,
    ):
        for _ in range(100):
            caller = callers.enter_context(socket.socket(socket.AF_UNIX))
            caller.settimeout(5)
            caller.connect(str(socket_of(tmp_path)))
        say(marker)
        wait_until(lambda: [line for line in lines_of(log) if marker in line], "the marker")
        assert program.stop() == 0


def test_the_metrics_are_written_and_change_with_the_configuration(tmp_path: Path) -> None:
    first, second = tmp_path / "first.prom", tmp_path / "second.prom"
    sinks = f'sinks = ["file:{tmp_path}/kern.log"]'
    with Program(
        tmp_path, config=quiet(tmp_path, f'{sinks}\n[metrics]\ntextfile = "{first}"\nperiod_s = 1')
    ) as program:
        wait_until(
            lambda: any(line.startswith("klogd_records_total") for line in lines_of(first)),
            "metrics",
        )
        quiet(tmp_path, f'{sinks}\n[metrics]\ntextfile = "{second}"\nperiod_s = 1')
        program.send(signal.SIGHUP)
        wait_until(lambda: lines_of(second), "metrics elsewhere")
        assert program.stop() == 0


def test_without_prometheus_client_all_but_the_metrics_works(tmp_path: Path) -> None:
    (tmp_path / "prometheus_client.py").write_text("raise ImportError('not here')\n")
    config = quiet(
        tmp_path, f'sinks = ["file:{tmp_path}/kern.log"]\nmetrics.textfile = "{tmp_path}/k.prom"'
    )
    with Program(tmp_path, config=config, PYTHONPATH=str(tmp_path)) as program:
        program.await_log("they need the Python package prometheus-client")
        assert status(tmp_path).returncode == 0
        assert program.stop() == 0


def test_a_second_daemon_leaves_the_socket_of_the_first_alone(tmp_path: Path) -> None:
    (tmp_path / "second").mkdir()
    second = configure(tmp_path / "second", f'sinks = ["file:{tmp_path}/second.log"]\n')
    second.write_text(
        second.read_text().replace(str(socket_of(tmp_path / "second")), str(socket_of(tmp_path)))
    )
    with Program(
        tmp_path, config=quiet(tmp_path, f'sinks = ["file:{tmp_path}/kern.log"]')
    ) as program:
        with Program(tmp_path / "second", config=second) as other:
            other.await_log("another daemon listens there")
            assert other.stop() == 0
        assert document(tmp_path).pid == program.process.pid
        assert program.stop() == 0


def test_a_map_that_is_refused_leaves_the_old_one_in_use_and_the_status_says_why(
    tmp_path: Path,
) -> None:
    path = tmp_path / "System.map"
    path.write_text("c0100000 T _text\nc010b800 T do_fork\nc0200000 A _end\n")
    config = quiet(
        tmp_path,
        f'sinks = ["file:{tmp_path}/kern.log"]\n[symbols]\nmap = "{path}"\nkallsyms = ""\nmodules = ""',
    )
    with Program(tmp_path, config=config) as program:
        used = document(tmp_path).names.map
        assert used is not None
        path.write_text("nothing like a map\n")
        program.send(signal.SIGUSR2)
        program.await_log("symbols read anew after SIGUSR2")
        told = document(tmp_path)
        assert told.names.map is not None
        assert told.names.map.path == used.path
        (change,) = told.changes
        assert (change.what, change.taken) == ("symbols", False)
        assert "holds no symbols" in change.detail
        assert program.stop() == 0


def exchange(config: Path, text: str) -> None:
    """Put another text in place at once.

    A file that is just being written is empty for a moment, and has the default sinks.
    """
    new = config.with_suffix(".new")
    new.write_text(text)
    new.replace(config)


def test_whatever_is_changed_while_records_come_no_number_is_lost_or_comes_twice(
    tmp_path: Path,
) -> None:
    log = tmp_path / "kern.json"
    text = f'sinks = ["file:{log}"]\nfile.format = "json"\n'
    config = quiet(tmp_path, text)
    whole = config.read_text().replace("[watch]\nfiles = false\n", "watch.files = false\n")
    with Program(tmp_path, config=config) as program:
        for number in range(12):
            say(f"number {number}")
            if number % 3 == 0:
                exchange(
                    config,
                    f"{whole}translate.duplicate_raw = {'true' if number % 2 else 'false'}\n",
                )
            elif number % 3 == 1:
                exchange(config, "broken = [")
            program.send((signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2)[number % 3])
        exchange(config, whole)
        marker = f"marker-{secrets.token_hex(8)}"
        say(marker)
        wait_until(lambda: [line for line in lines_of(log) if marker in line], "the marker")
        assert program.stop() == 0
    expected = None
    for entry in (msgspec.json.decode(line, type=dict[str, msgspec.Raw]) for line in lines_of(log)):
        gap = msgspec.json.decode(entry["gap"], type=dict[str, int | str]) if "gap" in entry else {}
        first = gap["first"] if gap else msgspec.json.decode(entry["seq"], type=int)
        last = gap["last"] if gap else first
        assert expected in (None, first)
        expected = int(last) + 1
