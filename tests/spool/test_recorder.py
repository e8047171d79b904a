# SPDX-License-Identifier: GPL-2.0-or-later
"""Reports of the pipeline: described, kept, counted and announced once each."""

import asyncio
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from klogd_py.record.crash_kind import CrashKind
from klogd_py.record.report import Fingerprint, Report, ReportSeverity, Span
from klogd_py.record.types import Entry, Record
from klogd_py.reports.raw_report import RawReport, ReportLine
from klogd_py.spool.reader import Spool
from klogd_py.spool.recorder import ReportRecorder
from klogd_py.spool.settings import ReportSettings
from klogd_py.spool.store import RETRY_S, ReportStore
from klogd_py.system.jobs import Jobs
from tests.reports_made import BOOT_ID, make_report
from tests.virtual_time import run_in_virtual_time


def raw(seq: int, text: str = "WARNING: at f.c:1 f", **facts: bool) -> RawReport:
    line = ReportLine(Record(text, 4, seq, seq * 1000), text, seq)
    return msgspec.structs.replace(RawReport(CrashKind.WARNING, (line,)), **facts)


def describe(found: RawReport) -> Report:
    record = found.header.record
    assert record.seq is not None
    issue = f"1:{record.text[-1]}"
    seen = f"2026-11-27T18:04:05.{record.seq:06d}Z"
    return make_report(
        id=f"id-{record.seq}",
        kind=found.kind.value,
        severity=ReportSeverity.WARNING,
        fingerprint=Fingerprint(issue, issue, issue),
        seq=Span(record.seq, record.seq),
        first_seen=seen,
        last_seen=seen,
        panicked=found.panicked,
        text=(record.text,),
    )


def describe_one_line(found: RawReport) -> Report:
    (_,) = found.lines
    return describe(found)


class Recorded:
    """A recorder, and what it has given to the sinks."""

    def __init__(
        self,
        path: Path | None,
        boot_id: str = BOOT_ID,
        describe: Callable[[RawReport], Report] = describe,
    ) -> None:
        self.entries: list[Entry] = []
        self.store = ReportStore(boot_id, Jobs())
        self.recorder = ReportRecorder(describe, self.entries.extend, self.store, Jobs())
        self.recorder.configure(ReportSettings(spool=path))

    @property
    def announced(self) -> list[tuple[str, int]]:
        """The id and the count of each report that was announced."""
        return [(one.report.id, one.report.count) for one in self.entries if one.report is not None]

    async def settle(self) -> None:
        """Wait until all is written."""
        await self.store.finish(10.0)


def test_report_is_announced_and_kept(tmp_path: Path) -> None:
    found = Recorded(tmp_path / "reports")

    async def job() -> None:
        await found.recorder.start(0)
        found.recorder.take(raw(7))
        await found.settle()

    asyncio.run(job())
    assert found.announced == [("id-7", 1)]
    assert Spool(tmp_path / "reports").load("id-7").text == ("WARNING: at f.c:1 f",)
    assert found.recorder.counts.by_kind == {("warning", ReportSeverity.WARNING): 1}
    assert found.recorder.counts.spool.reports == 1


def test_report_that_is_not_understood_is_kept(tmp_path: Path) -> None:
    found = Recorded(tmp_path / "reports", describe=describe_one_line)

    async def job() -> None:
        await found.recorder.start(0)
        whole = raw(7)
        found.recorder.take(msgspec.structs.replace(whole, lines=(*whole.lines, *whole.lines)))
        await found.settle()

    asyncio.run(job())
    assert found.announced == [("id-7", 1)]
    assert Spool(tmp_path / "reports").load("id-7").text == ("WARNING: at f.c:1 f",) * 2


def test_thousand_repeats_make_few_entries(tmp_path: Path) -> None:
    found = Recorded(tmp_path / "reports")

    async def job() -> None:
        await found.recorder.start(0)
        for seq in range(1000):
            found.recorder.take(raw(seq))
            if seq % 100 == 0:
                await asyncio.sleep(0.01)
        await found.recorder.finish(10.0)

    asyncio.run(job())
    assert found.announced == [("id-0", 1), ("id-999", 999)]
    spool = Spool(tmp_path / "reports")
    assert [issue.count for issue in spool.issues().issues] == [1000]
    assert [one.id for one in spool.list().summaries] == [
        f"id-{seq}" for seq in (0, 1, 2, 997, 998, 999)
    ]
    counts = found.recorder.counts
    assert (counts.total, counts.suppressed) == (1000, 998)


def test_report_before_the_start_is_known(tmp_path: Path) -> None:
    first, second = Recorded(tmp_path / "reports"), Recorded(tmp_path / "reports")

    async def job() -> None:
        await first.recorder.start(0)
        first.store.position = lambda: 20
        first.recorder.take(raw(30, "of a"))
        await first.settle()
        await second.recorder.start(20)
        for seq in (10, 30, 40):
            second.recorder.take(raw(seq, "of a"))
        await second.settle()

    asyncio.run(job())
    assert second.announced == [("id-40", 1)]
    assert [issue.count for issue in Spool(tmp_path / "reports").issues().issues] == [2]


def test_reports_before_spool_is_read_wait(tmp_path: Path) -> None:
    found = Recorded(tmp_path / "reports")

    async def job() -> None:
        found.recorder.take(raw(7))
        assert (found.announced, found.recorder.lowest_seq) == ([], 7)
        await found.recorder.start(0)
        assert found.announced == [("id-7", 1)]
        await found.settle()

    asyncio.run(job())
    assert found.recorder.lowest_seq is None


def test_open_report_is_written_and_not_announced(tmp_path: Path) -> None:
    found = Recorded(tmp_path / "reports")

    async def job() -> None:
        await found.recorder.start(0)
        found.recorder.take(raw(7, is_complete=False))
        await found.settle()

    asyncio.run(job())
    spool = Spool(tmp_path / "reports")
    assert found.announced == []
    assert spool.load("id-7").truncated
    assert spool.issues().issues == ()


def test_open_report_is_completed_and_counted(tmp_path: Path) -> None:
    found = Recorded(tmp_path / "reports")

    async def job() -> None:
        await found.recorder.start(0)
        found.recorder.take(raw(7, is_complete=False))
        found.recorder.take(raw(7))
        await found.settle()

    asyncio.run(job())
    spool = Spool(tmp_path / "reports")
    assert found.announced == [("id-7", 1)]
    assert not spool.load("id-7").truncated
    assert [issue.count for issue in spool.issues().issues] == [1]


def test_panic_behind_a_report_is_announced(tmp_path: Path) -> None:
    found = Recorded(tmp_path / "reports")

    async def job() -> None:
        await found.recorder.start(0)
        found.recorder.take(raw(7))
        found.recorder.take(raw(7, panicked=True))
        found.recorder.take(raw(7, panicked=True))
        await found.settle()

    asyncio.run(job())
    spool = Spool(tmp_path / "reports")
    assert [one.record.severity for one in found.entries] == [4, 2]
    # Whoever adds the counts up gets the number of reports.
    assert found.announced == [("id-7", 1), ("id-7", 0)]
    assert spool.load("id-7").panicked
    assert [issue.count for issue in spool.issues().issues] == [1]
    assert found.recorder.counts.total == 1


def describe_same_time(found: RawReport) -> Report:
    return msgspec.structs.replace(describe(found), id="id")


def test_equal_crashes_are_kept_each(tmp_path: Path) -> None:
    path = tmp_path / "reports"
    first, again = (Recorded(path, describe=describe_same_time) for _ in range(2))

    async def job() -> None:
        await first.recorder.start(0)
        for seq in (7, 8):
            first.recorder.take(raw(seq))
        first.recorder.take(raw(9, is_complete=False))
        await first.settle()
        # Killed; the ring is read again from the one that was not complete.
        await again.recorder.start(9)
        again.recorder.take(raw(9))
        await again.settle()

    asyncio.run(job())
    assert first.announced == [("id", 1)]
    assert again.announced == [("id-9", 1)]
    assert sorted(one.id for one in Spool(path).list().summaries) == ["id", "id-8", "id-9"]
    assert [issue.count for issue in Spool(path).issues().issues] == [3]


def test_same_crash_is_found_after_kill(tmp_path: Path) -> None:
    path = tmp_path / "reports"
    first, again = (Recorded(path, describe=describe_same_time) for _ in range(2))

    async def job() -> None:
        await first.recorder.start(0)
        first.recorder.take(raw(7, is_complete=False))
        first.recorder.take(raw(8, is_complete=False))
        await first.settle()
        await again.recorder.start(7)
        # In another order
        for seq in (8, 7):
            again.recorder.take(raw(seq))
        await again.settle()

    asyncio.run(job())
    assert sorted(one.id for one in Spool(path).list().summaries) == ["id", "id-8"]
    assert [issue.count for issue in Spool(path).issues().issues] == [2]


def test_damaged_counts_are_said_once(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = tmp_path / "reports"
    first, second = Recorded(path), Recorded(path, boot_id="0" * 32)

    async def job() -> None:
        await first.recorder.start(0)
        first.recorder.take(raw(7))
        await first.settle()
        (path / "issues.json").write_text("{")
        await second.recorder.start(0)
        second.recorder.take(raw(9, "of b"))
        await second.settle()

    asyncio.run(job())
    assert second.announced == [("id-9", 1)]
    assert [one.message.partition(": ")[0] for one in caplog.records] == ["counts of crashes"]


def test_left_report_of_earlier_boot_is_announced(tmp_path: Path) -> None:
    first = Recorded(tmp_path / "reports")
    second = Recorded(tmp_path / "reports", boot_id="0" * 32)

    async def job() -> None:
        await first.recorder.start(0)
        first.recorder.take(raw(7, is_complete=False))
        await first.settle()
        await second.recorder.start(0)

    asyncio.run(job())
    assert second.announced == [("id-7", 1)]
    assert second.recorder.counts.total == 1


def test_missing_directory_stops_no_announcement(tmp_path: Path) -> None:
    found = Recorded(tmp_path / "none" / "reports")

    async def job() -> None:
        await found.recorder.start(0)
        found.recorder.take(raw(7))
        await found.settle()

    asyncio.run(job())
    assert found.announced == [("id-7", 1)]
    assert "No such file or directory" in found.recorder.counts.spool.problem
    assert found.recorder.lowest_seq is None


def test_directory_that_appears_gets_what_waited(tmp_path: Path) -> None:
    found = Recorded(tmp_path / "late" / "reports")

    async def job() -> None:
        await found.recorder.start(0)
        found.recorder.take(raw(7))
        while not found.recorder.counts.spool.problem:
            await asyncio.sleep(0.01)
        (tmp_path / "late").mkdir()
        found.recorder.take(raw(8))
        await found.settle()

    asyncio.run(job())
    assert [one.id for one in Spool(tmp_path / "late/reports").list().summaries] == ["id-7", "id-8"]
    assert found.recorder.counts.spool.problem == ""


def test_what_could_not_be_written_is_retried(tmp_path: Path) -> None:
    found = Recorded(tmp_path / "late" / "reports")

    async def job() -> None:
        await found.recorder.start(0)
        found.recorder.take(raw(7))
        while not found.recorder.counts.spool.problem:
            await asyncio.sleep(0)
        (tmp_path / "late").mkdir()
        await asyncio.sleep(RETRY_S + 1)
        while found.recorder.counts.spool.problem:
            await asyncio.sleep(0)

    run_in_virtual_time(job())
    assert [one.id for one in Spool(tmp_path / "late/reports").list().summaries] == ["id-7"]


def test_without_spool_reports_are_announced() -> None:
    found = Recorded(None)

    async def job() -> None:
        await found.recorder.start(5)
        for seq in (4, 7):
            found.recorder.take(raw(seq))

    asyncio.run(job())
    assert found.announced == [("id-7", 1)]


def test_summary_comes_when_period_ends() -> None:
    found = Recorded(None)

    async def job() -> None:
        await found.recorder.start(0)
        for seq in range(5):
            found.recorder.take(raw(seq))
        await asyncio.sleep(59.0)
        assert found.announced == [("id-0", 1)]
        await asyncio.sleep(2.0)
        assert found.announced == [("id-0", 1), ("id-4", 4)]

    run_in_virtual_time(job())


def test_disabled_recorder_takes_no_report() -> None:
    found = Recorded(None)
    found.recorder.configure(ReportSettings(enabled=False))

    async def job() -> None:
        await found.recorder.start(0)
        found.recorder.take(raw(7))

    asyncio.run(job())
    assert (found.announced, found.recorder.counts.total) == ([], 0)
