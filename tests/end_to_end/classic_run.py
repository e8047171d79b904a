# SPDX-License-Identifier: GPL-2.0-or-later
"""Run a recorded case with the drop-in klogd.

The real program in a process of its own, on a fake machine (a folder with proc/ and boot/), fed
through a file or a pipe and signalled from outside. Only a read that fails to order needs a fake: a
source given to the Daemon itself.
"""

import asyncio
import contextlib
import errno
import fcntl
import json
import os
import re
import signal
import socket
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from klogd_py.config.run_options import Capture, RunOptions
from klogd_py.config.symbol_options import SymbolOptions
from klogd_py.daemon import Daemon
from klogd_py.record.types import Gap, Record
from klogd_py.sources.klogd_format import parse_klogd
from tests.corpus.logs import PROJECT
from tests.end_to_end.classic_vectors import Message, Vector

PROGRAM = (
    sys.executable,
    "-c",
    "import sys; from klogd_py.cli.main import klogd; sys.exit(klogd())",
)
BOUND_S = 10.0
POLL_S = 0.002
IN_SERVICE = "names from "
# What the program says of itself once it has acted on a signal; a signal that is not listed leaves
# no trace.
REACTIONS = {
    "USR1": "symbols reloaded after SIGUSR1",
    "USR2": "symbols reloaded after SIGUSR2",
    "HUP": "symbols reloaded after SIGHUP",
    "TSTP": "paused",
    # Said only after a pause
    "CONT": "resumed",
}

_DATAGRAM = re.compile(
    rb"<(\d+)>[A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d (kernel|kmsg): (.*)", re.DOTALL
)


class TooLate(AssertionError):
    """The program did not do something within the time limit."""


def run(vector: Vector, folder: Path) -> tuple[list[Message], int]:
    """The messages and the exit status of one case."""
    lay_out(vector, folder)
    if vector.has_failing_reads:
        return _run_with_failing_reads(vector, folder)
    with Program(vector, folder) as program:
        if vector.must_run_live:
            program.go_through(vector.steps)
        status = program.end()
        messages = program.messages
    return messages, status


# Where the classic daemon looked; ours tries the bare names first, and the list is configuration.
CLASSIC_PLACES = [
    f"{folder}/System.map{ending}"
    for folder in ("/boot", "", "/usr/src/linux")
    for ending in ("-{release}", "")
]


def lay_out(vector: Vector, folder: Path) -> None:
    """Build the fake machine, the configuration and the input."""
    files = {f"root{path}": text for path, text in vector.root_files.items()}
    files["klogd-py.toml"] = (
        f'[state]\ncursor_file = ""\n[symbols]\nsearch = {json.dumps(CLASSIC_PLACES)}\n'
    )
    if vector.kallsyms_text is not None:
        files["root/proc/kallsyms"] = vector.kallsyms_text
    release = vector.uname_r
    if release is None and "ffffffff8" in (vector.map_text or ""):
        release = (
            # A kernel that klogd knew: of which nothing is known it may be randomised
            "2.6.32"
        )
    if release is not None:
        files["root/proc/sys/kernel/osrelease"] = f"{release}\n"
    if vector.map_text is not None:
        files["System.map"] = vector.map_text
    (folder / "root").mkdir()
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, "latin-1", newline="")
    if not vector.must_run_live:
        (folder / "input").write_bytes(vector.input_bytes)


def file_messages(path: Path) -> list[Message]:
    """The lines of an output file, a code point for each byte."""
    if not path.exists():
        return []
    raw = path.read_bytes()
    assert not raw or raw.endswith(b"\n"), "the last line is not whole"
    return [*raw.decode("latin-1").split("\n")[:-1]]


def datagram_message(raw: bytes) -> Message:
    """Priority and text of a datagram; the identifier ``kernel`` may stand only for the kernel."""
    found = _DATAGRAM.fullmatch(raw)
    assert found is not None, raw
    assert (found[2] == b"kernel") == (int(found[1]) < 8), raw
    return int(found[1]), found[3].decode("latin-1")


class Program:
    """A running klogd: its input, its own messages, and its output."""

    def __init__(self, vector: Vector, folder: Path) -> None:
        self._vector = vector
        self._folder = folder
        self._paused = False
        self._awaited: list[str] = []
        self._datagrams: list[bytes] = []
        self._listener = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._listener.bind(str(folder / "log"))
        self._listener.settimeout(POLL_S)
        with (folder / "said").open("wb") as logged:
            self._process = subprocess.Popen(
                [*PROGRAM, *self._arguments()],
                stdin=subprocess.PIPE,
                stdout=logged,
                stderr=logged,
                cwd=PROJECT,
            )
        assert self._process.stdin is not None
        self._feed = self._process.stdin.fileno()

    def __enter__(self) -> "Program":
        return self

    def __exit__(self, *exception: object) -> None:
        self._process.kill()
        self._process.wait()
        with contextlib.suppress(BrokenPipeError):
            self._close_feed()
        self._listener.close()

    @property
    def messages(self) -> list[Message]:
        """The output, in order."""
        if self._vector.sink == "syslog":
            return [datagram_message(raw) for raw in self._datagrams]
        return file_messages(self._folder / "out")

    @property
    def logged(self) -> str:
        """What the program has said of itself so far."""
        return (self._folder / "said").read_text()

    def go_through(self, steps: Sequence[str | bytes]) -> None:
        """Feed and signal.

        Each step is over before the next begins, except that signals in a row are sent in a row.
        """
        if self._vector.kallsyms_2 is not None:
            self._wait("the start", lambda: IN_SERVICE in self.logged)
            (self._folder / "root/proc/kallsyms").write_text(self._vector.kallsyms_2, "latin-1")
        for step in steps:
            if isinstance(step, str):
                self._send_signal(step.removeprefix("SIG:"))
                continue
            self._see_reactions()
            os.write(self._feed, step)
            if not self._paused:
                self._wait("reading", lambda: self._unread == 0)
        self._see_reactions()

    def end(self) -> int:
        """Let the input end, and take what comes until the program ends; returns its status."""
        self._close_feed()
        self._wait("the end", lambda: self._process.poll() is not None)
        self._take_datagrams()
        return self._process.returncode

    def _arguments(self) -> list[str]:
        folder, vector = self._folder, self._vector
        source = "-" if vector.must_run_live else str(folder / "input")
        arguments = [
            "-n",
            "--input",
            source,
            "--input-format",
            "klogd",
            "--root",
            str(folder / "root"),
        ]
        arguments += [
            "--config",
            str(folder / "klogd-py.toml"),
            "--pid-file",
            str(folder / "klogd.pid"),
        ]
        if vector.map_text is not None or vector.map_path is not None:
            arguments += ["-k", vector.map_path or str(folder / "System.map")]
        if vector.sink == "syslog":
            return [*arguments, "--sink", f"syslog:{folder / 'log'}", *vector.flags]
        return [*arguments, "-f", str(folder / "out"), *vector.flags]

    def _send_signal(self, name: str) -> None:
        if name == "CONT" and self._paused:
            assert self._unread, "it read on while paused"
        if name in REACTIONS and (name != "CONT" or self._paused):
            self._awaited.append(REACTIONS[name])
        self._paused = name == "TSTP" or (self._paused and name != "CONT")
        self._process.send_signal(signal.Signals[f"SIG{name}"])

    def _see_reactions(self) -> None:
        self._wait(
            " and ".join(self._awaited),
            lambda: all(reaction in self.logged for reaction in self._awaited),
        )
        self._awaited.clear()

    @property
    def _unread(self) -> int:
        """How many bytes the program has not taken from the pipe yet."""
        (count,) = struct.unpack(
            "i", fcntl.ioctl(self._feed, termios.FIONREAD, struct.pack("i", 0))
        )
        return int(count)

    def _wait(self, what: str, is_so: Callable[[], bool]) -> None:
        deadline = time.monotonic() + BOUND_S
        while not is_so():
            if time.monotonic() > deadline:
                raise TooLate(f"{what} did not come; the program said: {self.logged!r}")
            self._take_datagrams()

    def _take_datagrams(self) -> None:
        """All that is there; waits a moment if that is nothing, which paces every wait."""
        with contextlib.suppress(TimeoutError):
            while True:
                self._datagrams.append(self._listener.recv(1 << 16))

    def _close_feed(self) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()


class FailingSource:
    """Lines in klogd form, one a read, some of which fail instead."""

    def __init__(self, steps: Sequence[str | bytes]) -> None:
        self.name = "failing source"
        self.exhausted = False
        self.remark: str | None = None
        self._steps = [*steps]

    def fileno(self) -> int:
        """Never called: this source always has something, or has ended."""
        raise OSError(errno.EBADF, os.strerror(errno.EBADF))

    def read_batch(self) -> list[Record | Gap]:
        """Return the next line; raises OSError as the script says."""
        if not self._steps:
            self.exhausted = True
            return []
        step = self._steps.pop(0)
        if isinstance(step, str):
            number = int(step.removeprefix("ERR:"))
            raise OSError(number, os.strerror(number))
        return [parse_klogd(step.decode().rstrip("\n"))]

    def drain_pending(self) -> list[Record | Gap]:
        return []

    def seek(self, seq: int) -> bool:
        return False

    def close(self) -> None:
        """Nothing is open."""


def _run_with_failing_reads(vector: Vector, folder: Path) -> tuple[list[Message], int]:
    run_options = RunOptions(
        config_path=str(folder / "klogd-py.toml"),
        keys={"translate.resymbolize": True}
        | ({"translate.style": "off"} if "-x" in vector.flags else {}),
        symbols=SymbolOptions(root=str(folder / "root"), map=str(folder / "System.map")),
        sinks=(f"file:{folder / 'out'}",),
        capture=Capture(("failing source",)),
        file_format="klogd",
    )

    async def serve() -> int:
        return await Daemon(run_options, FailingSource(vector.steps)).run()

    status = asyncio.run(serve())
    return file_messages(folder / "out"), status
