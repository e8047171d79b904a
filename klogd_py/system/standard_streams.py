# SPDX-License-Identifier: GPL-2.0-or-later
"""Make a failed write to standard output an error with a name, also at the very end.

Python writes what it buffers when the interpreter ends, where nobody can answer an error. What
standard error does not take is lost, as nobody can be told.

Source: write(2); fcntl(2) for F_GETFL.
"""

import errno
import fcntl
import io
import os
import sys
from typing import TYPE_CHECKING, TextIO

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer

STDOUT = "standard output"
_DESCRIPTOR = 1
_STDERR_DESCRIPTOR = 2


class _StandardOutput(io.FileIO):
    """Descriptor 1, whose errors say its name."""

    def write(self, data: "ReadableBuffer", /) -> int:
        return write_output(data)


class _StandardError(io.FileIO):
    """Descriptor 2, to which every write succeeds."""

    def write(self, data: "ReadableBuffer", /) -> int:
        try:
            return write_or_wait(_STDERR_DESCRIPTOR, data)
        except OSError:
            return memoryview(data).nbytes


def write_output(data: "ReadableBuffer") -> int:
    """Write once to standard output and return how many bytes; an OSError has its name."""
    try:
        return write_or_wait(_DESCRIPTOR, data)
    except OSError as error:
        raise OSError(error.errno, error.strerror, STDOUT) from error


def write_or_wait(descriptor: int, data: "ReadableBuffer") -> int:
    """Write once and return how many bytes; wait for room, also if the descriptor should not."""
    while True:
        try:
            return os.write(descriptor, data)
        # Shared with a program that made it non-blocking
        except BlockingIOError:
            os.set_blocking(descriptor, True)


def set_up() -> None:
    """Reserve the standard descriptors that are closed, and replace both output streams.

    Without the former the next file that is opened, such as the cursor file, would be standard
    output.
    """
    for descriptor in (0, 1, 2):
        try:
            os.fstat(descriptor)
        except OSError:
            # Opened so that using it is an error, as it would be if it were closed
            os.open(os.devnull, os.O_WRONLY if descriptor == 0 else os.O_RDONLY)
    # Unless something else took their places
    if sys.stdout is sys.__stdout__:
        output = _StandardOutput(_DESCRIPTOR, "w", closefd=False)
        sys.stdout = _wrap(output, sys.__stdout__, line_buffering=os.isatty(_DESCRIPTOR))
    if sys.stderr is sys.__stderr__:
        errors = _StandardError(_STDERR_DESCRIPTOR, "w", closefd=False)
        sys.stderr = _wrap(errors, sys.__stderr__, line_buffering=True)


def _wrap(raw: io.FileIO, before: TextIO | None, *, line_buffering: bool) -> io.TextIOWrapper:
    """Return a stream with the encoding of the one before, which is ``None`` if it is closed."""
    return io.TextIOWrapper(
        io.BufferedWriter(raw),
        encoding="utf-8" if before is None else before.encoding,
        errors="backslashreplace" if before is None else before.errors,
        line_buffering=line_buffering,
    )


def check_output() -> None:
    """Raise an OSError that names standard output if it is not open for writing."""
    if fcntl.fcntl(_DESCRIPTOR, fcntl.F_GETFL) & os.O_ACCMODE == os.O_RDONLY:
        raise OSError(errno.EBADF, os.strerror(errno.EBADF), STDOUT)


def discard_output() -> None:
    """Let what standard output still buffers be lost: the interpreter would try to write it."""
    null = os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, _DESCRIPTOR)
    os.close(null)
