# SPDX-License-Identifier: GPL-2.0-or-later
import json
import os
import secrets
import signal
import socket
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from klogd_py.monitoring.status_client import fetch_status
from tests.end_to_end.program import Program, configure, lines_of, socket_of, write_kmsg
from tests.needs import needs_kmsg
from tests.waiting import wait_until

pytestmark = needs_kmsg

HOSTILE: dict[str, tuple[Callable[[Path], object], str]] = {
    "FIFO": (os.mkfifo, "a FIFO, not a regular file"),
    "device": (lambda path: path.symlink_to("/dev/zero"), "a character device, not a regular file"),
    "long number": (
        lambda path: path.write_text("console_level = " + "9" * 5000),
        "not TOML: a number or a key of more than",
    ),
    "many parts": (
        lambda path: path.write_text("a." * 30_000 + "b = 1"),
        "not TOML: a key of more than 16 parts",
    ),
    "typo": (
        lambda path: path.write_text('[[sinks]]\nname = "file:/x"\nwhen_full = "dropp"'),
        "key sinks[0].when_full",
    ),
    "NUL": (
        lambda path: path.write_text('sinks = ["file:/a\\u0000b"]'),
        "key sinks: expected file: and a path of UTF-8 characters",
    ),
    "user": (
        lambda path: path.write_text('user = "no-such-user-here"'),
        "there is no user 'no-such-user-here'",
    ),
}


def _marker() -> str:
    return f"marker-{secrets.token_hex(8)}"


def _arrives(log: Path, marker: str) -> None:
    wait_until(lambda: [line for line in lines_of(log) if marker in line], f"{marker} in {log}")


def _quiet(folder: Path, text: str) -> Path:
    """A configuration under which only signals make the daemon look again."""
    return configure(folder, f"{text}\n[watch]\nfiles = false\n")


def test_a_good_configuration_takes_effect_at_a_hangup(tmp_path: Path) -> None:
    first, second = tmp_path / "first.log", tmp_path / "second.log"
    before, after = _marker(), _marker()
    config = _quiet(tmp_path, f'sinks = ["file:{first}"]')
    with Program(tmp_path, config=config) as program:
        write_kmsg(before)
        _arrives(first, before)
        _quiet(tmp_path, f'sinks = ["file:{second}"]\nfile.format = "klogd"')
        program.send(signal.SIGHUP)
        program.wait_for_notification("READY=1", times=2)
        write_kmsg(f"<28>{after}")
        _arrives(second, after)
        assert program.stop() == 0
    assert f"<28>{after}" in lines_of(second)
    assert not [line for line in lines_of(first) if after in line]


@pytest.mark.parametrize(
    ("wrong", "named"),
    [
        ("sinks = [", "not TOML"),
        ("sniks = []", "unknown key sniks"),
        ('sinks = ["nowhere"]', "nowhere"),
        ('[file]\nmode = "rw"', "file.mode"),
        ("[outbox]\nlimit_kib = 64", "key outbox.limit_kib is now queue.limit_kib"),
    ],
)
def test_a_wrong_configuration_changes_nothing_and_is_named(
    tmp_path: Path, wrong: str, named: str
) -> None:
    log, marker = tmp_path / "kern.log", _marker()
    config = _quiet(tmp_path, f'sinks = ["file:{log}"]')
    with Program(tmp_path, config=config) as program:
        config.write_text(wrong)
        program.send(signal.SIGHUP)
        program.wait_for_log("keeping the old configuration")
        assert named in "".join(line for line in program.log if "keeping" in line)
        write_kmsg(marker)
        _arrives(log, marker)
        assert program.stop() == 0


def _refused(folder: Path, named: str) -> bool:
    """Whether the status tells of such a refusal.

    A document serves everybody for a tenth of a second.
    """
    changes = json.loads(fetch_status(socket_of(folder)))["changes"]
    (change,) = [found for found in changes if found["what"] == "configuration"]
    return not change["taken"] and named in change["detail"]


@pytest.mark.parametrize("watched", [True, False])
def test_hostile_drop_in_is_refused_during_delivery(tmp_path: Path, watched: bool) -> None:
    """One after the other beside one daemon, which tells of each, answers, and takes the next right
    one."""
    log = tmp_path / "kern.log"
    config = configure(
        tmp_path,
        f'sinks = ["file:{log}"]\n[watch]\nfiles = {str(watched).lower()}\nmodules = false\n',
    )
    drop_in = tmp_path / "klogd-py.toml.d" / "x.toml"
    drop_in.parent.mkdir()
    beside = tmp_path / "beside.toml"
    with Program(tmp_path, config=config) as program:
        program.wait_for_log("names from")
        # The watchers are started late
        time.sleep(1.0 if watched else 0.0)
        for number, (name, (make, named)) in enumerate(HOSTILE.items()):
            beside.unlink(missing_ok=True)
            make(beside)
            beside.rename(drop_in)
            if not watched:
                program.send(signal.SIGHUP)
            program.wait_for_log(f"x.toml: {named}" if name != "user" else f"key user: {named}")
            marker = _marker()
            write_kmsg(marker)
            _arrives(log, marker)
            wait_until(partial(_refused, tmp_path, named), f"{named} in the status")
            drop_in.unlink()
            if not watched:
                program.send(signal.SIGHUP)
            program.wait_for_log("symbols reloaded after", times=number + 1)
        assert not [line for line in program.log if "Traceback" in line]
        assert program.stop() == 0


def test_change_before_watching_starts_takes_effect(tmp_path: Path) -> None:
    first, second, marker = tmp_path / "first.log", tmp_path / "second.log", _marker()
    config = configure(tmp_path, f'sinks = ["file:{first}"]\n[watch]\nmodules = false\n')
    (tmp_path / "klogd-py.toml.d").mkdir()
    with Program(tmp_path, config=config) as program:
        (tmp_path / "klogd-py.toml.d" / "x.toml").write_text(f'sinks = ["file:{second}"]\n')
        write_kmsg(marker)
        _arrives(second, marker)
        assert program.stop() == 0


UNUSABLE = {
    'sinks = ["file:{0}/log", "file:{0}/gone/log"]': "file:{0}/gone/log is down",
    'sinks = ["file:{0}/log", "file:{0}"]': "file:{0} is down",
    'sinks = ["file:{0}/log", "syslog:{0}/none"]': "syslog:{0}/none is down",
    'sinks = ["file:{0}/log", "journal:{0}/none"]': "journal:{0}/none is down",
    'metrics.listen = "127.0.0.1:{1}"': "metrics.listen = '127.0.0.1:{1}' cannot be used",
    'metrics.listen = "unix:{2}/none/x"': "metrics.listen = 'unix:{2}/none/x' cannot be used",
    'metrics.textfile = "{0}/gone/klogd.prom"': "metrics not written: {0}/gone/klogd.prom",
    'status = {{ socket = "{2}/klogd-py-a/b/c" }}': (
        "klogd-py status will not work: {2}/klogd-py-a/b/c"
    ),
    'status = {{ socket = "{2}/klogd-py-{1}.status", group = "no-such-group-here" }}': (
        "there is no group no-such-group-here"
    ),
    'symbols.map = "{0}"': "map {0} refused",
    'symbols.search = ["/{3}"]': "",
}


def test_sink_failing_at_open_is_reported_only(tmp_path: Path) -> None:
    log, drop_in = tmp_path / "log", tmp_path / "klogd-py.toml.d" / "x.toml"
    drop_in.parent.mkdir()
    config = _quiet(tmp_path, f'sinks = ["file:{log}"]')
    with (
        socket.create_server(("127.0.0.1", 0)) as taken,
        Program(tmp_path, config=config) as program,
    ):
        names = (tmp_path, taken.getsockname()[1], tempfile.gettempdir(), "x" * 255)
        for number, (text, logged) in enumerate(UNUSABLE.items()):
            drop_in.write_text(text.format(*names))
            program.send(signal.SIGHUP)
            program.wait_for_notification("READY=1", times=number + 2)
            program.wait_for_log(logged.format(*names))
            marker = _marker()
            write_kmsg(marker)
            _arrives(log, marker)
        assert not [
            line for line in program.log if "Traceback" in line or "keeping the old" in line
        ]
        assert program.stop() == 0


def test_added_sink_gets_records_already_in_ring(
    tmp_path: Path,
) -> None:
    first, second, marker = tmp_path / "first.log", tmp_path / "second.log", _marker()
    config = _quiet(tmp_path, f'sinks = ["file:{first}"]')
    with Program(tmp_path, config=config) as program:
        write_kmsg(marker)
        _arrives(first, marker)
        _quiet(tmp_path, f'sinks = ["file:{first}", "file:{second}"]')
        program.send(signal.SIGHUP)
        _arrives(second, marker)
        assert program.stop() == 0
    assert len([line for line in lines_of(first) if marker in line]) == 1


def test_corrected_configuration_takes_effect_after_refused_reload(tmp_path: Path) -> None:
    first, second, marker = tmp_path / "first.log", tmp_path / "second.log", _marker()
    config = _quiet(tmp_path, f'sinks = ["file:{first}"]')
    with Program(tmp_path, config=config) as program:
        config.unlink()
        program.send(signal.SIGHUP)
        program.wait_for_log("keeping the old configuration")
        _quiet(tmp_path, f'sinks = ["file:{second}"]')
        program.send(signal.SIGHUP)
        # After the start, after the refused reload, and after this one
        program.wait_for_notification("READY=1", times=3)
        write_kmsg(marker)
        _arrives(second, marker)
        assert program.stop() == 0
    assert not [line for line in lines_of(first) if marker in line]


@pytest.mark.parametrize("tell", [True, False])
def test_rotated_file_is_reopened_without_signal(tmp_path: Path, tell: bool) -> None:
    log, aside = tmp_path / "kern.log", tmp_path / "kern.log.1"
    markers = [_marker() for _ in range(2)]
    with Program(tmp_path, config=_quiet(tmp_path, f'sinks = ["file:{log}"]')) as program:
        write_kmsg(markers[0])
        _arrives(log, markers[0])
        log.rename(aside)
        if tell:
            program.send(signal.SIGHUP)
            program.wait_for_notification("READY=1", times=2)
        write_kmsg(markers[1])
        _arrives(log, markers[1])
    assert not [line for line in lines_of(aside) if markers[1] in line]
    assert not [line for line in lines_of(log) if markers[0] in line]


def test_what_waits_for_a_sink_survives_a_hangup(tmp_path: Path) -> None:
    log, marker = tmp_path / "later" / "kern.log", _marker()
    with Program(tmp_path, config=_quiet(tmp_path, f'sinks = ["file:{log}"]')) as program:
        write_kmsg(marker)
        program.wait_for_log("is down, retrying")
        program.send(signal.SIGHUP)
        program.wait_for_notification("READY=1", times=2)
        log.parent.mkdir()
        _arrives(log, marker)
        program.wait_for_log("is back; records lost in between: 0")
        assert program.stop() == 0


@pytest.mark.parametrize("number", [signal.SIGUSR1, signal.SIGUSR2])
def test_user_signal_reloads_the_symbols(tmp_path: Path, number: signal.Signals) -> None:
    with Program(tmp_path, "--sink", f"file:{tmp_path}/kern.log") as program:
        program.send(number)
        program.wait_for_log(f"symbols reloaded after {number.name}")
        assert program.stop() == 0


def test_pause_reads_nothing_and_loses_nothing(tmp_path: Path) -> None:
    log, before, meanwhile = tmp_path / "kern.log", _marker(), _marker()
    with Program(tmp_path, "--sink", f"file:{log}") as program:
        write_kmsg(before)
        _arrives(log, before)
        program.send(signal.SIGTSTP)
        program.wait_for_log("paused")
        write_kmsg(meanwhile)
        program.send(signal.SIGUSR1)
        # The loop has gone round since
        program.wait_for_log("symbols reloaded")
        assert not [line for line in lines_of(log) if meanwhile in line]
        program.send(signal.SIGCONT)
        program.wait_for_log("resumed")
        _arrives(log, meanwhile)
        assert program.stop() == 0


def test_a_paused_daemon_stops_when_asked(tmp_path: Path) -> None:
    with Program(tmp_path, "--sink", f"file:{tmp_path}/kern.log") as program:
        program.send(signal.SIGTSTP)
        program.wait_for_log("paused")
        assert program.stop() == 0


@pytest.mark.parametrize("number", [signal.SIGPIPE, signal.SIGALRM, signal.SIGQUIT])
def test_unused_signals_do_not_end_the_daemon(tmp_path: Path, number: signal.Signals) -> None:
    with Program(tmp_path, "--sink", f"file:{tmp_path}/kern.log") as program:
        program.send(number)
        program.send(signal.SIGUSR1)
        program.wait_for_log("symbols reloaded")
        assert program.stop() == 0


def test_a_hundred_signals_make_two_surveys_at_most(tmp_path: Path) -> None:
    with Program(tmp_path, "--sink", f"file:{tmp_path}/kern.log") as program:
        for _ in range(100):
            program.send(signal.SIGUSR1)
        program.wait_for_log("symbols reloaded after SIGUSR1")
        program.send(signal.SIGTSTP)
        program.wait_for_log("paused")
        assert program.stop() == 0
        assert len([line for line in program.log if "symbols reloaded" in line]) <= 2
