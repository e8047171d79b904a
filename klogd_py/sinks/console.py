# SPDX-License-Identifier: GPL-2.0-or-later
"""Write entries to standard output for a person: time, identifier, text.

The text is coloured on a terminal only.
"""

import os
from collections.abc import Sequence
from enum import Enum

from klogd_py.record.types import Entry, Severity
from klogd_py.sinks import SinkGone
from klogd_py.sinks.formats import (
    TimestampFormatter,
    encode_json,
    escape_controls,
    split_identifier,
)

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
    # `send` waits until all is written.
    has_partial_write = False

    def __init__(
        self,
        colour: Colour = Colour.AUTO,
        json: bool = False,
        descriptor: int = 1,
        boot_id: str | None = None,
        *,
        name: str = "console",
    ) -> None:
        self.name = name
        terminal = os.isatty(descriptor) and not os.environ.get("NO_COLOR")
        self._colour = not json and (
            colour is Colour.ALWAYS or (colour is Colour.AUTO and terminal)
        )
        self._json = json
        self._descriptor = descriptor
        self._boot_id = boot_id
        self._timestamps = TimestampFormatter()

    def encode(self, entry: Entry) -> bytes:
        """Return one line: ``Nov 23 08:13:42.123456 kernel: text``, or a JSON object."""
        if self._json:
            return encode_json(entry, self._boot_id) + b"\n"
        line = split_identifier(entry, entry.text)
        time_us = entry.wall_us % 1_000_000
        timestamp = f"{self._timestamps.rfc3164(entry.wall_us)}.{time_us:06d}"
        lead = f"{timestamp} {escape_controls(line.tag)}: ".encode()
        shown = escape_controls(line.text).encode()
        colour = _COLOURS[entry.record.severity] if self._colour else b""
        return lead + (colour + shown + _RESET if colour else shown) + b"\n"

    def send(self, entries: Sequence[Entry]) -> int:
        """Write all entries; raises SinkGone when nobody reads any more (``| head``)."""
        unwritten = memoryview(b"".join([self.encode(entry) for entry in entries]))
        try:
            while unwritten:
                try:
                    unwritten = unwritten[os.write(self._descriptor, unwritten) :]
                # Shared with a program that made it non-blocking
                except BlockingIOError:
                    os.set_blocking(self._descriptor, True)
        except OSError as error:
            raise SinkGone(f"standard output: {error.strerror}") from error
        return len(entries)

    def fileno(self) -> int:
        """Return -1: `send` waits, so a console is never full."""
        return -1

    def close(self) -> None:
        """Do nothing: standard output belongs to the process."""
