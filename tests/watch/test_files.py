# SPDX-License-Identifier: GPL-2.0-or-later
"""What inotify says of a directory becomes the paths that have changed, each once."""

import asyncio
import ctypes
import errno
import os
import struct
import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from watchdog.observers.inotify_c import inotify_add_watch

from klogd_py.watch.files import CannotWatch, FileWatch
from klogd_py.watch.watcher import DEBOUNCE_S, Watcher

OVERFLOW = struct.pack("iIII", -1, 0x4000, 0, 0)


@pytest.fixture
def watch(tmp_path: Path) -> Iterator[FileWatch]:
    with closing(FileWatch([tmp_path], lambda path: "other" not in path.name)) as made:
        yield made


def test_every_change_of_a_file_is_reported(tmp_path: Path, watch: FileWatch) -> None:
    a, b = tmp_path / "a", tmp_path / "b"
    a.write_text("")
    assert watch.changed_files() == [a]
    a.write_text("more")
    assert watch.changed_files() == [a]
    a.rename(b)
    assert watch.changed_files() == [a, b]
    b.unlink()
    assert watch.changed_files() == [b]
    assert watch.changed_files() == []


def test_reading_and_other_files_are_no_change(tmp_path: Path, watch: FileWatch) -> None:
    a = tmp_path / "a"
    a.write_text("")
    assert watch.changed_files() == [a]
    a.read_text()
    a.chmod(0o600)
    with a.open("a"):
        (tmp_path / "other").write_text("")
        assert watch.changed_files() == []
    assert watch.changed_files() == [a]


def test_name_that_is_not_utf8_is_reported(tmp_path: Path, watch: FileWatch) -> None:
    path = Path(os.fsdecode(os.fsencode(tmp_path) + b"/caf\xe9.toml"))
    path.write_text("")
    assert watch.changed_files() == [path]


def test_two_paths_of_a_directory_are_reported(tmp_path: Path) -> None:
    real, link = tmp_path / "real", tmp_path / "link"
    real.mkdir()
    link.symlink_to(real)
    with closing(FileWatch([link, real], lambda _: True)) as watch:
        (real / "a").write_text("")
        assert watch.changed_files() == [link / "a", real / "a"]


@pytest.mark.parametrize("how", ["removed", "renamed"])
def test_directory_that_goes_is_reported_once(tmp_path: Path, how: str) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    with closing(FileWatch([folder], lambda _: True)) as watch:
        if how == "removed":
            folder.rmdir()
        else:
            folder.rename(tmp_path / "new")
            (tmp_path / "new/a").write_text("")
        assert watch.changed_files() == [folder]
        assert watch.changed_files() == []


def test_missing_directory_is_left_out_silently(tmp_path: Path) -> None:
    with closing(FileWatch([tmp_path / "none", tmp_path], lambda _: True)) as watch:
        assert watch.unwatched == {}
        (tmp_path / "a").write_text("")
        assert watch.changed_files() == [tmp_path / "a"]


@pytest.mark.parametrize(
    ("number", "reason"),
    [
        (errno.EACCES, "Permission denied"),
        (errno.ENOSPC, "inotify watch limit reached"),
    ],
)
def test_directory_that_fails_is_alone(
    number: int, reason: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bad, good = tmp_path / "bad", tmp_path / "good"
    bad.mkdir()
    good.mkdir()

    def add_unless_bad(descriptor: int, path: bytes, mask: int) -> int:
        if path == os.fsencode(bad):
            ctypes.set_errno(number)
            return -1
        return inotify_add_watch(descriptor, path, mask)

    monkeypatch.setattr("klogd_py.watch.files.inotify_add_watch", add_unless_bad)
    with closing(FileWatch([bad, good], lambda _: True)) as watch:
        assert watch.unwatched == {reason: [bad]}
        (good / "a").write_text("")
        assert watch.changed_files() == [good / "a"]


def test_missing_inotify_says_its_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail() -> int:
        ctypes.set_errno(errno.EMFILE)
        return -1

    monkeypatch.setattr("klogd_py.watch.files.inotify_init", fail)
    with pytest.raises(CannotWatch, match="inotify: inotify instance limit reached"):
        FileWatch([], lambda _: True)


def test_descriptor_is_private_and_never_blocks(watch: FileWatch) -> None:
    assert not os.get_inheritable(watch.fileno())
    assert not os.get_blocking(watch.fileno())


def test_overflow_says_that_anything_may_change(
    tmp_path: Path, watch: FileWatch, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "a").write_text("")
    events = os.read(watch.fileno(), 1 << 16)
    for data in (OVERFLOW, events + OVERFLOW, OVERFLOW + events):
        monkeypatch.setattr(watch, "_file", _Stub(data, watch._file))
        assert watch.changed_files() is None


class _Stub:
    """A descriptor that has these bytes to read."""

    def __init__(self, data: bytes, real: object) -> None:
        self._data = data
        self._real = real

    def read(self, size: int) -> bytes:
        return self._data

    def close(self) -> None:
        assert hasattr(self._real, "close")
        self._real.close()


def test_overflow_reports_all_files_and_watches_anew(tmp_path: Path) -> None:
    """The kernel keeps as many events as fs.inotify.max_queued_events says."""
    limit = int(Path("/proc/sys/fs/inotify/max_queued_events").read_text())
    wanted, drop_ins = tmp_path / "wanted", tmp_path / "wanted.d"
    later = tmp_path / "later"
    changes: list[Path] = []

    async def overflow() -> None:
        watcher = Watcher(changes.append, lambda _: None)
        await watcher.watch_files({wanted, later / "map"}, drop_ins)
        # Two at a time, since equal events that follow on each other are joined
        for _ in range(limit // 2 + 1):
            for name in ("x", "y"):
                os.close(os.open(tmp_path / name, os.O_WRONLY | os.O_CREAT))
        later.mkdir()
        await asyncio.sleep(3 * DEBOUNCE_S)
        assert {*changes} == {wanted, later / "map", drop_ins}
        changes.clear()
        (later / "map").write_text("")
        await asyncio.sleep(3 * DEBOUNCE_S)
        watcher.close()

    asyncio.run(overflow())
    assert changes == [later / "map"]


def test_watch_needs_no_thread_of_its_own(tmp_path: Path) -> None:
    async def watch() -> None:
        threads = threading.active_count()
        watcher = Watcher(lambda _: None, lambda _: None)
        await watcher.watch_files({tmp_path / "a", tmp_path.parent / "b"}, tmp_path / "d")
        for thread in threading.enumerate():
            if thread.name == "watchers":
                thread.join(10)
        assert threading.active_count() == threads
        watcher.close()

    asyncio.run(watch())
