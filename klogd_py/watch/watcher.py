# SPDX-License-Identifier: GPL-2.0-or-later
"""Follows both kinds of change on an event loop, and tells once what came together."""

import asyncio
import contextlib
import logging
import os
from collections.abc import Callable, Collection
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from klogd_py.system.jobs import Jobs
from klogd_py.system.worker_thread import WorkerThread
from klogd_py.watch.partial_import import parts_only

if TYPE_CHECKING:
    from klogd_py.watch.uevents import ModuleWatch

# A file system that hangs holds up no reload for longer
MAX_CHANGE_S = 10.0
# Which files are watched, and which folder each of their places is; None for one that is not there.
Standing = tuple[frozenset[Path], dict[Path, tuple[int, int] | None]]

# Changes closer together than this make one call
SETTLE_S = 0.3

logger = logging.getLogger(__name__)


class Watcher:
    """Calls ``files_changed`` and ``modules_changed`` on the loop. Mutable.

    What it watches can be exchanged.
    """

    def __init__(
        self,
        files_changed: Callable[[Path], None],
        modules_changed: Callable[[str], None],
        jobs: Jobs | None = None,
    ) -> None:
        self._files_changed = files_changed
        self._modules_changed = modules_changed
        self._jobs = jobs or Jobs()
        # A file system that hangs holds up no stop
        self._courier = WorkerThread("watchers")
        self._close_files: Callable[[], None] | None = None
        self._close_modules: Callable[[], None] | None = None
        self._watched: Standing | None = None
        self._settling: dict[str, asyncio.TimerHandle] = {}
        self._closed = False
        self._exchanging = asyncio.Lock()
        self._following: asyncio.Task[None] | None = None

    async def watch_files(self, files: Collection[Path], drop_ins: Path) -> None:
        """Watch these files, and with them every ``*.toml`` in a directory; what was watched before
        no longer is.

        Where neither the files nor their folders are others than before, nothing is done.
        A folder that is missing is waited for, and counts as changed when it has come.
        """
        async with asyncio.timeout(MAX_CHANGE_S), self._exchanging:
            wanted = _standing(files, drop_ins)
            if self._close_files is not None and wanted == self._watched:
                # A change that comes while a watch is exchanged would be seen by neither
                return
            self._watched = wanted
            if self._close_files is not None:
                close, self._close_files = self._close_files, None
                await self._courier.call(close)
            if files and not self._closed:
                await self._watch_files(files, drop_ins)

    async def _watch_files(self, files: Collection[Path], drop_ins: Path) -> None:
        loop = asyncio.get_running_loop()
        places = {file.parent for file in files} | {drop_ins}
        missing = {first_missing(place) for place in places if not os.path.isdir(place)}

        def wanted(path: Path) -> bool:
            return (
                path in files
                or path in missing
                or (path.parent == drop_ins and path.suffix == ".toml")
            )

        async def follow_anew(path: Path) -> None:
            await self.watch_files(files, drop_ins)
            self._files_changed(path)

        def tell(path: Path) -> None:
            # What is in it by now has made no event
            if path in missing:
                self._following = loop.create_task(
                    self._jobs.run("file watcher", lambda: follow_anew(path), None)
                )
            else:
                self._files_changed(path)

        def changed(path: Path) -> None:
            settle = self._jobs.guard("file watcher", self._settle)
            # The loop has ended meanwhile
            with contextlib.suppress(RuntimeError):
                loop.call_soon_threadsafe(settle, "file watcher", str(path), lambda: tell(path))

        try:
            from klogd_py.watch.files import CannotWatch, FileWatch
        except ImportError as error:
            logger.warning("not watching files: %s", error)
            return
        try:
            places |= {path.parent for path in missing}
            watch = await self._courier.call(
                partial(FileWatch, places, wanted, changed, self._jobs)
            )
        except CannotWatch as error:
            logger.warning("not watching files: %s", error)
            return
        self._close_files = watch.close

    async def watch_modules(self, wanted: bool) -> None:
        """Watch modules come and go, or stop doing so."""
        loop = asyncio.get_running_loop()
        if self._close_modules is not None:
            if not wanted:
                self._close_modules()
                self._close_modules = None
            return
        if not wanted:
            return
        try:
            async with asyncio.timeout(MAX_CHANGE_S):
                watch = await self._courier.call(_module_watch)
        except (ImportError, OSError) as error:
            logger.warning("not watching modules come and go: %s", error)
            return

        def readable() -> None:
            names = ", ".join(sorted(watch.changed_modules()))
            if names:
                self._settle("module watcher", "modules", lambda: self._modules_changed(names))

        loop.add_reader(watch.fileno(), self._jobs.guard("module watcher", readable))

        def close() -> None:
            loop.remove_reader(watch.fileno())
            watch.close()

        self._close_modules = close

    def close(self) -> None:
        """Stop watching; no call comes after this."""
        self._closed = True
        for timer in self._settling.values():
            timer.cancel()
        for watcher, close in (
            ("file watcher", self._close_files),
            ("module watcher", self._close_modules),
        ):
            if close is not None:
                self._jobs.call(watcher, close, None)
        self._courier.close()

    def _settle(self, watcher: str, key: str, call: Callable[[], None]) -> None:
        if self._closed:
            return
        if key in self._settling:
            # What is about to be told covers this one too
            return

        def tell() -> None:
            self._settling.pop(key, None)
            call()

        telling = self._jobs.guard(watcher, tell, lambda: self._settling.pop(key, None))
        self._settling[key] = asyncio.get_running_loop().call_later(SETTLE_S, telling)


def _standing(files: Collection[Path], drop_ins: Path) -> Standing:
    folders = {file.parent for file in files} | {drop_ins}
    return frozenset(files), {
        folder: _identity(folder) for folder in folders | set(map(first_missing, folders))
    }


def _identity(folder: Path) -> tuple[int, int] | None:
    try:
        found = os.stat(folder)
    except OSError:
        return None
    return found.st_dev, found.st_ino


def first_missing(place: Path) -> Path:
    """The uppermost folder of a path that does not exist.

    Whoever makes the rest of it makes this one first.
    """
    while not os.path.isdir(place.parent) and place.parent != place:
        place = place.parent
    return place


def _module_watch() -> "ModuleWatch":
    # pyroute2 is imported only where it serves, and of it what serves: 50 ms and 3 MB instead of
    # 100 ms and 22 MB.
    try:
        with parts_only("pyroute2"):
            from klogd_py.watch.uevents import ModuleWatch
    except (
        ImportError,
        AttributeError,
        # A version whose parts want the whole, or none is installed
    ):
        from klogd_py.watch.uevents import ModuleWatch
    return ModuleWatch()
