import secrets
import signal
from pathlib import Path

import pytest

from tests.journeys.program import Program, configure, lines_of, needs_kmsg, say
from tests.waiting import until

pytestmark = needs_kmsg


def _marker() -> str:
    return f"marker-{secrets.token_hex(8)}"


def _arrives(log: Path, marker: str) -> None:
    until(lambda: [line for line in lines_of(log) if marker in line], f"{marker} in {log}")


def _quiet(folder: Path, text: str) -> Path:
    """A configuration under which only signals make the daemon look again."""
    return configure(folder, f"{text}\n[watch]\nfiles = false\n")


def test_a_good_configuration_takes_effect_at_a_hangup(tmp_path: Path) -> None:
    first, second = tmp_path / "first.log", tmp_path / "second.log"
    before, after = _marker(), _marker()
    config = _quiet(tmp_path, f'sinks = ["file:{first}"]')
    with Program(tmp_path, config=config) as program:
        say(before)
        _arrives(first, before)
        _quiet(tmp_path, f'sinks = ["file:{second}"]\nfile.form = "klogd"')
        program.send(signal.SIGHUP)
        program.await_told("READY=1", times=2)
        say(f"<28>{after}")
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
    ],
)
def test_a_wrong_configuration_changes_nothing_and_is_named(tmp_path: Path, wrong: str, named: str) -> None:
    log, marker = tmp_path / "kern.log", _marker()
    config = _quiet(tmp_path, f'sinks = ["file:{log}"]')
    with Program(tmp_path, config=config) as program:
        config.write_text(wrong)
        program.send(signal.SIGHUP)
        program.await_log("keeping the old configuration")
        assert named in "".join(line for line in program.log if "keeping" in line)
        say(marker)
        _arrives(log, marker)
        assert program.stop() == 0


def test_a_sink_that_is_added_gets_what_the_ring_holds_though_nothing_more_comes(tmp_path: Path) -> None:
    first, second, marker = tmp_path / "first.log", tmp_path / "second.log", _marker()
    config = _quiet(tmp_path, f'sinks = ["file:{first}"]')
    with Program(tmp_path, config=config) as program:
        say(marker)
        _arrives(first, marker)
        _quiet(tmp_path, f'sinks = ["file:{first}", "file:{second}"]')
        program.send(signal.SIGHUP)
        _arrives(second, marker)
        assert program.stop() == 0
    assert len([line for line in lines_of(first) if marker in line]) == 1


def test_a_configuration_that_is_put_right_takes_effect_after_all(tmp_path: Path) -> None:
    first, second, marker = tmp_path / "first.log", tmp_path / "second.log", _marker()
    config = _quiet(tmp_path, f'sinks = ["file:{first}"]')
    with Program(tmp_path, config=config) as program:
        config.unlink()
        program.send(signal.SIGHUP)
        program.await_log("keeping the old configuration")
        _quiet(tmp_path, f'sinks = ["file:{second}"]')
        program.send(signal.SIGHUP)
        program.await_told("READY=1", times=2)
        say(marker)
        _arrives(second, marker)


@pytest.mark.parametrize("tell", [True, False])
def test_a_file_that_was_rotated_is_opened_anew_even_without_a_signal(tmp_path: Path, tell: bool) -> None:
    log, aside = tmp_path / "kern.log", tmp_path / "kern.log.1"
    markers = [_marker() for _ in range(2)]
    with Program(tmp_path, config=_quiet(tmp_path, f'sinks = ["file:{log}"]')) as program:
        say(markers[0])
        _arrives(log, markers[0])
        log.rename(aside)
        if tell:
            program.send(signal.SIGHUP)
            program.await_told("READY=1", times=2)
        say(markers[1])
        _arrives(log, markers[1])
    assert not [line for line in lines_of(aside) if markers[1] in line]
    assert not [line for line in lines_of(log) if markers[0] in line]


def test_what_waits_for_a_sink_survives_a_hangup(tmp_path: Path) -> None:
    log, marker = tmp_path / "later" / "kern.log", _marker()
    with Program(tmp_path, config=_quiet(tmp_path, f'sinks = ["file:{log}"]')) as program:
        say(marker)
        program.await_log("is down, retrying")
        program.send(signal.SIGHUP)
        program.await_told("READY=1", times=2)
        log.parent.mkdir()
        _arrives(log, marker)
        program.await_log("is back; records lost in between: 0")
        assert program.stop() == 0


@pytest.mark.parametrize("number", [signal.SIGUSR1, signal.SIGUSR2])
def test_symbols_are_read_anew_at_a_user_signal(tmp_path: Path, number: signal.Signals) -> None:
    with Program(tmp_path, "--sink", f"file:{tmp_path}/kern.log") as program:
        program.send(number)
        program.await_log(f"symbols read anew after {number.name}")
        assert program.stop() == 0


def test_nothing_is_read_between_stop_and_continue_and_nothing_is_lost(tmp_path: Path) -> None:
    log, before, meanwhile = tmp_path / "kern.log", _marker(), _marker()
    with Program(tmp_path, "--sink", f"file:{log}") as program:
        say(before)
        _arrives(log, before)
        program.send(signal.SIGTSTP)
        program.await_log("paused")
        say(meanwhile)
        program.send(signal.SIGUSR1)
        program.await_log("symbols read anew")  # the loop has gone round since
        assert not [line for line in lines_of(log) if meanwhile in line]
        program.send(signal.SIGCONT)
        program.await_log("resumed")
        _arrives(log, meanwhile)
        assert program.stop() == 0


def test_a_paused_daemon_stops_when_asked(tmp_path: Path) -> None:
    with Program(tmp_path, "--sink", f"file:{tmp_path}/kern.log") as program:
        program.send(signal.SIGTSTP)
        program.await_log("paused")
        assert program.stop() == 0


@pytest.mark.parametrize("number", [signal.SIGPIPE, signal.SIGALRM, signal.SIGQUIT])
def test_signals_without_a_meaning_do_not_end_the_daemon(tmp_path: Path, number: signal.Signals) -> None:
    with Program(tmp_path, "--sink", f"file:{tmp_path}/kern.log") as program:
        program.send(number)
        program.send(signal.SIGUSR1)
        program.await_log("symbols read anew")
        assert program.stop() == 0


def test_a_hundred_signals_make_two_surveys_at_most(tmp_path: Path) -> None:
    with Program(tmp_path, "--sink", f"file:{tmp_path}/kern.log") as program:
        for _ in range(100):
            program.send(signal.SIGUSR1)
        program.await_log("symbols read anew after SIGUSR1")
        program.send(signal.SIGTSTP)
        program.await_log("paused")
        assert program.stop() == 0
        assert len([line for line in program.log if "symbols read anew" in line]) <= 2
