# SPDX-License-Identifier: GPL-2.0-or-later
"""Without systemd-python, watchdog and pyroute2, only what needs them is missing, and it says so.

The interpreter is that of a virtual environment which has msgspec alone.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest

from tests.end_to_end.program import Program, configure, write_kmsg
from tests.fakes import environment
from tests.needs import needs_kmsg
from tests.sockets import BackgroundDatagramListener
from tests.waiting import wait_until

PROJECT = Path(__file__).parents[2]
SHIPPED = str(PROJECT / "etc/klogd-py.toml")
# A shared object that is gone, as after an upgrade of the system
BROKEN = "raise ImportError('libsystemd.so.0: cannot open shared object file')\n"
JOURNAL = """
mount --make-rprivate /
mount -t tmpfs none /run
mkdir -p /run/systemd/journal
mount --bind "$1" /run/systemd/journal
shift
exec "$@"
"""


def make_environment(folder: Path, *libraries: str) -> Path:
    """Make a virtual environment with some libraries of this one; return its interpreter."""
    command = [sys.executable, "-m", "venv", "--without-pip", str(folder)]
    subprocess.run(command, check=True, stdin=subprocess.DEVNULL)
    (packages,) = folder.glob("lib/python3*/site-packages")
    (packages / "klogd-py.pth").write_text(f"{PROJECT}\n")
    for library in libraries:
        (packages / library).symlink_to(Path(msgspec.__file__).parents[1] / library)
    return folder / "bin" / "python"


@pytest.fixture(scope="module")
def python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_environment(tmp_path_factory.mktemp("venv") / "venv", "msgspec")


def play(python: Path, *words: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [python, "-m", "klogd_py", *words],
        input=stdin,
        env=environment(NOTIFY_SOCKET=None),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.mark.parametrize(
    "words",
    [
        ("--version",),
        ("help",),
        ("check-config", SHIPPED),
        ("schema",),
        ("maps",),
        ("translate", "--style", "off"),
    ],
    ids=" ".join,
)
def test_command_needs_none_of_the_libraries(python: Path, words: tuple[str, ...]) -> None:
    done = play(python, *words)
    assert (done.returncode, done.stderr) == (0, "")


@needs_kmsg
def test_daemon_notifies_and_says_what_is_missing(python: Path, tmp_path: Path) -> None:
    with Program(tmp_path, "--sink", "console", python=(python,), WATCHDOG_USEC="200000") as run:
        run.wait_for_notification("WATCHDOG=1", times=2)
        run.wait_for_log("not watching files: the Python library watchdog is missing")
        if os.path.exists("/proc/modules"):
            run.wait_for_log("not watching modules: the Python library pyroute2 is missing")
        assert run.stop() == 0
        assert "STOPPING=1" in run.read_notifications()
    assert not [line for line in run.log if "unexpected error" in line or "Traceback" in line]


@needs_kmsg
def test_broken_library_counts_as_a_missing_one(tmp_path: Path) -> None:
    broken = make_environment(tmp_path / "venv", "msgspec")
    (packages,) = (tmp_path / "venv").glob("lib/python3*/site-packages")
    for name in ("systemd", "watchdog", "pyroute2"):
        (packages / f"{name}.py").write_text(BROKEN)
    with Program(tmp_path, "--sink", "console", python=(broken,)) as run:
        run.wait_for_log("not watching files: the Python library watchdog cannot be used: Imp")
        assert run.stop() == 0
    assert not [line for line in run.log if "unexpected error" in line or "Traceback" in line]


@needs_kmsg
def test_journal_gets_records_without_systemd_python(python: Path, tmp_path: Path) -> None:
    journal = tmp_path / "journal"
    journal.mkdir()
    config = configure(tmp_path, '[journal]\nmode = "exclusive"\n')
    inside = ("unshare", "--mount", "sh", "-eu", "-c", JOURNAL, "sh", journal, python)
    marker = f"without-{os.urandom(6).hex()}"
    with (
        BackgroundDatagramListener(journal / "socket") as listener,
        Program(tmp_path, "--sink", "journal", config=config, python=inside) as run,
    ):
        run.wait_for_log("the Python library systemd-python is missing")
        write_kmsg(marker)
        wanted = f"MESSAGE={marker}\n".encode()
        wait_until(lambda: any(wanted in datagram for datagram in listener.received), "the record")
        assert run.stop() == 0


def test_inherited_files_are_taken_without_the_library(python: Path, tmp_path: Path) -> None:
    """The program sets LISTEN_PID itself, as the service manager does between fork and exec."""
    file = tmp_path / "kallsyms"
    file.write_text("text")
    call = (
        "import os\n"
        "from klogd_py.system import inherited_fds\n"
        "os.environ['LISTEN_PID'] = str(os.getpid())\n"
        f"os.dup2(os.open({str(file)!r}, os.O_RDONLY), 3)\n"
        "found = inherited_fds.receive()\n"
        "print(found, os.get_inheritable(3), inherited_fds.read_all(3), sorted(os.environ))\n"
    )
    done = subprocess.run(
        [python, "-c", call],
        env={"LISTEN_FDS": "1", "LISTEN_FDNAMES": "kallsyms"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.startswith("{'/proc/kallsyms': 3} False b'text' ")
    assert "LISTEN" not in done.stdout


def test_doctor_names_each_missing_library(python: Path) -> None:
    found = json.loads(play(python, "doctor", "--json").stdout)
    words = [finding["words"] for finding in found if finding["check"] == "libraries"]
    missing = ["systemd-python", "watchdog", "pyroute2"]
    assert [any(name in line for line in words) for name in missing] == [True] * 3


def test_without_msgspec_both_commands_say_so(tmp_path: Path) -> None:
    bare = make_environment(tmp_path / "venv")
    for function in ("main", "klogd"):
        call = f"from klogd_py.cli.main import {function}; {function}()"
        done = subprocess.run([bare, "-c", call], capture_output=True, text=True, check=False)
        assert done.returncode == 1
        assert len(done.stderr.splitlines()) == 2
        assert "the Python library msgspec is missing" in done.stderr
