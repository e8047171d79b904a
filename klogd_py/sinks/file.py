# SPDX-License-Identifier: GPL-2.0-or-later
"""Append entries to a file as whole lines; `log_file` opens and writes the file.

Lines are written whole. What a full disk left of a line is truncated, and the line is written again
later. Where it cannot be truncated, in a file that is append-only, in a pipe, on a terminal, the
rest of that line is written before anything else. A partial line that another program left is ended
with a line feed first.

A file that is to be rotated is renamed before anything of a batch is written: what was written
before has been accepted, and so its position can be saved. The lines that do not fit follow with
the next call.

Source of truth: pipe(7) for PIPE_BUF.
"""

import os
from collections.abc import Callable, Sequence
from pathlib import Path

from klogd_py.record.types import Entry
from klogd_py.sinks import SinkDown
from klogd_py.sinks.file_format import (
    FileFormat,
    LineEncoder,
    LineSettings,
    find_cut,
    split_for_pipe,
)
from klogd_py.sinks.log_file import LogFile, permission_hint
from klogd_py.sinks.preopened_files import PreopenedFiles
from klogd_py.sinks.rotation import RotationAttempts, RotationLimits


class FileSink:
    """A file to which whole lines are appended. ``-`` as the path is standard output."""

    keeps_position = True
    # Writing to a file does not wait; standard output may.
    blocking = False

    def __init__(
        self,
        path: str,
        format: FileFormat = FileFormat.TEXT,
        mode: int = 0o640,
        settings: LineSettings | None = None,
        preopened: PreopenedFiles | None = None,
        *,
        name: str | None = None,
        rotation: RotationLimits | None = None,
        write: Callable[[int, bytes], int] = os.write,
        truncate: Callable[[int, int], None] = os.ftruncate,
    ) -> None:
        """``mode`` is the mode of a new file; ``name`` is ``file:PATH`` if it is not given.

        ``preopened`` are files to use where this process may not open its own. ``rotation`` is for
        regular files only. ``write`` and ``truncate`` are the system calls.
        """
        self.name = f"file:{path}" if name is None else name
        self._file = LogFile(
            Path(path),
            mode,
            PreopenedFiles() if preopened is None else preopened,
            write=write,
            truncate=truncate,
        )
        self._encoder = LineEncoder(format, settings)
        # The rest of a line whose first part was written and cannot be truncated
        self._unwritten = b""
        # The file ends within a line that is not to be continued: a line feed comes first
        self._needs_line_feed = False
        self._rotation = None if rotation is None else RotationAttempts(self._file.name, rotation)
        if self._file.is_stdout:
            self.keeps_position, self.blocking = False, True

    @property
    def path(self) -> Path | None:
        """The path of the file; ``None`` for standard output."""
        return None if self._file.is_stdout else self._file.path

    @property
    def has_partial_write(self) -> bool:
        """Whether a part of a line was written that could not be truncated."""
        return bool(self._unwritten)

    def send(self, entries: Sequence[Entry]) -> int:
        """Append all entries.

        Raises:
            SinkDown: not all could be written; ``accepted`` counts the whole lines.
        """
        finished = self._finish_line()
        if self._unwritten or len(entries) == finished or (finished and self._rotation):
            return finished
        try:
            return finished + self._append(entries[finished:])
        except SinkDown as down:
            down.accepted += finished
            raise

    def fileno(self) -> int:
        """Return the descriptor of an open FIFO or terminal; -1 otherwise.

        A regular file has room or is down, and a write to standard output waits.
        """
        return -1 if self._file.is_regular or self.blocking else self._file.fileno()

    def close(self) -> None:
        """Close the file; another `send` opens the file that has its name then."""
        self._file.close()
        self._unwritten = b""

    def _finish_line(self) -> int:
        """Write the rest of a partial line, which belongs to the first entry; raises SinkDown.

        Returns 1 if that entry is complete now, otherwise 0.
        """
        # The first part was lost with the removed file.
        if self._unwritten and self._file.is_removed:
            self._unwritten = b""
        if not self._unwritten:
            return 0
        try:
            self._unwritten = self._unwritten[self._file.write(self._unwritten) :]
        except SinkDown:
            # The reader of the first part is gone; the next one gets the whole line, separately.
            if not self._file.is_regular:
                self._unwritten, self._needs_line_feed = b"", True
            raise
        return int(not self._unwritten)

    def _append(self, entries: Sequence[Entry]) -> int:
        self._open()
        lines = self._encoder.encode(entries)
        if self._rotation is not None:
            lines = self._rotate_if_full(self._rotation, lines)
        if self._needs_line_feed:
            lines[:1] = [f"\n{line}" for line in lines[:1]]
        if not self._file.is_regular and not self.blocking:
            return self._append_to_pipe([line.encode() for line in lines])
        data = "".join(lines).encode()
        written = self._file.write(data)
        if written == len(data):
            self._needs_line_feed = False
            return len(lines)
        accepted = self._handle_short_write([line.encode() for line in lines], written)
        if written and self._file.is_regular:
            raise SinkDown(f"{self._file.name}: could be written only in part", accepted)
        return accepted

    def _open(self) -> None:
        if self._file.open_current():
            self._needs_line_feed = self._file.ends_within_line()

    def _rotate_if_full(self, rotation: RotationAttempts, lines: list[str]) -> list[str]:
        """Return the lines that fit into the file, after a rotation if none does."""
        if not self._file.is_regular:
            rotation.on_failure("it is not a regular file", 0)
            return lines
        size_bytes = self._file.size_bytes
        # A character has at most four bytes.
        if size_bytes + 4 * sum(map(len, lines)) < rotation.limits.limit_bytes:
            return lines
        sizes = [len(line.encode()) for line in lines]
        count = rotation.count_fitting(sizes, size_bytes)
        if count:
            return lines[:count]
        if self._needs_line_feed:
            # The partial line ends in the old file.
            self._file.write(b"\n")
            self._needs_line_feed = False
        try:
            self._file.rotate(rotation.limits.keep)
        except OSError as error:
            rotation.on_failure(f"{error.strerror}{permission_hint(error)}", size_bytes)
            return lines
        rotation.on_success()
        self._open()
        return lines[: rotation.count_fitting(sizes, self._file.size_bytes)]

    def _append_to_pipe(self, lines: list[bytes]) -> int:
        """Write groups of lines that a pipe accepts whole; only a longer line can be cut."""
        accepted = 0
        for group in split_for_pipe(lines):
            try:
                written = self._file.write(b"".join(group))
            except SinkDown as down:
                down.accepted += accepted
                raise
            whole = self._handle_short_write(group, written)
            accepted += whole
            if whole < len(group):
                break
        return accepted

    def _handle_short_write(self, lines: list[bytes], written: int) -> int:
        """Truncate a line that was written in part, or else remember the rest of it.

        Returns the number of whole lines before it.
        """
        cut = find_cut(lines, written)
        if cut.partial_bytes and not self._file.truncate_last(cut.partial_bytes):
            self._unwritten = lines[cut.whole_lines][cut.partial_bytes :]
            self._needs_line_feed = False
        elif cut.whole_lines:
            self._needs_line_feed = False
        return cut.whole_lines
