# SPDX-License-Identifier: GPL-2.0-or-later
"""Started as root, it goes on as somebody who may read the kernel's log, and nothing else."""

import secrets
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

import klogd_py
from tests.end_to_end.program import Program, configure, lines_of, write_kmsg
from tests.needs import NOBODY, needs_kmsg
from tests.other_user import OtherPython
from tests.waiting import wait_until

pytestmark = needs_kmsg
CAP_SYSLOG = 1 << 34
# The clone would stand in for a copy of it: setuptools has a finder for it.
WITHOUT_CLONE = """import sys
sys.meta_path[:] = [one for one in sys.meta_path if "Editable" not in getattr(one, "__name__", "")]
"""


def status_of(program: Program) -> dict[str, str]:
    rows = Path(f"/proc/{program.process.pid}/status").read_text().splitlines()
    return {key: value.strip() for key, _, value in (row.partition(":") for row in rows)}


def test_daemon_keeps_only_cap_syslog(place: Path) -> None:
    ours = int(
        next(
            row
            for row in Path("/proc/self/status").read_text().splitlines()
            if row.startswith("CapPrm")
        ).split()[1],
        16,
    )
    with Program(place, "--user", "nobody", "--sink", f"file:{place}/kern.log") as program:
        status = status_of(program)
        capabilities = {
            key: int(status[key], 16) for key in ("CapInh", "CapPrm", "CapEff", "CapAmb")
        }
        assert program.stop() == 0
    nobody = str(int(subprocess.check_output(["id", "-u", "nobody"])))
    assert status["Uid"].split() == [nobody] * 4
    assert len(set(status["Gid"].split())) == 1
    assert "0" not in {*status["Gid"].split(), *status["Groups"].split()}
    assert capabilities == {
        "CapInh": 0,
        "CapPrm": ours & CAP_SYSLOG,
        "CapEff": ours & CAP_SYSLOG,
        "CapAmb": 0,
    }
    assert status["NoNewPrivs"] == "1"


def test_root_only_files_are_written_and_reopened(place: Path) -> None:
    log, position = place / "kern.log", place / "position.json"
    config = configure(place, f'user = "nobody"\nsinks = ["file:{log}"]\n[watch]\nfiles = false\n')
    with Program(place, config=config) as program:
        first, second = (f"marker-{secrets.token_hex(8)}" for _ in range(2))
        write_kmsg(first)
        wait_until(lambda: [line for line in lines_of(log) if first in line], "the first marker")
        program.send(signal.SIGHUP)
        program.wait_for_notification("READY=1", times=2)
        write_kmsg(second)
        wait_until(
            lambda: [line for line in lines_of(log) if second in line],
            "the marker after the reload",
        )
        assert program.stop() == 0
    assert len([line for line in lines_of(log) if first in line]) == 1
    assert log.owner() == "nobody"
    assert position.owner() == "root"
    assert not [line for line in program.log if "Permission denied" in line or "not saved" in line]


def marked(log: Path, marker: str) -> list[str]:
    """The lines of a log that hold a marker."""
    return [line for line in lines_of(log) if marker in line]


def private(place: Path) -> Path:
    """A log in a folder that only root may pass."""
    folder = place / "private"
    folder.mkdir(mode=0o700)
    return folder / "kern.log"


def roots_own(place: Path) -> Path:
    """A log that only root may write to, and that somebody left unfinished."""
    path = place / "kern.log"
    path.write_text("half a line")
    path.chmod(0o600)
    return path


@pytest.mark.parametrize("prepare", [private, roots_own])
def test_log_that_only_root_opens_is_written(place: Path, prepare: Callable[[Path], Path]) -> None:
    log = prepare(place)
    config = configure(place, f'user = "nobody"\nsinks = ["file:{log}"]\n[watch]\nfiles = false\n')
    with Program(place, config=config) as program:
        for reloads in (1, 2, 3):
            marker = f"marker-{secrets.token_hex(8)}"
            write_kmsg(marker)
            wait_until(partial(marked, log, marker), f"the marker before reload {reloads}")
            program.send(signal.SIGHUP)
            program.wait_for_notification("READY=1", times=reloads + 1)
        assert program.stop() == 0
    assert not [line for line in program.log if "Permission denied" in line]
    if prepare is roots_own:
        assert lines_of(log)[0] == "half a line"
        assert (log.owner(), log.stat().st_mode & 0o777) == ("root", 0o600)


@pytest.mark.parametrize("prepare", [private, roots_own])
def test_root_only_log_is_down_after_rotation(place: Path, prepare: Callable[[Path], Path]) -> None:
    log = prepare(place)
    with Program(place, "--user", "nobody", "--sink", f"file:{log}") as program:
        write_kmsg(marker := f"marker-{secrets.token_hex(8)}")
        wait_until(lambda: [line for line in lines_of(log) if marker in line], "the marker")
        log.rename(log.with_name("kern.log.1"))
        write_kmsg(f"marker-{secrets.token_hex(8)}")
        program.wait_for_log(
            "for user nobody; the file that root had opened was moved or removed; "
            "restart klogd-py to open it again"
        )
    assert not log.exists()


def test_uncreatable_file_is_down_naming_the_user(place: Path) -> None:
    log = place / "kern.log"
    with Program(place, "--user", "nobody", "--sink", f"file:{log}") as program:
        log.rename(place / "kern.log.1")
        write_kmsg(f"marker-{secrets.token_hex(8)}")
        program.wait_for_log("Permission denied for user nobody")
    assert not log.exists()


def test_installation_only_root_reads_loses_no_feature(place: Path) -> None:
    private = place / "private"
    shutil.copytree(Path(klogd_py.__file__).parent, private / "klogd_py")
    (private / "sitecustomize.py").write_text(WITHOUT_CLONE)
    private.chmod(0o700)
    log = place / "kern.log"
    config = configure(place, f'user = "nobody"\n[metrics]\nlisten = "unix:{place}/metrics"\n')
    options = ("--sink", f"file:{log}")
    with Program(place, *options, config=config, PYTHONPATH=str(private)) as program:
        write_kmsg(marker := f"marker-{secrets.token_hex(8)}")
        wait_until(partial(marked, log, marker), "the marker")
        assert program.stop() == 0
    complaints = ("No module", "unexpected error", "not watching")
    assert not [line for line in program.log if any(words in line for words in complaints)]


def test_unremovable_pid_file_is_left_empty(place: Path) -> None:
    pid_file = place / "klogd.pid"
    with Program(
        place, "--user", "nobody", "--pid-file", str(pid_file), "--sink", f"file:{place}/kern.log"
    ) as program:
        assert int(pid_file.read_text()) == program.process.pid
        assert program.stop() == 0
    assert pid_file.read_text() == ""
    assert not [line for line in program.log if "Traceback" in line]


def test_missing_user_is_a_configuration_error(place: Path) -> None:
    command = [
        sys.executable,
        "-m",
        "klogd_py",
        "--config",
        str(configure(place)),
        "--user",
        "no-such-user-here",
    ]
    ran = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert (ran.returncode, ran.stderr) == (
        78,
        "klogd-py: key user: there is no user 'no-such-user-here'\nklogd-py: see klogd-py --help\n",
    )


def test_user_option_without_root_is_an_error(place: Path, other_python: OtherPython) -> None:
    config = configure(place, 'sinks = ["console"]\n')
    config.chmod(0o644)
    command = [
        other_python.command,
        "-m",
        "klogd_py",
        "--config",
        str(config),
        "--input",
        "-",
        "--user",
        "daemon",
    ]
    surroundings = {
        key: value for key, value in other_python.environment.items() if key != "NOTIFY_SOCKET"
    }
    ran = subprocess.run(
        command,
        user=NOBODY,
        group=NOBODY,
        extra_groups=(),
        cwd="/",
        env=surroundings,
        input="",
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (ran.returncode, ran.stderr) == (
        1,
        "klogd-py: cannot change to user daemon: Operation not permitted\n",
    )
