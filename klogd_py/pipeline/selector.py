# SPDX-License-Identifier: GPL-2.0-or-later
"""Tell which entries a user selects.

All records pass the stages, so that symbols and load addresses are the same for any selection, and
all reach the queues of the sinks, so that none of the others is taken for lost. A gap, and a
message of klogd-py's own, is delivered within the selected times and boots, whatever level or text
is selected. A line without a time has that of the line before it.
"""

import re
from collections.abc import Sequence
from itertools import groupby

from klogd_py.line_prefix.moments import has_ambiguous_date
from klogd_py.pipeline.boot_count import BootCount
from klogd_py.record.selection import Selection
from klogd_py.record.types import Entry, TimestampSource

_NO_LEVEL = "no line states its level, so that --level selects none"
_NO_TIME = "no line states a time of day, so that --since and --until select none"
_AMBIGUOUS = (
    "lines with a date such as 05/06/2023: {count}; day or month may be first",
    "so --since and --until select them by the last time before, if any",
)
_NO_BOOT = "the log has no boot {number}; its last one is {count}"


class Selector:
    """Judges the entries of a run in order. Mutable: the time and the boot that it has come to."""

    def __init__(self, selection: Selection) -> None:
        """``selection.boot`` is the number of a boot from the first on, which is 1."""
        self._selection = selection
        grep = selection.grep
        flags = re.IGNORECASE if grep is not None and grep == grep.lower() else re.NOFLAG
        self._grep = re.compile(grep, flags) if grep is not None else None
        self._has_times = selection.since_us is not None or selection.until_us is not None
        # Of the last line that states one
        self._wall_us: int | None = None
        self._level_seen = self._any_seen = False
        # Lines whose date may be one of two
        self._ambiguous = 0
        self._boots = BootCount()

    def unselected(self, entries: Sequence[Entry]) -> set[int]:
        """Return the identities of those entries of the next batch that are not selected.

        A record that is sent twice is selected if one of its lines is.
        """
        self._any_seen = self._any_seen or bool(entries)
        if self._selection.boot is not None:
            self._boots.add([entry.record for entry in entries])
            if self._boots.number != self._selection.boot:
                return {id(entry) for entry in entries}
        found: set[int] = set()
        for _, lines in groupby(entries, lambda entry: id(entry.record)):
            same = list(lines)
            if not any(self._is_selected(entry) for entry in same):
                found.update(map(id, same))
        return found

    def end_boot(self) -> None:
        """Note that the entries of another boot follow."""
        self._boots.end()

    def remarks(self) -> list[str]:
        """Say why nothing, or what, could not be selected, at the end."""
        if not self._any_seen:
            return []
        wanted = self._selection.boot
        if wanted is not None and wanted > self._boots.number:
            return [_NO_BOOT.format(number=wanted, count=self._boots.number)]
        if self._ambiguous:
            return [line.format(count=self._ambiguous) for line in _AMBIGUOUS]
        if self._has_times and self._wall_us is None:
            return [_NO_TIME]
        return [_NO_LEVEL] if self._selection.levels and not self._level_seen else []

    def _is_selected(self, entry: Entry) -> bool:
        selection, record = self._selection, entry.record
        is_message = entry.gap is not None or entry.is_own
        if self._has_times:
            if not is_message and entry.time_source is not TimestampSource.RECEIPT:
                self._wall_us = entry.wall_us
            if record.wall_us is None and has_ambiguous_date(record.head):
                self._ambiguous += 1
            if not self._is_in_time():
                return False
        if is_message:
            return True
        if record.prefix is not None:
            self._level_seen = True
        if selection.levels is not None and (
            record.prefix is None or record.severity not in selection.levels
        ):
            return False
        if selection.facilities is not None and record.facility not in selection.facilities:
            return False
        return self._grep is None or self._grep.search(entry.text) is not None

    def _is_in_time(self) -> bool:
        since_us, until_us, wall_us = (
            self._selection.since_us,
            self._selection.until_us,
            self._wall_us,
        )
        if wall_us is None:
            return False
        return (since_us is None or wall_us >= since_us) and (
            until_us is None or wall_us <= until_us
        )
