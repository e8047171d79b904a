# SPDX-License-Identifier: GPL-2.0-or-later
"""Report that one of a set of files has appeared, changed or gone.

Watches existing directories with the inotify observer of watchdog, and reports only paths that were
asked for. Opening and reading cause events, too: they are left out, or the daemon's own reads would
cause reloads without end. So does writing to a device or a FIFO, whose path stays the same.

Source: inotify(7); inotify_add_watch(2) for its errors.
"""

import errno
import logging
import os
import stat
import threading
from collections.abc import Callable, Iterable
from pathlib import Path

from watchdog.events import EVENT_TYPE_CLOSED, FileSystemEvent, FileSystemEventHandler
from watchdog.observers import Observer

from klogd_py.system.jobs import Jobs

MAX_END_S = 1.0
# Whoever writes to /dev/null causes an event in /dev; the kernel's own changes cause none.
_NEVER_WATCHED = ("/proc", "/sys")
_DEVICES = "/dev"


# Said if a watch is closed while its thread is about to read: no fault.
_SAID_AT_END = "called when the thread is inactive"
logging.getLogger("watchdog.observers.inotify").addFilter(
    lambda record: _SAID_AT_END not in record.getMessage()
)


class CannotWatch(OSError):
    """inotify cannot be used at all."""


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
        """Watch the directories that exist; ``wanted`` selects paths.

        ``unwatched`` then has those that cannot be watched, by the reason. Raises CannotWatch.
        """
        self._wanted = wanted
        self._changed = changed
        self._jobs = jobs
        self.unwatched: dict[str, list[Path]] = {}
        try:
            self._observer = Observer()
            # Before it watches anything: a directory that fails is then alone with its error.
            self._observer.start()
        except OSError as error:
            raise CannotWatch(f"inotify: {error.strerror}") from error
        for directory in sorted(set(directories)):
            if not os.path.isdir(directory) or _is_of_kernel(directory):
                continue
            try:
                self._watch(directory)
            except OSError as error:
                self.unwatched.setdefault(error.strerror or str(error), []).append(directory)

    def _watch(self, directory: Path) -> None:
        # The library ignores EACCES, and some versions of it can then never be stopped.
        if not os.access(directory, os.R_OK, effective_ids=True):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
        # An error would end the thread of the library.
        self._observer.schedule(
            _Filter(self._jobs.guard("file watcher", self._report)), str(directory)
        )

    def close(self) -> None:
        """Stop watching, and wait at most `MAX_END_S` for the threads to end."""
        end = self._jobs.guard("file watcher", self._end)
        thread = threading.Thread(target=end, name="end of file watcher", daemon=True)
        thread.start()
        thread.join(MAX_END_S)

    def _end(self) -> None:
        self._observer.stop()
        self._observer.join()

    def _report(self, event: FileSystemEvent) -> None:
        # Before watchdog 3 only a move has a dest_path.
        for path in (event.src_path, getattr(event, "dest_path", "")):
            name = path.decode("utf-8", "replace") if isinstance(path, bytes) else path
            is_written = event.event_type == EVENT_TYPE_CLOSED
            if name and self._wanted(Path(name)) and not (is_written and _is_special(name)):
                self._changed(Path(name))


def _is_of_kernel(directory: Path) -> bool:
    """Whether a directory is /dev or one of a file system in which inotify reports nothing."""
    real = os.path.realpath(directory)
    return real in (_DEVICES, *_NEVER_WATCHED) or real.startswith(
        tuple(f"{place}/" for place in _NEVER_WATCHED)
    )


def _is_special(name: str) -> bool:
    """Whether a path is a device, a FIFO or a socket; what is written there is no change of it."""
    try:
        kind = os.lstat(name).st_mode
    except OSError:
        return False
    return not (stat.S_ISREG(kind) or stat.S_ISDIR(kind) or stat.S_ISLNK(kind))
