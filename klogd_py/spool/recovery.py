# SPDX-License-Identifier: GPL-2.0-or-later
"""Count the reports that no issue lists: after a stop of the machine, and without usable counts.

Pure: the reports of the files are arguments. Those of the running boot whose header is at or beyond
a sequence number come again, unless they were counted.
"""

from collections.abc import Iterable

from klogd_py.record.report import Report
from klogd_py.spool.issues import IssueCounts, IssueTable


def adopt(
    unlisted: Iterable[Report], table: IssueTable, counts: IssueCounts, next_seq: int
) -> list[Report]:
    """Count the reports that were not counted and do not come again; returns these.

    ``counts`` are those of the file, which may be of another boot; ``table`` was made of them. All
    records before ``next_seq`` were taken in this boot, so none of their reports comes again.
    """
    adopted = []
    in_file = IssueTable(counts, counts.boot_id)
    for report in unlisted:
        seq = _header_seq(report)
        # It was counted, and is only not kept any more.
        if seq is not None and _is_of(report, counts.boot_id) and in_file.is_counted(seq):
            continue
        if not _is_of(report, table.boot_id) or (seq is not None and seq < next_seq):
            table.count(report)
            adopted.append(report)
    table.note_counted((), next_seq)
    return adopted


def count_again(unlisted: Iterable[Report], table: IssueTable, next_seq: int) -> int:
    """Count the reports of a spool whose counts are lost; returns how many these are.

    All of them were announced, apart from those that were written before their end was seen, and
    come again.
    """
    seqs = []
    found = 0
    for report in unlisted:
        seq = _header_seq(report)
        if _is_of(report, table.boot_id) and seq is not None:
            if report.truncated and seq >= next_seq:
                continue
            seqs.append(seq)
        table.count(report)
        found += 1
    table.note_counted(tuple(seqs), next_seq)
    return found


def _is_of(report: Report, boot_id: str) -> bool:
    return bool(boot_id) and report.boot.id == boot_id


def _header_seq(report: Report) -> int | None:
    return None if report.seq is None else report.seq.first
