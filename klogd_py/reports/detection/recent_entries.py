# SPDX-License-Identifier: GPL-2.0-or-later
"""Remember the last entries that are in no report, for the lines before the next header."""

from collections import deque
from collections.abc import Sequence

from klogd_py.record.types import KERN, Entry
from klogd_py.reports.detection.messages import Message, messages_of
from klogd_py.reports.raw_report import ReportLine

CONTEXT_LINES = 8
# Among so many entries the lines of one caller are looked for
_RECENT_ENTRIES = 64


class RecentEntries:
    """The last entries. Mutable."""

    def __init__(self, *, may_be_joined: bool) -> None:
        """``may_be_joined`` is that of `messages_of`."""
        self._may_be_joined = may_be_joined
        self._entries: deque[Entry] = deque(maxlen=_RECENT_ENTRIES)

    def append(self, entry: Entry) -> None:
        """Add an entry."""
        self._entries.append(entry)

    def extend(self, entries: Sequence[Entry], start: int, end: int) -> None:
        """Add the entries [start, end)."""
        self._entries.extend(entries[max(start, end - _RECENT_ENTRIES) : end])

    def clear(self) -> None:
        """Forget all: another boot begins."""
        self._entries.clear()

    def lines_before(self, message: Message) -> Sequence[ReportLine]:
        """Return the last lines of the caller of a message, at most `CONTEXT_LINES`."""
        lines: list[ReportLine] = []
        for entry in self._entries:
            if entry.gap is not None or entry.is_own or entry.record.facility != KERN:
                continue
            for other in messages_of(entry, may_be_joined=self._may_be_joined):
                if other.caller == message.caller and other.host == message.host:
                    lines += other.lines
        return lines[-CONTEXT_LINES:]
