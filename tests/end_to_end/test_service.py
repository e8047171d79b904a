# SPDX-License-Identifier: GPL-2.0-or-later
import re
import secrets
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.end_to_end.program import Program, configure, lines_of, write_kmsg
from tests.needs import needs_kmsg
from tests.waiting import wait_until


@needs_kmsg
def test_the_manager_hears_ready_then_status_then_stopping(tmp_path: Path) -> None:
    with Program(tmp_path, "--sink", f"file:{tmp_path}/kern.log") as program:
        program.wait_for_notification("STATUS=", times=2)
        assert program.stop() == 0
    assert program.notifications[0] == "READY=1"
    # Records that want no names do not wait for the symbols.
    assert re.match(
        r"STATUS=\d+ records from /dev/kmsg to 1 sink, none lost; names from ",
        program.notifications[1],
    )
    assert program.notifications.count("READY=1") == 1
    assert program.notifications.count("STOPPING=1") == 1
    behind = program.notifications[program.notifications.index("STOPPING=1") + 1 :]
    assert all(line.startswith("STATUS=") for line in behind)


@needs_kmsg
def test_watchdog_is_notified_without_any_records(tmp_path: Path) -> None:
    with Program(
        tmp_path, "--sink", f"file:{tmp_path}/kern.log", WATCHDOG_USEC="400000", WATCHDOG_PID=None
    ) as program:
        program.wait_for_notification("WATCHDOG=1", times=4)
        assert program.stop() == 0


@needs_kmsg
def test_the_watchdog_of_another_process_is_not_fed(tmp_path: Path) -> None:
    with Program(
        tmp_path, "--sink", f"file:{tmp_path}/kern.log", WATCHDOG_USEC="1000", WATCHDOG_PID="1"
    ) as program:
        program.wait_for_notification("STATUS=", times=2)
        assert program.stop() == 0
    assert "WATCHDOG=1" not in program.notifications


@needs_kmsg
def test_reload_is_notified_with_start_and_end(tmp_path: Path) -> None:
    config = configure(tmp_path, f'sinks = ["file:{tmp_path}/kern.log"]\n[watch]\nfiles = false\n')
    with Program(tmp_path, config=config) as program:
        program.send(signal.SIGHUP)
        program.wait_for_notification("READY=1", times=2)
        assert program.stop() == 0
    states = [
        line
        for line in program.notifications
        if not line.startswith(("STATUS=", "MONOTONIC_USEC="))
    ]
    assert states == ["READY=1", "RELOADING=1", "READY=1", "STOPPING=1"]
    begun_us = program.notifications[program.notifications.index("RELOADING=1") + 1].removeprefix(
        "MONOTONIC_USEC="
    )
    assert 0 <= time.monotonic() * 1e6 - int(begun_us) < 60e6


@needs_kmsg
def test_refused_reload_is_notified_as_finished(tmp_path: Path) -> None:
    config = configure(tmp_path, "[watch]\nfiles = false\n")
    with Program(tmp_path, config=config) as program:
        config.write_text("nonsense = 1\n")
        program.send(signal.SIGHUP)
        program.wait_for_notification("READY=1", times=2)
        program.wait_for_log("keeping the old configuration")
        assert program.notifications.index("RELOADING=1") < len(
            program.notifications
        ) - 1 - program.notifications[::-1].index("READY=1")


@needs_kmsg
def test_stopped_event_loop_sends_no_watchdog(tmp_path: Path) -> None:
    options = ("--sink", f"file:{tmp_path}/kern.log")
    with Program(tmp_path, *options, WATCHDOG_USEC="200000", WATCHDOG_PID=None) as program:
        program.wait_for_notification("WATCHDOG=1", times=2)
        program.send(signal.SIGSTOP)
        time.sleep(0.2)
        fed = program.read_notifications().count("WATCHDOG=1")
        time.sleep(0.5)
        assert program.read_notifications().count("WATCHDOG=1") == fed
        program.send(signal.SIGCONT)
        program.wait_for_notification("WATCHDOG=1", times=fed + 1)


@needs_kmsg
def test_watchdog_signal_prints_the_loops_traceback(tmp_path: Path) -> None:
    with Program(tmp_path, "--sink", f"file:{tmp_path}/kern.log") as program:
        assert program.stop(signal.SIGABRT) == -signal.SIGABRT
    assert "asyncio/base_events.py" in "\n".join(program.log)


@needs_kmsg
def test_status_text_names_only_failed_sinks(tmp_path: Path) -> None:
    good, bad = tmp_path / "kern.log", tmp_path / "missing" / "kern.log"
    with Program(tmp_path, "--sink", f"file:{good}", "--sink", f"file:{bad}") as program:
        program.wait_for_notification(f"; down: file:{bad}")
        bad.parent.mkdir()
        marker = f"marker-{secrets.token_hex(8)}"
        write_kmsg(marker)
        wait_until(
            lambda: bad.exists() and any(marker in line for line in lines_of(bad)), "what was owed"
        )
        write_kmsg(f"marker-{secrets.token_hex(8)}")
        wait_until(lambda: "; down:" not in program.read_notifications()[-1], "a good status")
        assert program.stop() == 0


@needs_kmsg
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_sigterm_ends_the_daemon_with_status_0(tmp_path: Path, number: signal.Signals) -> None:
    with Program(tmp_path, "--sink", f"file:{tmp_path}/kern.log") as program:
        assert program.stop(number) == 0
    assert not [line for line in program.log if "Traceback" in line]


def test_daemon_with_silent_input_stops(tmp_path: Path) -> None:
    log = tmp_path / "kern.log"
    with Program(tmp_path, "--input", "-", "--sink", f"file:{log}") as program:
        program.feed("<6>one\n")
        wait_until(lambda: lines_of(log), "the first line")
        assert program.stop() == 0


def test_daemon_with_silent_input_notifies_watchdog(tmp_path: Path) -> None:
    options = ("--input", "-", "--sink", f"file:{tmp_path}/kern.log")
    with Program(tmp_path, *options, WATCHDOG_USEC="400000", WATCHDOG_PID=None) as program:
        program.feed("<6>one\n")
        program.wait_for_notification("WATCHDOG=1", times=4)
        assert program.stop() == 0


def test_an_input_that_ends_ends_the_daemon(tmp_path: Path) -> None:
    with Program(tmp_path, "--input", "-", "--sink", "console", "--style", "off") as program:
        program.feed("<6>one\n<6>without a line feed")
        program.end_of_input()
        assert program.wait() == 0
    assert [line.partition("kernel: ")[2] for line in lines_of(program.output)] == [
        "one",
        "without a line feed",
    ]


def test_a_configuration_without_any_sink_is_refused(tmp_path: Path) -> None:
    config = configure(tmp_path, "sinks = []\n")
    command = [sys.executable, "-m", "klogd_py", "--config", str(config)]
    ran = subprocess.run(
        command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60
    )
    assert ran.returncode == 78
    assert "at least one sink" in ran.stderr


def test_closed_standard_output_ends_without_traceback(
    tmp_path: Path,
) -> None:
    capture = tmp_path / "capture"
    capture.write_text("<6>one\n" * 100_000)
    with Program(
        tmp_path, "--input", str(capture), "--sink", "console", through="head -n 1"
    ) as program:
        program.wait()
    assert len(lines_of(program.output)) == 1
    assert not [line for line in program.log if "Traceback" in line]
