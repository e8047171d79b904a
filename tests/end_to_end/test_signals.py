# SPDX-License-Identifier: GPL-2.0-or-later
"""Signals that come before the daemon can answer them, or when it no longer can.

None ends it but those that are to.
"""

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from klogd_py.system import signals
from tests.end_to_end.program import configure, lines_of
from tests.fakes import environment
from tests.waiting import wait_until

HARMLESS = sorted(signals.HANDLED | signals.IGNORED)
LIMIT_S = 20


@contextlib.contextmanager
def early(folder: Path, held: str = "") -> Iterator[tuple[subprocess.Popen[bytes], Path]]:
    """Run the drop-in in the foreground, on an input that never ends.

    It stops for a while where the module ``held`` is first imported, or where the event loop is
    half made for ``event loop``.
    """
    pid_file, config = folder / "pid", configure(folder)
    (folder / "hold").mkdir(exist_ok=True)
    hook = (
        "import importlib.abc, sys, time\n"
        "class Hold(importlib.abc.MetaPathFinder):\n"
        "    def find_spec(self, name, path, target=None):\n"
        f"        if name == {held!r}:\n"
        f"            open({str(folder / 'held')!r}, 'w').close()\n"
        "            time.sleep(0.7)\n"
        "sys.meta_path.insert(0, Hold())\n"
        f"if {held!r} == 'event loop':\n"
        "    from asyncio.selector_events import BaseSelectorEventLoop as Loop\n"
        "    make = Loop._make_self_pipe\n"
        "    def make_late(loop):\n"
        f"        open({str(folder / 'held')!r}, 'w').close()\n"
        "        time.sleep(0.7)\n"
        "        make(loop)\n"
        "    Loop._make_self_pipe = make_late\n"
        "sys.argv[0] = 'klogd'\n"
        "from klogd_py.cli.main import klogd\n"
        "sys.exit(klogd())\n"
    )
    command = [
        sys.executable,
        "-c",
        hook,
        "-n",
        "--config",
        str(config),
        "--pid-file",
        str(pid_file),
        "--input",
        "-",
    ]
    command += ["--sink", f"file:{folder / 'log'}"]
    surroundings = environment(NOTIFY_SOCKET=None, JOURNAL_STREAM=None)
    errors = (folder / "errors").open("wb")
    with (
        errors,
        subprocess.Popen(
            command, stdin=subprocess.PIPE, stderr=errors, env=surroundings
        ) as process,
    ):
        try:
            yield process, pid_file
        finally:
            process.kill()


def delivers(process: subprocess.Popen[bytes], log: Path, text: str) -> None:
    assert process.stdin is not None
    process.stdin.write(f"<6>{text}\n".encode())
    process.stdin.flush()
    wait_until(
        lambda: [line for line in lines_of(log) if text in line], f"{text} in the log", LIMIT_S
    )


@pytest.mark.parametrize("number", HARMLESS, ids=lambda number: number.name)
def test_early_signals_never_kill_the_daemon(number: signal.Signals, tmp_path: Path) -> None:
    with early(tmp_path) as (process, pid_file):
        wait_until(lambda: pid_file.exists() and pid_file.read_text().strip(), "the pid", LIMIT_S)
        process.send_signal(number)
        if number is signal.SIGTSTP:
            wait_until(lambda: "paused" in (tmp_path / "errors").read_text(), "the pause", LIMIT_S)
            process.send_signal(signal.SIGCONT)
        delivers(process, tmp_path / "log", "after the signal")
        process.send_signal(signal.SIGTERM)
        assert process.wait(LIMIT_S) == 0
    assert not pid_file.exists()


def test_signals_during_start_are_handled_later(tmp_path: Path) -> None:
    with early(tmp_path, held="klogd_py.daemon") as (process, _):
        wait_until(lambda: (tmp_path / "held").exists(), "the moment", LIMIT_S)
        for number in HARMLESS:
            if number is not signal.SIGTSTP:
                process.send_signal(number)
        delivers(process, tmp_path / "log", "after the signals")
        wait_until(
            lambda: "symbols reloaded after" in (tmp_path / "errors").read_text(),
            "the answers",
            LIMIT_S,
        )
        reported = (tmp_path / "errors").read_text()
        assert "SIGUSR1" in reported
        assert "SIGUSR2" in reported
        process.send_signal(signal.SIGTERM)
        assert process.wait(LIMIT_S) == 0


@pytest.mark.parametrize(
    "held", ["klogd_py.daemon", "klogd_py.symbols.symbol_set", "event loop", "unittest.nowhere"]
)
@pytest.mark.parametrize("number", sorted(signals.STOPPING), ids=lambda number: number.name)
def test_early_stop_signal_exits_cleanly(number: signal.Signals, held: str, tmp_path: Path) -> None:
    with early(tmp_path, held) as (process, pid_file):
        moment = pid_file if held == "unittest.nowhere" else tmp_path / "held"
        wait_until(moment.exists, "the moment", LIMIT_S)
        process.send_signal(number)
        assert process.wait(LIMIT_S) == 0
    assert not pid_file.exists()
    assert "Traceback" not in (tmp_path / "errors").read_text()


def test_endless_input_line_does_not_prevent_stop(tmp_path: Path) -> None:
    capture = tmp_path / "capture"
    with capture.open("wb") as file:
        file.write(b"6,1,1,-;")
        for _ in range(100):
            file.write(b"a" * 1_000_000)
    command = [
        sys.executable,
        "-m",
        "klogd_py",
        "--config",
        str(configure(tmp_path)),
        "--input",
        str(capture),
    ]
    with subprocess.Popen(
        [*command, "--sink", f"file:{tmp_path / 'log'}"], env=environment(NOTIFY_SOCKET=None)
    ) as process:
        try:
            wait_until(lambda: (tmp_path / "log").exists(), "the first part", LIMIT_S)
            began_s = time.monotonic()
            process.send_signal(signal.SIGTERM)
            assert process.wait(LIMIT_S) == 0
            assert time.monotonic() - began_s < 1
        finally:
            process.kill()


def test_line_of_300_kilobytes_is_delivered_whole(tmp_path: Path) -> None:
    capture, log = tmp_path / "capture", tmp_path / "log"
    capture.write_bytes(b"6,1,1,-;" + b"z" * 300_000)
    command = [
        sys.executable,
        "-m",
        "klogd_py",
        "--config",
        str(configure(tmp_path)),
        "--input",
        str(capture),
    ]
    subprocess.run(
        [*command, "--sink", f"file:{log}"],
        env=environment(NOTIFY_SOCKET=None),
        timeout=LIMIT_S,
        check=True,
    )
    assert log.read_text().count("z") == 300_000
    assert os.stat(log).st_size < 301_000
