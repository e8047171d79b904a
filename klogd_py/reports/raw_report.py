# SPDX-License-Identifier: GPL-2.0-or-later
"""Define the lines of one crash, as the detector has collected them."""

from msgspec import Struct

from klogd_py.record.crash_kind import CrashKind
from klogd_py.record.types import Record


class ReportLine(Struct, frozen=True, gc=False):
    """A line of a report: the record it is from, and its text with symbols."""

    record: Record
    text: str
    # Microseconds since the Unix epoch
    wall_us: int


class RawReport(Struct, frozen=True):
    """The lines of one crash, the header first, and what their collection has shown.

    ``kind`` is that of the header. ``context`` are the lines before it, at most 8. ``panicked``: a
    panic followed as its consequence. ``truncated``: records are missing, or there were more than a
    report may have. ``interleaved``: another report began among its lines, which cannot be told
    apart. ``after_oops``: this boot had an oops before. ``is_complete``: its end was seen; else
    more lines may follow, under the same identity.
    """

    kind: CrashKind
    lines: tuple[ReportLine, ...]
    context: tuple[ReportLine, ...] = ()
    panicked: bool = False
    truncated: bool = False
    interleaved: bool = False
    after_oops: bool = False
    is_complete: bool = True

    @property
    def header(self) -> ReportLine:
        """The line that began it."""
        return self.lines[0]
