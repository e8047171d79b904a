# SPDX-License-Identifier: GPL-2.0-or-later
"""Collect the lines that were symbolized although no kernel prints such a line."""

from collections.abc import Sequence

from klogd_py.oops import address_scanner, provenance
from klogd_py.oops.provenance import Origin
from klogd_py.record.types import Entry, Record

# Line numbers that a message lists
_MAX_LISTED = 10


class DoubtfulLines:
    """The lines of one text that were symbolized although no kernel prints such a line. Mutable.

    ``count`` is their number, ``first`` the numbers of the first of them, from 1.
    """

    def __init__(self) -> None:
        self.count = 0
        self.first: list[int] = []
        self._lines = 0

    def skip(self, text: bytes) -> None:
        """Count whole lines in which nothing was symbolized."""
        self._lines += text.count(b"\n")

    def check(self, entries: Sequence[Entry]) -> None:
        """Check the lines of a text in which something was symbolized, and count all of them.

        The same line, as the kernel printed it, may follow a symbolized one at once.
        """
        named = [at for at, entry in enumerate(entries) if entry.symbols]
        repeated = 0
        for at in named:
            record = entries[at].record
            if _is_doubtful(record):
                self.count += 1
                if len(self.first) < _MAX_LISTED:
                    self.first.append(self._lines + at - repeated + 1)
            repeated += at + 1 < len(entries) and entries[at + 1].record is record
        self._lines += len(entries) - repeated

    def remarks(self, where: str = "") -> list[str]:
        """Return the message for the user, or no message; it begins with ``where``."""
        if not self.count:
            return []
        more = f" and {self.count - len(self.first)} more" if self.count > len(self.first) else ""
        lines = "line" if self.count == 1 else "lines"
        numbers = ", ".join(map(str, self.first))
        return [
            f"{where}{lines} {numbers}{more} named on weak grounds: "
            "no kernel prints an address in this form"
        ]


def _is_doubtful(record: Record) -> bool:
    matches = address_scanner.find(record.text)
    return provenance.withheld_reason(record, matches, Origin.CAPTURE) is not None
