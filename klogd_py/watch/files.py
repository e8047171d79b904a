# SPDX-License-Identifier: GPL-2.0-or-later
"""Report that one of a set of files has appeared, changed or gone.

Watches existing directories with the inotify observer of watchdog, and reports only paths that were
asked for. Opening and reading cause events, too: they are left out, or the daemon's own reads would
cause reloads without end.
"""

import os
from collections.abc import Callable, Iterable
from pathlib import Path

from watchdog.events import FileSystemEvent, FileSystemEventHandler
from watchdog.observers import Observer

from klogd_py.system.jobs import Jobs

MAX_END_S = 1.0


class CannotWatch(OSError):
    """inotify cannot be used, or none of the directories exists."""


class _Filter(FileSystemEventHandler):
    def __init__(self, report: Callable[[FileSystemEvent], None]) -> None:
        self._report = report

    def on_created(self, event: FileSystemEvent) -> None:
        self._report(event)

    # IN_CLOSE_WRITE: after writing
    def on_closed(self, event: FileSystemEvent) -> None:
        self._report(event)

    def on_moved(self, event: FileSystemEvent) -> None:
        self._report(event)

    def on_deleted(self, event: FileSystemEvent) -> None:
        self._report(event)


class FileWatch:
    """A running watch. Calls ``changed`` with the path, in its own thread, for each wanted
    change.
    """

    def __init__(
        self,
        directories: Iterable[Path],
        wanted: Callable[[Path], bool],
        changed: Callable[[Path], None],
        jobs: Jobs,
    ) -> None:
        """Watch the directories that exist; ``wanted`` selects paths. Raises CannotWatch."""
        self._wanted = wanted
        self._changed = changed
        present = sorted({directory for directory in directories if os.path.isdir(directory)})
        if not present:
            raise CannotWatch("none of the directories to watch exists")
        self._observer = Observer()
        try:
            for directory in present:
                # An error would end the thread of the library.
                self._observer.schedule(
                    _Filter(jobs.guard("file watcher", self._report)), str(directory)
                )
            self._observer.start()
        except OSError as error:
            raise CannotWatch(f"inotify: {error.strerror}") from error

    def close(self) -> None:
        """Stop watching, and wait at most `MAX_END_S` for the thread to end."""
        self._observer.stop()
        self._observer.join(MAX_END_S)

    def _report(self, event: FileSystemEvent) -> None:
        # Before watchdog 3 only a move has a dest_path.
        for path in (event.src_path, getattr(event, "dest_path", "")):
            name = path.decode("utf-8", "replace") if isinstance(path, bytes) else path
            if name and self._wanted(Path(name)):
                self._changed(Path(name))
