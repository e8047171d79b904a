# SPDX-License-Identifier: GPL-2.0-or-later
"""Merge the lists ``sinks`` of several configuration files; pure.

A list is complete if it has a short form, or is in the main file: it replaces the sinks before it.
A list of tables in a drop-in adds its sinks, and changes those whose names are there already. The
result is a complete list, whose tables all say their type.
"""

from collections.abc import Sequence

import msgspec

from klogd_py.config.output_sections import SinkTable
from klogd_py.config.sink_shorthand import (
    Destination,
    SinkType,
    destination_named,
    parse_shorthand,
)
from klogd_py.config.sink_tables import check_names, find_destination, located, name_of

Entry = str | SinkTable


def merge_sinks(before: Sequence[Entry], added: Sequence[Entry]) -> tuple[Entry, ...]:
    """Return the sinks ``before`` with those of a later list of tables.

    Raises:
        WrongKey: a table is incomplete, or has a key that its sink cannot have; a name is there
            twice in ``added``.
    """
    names = []
    for index, entry in enumerate(added):
        with located(index):
            names.append(name_of(entry))
    check_names(names)
    merged = {name_of(entry): entry for entry in before}
    for index, (name, entry) in enumerate(zip(names, added, strict=True)):
        if isinstance(entry, SinkTable):
            with located(index):
                entry = _change(name, merged[name], entry) if name in merged else _complete(entry)
        merged[name] = entry
    return tuple(merged.values())


def is_complete(entries: Sequence[Entry]) -> bool:
    """Whether a list in a drop-in replaces the sinks of the files before it."""
    return any(isinstance(entry, str) for entry in entries)


def with_json_consoles(entries: Sequence[Entry]) -> tuple[Entry, ...]:
    """Return a complete list whose consoles all print JSON."""
    return tuple(
        msgspec.structs.replace(entry, format="json")
        if isinstance(entry, SinkTable) and find_destination(entry).type is SinkType.CONSOLE
        else entry
        for entry in entries
    )


def _change(name: str, before: Entry, change: SinkTable) -> SinkTable:
    """Return the sink of a name with the keys of a later table."""
    old = _to_table(parse_shorthand(before)) if isinstance(before, str) else before
    changed = msgspec.structs.replace(old, **_given(change) | {"name": name})
    # A sink whose name is its short form stays at that destination.
    find_destination(changed)
    return msgspec.structs.replace(changed, name=old.name)


def _complete(entry: SinkTable) -> SinkTable:
    """Return a new sink, with keys for what its name says; a short form is not needed then."""
    name = entry.name if entry.name and destination_named(entry.name) is None else None
    own_keys = _given(entry) | {"name": name}
    return msgspec.structs.replace(_to_table(find_destination(entry)), **own_keys)


def _to_table(to: Destination) -> SinkTable:
    if to.type is SinkType.FILE:
        return SinkTable(type="file", path=to.path)
    return SinkTable(type=to.type.value, socket=to.path)


def _given(table: SinkTable) -> dict[str, object]:
    """Return the keys that a table has."""
    values = {key: getattr(table, key) for key in table.__struct_fields__}
    return {key: value for key, value in values.items() if value is not None}
