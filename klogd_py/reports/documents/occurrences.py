# SPDX-License-Identifier: GPL-2.0-or-later
"""Say when and how often an issue occurred."""

from collections.abc import Iterable

from msgspec import Struct

from klogd_py.record.report import Report


class Occurrences(Struct, frozen=True):
    """All occurrences of an issue: their number, and the times that are known.

    Times are ISO 8601 in UTC, the oldest first: ``2026-11-27T18:04:05.218310Z``. There may be fewer
    than ``count``, as not every report is kept; ``first_seen`` and ``last_seen`` are those of all.
    ``others`` are the ids of the other reports that are kept.
    """

    count: int = 1
    first_seen: str = ""
    last_seen: str = ""
    times: tuple[str, ...] = ()
    others: tuple[str, ...] = ()


def occurrences_of(reports: Iterable[Report]) -> Occurrences:
    """Return the occurrences that these reports of one issue stand for."""
    found = list(reports)
    times = sorted(report.first_seen for report in found if report.first_seen)
    ends = sorted(report.last_seen for report in found if report.last_seen)
    return Occurrences(
        count=sum(report.count for report in found),
        first_seen=times[0] if times else "",
        last_seen=(ends or times or [""])[-1],
        times=tuple(times),
    )
