# SPDX-License-Identifier: GPL-2.0-or-later
"""Decide which reports are removed because there are too many. Pure.

Repeats go before the first report of an issue, the oldest first.
"""

from collections.abc import Collection, Sequence

from msgspec import Struct

DAY_S = 86_400


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
    removed = [file for file in files if file.changed_s < oldest_s]
    kept = [file for file in files if file.changed_s >= oldest_s]
    kept.sort(key=lambda file: (file.id in first_ids, file.changed_s, file.id))
    count, size = len(kept), sum(file.size_bytes for file in kept)
    for file in kept:
        if count <= limits.reports and size <= limits.size_bytes:
            break
        removed.append(file)
        count, size = count - 1, size - file.size_bytes
    return removed
