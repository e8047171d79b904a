# SPDX-License-Identifier: GPL-2.0-or-later
"""End the bench at random moments, and look for what it leaves behind.

BENCH_ENDINGS=10 ends it ten times by each signal instead of once.
"""

import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from msgspec import Struct

from bench.leftovers import PRINTK_DEVKMSG, current_limit
from bench.processes import command_of
from bench.state_file import StateFile
from tests.needs import needs_kmsg
from tests.waiting import wait_until

PROJECT = Path(__file__).parents[2]
ENDINGS = int(os.environ.get("BENCH_ENDINGS", "1"))
RUN = ["compare", "--jobs", "file", "--rates", "1000"]
LONG = [*RUN, "--only", "c", "--seconds", "60"]
SHORT = [*RUN, "--only", "c", "--seconds", "0.1", "--runs", "1"]
# When it is ended often, one log daemon follows the other.
ENDED = [*RUN, "--seconds", "0.5"] if ENDINGS > 1 else LONG
CLEAN_LIMIT_S = 15.0
MAX_RUN_S = 25.0 if ENDINGS > 1 else 4.0

pytestmark = [
    needs_kmsg,
    pytest.mark.skipif(
        not shutil.which("cc"), reason="needs a C compiler; apt-get install gcc libc6-dev"
    ),
]


class Place(Struct, frozen=True):
    """Where one bench has its state file and its temporary files."""

    state: Path
    temporary: Path

    def environment(self) -> dict[str, str]:
        inherited = {
            name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"
        }
        return {
            **inherited,
            "KLOGD_BENCH_STATE": str(self.state),
            "TMPDIR": str(self.temporary),
            "PYTHONPATH": str(PROJECT),
        }

    def processes(self) -> list[int]:
        """Everything that runs for this bench, its watcher too."""
        wanted = f"KLOGD_BENCH_STATE={self.state}".encode()
        return [pid for pid in all_pids() if wanted in environment_of(pid)]

    def left(self) -> list[str]:
        """Everything that is still there of this bench."""
        running = [f"{pid}: {command_of(pid)}" for pid in self.processes()]
        files = [str(path) for path in self.temporary.rglob("*")]
        state = self.state.read_text() if self.state.exists() else ""
        return [*running, *files, *([state] if state else [])]


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    before = current_limit()
    # The paths of pytest are too long for sockets.
    with tempfile.TemporaryDirectory(dir="/tmp") as temporary:
        yield Place(tmp_path / "state.json", Path(temporary))
    # For the tests that follow, if this one has failed
    PRINTK_DEVKMSG.write_text(f"{before}\n")


def all_pids() -> list[int]:
    return [int(name) for name in os.listdir("/proc") if name.isdigit()]


def environment_of(pid: int) -> list[bytes]:
    try:
        return Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
    except (PermissionError, FileNotFoundError, ProcessLookupError):
        return []


@contextmanager
def running(place: Place, *options: str) -> Iterator[subprocess.Popen[str]]:
    """Run the bench; end it if the test has not done so."""
    with subprocess.Popen(
        [sys.executable, "-P", "-m", "bench", *options],
        env=place.environment(),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as bench:
        try:
            yield bench
        finally:
            bench.terminate()


def wait_until_clean(place: Place) -> None:
    deadline_s = time.monotonic() + CLEAN_LIMIT_S
    while place.left() and time.monotonic() < deadline_s:
        time.sleep(0.05)
    assert place.left() == []


def wait_for_writer(place: Place) -> None:
    wait_until(
        lambda: any("/writer 1000 " in command_of(pid) for pid in place.processes()), "a writer"
    )


@pytest.mark.parametrize("ending", range(ENDINGS))
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGKILL])
def test_signal_leaves_nothing_of_the_bench_behind(
    place: Place, number: signal.Signals, ending: int
) -> None:
    before = current_limit()
    moment_s = random.Random(f"{number} {ending}").uniform(0, MAX_RUN_S)
    with running(place, *ENDED) as bench:
        time.sleep(moment_s)
        bench.send_signal(number)
        _, errors = bench.communicate(timeout=30)
    wait_until_clean(place)
    assert current_limit() == before, f"after {moment_s} s"
    assert "Traceback" not in errors
    assert bench.returncode in {-number, 128 + number}


def test_hangup_ends_bench_without_its_terminal(place: Place) -> None:
    before = current_limit()
    with running(place, *LONG) as bench:
        wait_for_writer(place)
        assert bench.stderr is not None
        bench.stderr.close()
        bench.send_signal(signal.SIGHUP)
        assert bench.wait(timeout=30) == 128 + signal.SIGHUP
    wait_until_clean(place)
    assert current_limit() == before


def test_next_run_names_what_kills_have_left(place: Place) -> None:
    before = current_limit()
    with running(place, *LONG) as bench:
        wait_for_writer(place)
        for pid in place.processes():
            if b"KLOGD_BENCH_MARK" not in b"".join(environment_of(pid)) and pid != bench.pid:
                os.kill(pid, signal.SIGKILL)
        bench.kill()
        bench.communicate()
    (left,) = place.temporary.iterdir()
    with running(place, *SHORT) as following:
        _, errors = following.communicate(timeout=60)
    lines = errors.splitlines()
    assert lines[0] == f"bench: an earlier one, process {bench.pid}, was killed"
    assert f"removed {left}" in lines
    assert (f"kernel.printk_devkmsg is {before} again" in lines) == (before != "on")
    assert (following.returncode, place.left(), current_limit()) == (0, [], before)


def test_too_long_path_for_sockets_is_refused(place: Place) -> None:
    deep = place.temporary / ("d" * 60)
    deep.mkdir()
    with running(Place(place.state, deep), *SHORT) as refused:
        _, errors = refused.communicate(timeout=30)
    assert errors.splitlines() == [
        f"bench: {deep} is too long a path for sockets",
        "type: TMPDIR=/tmp scripts/bench",
    ]
    assert (refused.returncode, os.listdir(deep)) == (1, [])


def test_second_bench_is_refused_in_two_lines(place: Place) -> None:
    place.state.write_text('{"pid":1,"mark":"m","directory":"/nonexistent"}')
    holder = StateFile(place.state)
    with running(place, *SHORT) as refused:
        _, errors = refused.communicate(timeout=30)
    holder.close()
    assert errors.splitlines() == [
        "bench: another bench is running, process 1",
        "wait until it has ended, or type: kill 1",
    ]
    assert refused.returncode == 1
