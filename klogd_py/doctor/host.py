# SPDX-License-Identifier: GPL-2.0-or-later
"""What is there to be looked at? A machine: the running one, or the files of one below a folder.

Source of truth: proc(5); /proc/net/unix in net/unix/af_unix.c ``unix_seq_show``.
"""

import os
import re
from collections.abc import Iterator
from pathlib import Path

from msgspec import Struct

from klogd_py.config.schema import Config
from klogd_py.monitoring.status import Status
from klogd_py.symbols.symbol_set import SymbolSet
from klogd_py.system.regular_file import read_regular

_PID = re.compile(r"[0-9]{1,10}")
# Of a file of settings, or of /proc/net/unix with 100,000 sockets
_MAX_BYTES = 16 << 20


class Process(Struct, frozen=True):
    """A process: its short name, its command line, and the file that it runs.

    Empty where they are not told.
    """

    pid: int
    name: str
    arguments: tuple[str, ...]
    program: str

    @property
    def is_ours(self) -> bool:
        """Whether it is a klogd-py, be it under the name of klogd."""
        return any("klogd-py" in word or "klogd_py" in word for word in self.arguments) or (
            self.name == "klogd" and "python" in self.program
        )


class Host(Struct, frozen=True):
    """A machine and what klogd-py would do on it.

    ``daemon`` is what a running one tells, ``now_s`` the wall clock, ``survey`` where names would
    come from.
    """

    root: Path
    config: Config
    survey: SymbolSet
    release: str
    now_s: float
    daemon: Status | None = None

    def at(self, path: str) -> Path:
        """A path of the machine as it lies here."""
        return self.root / path.lstrip("/")

    def text(self, path: str) -> str:
        """A file's text without the space around it.

        Empty if it cannot be read, or is no regular file.
        """
        try:
            return read_regular(self.at(path), _MAX_BYTES).decode("utf-8", "replace").strip()
        except OSError:
            return ""

    def has(self, path: str) -> bool:
        """Whether there is anything at a path, as far as that is shown."""
        return os.path.exists(self.at(path))

    def processes(self) -> Iterator[Process]:
        """All processes but this one."""
        for folder in self.at("/proc").glob("[0-9]*"):
            if folder.name == str(os.getpid()) or not _PID.fullmatch(folder.name):
                continue
            arguments = self.text(f"/proc/{folder.name}/cmdline").rstrip("\0").split("\0")
            yield Process(
                int(folder.name),
                self.text(f"/proc/{folder.name}/comm"),
                tuple(arguments),
                _target(folder / "exe"),
            )

    def holders(self, target: str) -> list[Process]:
        """The processes that have a file or socket open, as far as that is shown.

        ``/proc/kmsg``, ``socket:[4711]``.
        """
        return [process for process in self.processes() if self._holds(process.pid, target)]

    def listener(self, path: str) -> Process | None:
        """The process behind a Unix socket.

        Systemd comes last, since it holds sockets for others.
        """
        inodes = {
            line.split()[6]
            for line in self.text("/proc/net/unix").splitlines()[1:]
            if line.split()[7:] == [path]
        }
        found = [process for inode in inodes for process in self.holders(f"socket:[{inode}]")]
        return next(iter(sorted(found, key=lambda process: process.name == "systemd")), None)

    def _holds(self, pid: int, target: str) -> bool:
        try:
            return any(_target(file) == target for file in self.at(f"/proc/{pid}/fd").iterdir())
        # It has ended, or is somebody else's
        except OSError:
            return False


def _target(link: Path) -> str:
    try:
        return os.readlink(link)
    except OSError:
        return ""
