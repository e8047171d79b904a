# SPDX-License-Identifier: GPL-2.0-or-later
"""Links and files that another user plants where the daemon makes its files.

They are reported, and no file of root is changed.
"""

import contextlib
import os
import signal
import socket
import stat
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import pytest

from tests.end_to_end.program import Program
from tests.fakes import environment
from tests.needs import NOBODY, needs_kmsg
from tests.waiting import wait_until

pytestmark = needs_kmsg
THINGS = ("position", "status", "metrics", "klogd.prom")


class World:
    """A folder of root's like /etc, beside it one of nobody's like /var/log/klogd-py, where the
    daemon is to make everything."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.roots, self.theirs = folder / "roots", folder / "theirs"
        for made in (self.roots, self.theirs):
            made.mkdir(0o755)
        os.chown(self.theirs, NOBODY, NOBODY)
        self.secret = self.roots / "secret"
        self.secret.write_text("root only\n")
        self.secret.chmod(0o600)
        self.at = self.theirs

    def plant(self, kind: str, *names: str) -> None:
        """Have another thing wait under each name."""
        if kind == "a folder that is a link":
            self.at = self.theirs / "way"
            self.at.symlink_to(self.roots)
            return
        for name in names:
            PLANTED[kind](self.at / name, self.secret)
            if kind != "a hard link":
                os.chown(self.at / name, NOBODY, NOBODY, follow_symlinks=False)

    def configure(self, user: str = "", logs: Iterable[Path] = ()) -> Path:
        """A configuration that has everything made in the other user's folder, unless logs are said
        to lie elsewhere."""
        config = self.folder / "klogd-py.toml"
        sinks = ", ".join(f'"file:{path}"' for path in logs or [self.at / "log"])
        config.write_text(f'''user = "{user}"
sinks = [{sinks}]
state.cursor_file = "{self.at}/position"
status.socket = "{self.at}/status"
metrics.textfile = "{self.at}/klogd.prom"
metrics.listen = "unix:{self.at}/metrics"
watch.files = false
''')
        return config

    @contextlib.contextmanager
    def unchanged(self) -> Iterator[None]:
        """Nothing of root's, and nothing that was planted, is another's, open to others, or written
        to afterwards."""
        planted = [
            os.open(path, os.O_PATH | os.O_NOFOLLOW)
            for path in (self.theirs, *self.theirs.iterdir())
        ]
        before = self._roots(), [_whose(os.fstat(descriptor)) for descriptor in planted]
        yield
        assert (self._roots(), [_whose(os.fstat(descriptor)) for descriptor in planted]) == before
        for descriptor in planted:
            os.close(descriptor)

    def _roots(self) -> dict[str, tuple[object, ...]]:
        found = {path: path.lstat() for path in (self.roots, *self.roots.iterdir())}
        assert self.secret.read_text() == "root only\n"
        return {
            path.name: (*_whose(status), status.st_size, status.st_mtime_ns)
            for path, status in found.items()
        }


def _whose(status: os.stat_result) -> tuple[int, ...]:
    return status.st_ino, status.st_mode, status.st_uid, status.st_gid


def a_socket(path: Path, secret: Path) -> None:
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))


PLANTED: dict[str, Callable[[Path, Path], None]] = {
    "a dangling link": lambda path, secret: path.symlink_to(secret.with_name(path.name)),
    "a link": lambda path, secret: path.symlink_to(secret),
    "a hard link": lambda path, secret: os.link(secret, path),
    "a FIFO": lambda path, secret: os.mkfifo(path),
    "a directory": lambda path, secret: path.mkdir(),
    "a socket": a_socket,
    "a device": lambda path, secret: os.mknod(path, stat.S_IFCHR | 0o600, os.makedev(1, 3)),
}
KINDS = (*PLANTED, "a folder that is a link")


@pytest.fixture
def world() -> Iterator[World]:
    with tempfile.TemporaryDirectory(
        prefix="klogd-"
        # Whose name is short enough for sockets
    ) as folder:
        os.chmod(folder, 0o755)
        yield World(Path(folder))


def refused(kind: str, user: str) -> set[str]:
    """Which of the things cannot be made where such things wait."""
    replaced = {"klogd.prom"} if kind not in ("a directory", "a folder that is a link") else set()
    taken_over = (
        {"status", "metrics"} if user and kind == "a socket" else set()
        # By the user, whose own they are
    )
    return set(THINGS) - replaced - taken_over


def refused_names(world: World, program: Program, names: Iterable[str]) -> set[str]:
    """Return the names that the log reports."""
    assert not [line for line in program.log if "Traceback" in line]
    return {name for name in names for line in program.log if f"{world.at}/{name}" in line}


@pytest.mark.parametrize("user", ["nobody", ""])
@pytest.mark.parametrize("kind", KINDS)
def test_planted_things_are_told_and_lead_nowhere(world: World, kind: str, user: str) -> None:
    world.plant(kind, *THINGS)
    config = world.configure(user, [world.folder / "log"])
    with world.unchanged(), Program(world.folder, config=config) as program:
        wait_until(
            lambda: refused_names(world, program, THINGS) == refused(kind, user), "what is refused"
        )
        program.send(signal.SIGHUP)
        program.wait_for_notification("READY=1", times=2)
        assert program.stop() == 0
        assert refused_names(world, program, THINGS) == refused(kind, user)


@pytest.mark.parametrize("user", ["nobody", ""])
def test_planted_logs_are_down_and_lead_nowhere(world: World, user: str) -> None:
    logs = [world.at / kind.replace(" ", "-") for kind in PLANTED]
    for kind, path in zip(PLANTED, logs, strict=True):
        world.plant(kind, path.name)
    (world.theirs / "way").symlink_to(world.roots)
    logs.append(world.theirs / "way" / "log")
    down = [
        f"file:{path} is down, retrying"
        for path in logs
        if not user or path.name != "a-device"
        # Nobody's own
    ]
    with world.unchanged(), Program(world.folder, config=world.configure(user, logs)) as program:
        wait_until(
            lambda: all(any(words in line for line in program.log) for words in down),
            "that all are down",
        )
        program.send(signal.SIGHUP)
        program.wait_for_notification("READY=1", times=2)
        assert program.stop() == 1, "records are left that no sink took"
        assert len([line for line in program.log if " is down" in line]) == len(down)


@pytest.mark.parametrize("user", ["nobody", ""])
def test_in_anothers_empty_folder_files_are_made(world: World, user: str) -> None:
    with world.unchanged(), Program(world.folder, config=world.configure(user)) as program:
        made = {"log", *THINGS} - ({"status", "metrics"} if not user else set())
        wait_until(lambda: {path.name for path in world.theirs.iterdir()} == made, "all files")
        assert program.stop() == 0
        assert refused_names(world, program, THINGS) == set(THINGS) - made, (
            "root makes no socket there, and says so"
        )
    owners = {
        name: (world.theirs / name).stat().st_uid for name in ("log", "position", "klogd.prom")
    }
    assert owners == dict.fromkeys(owners, NOBODY) | ({} if user else {"log": 0, "klogd.prom": 0})


@pytest.mark.parametrize("options", [(), ("--user", "nobody"), ("-i",)])
@pytest.mark.parametrize("kind", KINDS)
def test_planted_pid_file_is_reported_and_fatal(
    world: World, kind: str, options: tuple[str, ...]
) -> None:
    world.plant(kind, "klogd.pid")
    path = world.at / "klogd.pid"
    if kind == "a folder that is a link":
        (world.roots / "klogd.pid").touch()
    command = [
        sys.executable,
        "-m",
        "klogd_py",
        "--config",
        str(world.configure()),
        "--pid-file",
        str(path),
        *options,
    ]
    with world.unchanged():
        ran = subprocess.run(
            command,
            env=environment(NOTIFY_SOCKET=None),
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
    assert ran.returncode == 1
    assert str(path) in ran.stderr
    assert "root" in ran.stderr
    assert len(ran.stderr.splitlines()) == 1
