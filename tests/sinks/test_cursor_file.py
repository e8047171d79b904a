# SPDX-License-Identifier: GPL-2.0-or-later
import errno
import os
import re
import resource
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from klogd_py.sinks.cursor_file import BLOCK_BYTES, CursorFile, CursorFileInUse, CursorsNotSaved
from klogd_py.sinks.cursor_format import LIMIT_BYTES, MAX_SEQ, render
from klogd_py.sinks.cursor_store import CursorStore
from tests.entries import position_at
from tests.needs import needs_mount, needs_other_users


def test_saved_position_is_valid_on_the_same_boot(tmp_path: Path) -> None:
    path = tmp_path / "position.json"
    CursorFile(path, "boot-a").save({"syslog": position_at(12), "file:/x": position_at(7)})
    cursor_file = CursorFile(path, "boot-a")
    assert cursor_file.position("syslog") == position_at(12)
    assert cursor_file.position("file:/x") == position_at(7)
    assert cursor_file.position("new") is None


def test_parts_accepted_ahead_are_saved_and_loaded(tmp_path: Path) -> None:
    path = tmp_path / "position.json"
    with closing(CursorFile(path, "b")) as cursor_file:
        cursor_file.save({"syslog": position_at(12, 14, 17), "file:/x": position_at(7, 9)})
        cursor_file.save({"file:/x": position_at(8, 10)})
    again = CursorFile(path, "b")
    assert again.position("syslog") == position_at(12, 14, 17)
    assert again.position("file:/x") == position_at(8, 10)
    with closing(CursorFile(path, "b")) as cursor_file:
        cursor_file.save({"syslog": position_at(20)})
    assert CursorFile(path, "b").position("syslog") == position_at(20)


def test_parts_of_a_position_beyond_ring_are_dropped(tmp_path: Path) -> None:
    path = tmp_path / "position.json"
    with closing(CursorFile(path, "b")) as cursor_file:
        cursor_file.save({"s": position_at(102, 105)})
    again = CursorFile(path, "b")
    again.drop_beyond(100)
    assert again.position("s") is None


def test_altered_position_parts_are_reported_as_damaged(tmp_path: Path) -> None:
    path = tmp_path / "position.json"
    with closing(CursorFile(path, "b")) as cursor_file:
        cursor_file.save({"s": position_at(12, 14)})
    path.write_bytes(path.read_bytes().replace(b"[14]", b"[15]"))
    assert "damaged" in (CursorFile(path, "b").remark or "")


def test_position_of_another_boot_is_silently_ignored(tmp_path: Path) -> None:
    path = tmp_path / "position.json"
    CursorFile(path, "boot-a").save({"syslog": position_at(12)})
    cursor_file = CursorFile(path, "boot-b")
    assert (cursor_file.position("syslog"), cursor_file.remark, cursor_file.is_empty) == (
        None,
        None,
        True,
    )


@pytest.mark.parametrize("saved_in", ["boot-a", None])
def test_unknown_boot_uses_no_saved_position(tmp_path: Path, saved_in: str | None) -> None:
    path = tmp_path / "position.json"
    CursorFile(path, saved_in).save({"syslog": position_at(12)})
    cursor_file = CursorFile(path, None)
    assert (cursor_file.position("syslog"), cursor_file.remark) == (None, None)


@needs_other_users
def test_file_created_by_root_belongs_to_directory_owner(tmp_path: Path) -> None:
    os.chown(tmp_path, 65534, 65533)
    CursorFile(tmp_path / "position.json", "boot-a").save({"syslog": position_at(12)})
    status = (tmp_path / "position.json").stat()
    assert (status.st_uid, status.st_gid) == (65534, 65533)


def test_saving_one_sink_keeps_the_others(tmp_path: Path) -> None:
    path = tmp_path / "position.json"
    for sink, seq in (("syslog", 12), ("journal", 3)):
        with closing(CursorFile(path, "b")) as cursor_file:
            cursor_file.save({sink: position_at(seq)})
    assert CursorFile(path, "b").position("syslog") == position_at(12)


@pytest.mark.parametrize(
    "content",
    [b"", b"{", b"[]", b'{"boot_id": 1}', b'{"boot_id": "b", "next": {"s": "x"}}', b"\xff\0"],
)
def test_damaged_file_suppresses_nothing_and_is_reported(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "position.json"
    path.write_bytes(content)
    cursor_file = CursorFile(path, "b")
    assert cursor_file.position("s") is None
    assert str(path) in (cursor_file.remark or "")


def test_position_beyond_newest_record_is_dropped_and_reported(tmp_path: Path) -> None:
    path = tmp_path / "position.json"
    CursorFile(path, "b").save(
        {"ahead": position_at(102), "next": position_at(101), "below": position_at(5)}
    )
    cursor_file = CursorFile(path, "b")
    cursor_file.drop_beyond(100)
    assert cursor_file.position("ahead") is None
    assert cursor_file.position("next") == position_at(101)
    assert cursor_file.position("below") == position_at(5)
    assert "ahead" in (cursor_file.remark or "")


def test_cursor_file_is_private_and_alone(tmp_path: Path) -> None:
    CursorFile(tmp_path / "position.json", "b").save({"s": position_at(1)})
    (file,) = tmp_path.iterdir()
    assert file.stat().st_mode & 0o777 == 0o600


def test_failed_save_names_the_missing_directory(tmp_path: Path) -> None:
    with pytest.raises(CursorsNotSaved, match="gone"):
        CursorFile(tmp_path / "gone" / "position.json", "b").save({"s": position_at(1)})


def test_second_lock_is_refused_until_the_first_closes(tmp_path: Path) -> None:
    path = tmp_path / "position.json"
    with (
        closing(CursorFile(path, "b", locked=True)),
        pytest.raises(CursorFileInUse, match=r"position\.json: in use by another"),
    ):
        CursorFile(path, "b", locked=True)
    CursorFile(path, "b", locked=True).close()


def test_new_locked_file_is_valid_and_empty(tmp_path: Path) -> None:
    path = tmp_path / "position.json"
    CursorFile(path, "b", locked=True).close()
    assert (CursorFile(path, "b").remark, CursorFile(path, "b").is_empty) == (None, True)


@pytest.mark.parametrize("harm", ["removed", "replaced"])
def test_cursor_file_that_lost_its_name_is_rewritten(tmp_path: Path, harm: str) -> None:
    path = tmp_path / "position.json"
    with closing(CursorFile(path, "b")) as cursor_file:
        cursor_file.save({"s": position_at(1)})
        path.unlink()
        if harm == "replaced":
            path.touch()
        cursor_file.save({"s": position_at(2)})
    assert CursorFile(path, "b").position("s") == position_at(2)


def test_shorter_text_leaves_nothing_of_a_longer(tmp_path: Path) -> None:
    path = tmp_path / "position.json"
    with closing(CursorFile(path, "b")) as cursor_file:
        cursor_file.save({"s" * 600: position_at(1)})
    with closing(CursorFile(path, "another")) as cursor_file:
        cursor_file.save({"s": position_at(2)})
    again = CursorFile(path, "another")
    assert (again.position("s"), again.position("s" * 600), again.remark) == (
        position_at(2),
        None,
        None,
    )


def texts(folder: Path, *positions: dict[str, int], before: bytes = b"") -> list[bytes]:
    """The content of one file after each of these has been saved."""
    path, found = folder / "written.json", []
    filled(path, before)
    for changed in positions:
        with closing(CursorFile(path, "b", locked=True)) as cursor_file:
            cursor_file.save({sink: position_at(seq) for sink, seq in changed.items()})
        found.append(path.read_bytes())
    return found


def filled(path: Path, raw: bytes) -> None:
    path.write_bytes(raw)
    path.chmod(0o600)


def read(path: Path) -> tuple[frozenset[tuple[str, int]], bool]:
    """The numbers in a file, and whether it has a remark."""
    cursor_file = CursorFile(path, "b")
    numbers = {sink: found.next_seq for sink, found in cursor_file._positions.items()}
    return frozenset(numbers.items()), cursor_file.remark is not None


OLD, NEW = {"s": 7, "t": 199}, {"s": 1234, "t": 200, "file:/a/longer/name/that/comes/later": 3}
WITHOUT_CHECK = b'{"boot_id": "b", "next": {"s": 7, "t": 199}}'


@pytest.mark.parametrize("before", ["shorter", "longer", "nothing", "version without check"])
@pytest.mark.parametrize("tail_kind", ["what was there", "nothing", "zeros"])
def test_write_cut_anywhere_is_old_new_or_damaged(
    tmp_path: Path, before: str, tail_kind: str
) -> None:
    path = tmp_path / "cut.json"
    (old,) = texts(tmp_path, OLD | ({"x" * 700: 5} if before == "longer" else {}))
    if before == "nothing":
        old = b""
    elif before == "version without check":
        old = WITHOUT_CHECK
    (new,) = texts(tmp_path, NEW, before=old)
    answers = {}
    for name, text in (("old", old), ("new", new)):
        filled(path, text)
        answers[name] = read(path)
    assert answers["new"][0] >= set(NEW.items())
    if before == "version without check":
        # The file is truncated before it is written.
        old = b""
    seen = set()
    for cut in range(len(new) + 1):
        tail = {
            "what was there": old[cut:],
            "nothing": b"",
            "zeros": bytes(max(len(old), len(new)) - cut),
        }[tail_kind]
        filled(path, new[:cut] + tail)
        seen.add(read(path))
    assert answers["new"] in seen
    assert seen <= {answers["old"], answers["new"], (frozenset(), True)}


@given(
    st.dictionaries(st.sampled_from(["s", "t", "u" * 600]), st.integers(0, MAX_SEQ), min_size=1),
    st.dictionaries(st.sampled_from(["s", "t", "u" * 600]), st.integers(0, MAX_SEQ), min_size=1),
    st.data(),
)
def test_two_texts_mixed_are_never_a_third(
    tmp_path_factory: pytest.TempPathFactory,
    first: dict[str, int],
    second: dict[str, int],
    data: st.DataObject,
) -> None:
    folder = tmp_path_factory.mktemp("position")
    one, two = texts(folder, first, second)
    size = data.draw(st.sampled_from([16, 64, BLOCK_BYTES]))
    pieces = [
        data.draw(st.sampled_from([one, two]))[at : at + size] for at in range(0, len(two), size)
    ]
    path = folder / "mixed.json"
    filled(path, b"".join(pieces))
    found, is_refused = read(path)
    assert (dict(found) in (first, first | second)) != is_refused


@pytest.mark.parametrize("killed_before", ["ftruncate", "posix_fallocate", "pwrite"])
def test_kill_between_calls_leaves_old_new_or_damaged(tmp_path: Path, killed_before: str) -> None:
    path = tmp_path / "position.json"
    filled(path, WITHOUT_CHECK)
    words = f"""
import os, signal
from pathlib import Path
from klogd_py.record.sequence import Position
from klogd_py.sinks.cursor_file import CursorFile
cursor_file = CursorFile(Path({str(path)!r}), "b", locked=True)
assert cursor_file.position("t") == Position(199)
os.{killed_before} = lambda *_: os.kill(os.getpid(), signal.SIGKILL)
cursor_file.save({{"t": Position(200)}})
"""
    assert (
        subprocess.run([sys.executable, "-c", words], timeout=60, check=False).returncode
        == -signal.SIGKILL
    )
    cursor_file = CursorFile(path, "b")
    assert cursor_file.position("t") in (position_at(199), None)
    assert (cursor_file.position("t") is None) == (cursor_file.remark is not None)


def test_unchanged_position_is_not_written_again(tmp_path: Path) -> None:
    path = tmp_path / "position.json"
    cursor_file = CursorFile(path, "b")
    cursor_file.save({"s": position_at(1)})
    path.unlink()
    cursor_file.save({"s": position_at(1)})
    assert not path.exists()


def sparse(path: Path, raw: bytes, size: int) -> None:
    filled(path, raw)
    os.truncate(path, size)


def a_socket(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))


def linked(path: Path, make: Callable[[Path, Path], None]) -> None:
    other = path.with_name("other")
    filled(other, b'{"boot_id":"b","next":{"s":5}}')
    make(other, path)


def of_others(path: Path, mode: int, user: int = -1) -> None:
    filled(path, b'{"boot_id":"b","next":{"s":5}}')
    path.chmod(mode)
    os.chown(path, user, -1)


HOSTILE: dict[str, tuple[Callable[[Path], object], str]] = {
    "FIFO": (os.mkfifo, "a FIFO, not a regular file"),
    "directory": (os.mkdir, "a directory, not a regular file"),
    "socket": (a_socket, "a socket, not a regular file"),
    "link": (
        lambda path: linked(path, lambda other, link: link.symlink_to(other)),
        "a symbolic link, not a regular file",
    ),
    "link to a device": (
        lambda path: path.symlink_to("/dev/zero"),
        "a symbolic link, not a regular file",
    ),
    "second name": (
        lambda path: linked(path, lambda other, link: link.hardlink_to(other)),
        "has another name as well",
    ),
    "writable by others": (lambda path: of_others(path, 0o602), "can be written by other users"),
    "terabyte": (
        lambda path: sparse(path, b"", 1 << 40),
        "larger than 1024 KiB, which is the limit",
    ),
    "blanks": (
        lambda path: sparse(path, b'{"boot_id":"b","next":{}}', 2 << 30),
        "larger than 1024 KiB, which is the limit",
    ),
    "nested": (lambda path: filled(path, b'{"x":' + b"[" * 1_000_000), "not a saved position"),
    "name not UTF-8": (
        lambda path: filled(path, b'{"boot_id":"b","next":{"\xff":1}}'),
        "not a saved position",
    ),
    "boot not UTF-8": (
        lambda path: filled(path, b'{"boot_id":"\xff","next":{}}'),
        "not a saved position",
    ),
    "surrogate": (
        lambda path: filled(path, b'{"boot_id":"b","next":{"\\udc80":1}}'),
        "not a saved position",
    ),
    "5000 digits": (
        lambda path: filled(path, b'{"boot_id":"b","next":{"s":%s}}' % (b"9" * 5000)),
        "not a saved position",
    ),
    "2^64": (
        lambda path: filled(path, b'{"boot_id":"b","next":{"s":18446744073709551616}}'),
        "not a saved position",
    ),
    "-1": (lambda path: filled(path, b'{"boot_id":"b","next":{"s":-1}}'), "not a saved position"),
    "true": (
        lambda path: filled(path, b'{"boot_id":"b","next":{"s":true}}'),
        "not a saved position",
    ),
    "fraction": (
        lambda path: filled(path, b'{"boot_id":"b","next":{"s":1.5}}'),
        "not a saved position",
    ),
    "null": (lambda path: filled(path, b"null"), "not a saved position"),
    "zeros": (lambda path: filled(path, bytes(512)), "not a saved position"),
    "random": (lambda path: filled(path, os.urandom(4096)), "not a saved position"),
    "damaged name of the check": (
        lambda path: filled(path, b'{"boot_id":"b","next":{"s":1},"checkk":1}'),
        "not a saved position",
    ),
    "another check": (
        lambda path: filled(path, b'{"boot_id":"b","next":{"s":1},"check":1}'),
        "damaged",
    ),
}
if os.geteuid() == 0:
    HOSTILE["foreign"] = (
        lambda path: of_others(path, 0o600, 4711),
        "belongs to user 4711, neither",
    )
    HOSTILE["device"] = (
        lambda path: os.mknod(path, 0o20600, os.makedev(1, 5)),
        "a character device, not a regular file",
    )


def is_overwritten(reason: str) -> bool:
    """Whether the daemon overwrites a file that it refuses for this reason."""
    return reason.startswith(("not a saved position", "damaged", "larger than"))


@pytest.mark.parametrize("kind", HOSTILE)
@pytest.mark.parametrize("locked", [True, False])
def test_hostile_file_suppresses_nothing_and_is_reported(
    tmp_path: Path, kind: str, locked: bool
) -> None:
    path = tmp_path / "position.json"
    make, reason = HOSTILE[kind]
    make(path)
    before = os.lstat(path)
    began_s = time.monotonic()
    with closing(CursorFile(path, "b", locked=locked)) as cursor_file:
        assert (cursor_file.is_empty, cursor_file.position("s")) == (True, None)
        assert cursor_file.remark is not None
        assert cursor_file.remark.startswith(f"{path}: {reason}")
        assert cursor_file.remark.endswith("; starting at the oldest record")
        if is_overwritten(reason):
            cursor_file.save({"s": position_at(12)})
            assert CursorFile(path, "b").position("s") == position_at(12)
            assert path.stat().st_size <= LIMIT_BYTES
        else:
            with pytest.raises(CursorsNotSaved, match=re.escape(f"{path}: {reason}")):
                cursor_file.save({"s": position_at(12)})
            after = os.lstat(path)
            assert (after.st_mode, after.st_ino, after.st_size) == (
                before.st_mode,
                before.st_ino,
                before.st_size,
            )
    assert time.monotonic() - began_s < 5


@pytest.mark.parametrize("kind", HOSTILE)
def test_hostile_replacement_of_the_file_ends_nothing(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "position.json"
    with closing(CursorFile(path, "b", locked=True)) as cursor_file:
        cursor_file.save({"s": position_at(1)})
        path.unlink()
        HOSTILE[kind][0](path)
        if is_overwritten(HOSTILE[kind][1]):
            cursor_file.save({"s": position_at(2)})
            assert CursorFile(path, "b").position("s") == position_at(2)
        else:
            with pytest.raises(CursorsNotSaved, match=re.escape(f"{path}: {HOSTILE[kind][1]}")):
                cursor_file.save({"s": position_at(2)})


@pytest.mark.parametrize("check", ["", ',"check":66792144'])
def test_file_of_an_older_version_is_read(tmp_path: Path, check: str) -> None:
    path = tmp_path / "position.json"
    filled(
        path,
        f'{{"boot_id":"b","next":{{"syslog:/dev/log":1201}}{check}}}'.encode().ljust(511) + b"\n",
    )
    with closing(CursorFile(path, "b", locked=True)) as cursor_file:
        assert cursor_file.position("syslog:/dev/log") == position_at(1201)
        assert cursor_file.remark is None
        cursor_file.save({"syslog:/dev/log": position_at(1202)})
    assert CursorFile(path, "b").position("syslog:/dev/log") == position_at(1202)


# What version 0.1.0 wrote
FILE_OF_0_1_0 = (
    b'{"boot_id":"51b3d661323f440e91e8247518fc635c",'
    b'"next":{"syslog:/dev/log":1201,"file:/var/log/kern.log":1198},'
    b'"check":624357281,"ahead":{"syslog:/dev/log":[1204,1207]}}'
).ljust(511) + b"\n"


def test_file_of_first_release_is_read_and_rewritten(tmp_path: Path) -> None:
    path, boot_id = tmp_path / "position.json", "51b3d661323f440e91e8247518fc635c"
    filled(path, FILE_OF_0_1_0)
    with closing(CursorFile(path, boot_id, locked=True)) as found:
        assert (found.remark, found.is_empty) == (None, False)
        assert found.position("syslog:/dev/log") == position_at(1201, 1204, 1207)
        assert found.position("file:/var/log/kern.log") == position_at(1198)
    other = tmp_path / "other.json"
    with closing(CursorFile(other, boot_id, locked=True)) as written:
        written.save(
            {
                "syslog:/dev/log": position_at(1201, 1204, 1207),
                "file:/var/log/kern.log": position_at(1198),
            }
        )
    assert other.read_bytes() == FILE_OF_0_1_0


def test_removed_sinks_do_not_fill_the_file(tmp_path: Path) -> None:
    with closing(CursorFile(tmp_path / "position.json", "b")) as cursor_file:
        cursor_file.save(
            {f"file:/{number}/{'x' * 4000}": position_at(number) for number in range(250)}
        )
        for number in range(250, 300):
            position = position_at(number)
            cursor_file.save({f"file:/{number}/{'x' * 4000}": position, "syslog": position})
    again = CursorFile(tmp_path / "position.json", "b")
    assert again.position("syslog") == position_at(299)
    assert (tmp_path / "position.json").stat().st_size <= LIMIT_BYTES


def warnings_of(caplog: pytest.LogCaptureFixture, part: str) -> list[str]:
    return [record.getMessage() for record in caplog.records if part in record.getMessage()]


def test_unusable_file_is_reported_once(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    os.mkfifo(tmp_path / "position.json")
    store = CursorStore(tmp_path / "position.json", "b", lambda: 100)
    store.open()
    for number in range(10):
        store.save({"s": position_at(number)})
    store.close()
    assert len(warnings_of(caplog, "starting at the oldest record")) == 1
    assert len(warnings_of(caplog, "position not saved, a restart sends records again")) == 1
    assert len(caplog.records) == 2


def test_full_disk_keeps_the_old_position(tmp_path: Path) -> None:
    path = tmp_path / "position.json"
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    with closing(CursorFile(path, "b", locked=True)) as cursor_file:
        cursor_file.save({"s": position_at(1)})
        ignored = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (BLOCK_BYTES, before[1]))
        try:
            cursor_file.save({"s": position_at(2)})
            with pytest.raises(CursorsNotSaved, match=os.strerror(errno.EFBIG)):
                cursor_file.save({"t" * 600: position_at(3)})
            assert CursorFile(path, "b").position("s") == position_at(2)
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, before)
            signal.signal(signal.SIGXFSZ, ignored)
        cursor_file.save({"t" * 600: position_at(3)})
    assert CursorFile(path, "b").position("t" * 600) == position_at(3)


FULL = """
import os, subprocess, sys
from pathlib import Path
from klogd_py.record.sequence import Position
from klogd_py.sinks.cursor_store import CursorStore
place = Path(sys.argv[1])
subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "none", place], check=True)
import logging
logging.basicConfig(format="%(message)s", stream=sys.stdout)
if sys.argv[2] == "full":
    with (place / "filling").open("wb", 0) as file:
        try:
            while file.write(bytes(4096)):
                pass
        except OSError:
            pass
elif sys.argv[2] == "read-only":
    subprocess.run(["mount", "-o", "remount,ro", place], check=True)
store = CursorStore(place / "position.json", "b", lambda: 1000)
store.open()
for number in range(20):
    store.save({"s": Position(number)})
if sys.argv[2] == "full":
    (place / "filling").unlink()
    store.save({"s": Position(20)})
    store.close()
    again = CursorStore(place / "position.json", "b", lambda: 1000)
    again.open()
    print(again.position("s").next_seq)
"""


@needs_mount
@pytest.mark.parametrize(
    ("state", "output"),
    [
        (
            "full",
            "position not saved, a restart sends records again: {}: No space left on device\n20\n",
        ),
        (
            "read-only",
            "position not saved, a restart sends records again: {}: Read-only file system\n",
        ),
    ],
)
def test_full_disk_is_reported_once(tmp_path: Path, state: str, output: str) -> None:
    command = ["unshare", "--mount", sys.executable, "-c", FULL, str(tmp_path), state]
    ran = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
    assert (ran.stdout, ran.stderr) == (output.format(tmp_path / "position.json"), "")


def test_cursor_file_of_later_version_is_accepted(tmp_path: Path) -> None:
    content = render("b", {"s": position_at(7)}).rstrip()
    assert content.endswith(b"}")
    path = tmp_path / "position.json"
    filled(path, content[:-1] + b',"later":[1]}')
    cursor_file = CursorFile(path, "b")
    assert (cursor_file.position("s"), cursor_file.remark) == (position_at(7), None)
