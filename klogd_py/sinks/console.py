# SPDX-License-Identifier: GPL-2.0-or-later
"""Write entries to standard output: time, identifier, text for a person; or JSON.

The text is coloured on a terminal only. A line that a full disk cut is continued later.
"""

import errno
import os
from collections.abc import Sequence
from enum import Enum

from klogd_py.record.report import Report
from klogd_py.record.types import Entry, Severity
from klogd_py.sinks import SinkDown, SinkGone, report_block
from klogd_py.sinks.file_format import LineSettings, find_cut
from klogd_py.sinks.formats import (
    TaggedText,
    TimestampFormatter,
    escape_controls,
    kernel_stamp,
    split_identifier,
)
from klogd_py.system.standard_streams import STDOUT, write_or_wait

_RESET = b"\x1b[0m"
_COLOURS = {
    Severity.EMERG: b"\x1b[1;37;41m",
    Severity.ALERT: b"\x1b[1;31m",
    Severity.CRIT: b"\x1b[1;31m",
    Severity.ERR: b"\x1b[31m",
    Severity.WARNING: b"\x1b[33m",
    Severity.NOTICE: b"\x1b[1m",
    Severity.INFO: b"",
    Severity.DEBUG: b"\x1b[2m",
}


class Colour(Enum):
    """When to colour the text."""

    # On a terminal, unless NO_COLOR is set (https://no-color.org)
    AUTO = "auto"
    ALWAYS = "always"
    NEVER = "never"


class ConsoleSink:
    """Lines on a descriptor, standard output by default.

    It keeps no position: each run shows the whole log.
    """

    keeps_position = False
    # The reader may stop reading.
    blocking = True

    def __init__(
        self,
        colour: Colour = Colour.AUTO,
        json: bool = False,
        descriptor: int = 1,
        settings: LineSettings | None = None,
        *,
        name: str = "console",
    ) -> None:
        self.name = name
        self._is_terminal = os.isatty(descriptor)
        may_colour = self._is_terminal and not os.environ.get("NO_COLOR")
        self._colour = not json and (
            colour is Colour.ALWAYS or (colour is Colour.AUTO and may_colour)
        )
        self._json = json
        self._descriptor = descriptor
        self._settings = settings or LineSettings()
        self._timestamps = TimestampFormatter()
        # The rest of a line whose first part is written
        self._unwritten = b""

    @property
    def has_partial_write(self) -> bool:
        """Whether a line was written in part."""
        return bool(self._unwritten)

    def encode(self, entry: Entry) -> bytes:
        """Return one line of text: ``Nov 23 08:13:42.123456 kernel: text``. A report is a block.

        In a capture a host stands before ``kernel``, and a record without a date has its own
        timestamp instead: ``[    5.140900] kernel: text``.
        """
        line = split_identifier(entry, entry.text)
        if entry.report is not None:
            line = TaggedText(line.tag, report_block.headline(entry.report))
        record, settings = entry.record, self._settings
        stamp = kernel_stamp(record)
        if settings.of_capture and record.wall_us is None:
            before, behind = stamp, ""
        else:
            time_us = entry.wall_us % 1_000_000
            before = f"{self._timestamps.rfc3164(entry.wall_us)}.{time_us:06d} "
            behind = stamp if settings.kernel_stamp else ""
        host = f"{record.machine.host} " if record.machine and record.machine.host else ""
        lead = escape_controls(f"{before}{host}{line.tag}: {behind}").encode()
        shown = escape_controls(line.text).encode()
        colour = _COLOURS[entry.record.severity] if self._colour else b""
        first = lead + (colour + shown + _RESET if colour else shown) + b"\n"
        return first if entry.report is None else first + _block(entry.report, colour)

    def _encode_all(self, entries: Sequence[Entry]) -> list[bytes]:
        if self._json:
            return [line.encode() for line in self._settings.json_lines.encode(entries)]
        return [self.encode(entry) for entry in entries]

    def send(self, entries: Sequence[Entry]) -> int:
        """Write all entries.

        Raises:
            SinkGone: nobody reads any more: ``| head``, or a terminal that was closed.
            SinkDown: it cannot be written, for example because the disk is full.
        """
        lines = self._encode_all(entries)
        if self._unwritten:
            lines[0] = self._unwritten
        data = b"".join(lines)
        written = 0
        try:
            while written < len(data):
                written += write_or_wait(self._descriptor, memoryview(data)[written:])
        except OSError as error:
            cut = find_cut(lines, written)
            if written:
                rest = lines[cut.whole_lines][cut.partial_bytes :]
                self._unwritten = rest if cut.partial_bytes else b""
            reason = f"{STDOUT}: {error.strerror}"
            # EIO: the terminal was closed
            if error.errno == errno.EPIPE or (error.errno == errno.EIO and self._is_terminal):
                raise SinkGone(reason, cut.whole_lines) from error
            raise SinkDown(reason, cut.whole_lines) from error
        self._unwritten = b""
        return len(entries)

    def fileno(self) -> int:
        """Return -1: `send` waits, so a console is never full."""
        return -1

    def close(self) -> None:
        """Do nothing: standard output belongs to the process."""


def _block(report: Report, colour: bytes) -> bytes:
    """Return the lines of a report below its headline; only its title has a colour."""
    title, *others = report_block.block(report)
    shown = title.encode()
    lines = [colour + shown + _RESET if colour else shown, *(line.encode() for line in others)]
    return b"".join(line + b"\n" for line in lines)
