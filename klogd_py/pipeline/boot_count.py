# SPDX-License-Identifier: GPL-2.0-or-later
"""Count the boots in a log, from the first on, as `--boot` selects them.

A few lines before the first boot, such as the header of a file, are no boot.
"""

from collections.abc import Sequence

from klogd_py.oops.boot_boundary import BootBoundary
from klogd_py.record.types import Record
from klogd_py.sources.errors import InputFailed
from klogd_py.sources.source import Source

# A boot without any timestamp has more lines than the header of a file.
_MIN_LINES = 5


class BootCount:
    """Counts the boots of one stream. Mutable. ``number`` is that of the present boot."""

    def __init__(self) -> None:
        self.number = 1
        self._lines = 0
        self._has_time = False

    def add(self, records: Sequence[Record]) -> None:
        """Take the next records of the present boot."""
        self._lines += len(records)
        self._has_time = self._has_time or any(
            record.usec is not None or record.wall_us is not None for record in records
        )

    def end(self) -> None:
        """Note that another boot begins."""
        if self._has_time or self._lines >= _MIN_LINES:
            self.number += 1
            self._lines, self._has_time = 0, False


def count_boots(source: Source) -> int:
    """Read a source to its end, and return how many boots it has."""
    boots, boundary = BootCount(), BootBoundary()
    while not source.exhausted:
        try:
            items = source.read_batch()
        # It is told when the source is read again.
        except InputFailed:
            continue
        for item in items:
            if isinstance(item, Record):
                if boundary.detect(item) is not None:
                    boots.end()
                boots.add([item])
    return boots.number
