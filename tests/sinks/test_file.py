# SPDX-License-Identifier: GPL-2.0-or-later
import errno
import fcntl
import os
import stat
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from klogd_py.record.types import Record
from klogd_py.sinks import SinkDown
from klogd_py.sinks.file import FileSink
from klogd_py.sinks.file_format import FileFormat, LineEncoder, LineSettings
from klogd_py.sinks.formats import TimestampFormatter
from klogd_py.sinks.machine_identity import MachineIdentity
from tests.entries import WALL_US, entry, numbered_entries
from tests.json_documents import read_documents
from tests.needs import needs_mount


def _texts(path: Path) -> list[str]:
    return [document["text"] for document in read_documents(path.read_bytes())]


@pytest.mark.parametrize(
    ("file_format", "line"),
    [
        (
            FileFormat.TEXT,
            f"{TimestampFormatter().rfc3339(WALL_US)} node1 kernel: eth0: up\n",
        ),
        (FileFormat.KLOGD, "<6>eth0: up\n"),
    ],
)
def test_line_has_the_configured_format(file_format: FileFormat, line: str) -> None:
    settings = LineSettings(MachineIdentity(host="node1"))
    assert LineEncoder(file_format, settings).encode([entry("eth0: up")]) == [line]


@pytest.mark.parametrize(
    ("record", "line"),
    [
        (Record("text", 6), b"<6>text\n"),
        (Record("text", 2047), b"<2047>text\n"),
        (Record("text"), b"text\n"),
        (Record("text", 6, head="<6>[    1.000000] "), b"<6>[    1.000000] text\n"),
    ],
)
def test_klogd_format_repeats_the_head_of_a_capture(record: Record, line: bytes) -> None:
    item = entry()
    assert LineEncoder(FileFormat.KLOGD).encode([type(item)(record, 0, record.text)]) == [
        line.decode()
    ]


@pytest.mark.parametrize("file_format", list(FileFormat))
def test_record_cannot_forge_a_second_line(file_format: FileFormat) -> None:
    line = LineEncoder(file_format).encode(
        [entry("first\nNov 23 08:13:42 host sshd: \x1b[2Kforged\r")]
    )[0]
    assert line.count("\n") == 1
    assert "\x1b" not in line
    assert "\r" not in line


def test_lines_are_appended_to_what_is_there(tmp_path: Path) -> None:
    path = tmp_path / "kern.log"
    path.write_text("before\n")
    sink = FileSink(str(path), FileFormat.KLOGD)
    assert sink.send([entry("one"), entry("two")]) == 2
    assert sink.send([entry("three")]) == 1
    sink.close()
    assert path.read_text() == "before\n<6>one\n<6>two\n<6>three\n"


def test_two_writers_do_not_overwrite_each_other(tmp_path: Path) -> None:
    path = tmp_path / "kern.log"
    sinks = [FileSink(str(path), FileFormat.KLOGD) for _ in range(2)]
    for number in range(4):
        sinks[number % 2].send([entry(str(number))])
    for sink in sinks:
        sink.close()
    assert path.read_text() == "<6>0\n<6>1\n<6>2\n<6>3\n"


@pytest.mark.parametrize("gone", ["renamed", "removed", "replaced"])
def test_log_file_that_lost_its_name_is_reopened(tmp_path: Path, gone: str) -> None:
    path, aside = tmp_path / "kern.log", tmp_path / "kern.log.1"
    sink = FileSink(str(path), FileFormat.JSON)
    sink.send([entry("before")])
    if gone == "removed":
        path.unlink()
    else:
        path.rename(aside)
    if gone == "replaced":
        path.touch()
    sink.send([entry("after"), entry("later")])
    sink.close()
    assert _texts(path) == ["after", "later"]
    assert gone == "removed" or _texts(aside) == ["before"]


def test_reopening_a_removed_file_leaks_no_descriptor(tmp_path: Path) -> None:
    path = tmp_path / "kern.log"
    sink = FileSink(str(path))
    before = len(os.listdir("/proc/self/fd"))
    for _ in range(5):
        sink.send([entry()])
        path.unlink()
    sink.close()
    assert len(os.listdir("/proc/self/fd")) == before


def test_truncated_file_is_continued_at_its_end(tmp_path: Path) -> None:
    path = tmp_path / "kern.log"
    sink = FileSink(str(path), FileFormat.KLOGD)
    sink.send([entry("before")])
    os.truncate(path, 0)
    sink.send([entry("after")])
    sink.close()
    assert path.read_text() == "<6>after\n"


@pytest.mark.parametrize(
    ("torn", "after"), [("half", "half\n<6>one\n<6>two\n"), ("whole\n", "whole\n<6>one\n<6>two\n")]
)
def test_partial_line_of_another_program_is_ended_first(
    tmp_path: Path, torn: str, after: str
) -> None:
    path = tmp_path / "kern.log"
    path.write_text(torn)
    sink = FileSink(str(path), FileFormat.KLOGD)
    sink.send([entry("one")])
    sink.send([entry("two")])
    sink.close()
    assert path.read_text() == after


_READ_ONLY = """
set -e
mount -t tmpfs -o size=16k none "$1"
mount -o remount,ro "$1"
exec "$2" -c '
import subprocess, sys
from klogd_py.sinks import SinkDown
from klogd_py.sinks.file import FileSink
from klogd_py.sinks.file_format import FileFormat
from tests.entries import entry
path = sys.argv[1] + "/kern.log"
sink = FileSink(path, FileFormat.KLOGD)
def attempt(lines):
    try:
        return sink.send(lines)
    except SinkDown as refused:
        print(str(refused).rpartition(": ")[2])
        return refused.accepted
attempt([entry("x")])
subprocess.run(["mount", "-o", "remount,rw", sys.argv[1]], check=True)
many = [entry(f"{number:4}" + "x" * 1000) for number in range(40)]
accepted = attempt(many)
open(path, "w").close()
while accepted < len(many):
    accepted += attempt(many[accepted:accepted + 5])
    numbers = [line[3:7].strip() for line in open(path)]
    open(path, "w").close()
print(numbers[-1], all(numbers))
' "$1"
"""


READ_ONLY = (
    "Read-only file system for this process; "
    "a service writes where ReadWritePaths= of its unit lets it"
)


@needs_mount
def test_read_only_or_full_file_system_is_down(
    tmp_path: Path,
) -> None:
    command = ["unshare", "--mount", "sh", "-c", _READ_ONLY, "sh", str(tmp_path), sys.executable]
    ran = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert ran.stderr == ""
    assert ran.stdout.splitlines() in (
        [READ_ONLY, "could be written only in part", "39 True"],
        [READ_ONLY, "No space left on device", "39 True"],
    )


def test_sink_is_down_until_its_directory_exists(tmp_path: Path) -> None:
    path = tmp_path / "log" / "kern.log"
    sink = FileSink(str(path), FileFormat.JSON)
    with pytest.raises(SinkDown, match=r"kern\.log: No such file") as refused:
        sink.send(numbered_entries(range(3)))
    assert refused.value.accepted == 0
    path.parent.mkdir()
    assert sink.send(numbered_entries(range(3))) == 3
    sink.close()
    assert _texts(path) == ["record 0", "record 1", "record 2"]


@pytest.mark.parametrize("mode", [0o600, 0o640, 0o644])
def test_new_file_has_the_configured_mode(tmp_path: Path, mode: int) -> None:
    path = tmp_path / "kern.log"
    before = os.umask(0o022)
    try:
        sink = FileSink(str(path), mode=mode)
        sink.send([entry()])
    finally:
        os.umask(before)
    sink.close()
    assert stat.S_IMODE(path.stat().st_mode) == mode


def test_existing_file_keeps_its_mode(tmp_path: Path) -> None:
    path = tmp_path / "kern.log"
    path.touch(0o600)
    sink = FileSink(str(path), mode=0o644)
    sink.send([entry()])
    sink.close()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_full_disk_means_down_and_accepts_nothing() -> None:
    sink = FileSink("/dev/full")
    with pytest.raises(SinkDown, match="No space left") as refused:
        sink.send([entry()])
    assert refused.value.accepted == 0
    sink.close()


_FILLS_UP = """
import resource, sys
from klogd_py.sinks import SinkDown
from klogd_py.sinks.file import FileSink
from klogd_py.sinks.file_format import FileFormat
from tests.entries import entry
path, limit_bytes = sys.argv[1], int(sys.argv[2])
hard = resource.getrlimit(resource.RLIMIT_FSIZE)[1]
resource.setrlimit(resource.RLIMIT_FSIZE, (limit_bytes, hard))
sink = FileSink(path, FileFormat.KLOGD)
batch = [entry(f"line {number}") for number in range(5)]  # ten bytes each with <6> and line feed
try:
    print("took", sink.send(batch))
except SinkDown as refused:
    accepted = refused.accepted
    print("took", accepted)
    print(open(path).read(), end="")
    resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))
    sink.send(batch[accepted:])
"""


@pytest.mark.parametrize(
    ("limit_bytes", "whole"), [(1, 0), (9, 0), (10, 1), (15, 1), (20, 2), (49, 4)]
)
def test_no_partial_line_stays_at_the_size_limit(
    tmp_path: Path, limit_bytes: int, whole: int
) -> None:
    path = tmp_path / "kern.log"
    ran = subprocess.run(
        [sys.executable, "-c", _FILLS_UP, str(path), str(limit_bytes)],
        capture_output=True,
        text=True,
    )
    assert ran.stderr == ""
    assert ran.stdout.splitlines() == [
        f"took {whole}",
        *(f"<6>line {number}" for number in range(whole)),
    ]
    assert path.read_text().splitlines() == [f"<6>line {number}" for number in range(5)]


# A tmpfs has append-only files since Linux 6.6. Before, a small ext4 is made.
NO_FILE_SYSTEM = 77
_APPEND_ONLY = (
    f"""
set -e
set_append_only() {{
    touch "$1/disk/kern.log"
    "$2" -c 'import fcntl, struct, sys
FS_IOC_SETFLAGS, FS_APPEND_FL = 0x40086602, 0x20
fcntl.ioctl(open(sys.argv[1]), FS_IOC_SETFLAGS, struct.pack("l", FS_APPEND_FL))
' "$1/disk/kern.log" 2>/dev/null
}}
mkdir "$1/disk"
mount -t tmpfs -o size=256k none "$1/disk"
if ! set_append_only "$@"; then
    umount "$1/disk"
    dd if=/dev/zero of="$1/image" bs=1k count=256 status=none
    command -v mkfs.ext4 >/dev/null || exit {NO_FILE_SYSTEM}
    mkfs.ext4 -q -m 0 -O ^has_journal "$1/image"
    mount -o loop "$1/image" "$1/disk" 2>/dev/null || exit {NO_FILE_SYSTEM}
    set_append_only "$@"
fi
"""
    + """
exec "$2" -c '
import sys
from pathlib import Path
from klogd_py.sinks import SinkDown
from klogd_py.sinks.file import FileSink
from klogd_py.sinks.file_format import FileFormat
from tests.entries import entry
disk = Path(sys.argv[1], "disk")
Path(disk, "filler").write_bytes(bytes(100_000))
sink = FileSink(str(disk / "kern.log"), FileFormat.KLOGD)
waiting = [entry(f"{number:4}" + "x" * 1000) for number in range(200)]
halves = 0
while waiting:
    try:
        accepted = sink.send(waiting)
    except SinkDown as refused:
        accepted = refused.accepted
        halves += sink.has_partial_write
        with open(disk / "filler", "r+b") as filler:
            filler.truncate(max(0, filler.seek(0, 2) - 20_000))
    waiting = waiting[accepted:]
lines = Path(disk, "kern.log").read_text().splitlines()
numbers = [f"{number:4}" for number in range(200)]
print(halves > 0, [line[3:7] for line in lines] == numbers, {len(line) for line in lines})
' "$1"
"""
)


@needs_mount
def test_full_append_only_file_gets_each_line_once(tmp_path: Path) -> None:
    command = ["unshare", "--mount", "sh", "-c", _APPEND_ONLY, "sh", str(tmp_path), sys.executable]
    ran = subprocess.run(command, capture_output=True, text=True, timeout=60)
    if ran.returncode == NO_FILE_SYSTEM:
        pytest.skip("needs Linux 6.6, or mkfs.ext4 and a loop device; install e2fsprogs")
    assert (ran.stderr, ran.stdout) == ("", "True True {1007}\n")


class _ShortWrites:
    """A write(2) that writes a few bytes of each call, and an append-only ftruncate(2)."""

    def __init__(self, sizes: Sequence[int]) -> None:
        self._takes = list(sizes)

    def write(self, descriptor: int, data: bytes) -> int:
        if not self._takes:
            return os.write(descriptor, data)
        if sizes := self._takes.pop(0):
            return os.write(descriptor, data[:sizes])
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    def truncate(self, descriptor: int, size: int) -> None:
        raise OSError(errno.EPERM, os.strerror(errno.EPERM))


@given(
    st.lists(st.integers(0, 25), max_size=8),
    st.sampled_from(["", "half", "whole\n"]),
    st.booleans(),
)
def test_no_byte_comes_twice_however_short_writes_are(
    sizes: list[int], before: str, may_truncate: bool
) -> None:
    short_writes = _ShortWrites(sizes)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "kern.log")
        path.write_text(before)
        truncate = os.ftruncate if may_truncate else short_writes.truncate
        sink = FileSink(str(path), FileFormat.KLOGD, write=short_writes.write, truncate=truncate)
        waiting = [entry(f"line {number}") for number in range(5)]
        while waiting:
            try:
                accepted = sink.send(waiting)
            except SinkDown as refused:
                accepted = refused.accepted
            waiting = waiting[accepted:]
        sink.close()
        ended = before and f"{before.rstrip()}\n"
        assert path.read_text() == ended + "".join(f"<6>line {number}\n" for number in range(5))


def test_bytes_of_another_writer_are_never_taken_back(tmp_path: Path) -> None:
    path = tmp_path / "kern.log"

    def write(descriptor: int, data: bytes) -> int:
        written = os.write(descriptor, data[:13])
        assert written
        with path.open("ab") as other:
            other.write(b"OTHER\n")
        return written

    sink = FileSink(str(path), FileFormat.KLOGD, write=write)
    with pytest.raises(SinkDown) as refused:
        sink.send([entry("one"), entry("two")])
    assert refused.value.accepted == 1
    assert sink.send([entry("two")]) == 1
    sink.close()
    assert path.read_text() == "<6>one\n<6>twoOTHER\n<6>two\nOTHER\n"


def test_partial_line_is_finished_in_the_rotated_file(tmp_path: Path) -> None:
    path, aside = tmp_path / "kern.log", tmp_path / "kern.log.1"
    short_writes = _ShortWrites([13])
    sink = FileSink(
        str(path), FileFormat.KLOGD, write=short_writes.write, truncate=short_writes.truncate
    )
    lines = [entry("one"), entry("two"), entry("three")]
    with pytest.raises(SinkDown) as refused:
        sink.send(lines)
    path.rename(aside)
    assert sink.send(lines[refused.value.accepted :]) == 2
    sink.close()
    assert (aside.read_text(), path.read_text()) == ("<6>one\n<6>two\n", "<6>three\n")


def test_partial_line_of_removed_file_is_written_whole(tmp_path: Path) -> None:
    path = tmp_path / "kern.log"
    short_writes = _ShortWrites([13])
    sink = FileSink(
        str(path), FileFormat.KLOGD, write=short_writes.write, truncate=short_writes.truncate
    )
    with pytest.raises(SinkDown):
        sink.send([entry("one"), entry("two")])
    path.unlink()
    assert sink.send([entry("two")]) == 1
    sink.close()
    assert path.read_text() == "<6>two\n"


def _fifo(path: Path) -> int:
    """The reading end of a new FIFO of one page."""
    os.mkfifo(path)
    reader = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    fcntl.fcntl(reader, fcntl.F_SETPIPE_SZ, 4096)
    return reader


def test_full_fifo_holds_no_partial_line(tmp_path: Path) -> None:
    reader = _fifo(tmp_path / "fifo")
    sink = FileSink(str(tmp_path / "fifo"), FileFormat.KLOGD)
    accepted = sink.send([entry("x" * 300) for _ in range(100)])
    assert 0 < accepted < 100
    assert not sink.has_partial_write
    assert os.read(reader, 1 << 16).decode() == f"<6>{'x' * 300}\n" * accepted
    sink.close()
    os.close(reader)


def test_line_longer_than_a_fifo_arrives_once(tmp_path: Path) -> None:
    reader = _fifo(tmp_path / "fifo")
    sink = FileSink(str(tmp_path / "fifo"), FileFormat.KLOGD)
    waiting = [entry("x" * 10_000), entry("y")]
    received = b""
    while waiting:
        waiting = waiting[sink.send(waiting) :]
        received += os.read(reader, 1 << 16)
    assert received.decode() == f"<6>{'x' * 10_000}\n<6>y\n"
    sink.close()
    os.close(reader)


def test_next_fifo_reader_gets_the_cut_line_whole(tmp_path: Path) -> None:
    reader = _fifo(tmp_path / "fifo")
    sink = FileSink(str(tmp_path / "fifo"), FileFormat.KLOGD)
    long = [entry("x" * 10_000)]
    assert (sink.send(long), sink.has_partial_write) == (0, True)
    os.close(reader)
    with pytest.raises(SinkDown):
        sink.send(long)
    reader = os.open(tmp_path / "fifo", os.O_RDONLY | os.O_NONBLOCK)
    received = b""
    while not received.endswith(b"x\n"):
        sink.send(long)
        received += os.read(reader, 1 << 16)
    assert received.decode().split("\n")[-2] == f"<6>{'x' * 10_000}"
    sink.close()
    os.close(reader)


def test_standard_output_in_a_file_is_never_cut(tmp_path: Path) -> None:
    code = """
import os, sys
from klogd_py.sinks.file import FileSink
from klogd_py.sinks.file_format import FileFormat
from tests.entries import entry
short = [11]
def write(descriptor, data):
    return os.write(descriptor, data[:short.pop()] if short else data)
sink = FileSink("-", FileFormat.KLOGD, write=write)
print("before", flush=True)
waiting = [entry("one"), entry("two"), entry("three")]
while waiting:
    try:
        accepted = sink.send(waiting)
    except OSError as refused:
        accepted = refused.accepted
    waiting = waiting[accepted:]
"""
    with (tmp_path / "out").open("wb") as out:
        subprocess.run([sys.executable, "-c", code], stdout=out, check=True)
    assert (tmp_path / "out").read_bytes() == b"before\n<6>one\n<6>two\n<6>three\n"


def test_fifo_without_a_reader_is_down_at_once(tmp_path: Path) -> None:
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    code = """
import sys, time
from klogd_py.sinks import SinkDown
from klogd_py.sinks.file import FileSink
from tests.entries import entry
began_s = time.monotonic()
try:
    FileSink(sys.argv[1]).send([entry()])
except SinkDown:
    print("down", time.monotonic() - began_s < 1)
"""
    command = [sys.executable, "-c", code, str(fifo)]
    child = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        assert child.communicate(timeout=60)[0] == "down True\n"
    finally:
        child.kill()
        child.communicate()


def test_dash_is_standard_output_without_a_position() -> None:
    code = """
from klogd_py.sinks.file import FileSink
from klogd_py.sinks.file_format import FileFormat
from tests.entries import entry
sink = FileSink("-", FileFormat.KLOGD)
sink.send([entry("one")])
sink.close()
sink.send([entry("two")])
sink.close()
print(sink.keeps_position)
"""
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout == "<6>one\n<6>two\nFalse\n"
