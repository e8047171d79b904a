# SPDX-License-Identifier: GPL-2.0-or-later
"""Watch files and kernel modules on an event loop, and report close changes once."""

import asyncio
import contextlib
import logging
import os
import sys
from collections.abc import Callable, Collection, Iterator
from functools import partial
from importlib.util import find_spec, module_from_spec
from pathlib import Path
from typing import TYPE_CHECKING

from msgspec import Struct

from klogd_py.system.errors import describe_expected
from klogd_py.system.file_identity import FileIdentity, identify
from klogd_py.system.jobs import Jobs
from klogd_py.system.libraries import PYROUTE2, WATCHDOG, describe_import_error
from klogd_py.system.worker_thread import WorkerThread

if TYPE_CHECKING:
    from klogd_py.watch.files import FileWatch
    from klogd_py.watch.uevents import ModuleWatch

# Limit for starting or replacing a watch: a file system that hangs delays no reload for longer.
MAX_CHANGE_S = 10.0
# Changes of one path, or of modules, that are closer together than this are reported once.
DEBOUNCE_S = 0.3

logger = logging.getLogger(__name__)


class WatchedPaths(Struct, frozen=True):
    """What is watched: files, and their directories by path; ``None`` for a missing directory."""

    files: frozenset[Path]
    directories: dict[Path, FileIdentity | None]


class Watcher:
    """Calls ``files_changed`` and ``modules_changed`` on the loop. Mutable.

    What it watches can be replaced at any time.
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
        # A file system that hangs does not keep the daemon from stopping.
        self._worker = WorkerThread("watchers", ends_idle=True)
        self._close_files: Callable[[], None] | None = None
        self._close_modules: Callable[[], None] | None = None
        self._watched: WatchedPaths | None = None
        self._timers: dict[str, asyncio.TimerHandle] = {}
        self._is_closed = False
        self._lock = asyncio.Lock()
        self._rewatching: set[asyncio.Task[None]] = set()

    async def watch_files(self, files: Collection[Path], drop_ins: Path) -> None:
        """Watch these files and every ``*.toml`` in the directory ``drop_ins``, and nothing else.

        A missing directory is waited for, and counts as changed when it appears. If neither the
        files nor their directories differ from those watched, the watch stays: a change while it
        is replaced would not be seen. Raises TimeoutError after `MAX_CHANGE_S`.
        """
        async with asyncio.timeout(MAX_CHANGE_S), self._lock:
            wanted = _watched_paths(files, drop_ins)
            if self._close_files is not None and wanted == self._watched:
                return
            self._watched = wanted
            if self._close_files is not None:
                self._close_files()
                self._close_files = None
            if files and not self._is_closed:
                await self._start_file_watch(files, drop_ins)

    async def _start_file_watch(self, files: Collection[Path], drop_ins: Path) -> None:
        loop = asyncio.get_running_loop()
        directories = {file.parent for file in files} | {drop_ins}
        missing = {first_missing(path) for path in directories if not os.path.isdir(path)}
        # A link that is given another target is an event of the directory that it is in.
        links = {path for path in directories if os.path.islink(path)}
        directories |= {path.parent for path in missing | links}
        watched = frozenset(directories)

        def is_wanted(path: Path) -> bool:
            in_drop_ins = path.parent == drop_ins and path.suffix == ".toml"
            return in_drop_ins or any(path in names for names in (files, missing, watched))

        async def rewatch(paths: Collection[Path]) -> None:
            # A directory that was made again may have the identity of the one before.
            self._watched = None
            await self.watch_files(files, drop_ins)
            for path in () if self._is_closed else paths:
                self._files_changed(path)

        def start_rewatch(paths: Collection[Path]) -> None:
            task = loop.create_task(self._jobs.run("file watcher", lambda: rewatch(paths), None))
            running = {other for other in self._rewatching if not other.done()}
            self._rewatching = running | {task}

        def report(path: Path) -> None:
            # Files that are in a new directory already have caused no event.
            # A directory that has gone is waited for in the one above it.
            if path in missing or path in watched:
                start_rewatch([path])
            else:
                self._files_changed(path)

        def on_change(changed: Collection[Path] | None) -> None:
            if changed is None:
                self._debounce("file watcher", "", lambda: start_rewatch({*files, drop_ins}))
                return
            for path in changed:
                self._debounce("file watcher", str(path), partial(report, path))

        self._close_files = await self._open_file_watch(directories, is_wanted, on_change)

    async def _open_file_watch(
        self,
        directories: Collection[Path],
        is_wanted: Callable[[Path], bool],
        on_change: Callable[[Collection[Path] | None], None],
    ) -> Callable[[], None] | None:
        """Start a watch and return what closes it; ``None`` if there is none, which is logged.

        ``on_change`` is called with what `FileWatch.changed_files` returns.
        """
        try:
            from klogd_py.watch.files import CannotWatch, FileWatch
        # As in `libraries`: a broken one may raise anything.
        except Exception as error:
            _report_unwatched("files", describe_import_error(WATCHDOG, error))
            return None
        try:
            watch = await self._worker.call(
                lambda: FileWatch(directories, is_wanted), discard=FileWatch.close
            )
        except CannotWatch as error:
            _report_unwatched("files", str(error))
            return None
        if self._is_closed:
            watch.close()
            return None
        for reason, places in watch.unwatched.items():
            _report_unwatched(", ".join(map(str, places)), reason)
        return self._add_reader("file watcher", watch, lambda: on_change(watch.changed_files()))

    def _add_reader(
        self, job: str, watch: "FileWatch | ModuleWatch", on_readable: Callable[[], None]
    ) -> Callable[[], None]:
        """Call ``on_readable`` when a watch has something to read; returns what closes it."""
        loop = asyncio.get_running_loop()
        loop.add_reader(watch.fileno(), self._jobs.guard(job, on_readable))

        def close() -> None:
            loop.remove_reader(watch.fileno())
            watch.close()

        return close

    async def watch_modules(self, wanted: bool) -> None:
        """Watch for modules that are loaded or removed, or stop doing so."""
        async with self._lock:
            if self._close_modules is not None:
                if not wanted:
                    self._close_modules()
                    self._close_modules = None
            elif wanted and not self._is_closed:
                await self._start_module_watch()

    async def _start_module_watch(self) -> None:
        try:
            async with asyncio.timeout(MAX_CHANGE_S):
                watch = await self._worker.call(
                    _open_module_watch, discard=lambda watch: watch.close()
                )
        except OSError as error:
            _report_unwatched("modules", describe_expected(error))
            return
        except Exception as error:
            _report_unwatched("modules", describe_import_error(PYROUTE2, error))
            return
        if self._is_closed:
            watch.close()
            return

        def on_readable() -> None:
            names = ", ".join(sorted(watch.changed_modules()))
            if names:
                self._debounce("module watcher", "modules", lambda: self._modules_changed(names))

        self._close_modules = self._add_reader("module watcher", watch, on_readable)

    def close(self) -> None:
        """Stop watching; no change is reported after this."""
        self._is_closed = True
        for timer in self._timers.values():
            timer.cancel()
        for rewatching in self._rewatching:
            rewatching.cancel()
        for watcher, close in (
            ("file watcher", self._close_files),
            ("module watcher", self._close_modules),
        ):
            if close is not None:
                self._jobs.call(watcher, close, None)
        self._worker.close()

    def _debounce(self, watcher: str, key: str, report: Callable[[], None]) -> None:
        """Call ``report`` after `DEBOUNCE_S`, once for all changes of a key until then."""
        if self._is_closed or key in self._timers:
            return

        def expire() -> None:
            self._timers.pop(key, None)
            report()

        expired = self._jobs.guard(watcher, expire, lambda: self._timers.pop(key, None))
        self._timers[key] = asyncio.get_running_loop().call_later(DEBOUNCE_S, expired)


def _report_unwatched(what: str, reason: str) -> None:
    """Log that changes of files, a directory or modules are not noticed, and what to do instead."""
    signal = "SIGUSR1" if what == "modules" else "SIGHUP"
    logger.warning("not watching %s: %s; %s loads them again", what, reason, signal)


def _watched_paths(files: Collection[Path], drop_ins: Path) -> WatchedPaths:
    directories = {file.parent for file in files} | {drop_ins}
    directories |= set(map(first_missing, directories))
    return WatchedPaths(frozenset(files), {path: _identity_of(path) for path in directories})


def _identity_of(directory: Path) -> FileIdentity | None:
    try:
        return identify(os.stat(directory))
    except OSError:
        return None


def first_missing(path: Path) -> Path:
    """Return the uppermost directory of a path that does not exist.

    It is the one that is made first when the path is made.
    """
    while not os.path.isdir(path.parent) and path.parent != path:
        path = path.parent
    return path


def _open_module_watch() -> "ModuleWatch":
    return import_module_watch()()


def import_module_watch() -> type["ModuleWatch"]:
    """Return the class that watches modules.

    Raises:
        ImportError: pyroute2 is not installed.
    """
    # Without the package's __init__ pyroute2 takes 50 ms and 3 MB instead of 100 ms and 22 MB.
    try:
        with import_parts_only("pyroute2"):
            from klogd_py.watch.uevents import ModuleWatch
    # A version whose parts need the whole package, or none is installed: the second import tells.
    except (ImportError, AttributeError):
        from klogd_py.watch.uevents import ModuleWatch
    return ModuleWatch


@contextlib.contextmanager
def import_parts_only(package: str) -> Iterator[None]:
    """Let parts of a package be imported without running its ``__init__``.

    A package whose ``__init__`` imports everything is expensive for users of one part. Within this
    context its parts find a bare package with the right directory; later imports run ``__init__``.
    Nothing is different for a package that is imported already or not installed. A part that needs
    what only ``__init__`` has raises ImportError or AttributeError.
    """
    spec = None if package in sys.modules else find_spec(package)
    if spec is None:
        yield
        return
    sys.modules[package] = module_from_spec(spec)
    try:
        yield
    finally:
        del sys.modules[package]
