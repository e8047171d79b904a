# SPDX-License-Identifier: GPL-2.0-or-later
"""Encode entries as the lines of a log file, and find whole lines among written bytes; no I/O."""

import select
from collections.abc import Iterator, Sequence
from enum import Enum

from msgspec import Struct, field

from klogd_py.record.types import Entry, Record
from klogd_py.sinks.formats import (
    OTHER_IDENTIFIER,
    TimestampFormatter,
    escape_controls,
    format_lines,
    format_stamped_line,
    has_reserved_tag,
)
from klogd_py.sinks.json_lines import JsonLines
from klogd_py.sinks.machine_identity import UNKNOWN_HOST, MachineIdentity, stated_host


class FileFormat(Enum):
    """What a line of the file looks like."""

    # 2026-11-23T08:13:42.123456+01:00 host kernel: text
    TEXT = "text"
    # <6>text, as klogd -f wrote it
    KLOGD = "klogd"
    # One JSON object per line
    JSON = "json"


class LineSettings(Struct, frozen=True):
    """What the lines of all sinks of one run have in common.

    ``kernel_stamp``: lines of text show the kernel's own timestamp. ``of_capture``: the time of
    reading says nothing of a record that states none.
    """

    identity: MachineIdentity = MachineIdentity()
    kernel_stamp: bool = False
    of_capture: bool = False
    json_lines: JsonLines = field(default_factory=JsonLines)

    @classmethod
    def of_run(
        cls,
        identity: MachineIdentity,
        *,
        kernel_stamp: bool = False,
        of_capture: bool = False,
        json_sinks: int = 1,
    ) -> "LineSettings":
        """Return the settings of a run with so many sinks that write JSON."""
        json_lines = JsonLines(identity, is_shared=json_sinks > 1)
        return cls(identity, kernel_stamp, of_capture, json_lines)


class LineEncoder:
    """Makes lines of one format. Mutable: it caches the text of the last second."""

    def __init__(
        self, format: FileFormat = FileFormat.TEXT, settings: LineSettings | None = None
    ) -> None:
        self._format = format
        self._settings = settings or LineSettings()
        self._timestamps = TimestampFormatter()

    def encode(self, entries: Sequence[Entry]) -> list[str]:
        """Return one line for each entry, with its line feed."""
        if self._format is FileFormat.TEXT:
            return self._text_lines(entries)
        if self._format is FileFormat.JSON:
            return self._settings.json_lines.encode(entries)
        return [f"{_klogd_line(entry)}\n" for entry in entries]

    def _text_lines(self, entries: Sequence[Entry]) -> list[str]:
        stamps = self._timestamps.rfc3339_batch([entry.wall_us for entry in entries])
        lines = (
            [format_stamped_line(entry) for entry in entries]
            if self._settings.kernel_stamp
            else format_lines(entries)
        )
        host = self._settings.identity.host or UNKNOWN_HOST
        # Faster than any(), which the usual batch would read to its end as well
        if not [entry for entry in entries if entry.record.machine is not None]:
            return [f"{stamp} {host} {line}\n" for stamp, line in zip(stamps, lines, strict=True)]
        return [
            f"{stamp} {_host_of(entry.record, host)} {line}\n"
            for stamp, entry, line in zip(stamps, entries, lines, strict=True)
        ]


def _host_of(record: Record, own: str) -> str:
    """Return the host for a line: ``own`` for a record that states no machine."""
    return own if record.machine is None else stated_host(record) or UNKNOWN_HOST


def _klogd_line(entry: Entry) -> str:
    record = entry.record
    head = record.head if record.head or record.prefix is None else f"<{record.prefix}>"
    tag = f"{OTHER_IDENTIFIER}: " if has_reserved_tag(entry) else ""
    return escape_controls(head + tag + entry.text)


class Cut(Struct, frozen=True):
    """Where a write ended: behind so many whole lines, and so many bytes into the next one."""

    whole_lines: int
    partial_bytes: int


def find_cut(lines: Sequence[bytes], written: int) -> Cut:
    """Return where the first ``written`` bytes of some lines end."""
    whole = 0
    while whole < len(lines) and len(lines[whole]) <= written:
        written -= len(lines[whole])
        whole += 1
    return Cut(whole, written)


def split_for_pipe(lines: list[bytes]) -> Iterator[list[bytes]]:
    """Group lines into writes that a pipe accepts whole or not at all (PIPE_BUF).

    A longer line is a group by itself.
    """
    group: list[bytes] = []
    size = 0
    for line in lines:
        if group and size + len(line) > select.PIPE_BUF:
            yield group
            group, size = [], 0
        group.append(line)
        size += len(line)
    if group:
        yield group
