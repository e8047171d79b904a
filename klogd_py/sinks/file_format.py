# SPDX-License-Identifier: GPL-2.0-or-later
"""Encode entries as the lines of a log file, and find whole lines among written bytes; no I/O."""

import select
from collections.abc import Iterator, Sequence
from enum import Enum

from msgspec import Struct

from klogd_py.record.types import Entry
from klogd_py.sinks.formats import (
    OTHER_IDENTIFIER,
    TimestampFormatter,
    encode_json,
    escape_controls,
    format_lines,
    has_reserved_tag,
    host_name,
)


class FileFormat(Enum):
    """What a line of the file looks like."""

    # 2026-11-23T08:13:42.123456+01:00 host kernel: text
    TEXT = "text"
    # <6>text, as klogd -f wrote it
    KLOGD = "klogd"
    # One JSON object per line
    JSON = "json"


class LineEncoder:
    """Makes lines of one format. Mutable: it caches the text of the last second."""

    def __init__(self, format: FileFormat = FileFormat.TEXT, boot_id: str | None = None) -> None:
        """``boot_id`` is for JSON; it is left out if unknown."""
        self._format = format
        self._boot_id = boot_id
        self._host = host_name()
        self._timestamps = TimestampFormatter()

    def encode(self, entries: Sequence[Entry]) -> list[str]:
        """Return one line for each entry, with its line feed."""
        if self._format is FileFormat.TEXT:
            host = self._host
            stamps = self._timestamps.rfc3339_batch([entry.wall_us for entry in entries])
            return [
                f"{stamp} {host} {line}\n"
                for stamp, line in zip(stamps, format_lines(entries), strict=True)
            ]
        if self._format is FileFormat.JSON:
            return [f"{encode_json(entry, self._boot_id).decode()}\n" for entry in entries]
        return [f"{_klogd_line(entry)}\n" for entry in entries]


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
