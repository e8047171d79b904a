# SPDX-License-Identifier: GPL-2.0-or-later
"""Find the records in JSON of any shape: lists, objects within objects, strings of many lines.

Source of truth: the answers of the APIs of CloudWatch, EC2, Loki and Elasticsearch; ``dmesg
--json`` on one line; results.json of igt-gpu-tools.
"""

from collections.abc import Iterator, Mapping

import msgspec

from klogd_py.line_prefix.reader import PrefixReader
from klogd_py.record.types import Machine, Record
from klogd_py.sources import object_fields
from klogd_py.sources.journal_format import from_object, split_log

_MAX_DEPTH = 10


def find_records(content: object, reader: PrefixReader) -> list[Record] | None:
    """Return the records in what was decoded; ``None`` if there is none."""
    records = list(_records_in(content, reader, "", _MAX_DEPTH))
    return records or None


def _records_in(content: object, reader: PrefixReader, host: str, depth: int) -> Iterator[Record]:
    if not depth:
        return
    if isinstance(content, Mapping):
        if (record := from_object(content, reader)) is not None:
            parts = split_log(content) if "\n" in record.text else ()
            made = [from_object(part, reader) for part in parts] or [record]
            yield from (_at(one, host) for one in made if one is not None)
            return
        # Loki states the machine of all lines of a stream once.
        stream = content.get("stream")
        host = object_fields.host_of(stream if isinstance(stream, Mapping) else content) or host
        for value in content.values():
            yield from _records_in(value, reader, host, depth - 1)
    elif isinstance(content, list) and _is_stamped_line(content):
        record = object_fields.with_fields(
            reader.read_shown(content[1].removesuffix("\n")), {"time": content[0]}, reader
        )
        yield _at(record, host)
    elif isinstance(content, list):
        for value in content:
            if not isinstance(value, str):
                yield from _records_in(value, reader, host, depth - 1)
    elif isinstance(content, str) and "\n" in content:
        yield from _lines_in(content, reader, host)


def _is_stamped_line(content: list[object]) -> bool:
    """Whether a list is ``["1700908867123456789", "[   12.345678] eth0: up"]``."""
    if len(content) < 2 or not isinstance(content[1], str):
        return False
    return isinstance(content[0], str) and content[0].isdecimal() and len(content[0]) == 19


def _lines_in(text: str, reader: PrefixReader, host: str) -> Iterator[Record]:
    """The records of a string with many lines, if some of them have the kernel's own stamps."""
    lines = text.removesuffix("\n").split("\n")
    records = [reader.read_shown(line) for line in lines]
    if any(record.usec is not None for record in records):
        yield from (_at(record, host) for record in records)


def _at(record: Record, host: str) -> Record:
    if not host or (record.machine is not None and record.machine.host):
        return record
    return msgspec.structs.replace(record, machine=Machine(host))
