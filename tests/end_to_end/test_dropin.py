# SPDX-License-Identifier: GPL-2.0-or-later
import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from klogd_py.system.pidfile import NotRunning, PidFile, signal_daemon
from tests.end_to_end.program import configure, lines_of, write_kmsg
from tests.fakes import environment
from tests.needs import NOBODY, needs_kmsg, needs_other_users
from tests.other_user import OtherPython
from tests.sockets import DatagramListener
from tests.waiting import wait_until

KLOGD = [sys.executable, "-c", "import sys; from klogd_py.cli.main import klogd; sys.exit(klogd())"]


class Classic:
    """klogd as an old init script runs it, with everything it touches in a folder of the test."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.pid_file = folder / "klogd.pid"
        self.log = folder / "kern.log"
        self._config = configure(folder)
        self._pids: set[int] = set()

    def run(self, *options: str, pid_file: str = "") -> subprocess.CompletedProcess[str]:
        """Run it until it returns, at once or from the background."""
        with (
            (self.folder / "stdout").open("w+") as output,
            (self.folder / "stderr").open("w+") as errors,
        ):
            command = [
                *KLOGD,
                "--config",
                str(self._config),
                "--pid-file",
                pid_file or str(self.pid_file),
                *options,
            ]
            surroundings = environment(NOTIFY_SOCKET=None, JOURNAL_STREAM=None)
            # files, not pipes: the process in the background keeps them open
            ran = subprocess.run(
                command,
                cwd=self.folder,
                env=surroundings,
                stdout=output,
                stderr=errors,
                timeout=60,
                check=False,
            )
        if self.pid_file.exists():
            self.take_care_of(self.pid)
        logged = [(self.folder / name).read_text() for name in ("stdout", "stderr")]
        return subprocess.CompletedProcess(command, ran.returncode, *logged)

    @property
    def pid(self) -> int:
        """The process that the pid file names."""
        return int(self.pid_file.read_text())

    def take_care_of(self, pid: int) -> None:
        """Have this process end with the test."""
        self._pids.add(pid)

    def stop(self) -> None:
        """End every daemon that was started here, and wait until it has gone."""
        for pid in self._pids:
            if _runs(pid, self.folder):
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, 15)
        wait_until(
            lambda: not [pid for pid in self._pids if _runs(pid, self.folder)],
            "the end of all daemons",
        )


def _runs(pid: int, folder: Path) -> bool:
    """Whether this is one of our daemons.

    A number may have been given to another process, and a zombie has no command.
    """
    with contextlib.suppress(OSError):
        return os.fsencode(folder) in Path(f"/proc/{pid}/cmdline").read_bytes()
    return False


@pytest.fixture
def classic(tmp_path: Path) -> Iterator[Classic]:
    daemon = Classic(tmp_path)
    try:
        yield daemon
    finally:
        daemon.stop()


@needs_kmsg
def test_status_0_means_the_daemon_works(classic: Classic) -> None:
    ran = classic.run("-f", str(classic.log))
    assert ran.returncode == 0
    assert _runs(classic.pid, classic.folder)
    marker = f"marker of process {classic.pid}"
    write_kmsg(f"<28>{marker}")
    wait_until(lambda: f"<28>{marker}" in lines_of(classic.log), "the marker")


@needs_kmsg
def test_daemon_has_own_session_and_root_directory(classic: Classic) -> None:
    assert classic.run("-f", str(classic.log)).returncode == 0
    assert os.getsid(classic.pid) == classic.pid
    assert os.readlink(f"/proc/{classic.pid}/cwd") == "/"
    assert {os.readlink(f"/proc/{classic.pid}/fd/{number}") for number in range(3)} == {os.devnull}


@needs_kmsg
def test_stopping_it_removes_the_pid_file(classic: Classic) -> None:
    assert classic.run("-f", str(classic.log)).returncode == 0
    os.kill(classic.pid, 15)
    wait_until(lambda: not classic.pid_file.exists(), "the end of the pid file")


@needs_kmsg
@pytest.mark.parametrize("options", [(), ("-n",)])
def test_second_start_is_refused_without_touching_pid_file(
    classic: Classic, options: tuple[str, ...]
) -> None:
    assert classic.run("-f", str(classic.log)).returncode == 0
    before = classic.pid_file.read_bytes()
    ran = classic.run("-f", str(classic.log), *options)
    assert ran.returncode == 1
    assert f"already running as process {int(before)}" in ran.stderr
    assert classic.pid_file.read_bytes() == before
    assert _runs(int(before), classic.folder)


@needs_kmsg
def test_stale_pid_file_does_not_prevent_start(classic: Classic) -> None:
    assert classic.run("-f", str(classic.log)).returncode == 0
    first = classic.pid
    os.kill(first, 9)
    wait_until(lambda: not _runs(first, classic.folder), "its end")
    assert classic.pid_file.exists()
    assert classic.run("-f", str(classic.log)).returncode == 0
    assert classic.pid != first


@needs_kmsg
@pytest.mark.parametrize(("option", "name"), [("-i", "SIGUSR1"), ("-I", "SIGUSR2")])
def test_the_running_daemon_is_signalled(classic: Classic, option: str, name: str) -> None:
    with DatagramListener(classic.folder / "notify") as manager:
        command = [
            *KLOGD,
            "--config",
            str(configure(classic.folder)),
            "--pid-file",
            str(classic.pid_file),
        ]
        errors = classic.folder / "errors"
        with errors.open("w") as stream:
            daemon = subprocess.Popen(
                [*command, "-n", "-f", str(classic.log)],
                env=environment(NOTIFY_SOCKET=str(manager.path)),
                stderr=stream,
            )
        try:
            wait_until(manager.read, "READY=1")
            assert classic.run(option).returncode == 0
            wait_until(lambda: f"symbols reloaded after {name}" in errors.read_text(), name)
        finally:
            daemon.terminate()
            assert daemon.wait(8) == 0


@pytest.mark.parametrize("option", ["-i", "-I"])
@pytest.mark.parametrize("left_behind", [None, "", "1\n", "not a number"])
def test_signal_option_without_daemon_is_an_error(
    classic: Classic, option: str, left_behind: str | None
) -> None:
    if left_behind is not None:
        classic.pid_file.write_text(left_behind)
    ran = subprocess.run(
        [*KLOGD, "--pid-file", str(classic.pid_file), option], capture_output=True, text=True
    )
    assert ran.returncode == 1
    assert "no klogd is running" in ran.stderr


@pytest.mark.parametrize(
    ("options", "pid_file", "named"),
    [
        (("--input", "/nonexistent/capture"), "", "/nonexistent/capture: No such file"),
        (("-f", "-"), "/nonexistent/klogd.pid", "/nonexistent/klogd.pid"),
    ],
    ids=["no source", "no pid file"],
)
def test_failed_start_is_reported_at_once(
    classic: Classic, options: tuple[str, ...], pid_file: str, named: str
) -> None:
    began_s = time.monotonic()
    ran = classic.run(*options, pid_file=pid_file)
    assert ran.returncode == 1
    assert named in ran.stderr
    assert time.monotonic() - began_s < 5
    assert not classic.pid_file.exists()


def test_a_wrong_configuration_is_reported_at_once(classic: Classic) -> None:
    (classic.folder / "klogd-py.toml").write_text("sniks = []\n")
    ran = classic.run()
    assert ran.returncode == 78
    assert "unknown key sniks" in ran.stderr


def test_unusable_configuration_is_reported_before_detaching(classic: Classic) -> None:
    (classic.folder / "klogd-py.toml").write_text(
        'user = "nobody-of-this-name"\n[state]\ncursor_file = ""\n'
    )
    ran = classic.run()
    assert ran.returncode == 78
    assert "nobody-of-this-name" in ran.stderr
    assert not classic.pid_file.exists()


@needs_kmsg
def test_missing_user_is_reported_from_the_background(classic: Classic) -> None:
    ran = classic.run("--user", "no-such-user-here")
    assert ran.returncode == 78
    assert ran.stderr.splitlines() == [
        "klogd: key user: there is no user 'no-such-user-here'",
        "klogd: see klogd --help",
    ]


@needs_kmsg
def test_relative_pid_file_is_not_below_root(classic: Classic) -> None:
    name = f"klogd-{os.getpid()}.pid"
    there, astray = classic.folder / name, Path("/") / name
    try:
        assert classic.run("-f", str(classic.log), pid_file=name).returncode == 0
        found = there if there.exists() else astray
        classic.take_care_of(int(found.read_text()))
        assert found == there
    finally:
        classic.stop()
        astray.unlink(missing_ok=True)


def test_standard_input_is_read_from_the_background_too(classic: Classic) -> None:
    command = [
        *KLOGD,
        "--config",
        str(configure(classic.folder)),
        "--pid-file",
        str(classic.pid_file),
    ]
    command += ["--input", "-", "-f", str(classic.log)]
    ran = subprocess.run(
        command,
        input=b"<6>one\n<6>two\n",
        cwd=classic.folder,
        timeout=60,
        stderr=subprocess.DEVNULL,
    )
    assert ran.returncode == 0
    wait_until(lambda: lines_of(classic.log) == ["<6>one", "<6>two"], "both lines")


OPENS_FILES = """
import sys
from klogd_py.system.daemonize import daemonize
def job(ready):
    ready()
    opened.extend(open(f"{sys.argv[1]}/{number}", "wb", buffering=0) for number in range(5))
    return 0
opened = []
sys.exit(daemonize(job, ()))
"""


def test_daemon_exit_writes_to_no_later_descriptor(tmp_path: Path) -> None:
    # The daemon holds the writing end as long as it lives
    readable, writable = os.pipe()
    with open(readable, "rb") as lifetime:
        ran = subprocess.run(
            [sys.executable, "-c", OPENS_FILES, str(tmp_path)], pass_fds=[writable], timeout=60
        )
        os.close(writable)
        assert lifetime.read() == b""
    assert ran.returncode == 0
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == {
        str(number): b"" for number in range(5)
    }


ACQUIRE = """
import pathlib, sys
from klogd_py.system.pidfile import AlreadyRunning, PidFile
try:
    PidFile(pathlib.Path(sys.argv[1])).acquire()
except AlreadyRunning as error:
    sys.exit(str(error))
print("claimed", flush=True)
sys.stdin.read()
"""
LOCKS = """
import fcntl, sys
file = open(sys.argv[1], "rb")
fcntl.flock(file, fcntl.LOCK_EX)
fcntl.lockf(file, fcntl.LOCK_SH)
print("locked", flush=True)
sys.stdin.read()
"""


def acquire(path: Path) -> str:
    """Acquire and release the pid file in another process; return what it writes to stderr."""
    return subprocess.run(
        [sys.executable, "-c", ACQUIRE, path], input="", capture_output=True, text=True, timeout=60
    ).stderr.strip()


@contextlib.contextmanager
def holder(program: str, path: Path, uid: int | None = None) -> Iterator[subprocess.Popen[str]]:
    """Another process that has the file for as long as the block lasts."""
    command = [sys.executable, "-c", program, str(path)]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, user=uid
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline()
        yield process
        process.kill()


def test_removed_pid_file_is_no_pid_file(tmp_path: Path) -> None:
    path = tmp_path / "klogd.pid"
    first, second = PidFile(path), PidFile(path)
    first.acquire()
    path.unlink()
    second.acquire()
    first.release()
    assert path.exists(), "who lost its name removes nobody else's"
    assert acquire(path) == f"already running as process {os.getpid()} (see {path})"
    assert subprocess.check_output(["cat", path]) == f"{os.getpid()}\n".encode()
    second.release()
    assert not path.exists()


def test_pid_file_left_readable_is_closed_to_others(tmp_path: Path) -> None:
    path = tmp_path / "klogd.pid"
    path.touch(0o644)
    claimed = PidFile(path)
    claimed.acquire()
    assert path.stat().st_mode & 0o7777 == 0o600
    claimed.release()


def test_lock_of_another_program_is_reported(tmp_path: Path) -> None:
    path = tmp_path / "klogd.pid"
    path.touch()
    with holder(LOCKS, path):
        assert (
            acquire(path)
            == f"locked by another program, or by a process in another pid namespace (see {path})"
        )


@needs_other_users
def test_nobody_else_can_lock_the_pid_file(place: Path, other_python: OtherPython) -> None:
    path = place / "klogd.pid"
    with holder(ACQUIRE, path):
        ran = subprocess.run(
            [other_python.command, "-c", LOCKS, path],
            user=NOBODY,
            input=b"",
            capture_output=True,
            timeout=60,
        )
    assert b"Permission denied" in ran.stderr


@needs_other_users
def test_pid_file_of_another_user_is_refused(place: Path) -> None:
    path = place / "klogd.pid"
    path.touch()
    os.chown(path, NOBODY, NOBODY)
    assert f"a file of user {NOBODY}'s is no pid file of klogd's" in acquire(path)
    with pytest.raises(OSError, match="is no pid file"):
        signal_daemon(path, signal.SIGUSR1)
    assert path.read_text() == ""


@pytest.mark.parametrize("program", [ACQUIRE, LOCKS])
def test_only_the_locks_owner_is_ever_signalled(tmp_path: Path, program: str) -> None:
    """The number in the file is a stranger's by now, whoever has locked it."""
    path = tmp_path / "klogd.pid"
    path.touch()
    with subprocess.Popen(["sleep", "60"]) as stranger, holder(program, path) as owner:
        path.write_text(f"{stranger.pid}\n")
        with contextlib.suppress(NotRunning):
            signal_daemon(path, signal.SIGUSR1)
        if program == ACQUIRE:
            assert owner.wait(5) == -signal.SIGUSR1
        assert (owner.poll() is None) == (program == LOCKS)
        assert stranger.poll() is None
        stranger.kill()
