# SPDX-License-Identifier: GPL-2.0-or-later
"""Choose the issues that a list shows, and format them as rows of a table. Pure."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from itertools import pairwise

from msgspec import Struct

from klogd_py.record.report import Confidence
from klogd_py.spool.issues import Issue, ReportSummary
from klogd_py.system.terminal import align_columns, escape_controls

_HEADINGS = ("ISSUE", "FIRST", "LAST", "COUNT", "KIND", "TITLE", "MODULE", "SURE")
_TITLE = _HEADINGS.index("TITLE")
# The widths of columns in a terminal that is narrow
_MAX_WIDTHS = {_HEADINGS.index("KIND"): 12, _HEADINGS.index("MODULE"): 12}
_MIN_TITLE = 16
# Columns that give their room to titles in a terminal that is narrow, the first one first
_LEFT_OUT = ("FIRST", "SURE", "MODULE")
_GAP, _ELLIPSIS = "  ", "..."
_MIN_HANDLE = 4
# As ls(1) has it: a time without its year is at most so many days old.
_MAX_DAYS_WITHOUT_YEAR = 182


class IssueRow(Struct, frozen=True):
    """An issue in a list: its newest report, and its occurrences."""

    newest: ReportSummary
    count: int
    first_seen: str
    last_seen: str


class Wanted(Struct, frozen=True):
    """Which issues are listed; ``None`` is all. ``since`` is ISO 8601 in UTC."""

    since: str | None = None
    kinds: Collection[str] | None = None
    boot_id: str | None = None


def choose_rows(
    summaries: Sequence[ReportSummary], issues: Sequence[Issue], wanted: Wanted
) -> list[IssueRow]:
    """Return the wanted issues, the one that occurred last at the end.

    ``summaries`` are the oldest first. In one boot only the reports that are kept are counted.
    """
    by_issue: dict[str, list[ReportSummary]] = {}
    for summary in summaries:
        if wanted.boot_id is None or summary.boot.id == wanted.boot_id:
            by_issue.setdefault(summary.fingerprint.issue, []).append(summary)
    counts = {issue.fingerprint: issue for issue in issues} if wanted.boot_id is None else {}
    rows = [_row(found, counts.get(name)) for name, found in by_issue.items()]
    rows = [row for row in rows if _is_wanted(row, wanted)]
    return sorted(rows, key=lambda row: (row.last_seen, row.newest.id))


def _row(summaries: Sequence[ReportSummary], issue: Issue | None) -> IssueRow:
    newest = summaries[-1]
    count = sum(summary.count for summary in summaries)
    first, last = summaries[0].first_seen, newest.last_seen or newest.first_seen
    if issue is None:
        return IssueRow(newest, count, first, last)
    return IssueRow(
        newest, max(count, issue.count), issue.first_seen or first, max(last, issue.last_seen)
    )


def _is_wanted(row: IssueRow, wanted: Wanted) -> bool:
    return (wanted.since is None or row.last_seen >= wanted.since) and (
        wanted.kinds is None or row.newest.kind in wanted.kinds
    )


def boot_of(number: int, summaries: Sequence[ReportSummary], running: str) -> str | None:
    """Return the id of a boot: 0 is the running one, -1 the one before that has a report.

    ``None`` if there is none.
    """
    if number == 0:
        return running or None
    earlier = list(dict.fromkeys(one.boot.id for one in reversed(summaries)))
    earlier = [boot for boot in earlier if boot and boot != running]
    return earlier[-number - 1] if number < 0 and -number <= len(earlier) else None


def find_handles(fingerprints: Collection[str]) -> Mapping[str, str]:
    """Return the shortest beginning that names each issue, without the version: ``0123``."""
    names = sorted({name.partition(":")[2] or name for name in fingerprints})
    lengths = dict.fromkeys(names, _MIN_HANDLE)
    # The longest beginning in common is that with a neighbour.
    for name, other in pairwise(names):
        common = len(name)
        while not other.startswith(name[: common - 1]):
            common -= 1
        lengths[name], lengths[other] = max(lengths[name], common), max(lengths[other], common)
    return {
        name: bare[: lengths[bare]]
        for name in fingerprints
        for bare in [name.partition(":")[2] or name]
    }


def format_table(rows: Sequence[IssueRow], now: datetime, width: int | None) -> list[str]:
    """Return the heading and a line for each row, no wider than a terminal; ``None`` is no limit.

    ``now`` has the zone in which times are shown.
    """
    handles = find_handles([row.newest.fingerprint.issue for row in rows])
    cells = [
        _cells(row, handles[row.newest.fingerprint.issue], row.count, now, row.first_seen)
        for row in rows
    ]
    return _fitted([_HEADINGS, *cells], width)


def _cells(
    row: IssueRow, handle: str, count: int, now: datetime, first_seen: str
) -> tuple[str, ...]:
    newest = row.newest
    return (
        handle,
        format_short_time(first_seen, now),
        format_short_time(row.last_seen, now),
        str(count),
        escape_controls(newest.kind),
        escape_controls(newest.title),
        escape_controls(newest.module) or "-",
        "high" if newest.confidence is Confidence.HIGH else "low",
    )


def _fitted(cells: Sequence[tuple[str, ...]], width: int | None) -> list[str]:
    """Align the columns.

    If a line would be too wide, columns are left out; then the titles are shortened.
    """
    if width is None:
        return align_columns(cells)
    cells = [
        tuple(shorten(cell, _MAX_WIDTHS.get(at, len(cell))) for at, cell in enumerate(row))
        for row in cells
    ]
    widest = [max(len(row[at]) for row in cells) for at in range(len(_HEADINGS))]
    room = width - sum(widest) + widest[_TITLE] - len(_GAP) * (len(_HEADINGS) - 1)
    left_out = set[int]()
    for at in map(_HEADINGS.index, _LEFT_OUT):
        if room < widest[_TITLE]:
            left_out.add(at)
            room += widest[at] + len(_GAP)
    room = max(_MIN_TITLE, room)
    return align_columns(
        [
            tuple(
                shorten(cell, room) if at == _TITLE else cell
                for at, cell in enumerate(row)
                if at not in left_out
            )
            for row in cells
        ]
    )


def shorten(title: str, room: int) -> str:
    """Return a title of at most ``room`` characters; the function at its end stays."""
    if len(title) <= room:
        return title
    _, found, function = title.rpartition(" in ")
    tail = f" in {function}" if found else ""
    if not tail or len(tail) > room - len(_ELLIPSIS):
        alone = function if found else title
        return alone if len(alone) <= room else alone[: room - len(_ELLIPSIS)] + _ELLIPSIS
    return title[: room - len(_ELLIPSIS) - len(tail)] + _ELLIPSIS + tail


def format_short_time(moment: str, now: datetime) -> str:
    """Return a time in at most six characters: ``18:04`` today, ``Nov 27``, or the year."""
    if not moment:
        return "-"
    local = datetime.fromisoformat(moment).astimezone(now.tzinfo)
    if local.date() == now.date():
        return f"{local:%H:%M}"
    return f"{local:%b %d}" if (now - local).days <= _MAX_DAYS_WITHOUT_YEAR else f"{local:%Y}"
