# SPDX-License-Identifier: GPL-2.0-or-later
"""What waits before one sink, and how much memory does it take?"""

from collections import deque
from collections.abc import Iterator

from klogd_py.record.types import Entry

# About what an Entry and its Record occupy besides their text
ENTRY_OVERHEAD_BYTES = 400


def size_of(entry: Entry) -> int:
    """About how many bytes an entry occupies."""
    return ENTRY_OVERHEAD_BYTES + len(entry.text) + len(entry.record.text)


class Backlog:
    """Entries in their order. Mutable; ``bytes`` is about what they occupy."""

    def __init__(self) -> None:
        self.bytes = 0
        self._entries: deque[Entry] = deque()

    def __len__(self) -> int:
        return len(self._entries)

    @property
    def last(self) -> Entry | None:
        """The newest entry."""
        return self._entries[-1] if self._entries else None

    @property
    def newest(self) -> Iterator[Entry]:
        """The entries, the newest first."""
        return reversed(self._entries)

    @property
    def parts(self) -> set[int]:
        """The numbers that go with the entries besides their own."""
        return {seq for entry in self._entries for seq in entry.record.parts}

    def append(self, entry: Entry) -> None:
        """Put an entry behind the others."""
        self._entries.append(entry)
        self.bytes += size_of(entry)

    def head(self, most: int) -> list[Entry]:
        """The oldest entries, up to a number; they stay."""
        return [self._entries[i] for i in range(min(len(self._entries), most))]

    def drop(self, count: int) -> None:
        """Take away so many of the oldest, or all if there are fewer."""
        for _ in range(min(count, len(self._entries))):
            self.bytes -= size_of(self._entries.popleft())

    def clear(self) -> None:
        """Take away all."""
        self._entries.clear()
        self.bytes = 0
