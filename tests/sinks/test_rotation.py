# SPDX-License-Identifier: GPL-2.0-or-later
"""A log file is renamed before it is too large; a kill, a full disk or a refusal loses nothing."""

import errno
import os
import stat
import subprocess
import sys
import tempfile
from collections.abc import Iterable
from pathlib import Path

import pytest

from klogd_py.record.types import Entry
from klogd_py.sinks import SinkDown
from klogd_py.sinks.file import FileSink
from klogd_py.sinks.file_format import FileFormat
from klogd_py.sinks.rotation import RotationAttempts, RotationLimits, rotate
from klogd_py.system.file_identity import identify
from tests.entries import entry, numbered_entries
from tests.needs import NOBODY

# Ten lines such as "<6>record 10\n", and a bit
LINE_BYTES = len("<6>record 10\n")
LIMIT_BYTES = 10 * LINE_BYTES + 3


def make_sink(path: Path, keep: int = 3, limit_bytes: int = LIMIT_BYTES) -> FileSink:
    return FileSink(str(path), FileFormat.KLOGD, rotation=RotationLimits(limit_bytes, keep))


def send_all(sink: FileSink, entries: list[Entry]) -> int:
    """Send entries until all are accepted; returns how many calls that took."""
    calls = 0
    while entries:
        entries = entries[sink.send(entries) :]
        calls += 1
    return calls


def files_of(path: Path) -> list[Path]:
    """Return the log file and the older ones, the oldest first."""
    found = [other for other in path.parent.iterdir() if other.name.startswith(path.name)]
    return sorted(found, key=lambda other: -int(other.suffix[1:]) if other != path else 0)


def numbers_in(files: Iterable[Path]) -> list[int]:
    """Return the numbers of all lines, each of which is whole."""
    numbers = []
    for file in files:
        content = file.read_bytes()
        assert content.endswith(b"\n") or not content
        for line in content.splitlines():
            assert line.startswith(b"<6>record "), line
            numbers.append(int(line.split()[-1]))
    return numbers


@pytest.mark.parametrize("batch", [1, 7, 10, 11, 64])
def test_lines_are_spread_over_files_in_order(tmp_path: Path, batch: int) -> None:
    path = tmp_path / "kern.log"
    sink = make_sink(path, 9)
    for first in range(10, 74, batch):
        send_all(sink, numbered_entries(range(first, min(first + batch, 74))))
    assert numbers_in(files_of(path)) == list(range(10, 74))
    sizes = [len(numbers_in([file])) for file in files_of(path)]
    assert sizes == [10, 10, 10, 10, 10, 10, 4]


def test_oldest_files_are_replaced_beyond_the_number(tmp_path: Path) -> None:
    path = tmp_path / "kern.log"
    send_all(make_sink(path, 2), numbered_entries(range(10, 60)))
    assert [file.name for file in files_of(path)] == ["kern.log.2", "kern.log.1", "kern.log"]
    assert numbers_in(files_of(path)) == list(range(30, 60))


def test_call_rotates_only_before_its_first_line(tmp_path: Path) -> None:
    path = tmp_path / "kern.log"
    sink = make_sink(path)
    entries = numbered_entries(range(10, 26))
    # What was written before a rotation has been accepted before it.
    assert sink.send(entries) == 10
    assert files_of(path) == [path]
    assert sink.send(entries[10:]) == 6
    assert numbers_in([path]) == list(range(20, 26))


def test_line_longer_than_the_limit_is_alone(tmp_path: Path) -> None:
    path = tmp_path / "kern.log"
    long = entry("x" * 2 * LIMIT_BYTES)
    send_all(make_sink(path), [entry("a"), long, entry("b")])
    contents = [file.read_text() for file in files_of(path)]
    assert contents == ["<6>a\n", f"<6>{long.text}\n", "<6>b\n"]


def test_size_counts_bytes_and_not_characters(tmp_path: Path) -> None:
    path = tmp_path / "kern.log"
    send_all(make_sink(path), [entry("\u20ac" * 20)] * 4)
    assert [file.stat().st_size for file in files_of(path)] == [128, 128] or all(
        file.stat().st_size <= LIMIT_BYTES for file in files_of(path)
    )
    assert sum(file.read_text().count("\n") for file in files_of(path)) == 4


def test_file_that_is_too_large_is_renamed_first(tmp_path: Path) -> None:
    path = tmp_path / "kern.log"
    path.write_text("<6>record 1\n" * 1000)
    make_sink(path).send([entry("record 2")])
    assert numbers_in([path]) == [2]
    assert (tmp_path / "kern.log.1").stat().st_size == 12_000


def test_partial_line_ends_in_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "kern.log"
    path.write_text("<6>record 1\n" * 20 + "<6>reco")
    make_sink(path).send([entry("record 2")])
    assert path.read_text() == "<6>record 2\n"
    assert (tmp_path / "kern.log.1").read_text().endswith("\n<6>reco\n")


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root, to change an owner")
def test_new_file_has_mode_and_former_owner(tmp_path: Path) -> None:
    path = tmp_path / "kern.log"
    sink = FileSink(str(path), mode=0o640, rotation=RotationLimits(100, 1))
    sink.send([entry("x" * 100)])
    os.chown(path, 0, NOBODY)
    path.chmod(0o600)
    sink.send([entry("y")])
    found = path.stat()
    assert (found.st_uid, found.st_gid, stat.S_IMODE(found.st_mode)) == (0, NOBODY, 0o640)


def test_free_number_ends_the_renaming(tmp_path: Path) -> None:
    path = tmp_path / "kern.log"
    for name in ("kern.log", "kern.log.1", "kern.log.3", "kern.log.4"):
        (tmp_path / name).write_text(name)
    rotate(path, 4, identify(path.stat()))
    assert {file.name: file.read_text() for file in files_of(path)} == {
        "kern.log.1": "kern.log",
        "kern.log.2": "kern.log.1",
        "kern.log.3": "kern.log.3",
        "kern.log.4": "kern.log.4",
    }


def test_file_of_another_program_is_not_renamed(tmp_path: Path) -> None:
    path = tmp_path / "kern.log"
    path.write_text("ours")
    ours = identify(path.stat())
    path.rename(tmp_path / "kept")
    rotate(path, 3, ours)
    path.write_text("theirs")
    rotate(path, 3, ours)
    assert [file.name for file in files_of(path)] == ["kern.log"]


def test_program_that_rotates_as_well_is_followed(tmp_path: Path) -> None:
    path = tmp_path / "kern.log"
    sink = make_sink(path, 9)
    for first in range(10, 70, 6):
        send_all(sink, numbered_entries(range(first, first + 6)))
        if first % 4:
            # As logrotate does
            for number in range(9, 1, -1):
                older = tmp_path / f"kern.log.{number - 1}"
                if older.exists():
                    older.rename(tmp_path / f"kern.log.{number}")
            path.rename(tmp_path / "kern.log.1")
    assert numbers_in(files_of(path)) == list(range(10, 70))


def test_link_leads_to_the_file_that_is_renamed(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    path, target = tmp_path / "kern.log", tmp_path / "data" / "real.log"
    path.symlink_to(target)
    send_all(make_sink(path), numbered_entries(range(10, 35)))
    assert path.is_symlink()
    assert numbers_in(files_of(target)) == list(range(10, 35))
    assert files_of(path) == [path]


def test_second_name_of_the_file_is_reported(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "kern.log"
    path.write_text("<6>record 1\n" * 20)
    (tmp_path / "kern.log.1").hardlink_to(path)
    sink = make_sink(path, 1)
    send_all(sink, numbered_entries(range(10, 60)))
    message = f"{path} is not rotated and goes on growing: kern.log.1 is the same file"
    assert caplog.messages == [message]
    assert numbers_in([path]) == [1] * 20 + list(range(10, 60))


@pytest.mark.parametrize("kind", ["fifo", "device"])
def test_other_kinds_of_files_are_not_rotated(
    tmp_path: Path, kind: str, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "kern.log" if kind == "fifo" else Path("/dev/null")
    if kind == "fifo":
        os.mkfifo(path)
        reader = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    sink = make_sink(path)
    assert [sink.send(numbered_entries(range(10, 40))) for _ in range(3)] == [30, 30, 30]
    message = f"{path} is not rotated and goes on growing: it is not a regular file"
    assert caplog.messages == [message]
    assert not (path.parent / f"{path.name}.1").exists()
    if kind == "fifo":
        assert len(os.read(reader, 1 << 16)) == 90 * LINE_BYTES
        os.close(reader)


AS_NOBODY = """
import logging, os, sys
from klogd_py.sinks.file import FileSink
from klogd_py.sinks.file_format import FileFormat
from klogd_py.sinks.rotation import RotationLimits
from tests.entries import numbered_entries

path, limit_bytes, user = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
logging.basicConfig(format="%(message)s")
sink = FileSink(path, FileFormat.KLOGD, rotation=RotationLimits(limit_bytes, 3))
sink.send(numbered_entries([10]))
os.seteuid(user)
for seq in range(11, 90):
    assert sink.send(numbered_entries([seq])) == 1
"""


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root, to become another user")
def test_directory_without_permission_is_reported_once() -> None:
    # Other users may not enter the directories of pytest.
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        path = Path(folder) / "kern.log"
        command = [sys.executable, "-c", AS_NOBODY, str(path), str(LIMIT_BYTES), str(NOBODY)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        message = f"{path} is not rotated and goes on growing: Permission denied for user nobody"
        assert done.stderr.splitlines() == [message]
        assert numbers_in([path]) == list(range(10, 90))


def test_failed_rotation_is_tried_again_later() -> None:
    attempts = RotationAttempts("kern.log", RotationLimits(100, 3))
    assert attempts.count_fitting([60, 60], 0) == 1
    assert attempts.count_fitting([60, 60], 60) == 0
    attempts.on_failure("no", 60)
    assert attempts.count_fitting([60, 60], 60) == 2
    assert attempts.count_fitting([60, 60], 180) == 0
    attempts.on_success()
    assert attempts.count_fitting([60], 100) == 0


def test_full_disk_keeps_the_lines_for_later(tmp_path: Path) -> None:
    path = tmp_path / "kern.log"
    is_full = False

    def write(descriptor: int, data: bytes) -> int:
        if is_full:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return os.write(descriptor, data)

    limits = RotationLimits(LIMIT_BYTES, 5)
    sink = FileSink(str(path), FileFormat.KLOGD, rotation=limits, write=write)
    send_all(sink, numbered_entries(range(10, 20)))
    is_full = True
    for _ in range(3):
        with pytest.raises(SinkDown):
            sink.send(numbered_entries(range(20, 25)))
    is_full = False
    send_all(sink, numbered_entries(range(20, 35)))
    # Once only, however often it was tried
    assert [len(numbers_in([file])) for file in files_of(path)] == [10, 10, 5]
    assert numbers_in(files_of(path)) == list(range(10, 35))


# Kills itself before a system call or behind it. Each is one step.
# A new process goes on then, from the position that was saved. Prints how many steps there are.
KILLED = """
import os, signal, sys
from pathlib import Path
from klogd_py.sinks.file import FileSink
from klogd_py.sinks.file_format import FileFormat
from klogd_py.sinks.log_file import LogFile
from klogd_py.sinks.rotation import RotationLimits
from tests.entries import numbered_entries

def deliver(folder, last, on_event):
    position = folder / "position"
    sink = FileSink(str(folder / "kern.log"), FileFormat.KLOGD, rotation=RotationLimits(133, 50))
    while True:
        seq = int(position.read_text()) if position.exists() else 10
        if seq == last:
            return
        sys.setprofile(on_event)
        accepted = sink.send(numbered_entries(range(seq, min(seq + 16, last))))
        sys.setprofile(None)
        position.write_text(str(seq + accepted))

def run(folder, last, step):
    "Returns whether the step exists: otherwise all was delivered."
    child = os.fork()
    if child:
        status = os.waitpid(child, 0)[1]
        assert status == 0 or os.WTERMSIG(status) == signal.SIGKILL, status
        return status != 0
    count, is_rotating = 0, False
    def on_event(frame, event, argument):
        nonlocal count, is_rotating
        if frame.f_code is FileSink._rotate_if_full.__code__ and event in ("call", "return"):
            is_rotating = event == "call"
        is_system_call = event.startswith("c_") and argument.__module__ == "posix"
        count += is_system_call and (is_rotating or anywhere)
        if count == step:
            os.kill(os.getpid(), signal.SIGKILL)
    try:
        deliver(folder, last, on_event if step else None)
    except BaseException:
        import traceback
        traceback.print_exc()
        os._exit(3)
    os._exit(0)

root, last, anywhere = Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3] == "anywhere"
step = 0
while True:
    step += 3 if anywhere else 1
    folder = root / str(step)
    folder.mkdir()
    was_killed = run(folder, last, step)
    run(folder, last, 0)
    if not was_killed:
        break
print(step)
"""


def test_kill_at_any_step_loses_and_doubles_nothing(tmp_path: Path) -> None:
    last = 45
    assert kill_often(tmp_path, last, "during a rotation") > 50
    for folder in tmp_path.iterdir():
        numbers = numbers_in(files_of(folder / "kern.log"))
        assert numbers == list(range(10, last)), folder


def test_kill_elsewhere_doubles_one_batch_at_most(tmp_path: Path) -> None:
    last = 45
    assert kill_often(tmp_path, last, "anywhere") > 50
    for folder in tmp_path.iterdir():
        numbers = numbers_in(files_of(folder / "kern.log"))
        assert set(numbers) == set(range(10, last))
        assert len(numbers) - len(set(numbers)) <= 16


def kill_often(folder: Path, last: int, where: str) -> int:
    """Kill a process at each step, always in another directory; returns the number of steps."""
    command = [sys.executable, "-c", KILLED, str(folder), str(last), where]
    done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=200)
    assert done.stderr == ""
    return int(done.stdout)
