# SPDX-License-Identifier: GPL-2.0-or-later
"""klogd-py as a process of its own, with a configuration, a saved position and a service manager in
a folder of the test."""

import contextlib
import os
import signal
import subprocess
import sys
import tempfile
import zlib
from pathlib import Path
from types import TracebackType
from typing import IO, Self

import pytest

from tests.fakes import environment
from tests.sockets import DatagramListener
from tests.waiting import wait_until

KMSG = Path("/dev/kmsg")
RECORD_BYTES = 8192

needs_kmsg = pytest.mark.skipif(
    os.geteuid() != 0 or not os.access(KMSG, os.R_OK | os.W_OK),
    reason="needs root and a /dev/kmsg to write to",
)


def say(text: str) -> None:
    """Have a line logged by the kernel.

    Opened for each, since an open file may write only ten in five seconds.
    """
    with KMSG.open("wb", buffering=0) as device:
        device.write(
            f"{text}\n".encode()
            # Without a line feed it stays invisible until the next record
        )


def raw_records() -> list[bytes]:
    """What the kernel's ring holds now, read without klogd-py."""
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
    """Write a configuration whose position lies in the folder."""
    path = folder / name
    own = f'state.cursor_file = "{folder}/position.json"\nstatus.socket = "{socket_of(folder)}"\n'
    path.write_text(own + text)
    return path


def socket_of(folder: Path) -> Path:
    """Where a run in this folder listens.

    Names of sockets must be short, which those of folders for tests are not.
    """
    return Path(tempfile.gettempdir()) / f"klogd-py-{zlib.crc32(str(folder).encode()):08x}.status"


def lines_of(path: Path) -> list[str]:
    """The lines of a file; none if it is not there yet."""
    try:
        return (
            path.read_text().removesuffix("\n").split("\n")
            # str.splitlines knows more ends than a file has
        )
    except FileNotFoundError:
        return []


class Program:
    """One run of ``python -m klogd_py``, ready for signals once it is entered; killed on leaving if
    it still runs.

    Its standard error and output go to files, what it tells its service manager to ``told``.
    """

    def __init__(
        self,
        folder: Path,
        *arguments: str,
        config: Path | None = None,
        through: str = "",
        **variables: str | None,
    ) -> None:
        """``through`` is a command that its standard output is piped through."""
        self._errors = folder / "stderr"
        self.output = folder / "stdout"
        self._manager = DatagramListener(folder / "notify")
        self._manager.path.chmod(
            0o777
            # As a service manager's, for a daemon that goes on as somebody else
        )
        self.told: list[str] = []
        command = [
            sys.executable,
            "-m",
            "klogd_py",
            "--config",
            str(config or configure(folder)),
            *arguments,
        ]
        surroundings = environment(
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
                env=surroundings,
                cwd=folder,
                stdin=subprocess.PIPE,
                stdout=output,
                stderr=errors,
            )

    def __enter__(self) -> Self:
        try:
            self.await_told("READY=1")
        except BaseException:
            self.__exit__(None, None, None)
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.process.kill()
        self.process.communicate()
        if self._reader is not None:
            self._reader.wait()
        self._manager.close()

    @property
    def log(self) -> list[str]:
        """What it has said of itself."""
        return self._errors.read_text().splitlines()

    def await_log(self, part: str, times: int = 1) -> None:
        """Until so many lines of its log hold this."""
        wait_until(
            lambda: len([line for line in self.log if part in line]) >= times,
            f"{times} x {part!r} in {self._errors}",
        )

    def await_told(self, part: str, times: int = 1) -> None:
        """Until the service manager has been told this so often."""

        def found() -> bool:
            self.hear()
            assert self.process.poll() is None or self._count(part) >= times, (
                f"ended with {self.process.returncode}: {self.log}"
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
        """Have it stop; its status."""
        self.send(number)
        return self.wait()

    def wait(self, limit_s: float = 10) -> int:
        """Wait until it ends by itself; its status."""
        status = self.process.wait(limit_s)
        self.hear()
        return status

    def hear(self) -> list[str]:
        """Everything that its service manager has been told so far, line by line."""
        self.told += [
            line for datagram in self._manager.read() for line in datagram.decode().splitlines()
        ]
        return self.told

    def _count(self, part: str) -> int:
        return len([line for line in self.told if part in line])
