# SPDX-License-Identifier: GPL-2.0-or-later
"""Has one of these files appeared, changed or gone?

Watches the directories that exist, through watchdog's inotify observer, and reports only paths that
were asked for. Opening and reading make events too; reacting to those would have us wake on our own
reads for ever.
"""

import os
from collections.abc import Callable, Iterable
from pathlib import Path

from watchdog.events import FileSystemEvent, FileSystemEventHandler
from watchdog.observers import Observer

from klogd_py.system.jobs import Jobs

MAX_END_S = 1.0


class CannotWatch(OSError):
    """inotify is not to be had, or none of the directories exists."""


class _Filter(FileSystemEventHandler):
    def __init__(self, report: Callable[[FileSystemEvent], None]) -> None:
        self._report = report

    def on_created(self, event: FileSystemEvent) -> None:
        self._report(event)

    # After writing
    def on_closed(self, event: FileSystemEvent) -> None:
        self._report(event)

    def on_moved(self, event: FileSystemEvent) -> None:
        self._report(event)

    def on_deleted(self, event: FileSystemEvent) -> None:
        self._report(event)


class FileWatch:
    """Calls ``changed`` with the path, from a thread of its own, for every change to a wanted path."""

    def __init__(
        self,
        directories: Iterable[Path],
        wanted: Callable[[Path], bool],
        changed: Callable[[Path], None],
        jobs: Jobs,
    ) -> None:
        """Start watching; raises CannotWatch."""
        self._wanted = wanted
        self._changed = changed
        present = sorted({directory for directory in directories if os.path.isdir(directory)})
        if not present:
            raise CannotWatch("none of the directories to watch exists")
        self._observer = Observer()
        try:
            for directory in present:
                # in the thread of the library, which would end by an error
                self._observer.schedule(
                    _Filter(jobs.guard("file watcher", self._report)), str(directory)
                )
            self._observer.start()
        except OSError as error:
            raise CannotWatch(f"inotify: {error.strerror}") from error

    def close(self) -> None:
        """Stop watching and end the thread; one that hangs is left to the end of the program."""
        self._observer.stop()
        self._observer.join(MAX_END_S)

    def _report(self, event: FileSystemEvent) -> None:
        for path in (
            event.src_path,
            getattr(event, "dest_path", ""),
            # Before watchdog 3 only a move had one
        ):
            name = path.decode("utf-8", "replace") if isinstance(path, bytes) else path
            if name and self._wanted(Path(name)):
                self._changed(Path(name))
