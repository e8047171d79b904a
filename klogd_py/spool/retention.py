# SPDX-License-Identifier: GPL-2.0-or-later
"""Decide which reports are removed because there are too many. Pure.

Repeats go before the first report of an issue, the oldest first. A file that is too large for a
report is none, and goes before all others.
"""

from collections.abc import Collection, Sequence

from msgspec import Struct

DAY_S = 86_400
# A report has at most 2,000 lines of a kernel, which are shorter than 1 KiB.
REPORT_LIMIT_BYTES = 4 << 20


class Limits(Struct, frozen=True):
    """How much is kept: so many reports, bytes and days."""

    reports: int = 1000
    size_bytes: int = 64 << 20
    days: int = 90


class StoredFile(Struct, frozen=True, gc=False):
    """A report in the spool: its id, its size and the time of its last change."""

    id: str
    size_bytes: int
    changed_s: float


def choose_removed(
    files: Sequence[StoredFile], first_ids: Collection[str], limits: Limits, now_s: float
) -> list[StoredFile]:
    """Return the files to remove, so that the others are within the limits.

    ``first_ids`` are the first reports of the issues.
    """
    oldest_s = now_s - limits.days * DAY_S
    removed: list[StoredFile] = []
    kept: list[StoredFile] = []
    for file in files:
        is_kept = file.changed_s >= oldest_s and file.size_bytes <= REPORT_LIMIT_BYTES
        (kept if is_kept else removed).append(file)
    kept.sort(key=lambda file: (file.id in first_ids, file.changed_s, file.id))
    count, size = len(kept), sum(file.size_bytes for file in kept)
    for file in kept:
        if count <= limits.reports and size <= limits.size_bytes:
            break
        removed.append(file)
        count, size = count - 1, size - file.size_bytes
    return removed
