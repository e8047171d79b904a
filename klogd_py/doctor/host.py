# SPDX-License-Identifier: GPL-2.0-or-later
"""Access to the machine to check: the running one, or the files of another below a directory.

Source of truth: proc(5); /proc/net/unix in net/unix/af_unix.c ``unix_seq_show``.
"""

import os
import re
import shlex
from collections.abc import Iterator
from pathlib import Path

from msgspec import Struct

from klogd_py.config.schema import Config
from klogd_py.monitoring.status import Status
from klogd_py.symbols.symbol_set import SymbolSet
from klogd_py.system.regular_file import read_if_readable

_PID = re.compile(r"[0-9]{1,10}")
# Enough for a configuration file, and for /proc/net/unix with 100,000 sockets
_MAX_BYTES = 16 << 20


class Process(Struct, frozen=True):
    """A process: its short name, its command line, and its executable.

    ``program`` is ``None`` and ``arguments`` are none if this user may not read them.
    """

    pid: int
    name: str
    arguments: tuple[str, ...]
    program: str | None

    @property
    def is_ours(self) -> bool:
        """Tell whether the process is klogd-py, perhaps started as ``klogd``."""
        return any("klogd-py" in word or "klogd_py" in word for word in self.arguments) or (
            self.name == "klogd" and "python" in (self.program or "")
        )


class Host(Struct, frozen=True):
    """A machine, and the state of klogd-py on it.

    ``root`` is the directory of its files, ``symbols`` is what klogd-py would load, ``release`` is
    that of the kernel (``6.1.0``), ``now_s`` the wall clock in seconds since the Unix epoch,
    ``daemon`` the status of the running daemon, ``None`` if none answers.
    """

    root: Path
    config: Config
    symbols: SymbolSet
    release: str
    now_s: float
    daemon: Status | None = None

    @property
    def is_this_machine(self) -> bool:
        """Tell whether this is the running machine, not the files of another one."""
        return self.root == Path("/")

    def own_command(self, name: str) -> str:
        """Return a command of klogd-py about this machine: ``klogd-py doctor --root /mnt``."""
        where = "" if self.is_this_machine else f" --root {shlex.quote(str(self.root))}"
        return f"klogd-py {name}{where}"

    def path_of(self, path: str) -> Path:
        """Return a path of the machine below `root`."""
        return self.root / path.lstrip("/")

    def read_text(self, path: str) -> str:
        """Return the text of a file without surrounding white space.

        It is empty if the file cannot be read or is not a regular file.
        """
        raw = read_if_readable(self.path_of(path), _MAX_BYTES)
        return raw.decode("utf-8", "replace").strip() if raw is not None else ""

    def exists(self, path: str) -> bool:
        """Tell whether a path exists, as far as this user may see."""
        return os.path.exists(self.path_of(path))

    def iter_processes(self) -> Iterator[Process]:
        """Yield all processes except this one."""
        for folder in self.path_of("/proc").glob("[0-9]*"):
            if folder.name == str(os.getpid()) or not _PID.fullmatch(folder.name):
                continue
            line = self.read_text(f"/proc/{folder.name}/cmdline").rstrip("\0")
            yield Process(
                int(folder.name),
                self.read_text(f"/proc/{folder.name}/comm"),
                tuple(line.split("\0")) if line else (),
                _target(folder / "exe"),
            )

    def processes_holding(self, target: str) -> list[Process]:
        """Return the processes that have ``target`` open, as far as this user may see.

        ``target`` is a link of /proc/PID/fd: ``/proc/kmsg``, ``socket:[4711]``.
        """
        return [process for process in self.iter_processes() if self._holds(process.pid, target)]

    def find_listener(self, path: str) -> Process | None:
        """Return a process that has the Unix socket at ``path`` open, ``None`` if none is visible.

        systemd is returned only if there is no other, as it opens sockets for other daemons.
        """
        inodes = {
            line.split()[6]
            for line in self.read_text("/proc/net/unix").splitlines()[1:]
            if line.split()[7:] == [path]
        }
        found = [
            process for inode in inodes for process in self.processes_holding(f"socket:[{inode}]")
        ]
        return next(iter(sorted(found, key=lambda process: process.name == "systemd")), None)

    def _holds(self, pid: int, target: str) -> bool:
        try:
            return any(
                _target(file) == target for file in self.path_of(f"/proc/{pid}/fd").iterdir()
            )
        # The process has ended, or belongs to another user
        except OSError:
            return False


def _target(link: Path) -> str | None:
    """Return where a link leads; ``None`` if this user may not read it, or it has gone."""
    try:
        return os.readlink(link)
    except OSError:
        return None
