# SPDX-License-Identifier: GPL-2.0-or-later
"""Start programs that die with the bench, and find those that belong to it.

Each is in a session of its own, gets SIGKILL when the bench dies (PR_SET_PDEATHSIG), and has a mark
in its environment, by which another process recognises it and its children.

Source: prctl(2), proc_pid_environ(5)
"""

import contextlib
import ctypes
import os
import select
import signal
import subprocess
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from msgspec import Struct

MARK = "KLOGD_BENCH_MARK"
# The signals that end the bench in an orderly way
ENDING = (signal.SIGHUP, signal.SIGINT, signal.SIGQUIT, signal.SIGTERM)
# The bench may run without byte code files; what it measures may not, as no installation does.
UNSET = ("PYTHONDONTWRITEBYTECODE", "PYTHONUNBUFFERED", "PYTHONPROFILEIMPORTTIME")
_PR_SET_PDEATHSIG = 1
_END_LIMIT_S = 10.0
_libc = ctypes.CDLL(None)

Word = str | Path
Output = int | IO[bytes]


class Process(Struct, frozen=True):
    """A process that has the mark of a bench."""

    pid: int
    command: str


def start(
    command: Sequence[Word],
    environment: Mapping[str, str] | None = None,
    stdout: Output = subprocess.DEVNULL,
    stderr: Output | None = subprocess.DEVNULL,
) -> subprocess.Popen[bytes]:
    """Start a program in a session of its own, with more variables in its environment."""
    inherited = {name: value for name, value in os.environ.items() if name not in UNSET}
    with blocked_signals() as before:
        return subprocess.Popen(
            command,
            env={**inherited, **(environment or {})},
            stdin=subprocess.DEVNULL,
            stdout=stdout,
            stderr=stderr,
            start_new_session=True,
            preexec_fn=_dying_with(os.getpid(), before),
        )


def run(command: Sequence[Word], environment: Mapping[str, str] | None = None) -> bytes:
    """Run a program to its end and return its output; raises CalledProcessError."""
    process = start(command, environment, stdout=subprocess.PIPE, stderr=None)
    try:
        output, _ = process.communicate()
    finally:
        end(process)
    if process.returncode:
        raise subprocess.CalledProcessError(process.returncode, command)
    return output


def end(process: subprocess.Popen[bytes]) -> None:
    """End the session of a process, if it still runs: by SIGTERM, after 10 s by SIGKILL."""
    if process.poll() is not None:
        return
    os.killpg(process.pid, signal.SIGTERM)
    try:
        process.wait(_END_LIMIT_S)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


@contextmanager
def blocked_signals() -> Iterator[set[signal.Signals]]:
    """Delay the signals that end the bench; yield the mask of before."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, ENDING)
    try:
        yield {signal.Signals(number) for number in before}
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _dying_with(parent: int, mask: set[signal.Signals]) -> Callable[[], None]:
    """Return what a child does before its exec."""

    def prepare() -> None:
        _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        # The parent may have died before that call.
        if os.getppid() != parent:
            os._exit(1)
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)

    return prepare


def marked(mark: str) -> list[Process]:
    """Return the processes that have a mark, but for this one."""
    found = []
    for path in Path("/proc").glob("[0-9]*"):
        pid = int(path.name)
        if pid != os.getpid() and _has_mark(pid, mark):
            found.append(Process(pid, command_of(pid)))
    return found


def kill(processes: Sequence[Process], mark: str) -> None:
    """Kill those processes that still have the mark, and wait for their end."""
    for process in processes:
        # It may have ended already.
        with contextlib.suppress(ProcessLookupError), _pidfd(process.pid) as descriptor:
            # The descriptor is of one process, even if its number is used again meanwhile.
            if _has_mark(process.pid, mark):
                signal.pidfd_send_signal(descriptor, signal.SIGKILL)
                _wait_for_end(descriptor)


@contextmanager
def _pidfd(pid: int) -> Iterator[int]:
    descriptor = os.pidfd_open(pid)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def _wait_for_end(descriptor: int) -> None:
    poller = select.poll()
    poller.register(descriptor, select.POLLIN)
    poller.poll(_END_LIMIT_S * 1000)


def _has_mark(pid: int, mark: str) -> bool:
    try:
        variables = Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
    # A process of another user, one that has ended, or one that is ending
    except (PermissionError, FileNotFoundError, ProcessLookupError):
        return False
    return f"{MARK}={mark}".encode() in variables


def command_of(pid: int) -> str:
    """Return the command line of a process, or its name; ``?`` if it has ended."""
    try:
        words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
        line = b" ".join(words).decode(errors="replace").strip()
        return line or Path(f"/proc/{pid}/comm").read_text().strip()
    except (FileNotFoundError, ProcessLookupError):
        return "?"
