# SPDX-License-Identifier: GPL-2.0-or-later
"""What is written to a device or a FIFO is no change of a file, and a directory may come and go."""

import asyncio
import os
import shutil
from collections.abc import Awaitable, Callable
from contextlib import closing
from pathlib import Path

import pytest

from klogd_py.watch.files import FileWatch
from klogd_py.watch.watcher import DEBOUNCE_S, Watcher


def reported(file: Path, act: Callable[[], Awaitable[None]]) -> list[Path]:
    """Return the changes that a watch of ``file`` reports while ``act`` runs."""
    changes: list[Path] = []

    async def watch() -> None:
        watcher = Watcher(changes.append, lambda _: None)
        await watcher.watch_files({file}, file.with_name(f"{file.name}.d"))
        await act()
        await asyncio.sleep(3 * DEBOUNCE_S)
        watcher.close()

    asyncio.run(watch())
    return changes


def write_to_pipe(path: Path) -> None:
    """Write to a FIFO, whose reader is this process."""
    descriptor = os.open(path, os.O_RDWR)
    os.write(descriptor, b"text\n")
    os.close(descriptor)


def test_write_to_pipe_is_no_change(tmp_path: Path) -> None:
    pipe = tmp_path / "klogd-py.toml"
    os.mkfifo(pipe)

    async def act() -> None:
        write_to_pipe(pipe)

    assert reported(pipe, act) == []


def test_file_in_place_of_pipe_is_reported(tmp_path: Path) -> None:
    pipe = tmp_path / "klogd-py.toml"
    os.mkfifo(pipe)

    async def act() -> None:
        (tmp_path / "new").write_text("")
        (tmp_path / "new").replace(pipe)

    assert reported(pipe, act) == [pipe]


def test_directory_made_again_at_once_is_watched(tmp_path: Path) -> None:
    """The new directory may have the inode of the one before."""
    folder = tmp_path / "etc"
    folder.mkdir()
    file = folder / "klogd-py.toml"

    async def act() -> None:
        shutil.rmtree(folder)
        folder.mkdir()
        await asyncio.sleep(3 * DEBOUNCE_S)
        file.write_text("")

    assert reported(file, act) == [folder, file]


def test_renamed_directory_is_watched_no_more(tmp_path: Path) -> None:
    folder, other = tmp_path / "etc", tmp_path / "other"
    folder.mkdir()
    file = folder / "klogd-py.toml"

    async def act() -> None:
        folder.rename(other)
        (other / file.name).write_text("")
        await asyncio.sleep(3 * DEBOUNCE_S)
        folder.mkdir()
        await asyncio.sleep(3 * DEBOUNCE_S)
        file.write_text("")

    assert reported(file, act) == [folder, folder, file]


@pytest.mark.parametrize("is_renamed", [True, False])
def test_link_with_other_target_is_watched_anew(tmp_path: Path, is_renamed: bool) -> None:
    link, other = tmp_path / "etc", tmp_path / "other"
    for target in ("before", "after"):
        (tmp_path / target).mkdir()
    link.symlink_to("before")
    file = link / "klogd-py.toml"

    async def act() -> None:
        other.symlink_to("after")
        if not is_renamed:
            link.unlink()
        other.rename(link)
        await asyncio.sleep(3 * DEBOUNCE_S)
        file.write_text("")

    assert reported(file, act) == [link, file]


def test_directory_above_missing_one_may_be_replaced(tmp_path: Path) -> None:
    above = tmp_path / "above"
    above.mkdir()
    file = above / "etc" / "klogd-py.toml"

    async def act() -> None:
        above.rename(tmp_path / "other")
        for folder in (above, above / "etc"):
            await asyncio.sleep(3 * DEBOUNCE_S)
            folder.mkdir()
        await asyncio.sleep(3 * DEBOUNCE_S)
        file.write_text("")

    assert reported(file, act)[-1:] == [file]


def test_watcher_that_is_closed_reports_no_change(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    changes: list[Path] = []

    async def watch() -> None:
        watcher = Watcher(changes.append, lambda _: None)
        closed = asyncio.Event()

        async def close_meanwhile(_files: set[Path], _drop_ins: Path) -> None:
            watcher.close()
            closed.set()

        await watcher.watch_files({tmp_path / "etc" / "a"}, tmp_path / "b")
        monkeypatch.setattr(watcher, "watch_files", close_meanwhile)
        (tmp_path / "etc").mkdir()
        await closed.wait()
        await asyncio.sleep(0)

    asyncio.run(watch())
    assert changes == []


def test_write_to_dev_null_is_no_change() -> None:
    async def act() -> None:
        Path(os.devnull).write_bytes(b"text\n")

    assert reported(Path(os.devnull), act) == []


def test_directory_made_again_is_watched_again(tmp_path: Path) -> None:
    folder = tmp_path / "etc"
    folder.mkdir()
    file = folder / "klogd-py.toml"

    async def act() -> None:
        shutil.rmtree(folder)
        await asyncio.sleep(3 * DEBOUNCE_S)
        folder.mkdir()
        await asyncio.sleep(3 * DEBOUNCE_S)
        file.write_text("")

    assert reported(file, act) == [folder, folder, file]


@pytest.mark.parametrize("place", ["/dev", "/proc/self/fd", "/dev/fd", "/sys/module"])
def test_directory_of_the_kernel_is_not_watched(place: str, tmp_path: Path) -> None:
    with closing(FileWatch([Path(place), tmp_path], lambda _: True)) as watch:
        Path(os.devnull).write_bytes(b"text\n")
        (tmp_path / "a").write_text("")
        assert watch.changed_files() == [tmp_path / "a"]
        assert not watch.unwatched
