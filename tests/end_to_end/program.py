# SPDX-License-Identifier: GPL-2.0-or-later
"""Run klogd-py as a process, with all of its files and its service manager in a directory."""

import contextlib
import os
import signal
import subprocess
import sys
import tempfile
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import IO, Self

from tests.fakes import environment
from tests.needs import KMSG
from tests.sockets import DatagramListener
from tests.waiting import wait_until

RECORD_BYTES = 8192


def write_kmsg(text: str) -> None:
    """Write a line to /dev/kmsg.

    The device is opened for each line, as the kernel accepts only ten in 5 s per open file.
    """
    with KMSG.open("wb", buffering=0) as device:
        # Without a line feed, readers see the record only after the next one
        device.write(f"{text}\n".encode())


def read_ring() -> list[bytes]:
    """Return all records of the kernel's buffer, read without klogd-py."""
    records = []
    descriptor = os.open(KMSG, os.O_RDONLY | os.O_NONBLOCK)
    try:
        while True:
            with contextlib.suppress(BrokenPipeError):
                records.append(os.read(descriptor, RECORD_BYTES))
    except BlockingIOError:
        return records
    finally:
        os.close(descriptor)


def configure(folder: Path, text: str = "", name: str = "klogd-py.toml") -> Path:
    """Write a configuration with its cursor file in ``folder``; return its path."""
    path = folder / name
    own = (
        f'state.cursor_file = "{folder}/position.json"\nstatus.socket = "{socket_of(folder)}"\n'
        f'reports.spool = "{folder}/reports"\n'
    )
    path.write_text(own + text)
    return path


def socket_of(folder: Path) -> Path:
    """Return the path of the status socket of a run in ``folder``.

    The path of a socket has at most 107 bytes; those of test directories are often longer.
    """
    return Path(tempfile.gettempdir()) / f"klogd-py-{zlib.crc32(str(folder).encode()):08x}.status"


def lines_of(path: Path) -> list[str]:
    """Return the lines of a file, none if it does not exist."""
    try:
        # str.splitlines also splits at characters that do not end a line of a file
        return path.read_text().removesuffix("\n").split("\n")
    except FileNotFoundError:
        return []


class Program:
    """One run of ``python -m klogd_py``, a context manager.

    On entry it waits for READY=1, on exit it kills the process if that is still running. Standard
    output and error go to files, notifications to the service manager to ``notifications``.
    """

    def __init__(
        self,
        folder: Path,
        *arguments: str,
        config: Path | None = None,
        through: str = "",
        python: Sequence[str | Path] = (sys.executable,),
        **variables: str | None,
    ) -> None:
        """``through`` is a command that filters the standard output, ``python`` the interpreter."""
        self._errors = folder / "stderr"
        self._status_socket = socket_of(folder)
        self.output = folder / "stdout"
        self._manager = DatagramListener(folder / "notify")
        # A daemon that drops privileges must still reach it, as it does a real service manager
        self._manager.path.chmod(0o777)
        self.notifications: list[str] = []
        command = [
            *map(str, python),
            "-m",
            "klogd_py",
            "--config",
            str(config or configure(folder)),
            *arguments,
        ]
        child_environment = environment(
            NOTIFY_SOCKET=str(self._manager.path), JOURNAL_STREAM=None, **variables
        )
        self._reader: subprocess.Popen[bytes] | None = None
        with contextlib.ExitStack() as stack:
            errors: IO[bytes] = stack.enter_context(self._errors.open("wb"))
            output: IO[bytes] = stack.enter_context(self.output.open("wb"))
            if through:
                self._reader = subprocess.Popen(
                    through.split(), stdin=subprocess.PIPE, stdout=output
                )
                assert self._reader.stdin is not None
                output = stack.enter_context(self._reader.stdin)
            self.process = subprocess.Popen(
                command,
                env=child_environment,
                cwd=folder,
                stdin=subprocess.PIPE,
                stdout=output,
                stderr=errors,
            )

    def __enter__(self) -> Self:
        try:
            self.wait_for_notification("READY=1")
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *exception: object) -> None:
        self.process.kill()
        self.process.communicate()
        if self._reader is not None:
            self._reader.wait()
        self._manager.close()
        # A killed daemon leaves it, outside the folder that pytest removes
        self._status_socket.unlink(missing_ok=True)

    @property
    def log(self) -> list[str]:
        """The lines of its standard error."""
        return self._errors.read_text().splitlines()

    def wait_for_log(self, part: str, times: int = 1) -> None:
        """Wait until ``times`` lines of its log contain ``part``."""
        wait_until(
            lambda: len([line for line in self.log if part in line]) >= times,
            f"{times} x {part!r} in {self._errors}",
        )

    def wait_for_notification(self, part: str, times: int = 1) -> None:
        """Wait until ``times`` notifications contain ``part``."""

        def found() -> bool:
            self.read_notifications()
            assert self.process.poll() is None or self._count(part) >= times, (
                f"exited with {self.process.returncode}: {self.log}"
            )
            return self._count(part) >= times

        wait_until(found, f"{times} x {part!r} to the service manager")

    def send(self, number: signal.Signals) -> None:
        """Send a signal."""
        self.process.send_signal(number)

    def feed(self, text: str) -> None:
        """Write to its standard input."""
        assert self.process.stdin is not None
        self.process.stdin.write(text.encode())
        self.process.stdin.flush()

    def end_of_input(self) -> None:
        """Close its standard input."""
        assert self.process.stdin is not None
        self.process.stdin.close()

    def stop(self, number: signal.Signals = signal.SIGTERM) -> int:
        """Send a signal, and return the exit status."""
        self.send(number)
        return self.wait()

    def wait(self, limit_s: float = 30) -> int:
        """Wait for the process to end; return its exit status."""
        status = self.process.wait(limit_s)
        self.read_notifications()
        return status

    def read_notifications(self) -> list[str]:
        """Return all lines sent to the service manager so far."""
        self.notifications += [
            line for datagram in self._manager.read() for line in datagram.decode().splitlines()
        ]
        return self.notifications

    def _count(self, part: str) -> int:
        return len([line for line in self.notifications if part in line])
