# SPDX-License-Identifier: GPL-2.0-or-later
"""The stage finds the reports in what passes, holds nothing back, and reads nothing twice."""

import msgspec

from klogd_py.oops.boot_boundary import NextBoot
from klogd_py.oops.provenance import Origin
from klogd_py.pipeline.batch import Batch, Symbolized
from klogd_py.pipeline.report_stage import ReportStage
from klogd_py.pipeline.symbol_stage import raw_entry
from klogd_py.record.crash_kind import CrashKind
from klogd_py.record.types import Cause, Gap, Record
from klogd_py.reports.detection.open_report import SILENCE_S
from klogd_py.reports.raw_report import RawReport
from tests.reports.lines import NULL_DEREF, ORDINARY, WARNING, entries_of, texts_of


def batch_of(
    texts: list[str],
    first_seq: int = 100,
    *,
    prefix: int = 4,
    is_last: bool = False,
    next_boot: NextBoot | None = None,
) -> Batch:
    records = [one.record for one in entries_of(texts, first_seq=first_seq, prefix=prefix)]
    return symbolized(Batch(records, is_last=is_last, next_boot=next_boot))


def symbolized(batch: Batch) -> Batch:
    batch.symbolized = Symbolized([raw_entry(item) for item in batch.items])
    return batch


def live_stage() -> ReportStage:
    return ReportStage(Origin.RECORDS, live=True)


def test_batch_goes_on_at_once() -> None:
    batch = batch_of([*WARNING[:3]])
    assert live_stage().push(batch, 0.0) is batch
    assert batch.reports == ()


def test_report_comes_out_after_silence() -> None:
    stage = live_stage()
    stage.push(batch_of([ORDINARY, *WARNING]), 10.0)
    assert stage.deadline() == 10.0 + SILENCE_S
    (report,) = stage.push(symbolized(Batch([])), 10.0 + SILENCE_S).reports
    assert texts_of(report) == list(WARNING)
    assert stage.deadline() is None


def test_records_read_again_are_ignored() -> None:
    stage = live_stage()
    texts = [ORDINARY, *WARNING]
    stage.push(batch_of(texts), 0.0)
    again = stage.push(batch_of([ORDINARY, *texts, ORDINARY], 99), 0.0)
    assert again.reports == ()
    reports = stage.push(symbolized(Batch([])), SILENCE_S).reports
    assert [len(report.lines) for report in reports] == [len(WARNING)]


def test_rest_of_report_follows_after_rereading() -> None:
    """Before the ring is read again, nothing may be held; the report stays open."""
    stage = live_stage()
    (early,) = stage.push(batch_of(list(WARNING[:4]), is_last=True), 0.0).reports
    assert not early.is_complete
    stage.push(batch_of(list(WARNING[:4])), 0.0)
    stage.push(batch_of(list(WARNING[4:]), 104), 0.0)
    (whole,) = stage.push(symbolized(Batch([])), SILENCE_S).reports
    assert whole.is_complete
    assert texts_of(whole) == list(WARNING)
    assert whole.header.record == early.header.record


def test_end_of_capture_ends_its_report() -> None:
    stage = ReportStage(Origin.CAPTURE)
    (report,) = stage.push(batch_of(list(WARNING), is_last=True), 0.0).reports
    assert report.is_complete


def test_gap_before_header_shifts_no_index() -> None:
    stage = ReportStage(Origin.CAPTURE)
    records = [one.record for one in entries_of([ORDINARY, *WARNING], first_seq=104)]
    gap = Gap(100, 103, Cause.OVERRUN)
    (report,) = stage.push(symbolized(Batch([gap, *records], is_last=True)), 0.0).reports
    assert texts_of(report) == list(WARNING)


def test_next_boot_ends_reports_of_capture() -> None:
    stage = ReportStage(Origin.CAPTURE)
    batch = batch_of(list(NULL_DEREF[:14]), is_last=True, next_boot=NextBoot())
    (report,) = stage.push(batch, 0.0).reports
    assert report.is_complete
    (other,) = stage.push(batch_of(list(WARNING), 100, is_last=True), 0.0).reports
    assert not other.after_oops


def stamped_back(rest: list[str]) -> list[RawReport]:
    """The reports if another boot seems to begin behind the header."""
    stage = ReportStage(Origin.CAPTURE)
    stage.push(batch_of([NULL_DEREF[0]], is_last=True, next_boot=NextBoot()), 0.0)
    records = [one.record for one in entries_of(rest, start_us=1_000_000)]
    return list(stage.push(symbolized(Batch(records, is_last=True)), 0.0).reports)


def test_clock_of_another_processor_cuts_no_report() -> None:
    (report,) = stamped_back(list(NULL_DEREF[1:]))
    assert texts_of(report) == list(NULL_DEREF)
    assert not report.truncated


def test_header_without_rest_ends_with_its_boot() -> None:
    reports = stamped_back([ORDINARY, *WARNING])
    assert [(report.kind, report.truncated) for report in reports] == [
        (CrashKind.NULL_DEREF, True),
        (CrashKind.WARNING, False),
    ]


def test_early_boot_goes_on_in_no_report() -> None:
    """Its stamps may be close to those of the boot before it."""
    stage = ReportStage(Origin.CAPTURE)
    records = [one.record for one in entries_of([NULL_DEREF[0]], start_us=1_500_000)]
    stage.push(symbolized(Batch(records, is_last=True, next_boot=NextBoot())), 0.0)
    records = [one.record for one in entries_of([ORDINARY, *NULL_DEREF[11:]], start_us=100_000)]
    (report,) = stage.push(symbolized(Batch(records, is_last=True)), 0.0).reports
    assert (texts_of(report), report.truncated) == ([NULL_DEREF[0]], True)


def test_no_kinds_means_no_reports() -> None:
    stage = ReportStage(Origin.RECORDS, (), live=True)
    assert stage.push(batch_of(list(NULL_DEREF), is_last=True), 0.0).reports == ()


def test_lines_of_report_have_their_symbols() -> None:
    stage = ReportStage(Origin.CAPTURE)
    batch = batch_of([WARNING[0], " 0xffffffff81123456"], is_last=True)
    assert batch.symbolized is not None
    named = msgspec.structs.replace(batch.symbolized.entries[1], text=" nic_read+0x1d/0x60")
    batch.symbolized.entries[1] = named
    (report,) = stage.push(batch, 0.0).reports
    assert report.lines[1].text == " nic_read+0x1d/0x60"
    assert isinstance(report.lines[1].record, Record)
    assert report.lines[1].record.text == " 0xffffffff81123456"
