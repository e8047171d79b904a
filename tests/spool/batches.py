# SPDX-License-Identifier: GPL-2.0-or-later
"""Reports of one boot, and what writes them."""

from pathlib import Path

from klogd_py.record.report import Fingerprint, Report, Span
from klogd_py.spool.pending import Batch
from klogd_py.spool.retention import Limits
from klogd_py.spool.writer import SpoolWriter
from tests.reports_made import BOOT_ID, make_report


def report(number: int, issue: str = "1:aa00") -> Report:
    seen = f"2026-11-27T18:04:{number % 60:02d}.000000Z"
    return make_report(
        id=f"20261127-{number:05d}",
        fingerprint=Fingerprint(issue, issue, issue),
        first_seen=seen,
        last_seen=seen,
        seq=Span(number, number + 5),
    )


def batch_of(*reports: Report, next_seq: int = 0) -> Batch:
    batch = Batch(next_seq=next_seq)
    for one in reports:
        batch.add(one, None if one.seq is None else one.seq.first)
    return batch


def writer(path: Path, limits: Limits | None = None, boot_id: str = BOOT_ID) -> SpoolWriter:
    return SpoolWriter(path, limits or Limits(), boot_id)
