# SPDX-License-Identifier: GPL-2.0-or-later
"""What a start finds: files that no issue lists, and counts that are lost."""

import re
from pathlib import Path

import msgspec

from klogd_py.record.report import Report
from klogd_py.spool.pending import Batch
from klogd_py.spool.reader import Spool
from tests.spool.batches import batch_of, report, writer


def opened(report: Report) -> Report:
    return msgspec.structs.replace(report, truncated=True)


def open_batch(*reports: Report) -> Batch:
    batch = Batch()
    for one in reports:
        batch.add_open(opened(one))
    return batch


def names(path: Path) -> list[str]:
    return sorted(one.stem for one in path.glob("2*.json"))


def test_early_files_of_displaced_reports_go(path: Path, spool: Spool) -> None:
    reports = [report(number) for number in range(10)]
    writer(path).store(open_batch(*reports))
    writer(path).store(batch_of(*reports, next_seq=200))
    assert names(path) == [reports[number].id for number in (0, 1, 2, 7, 8, 9)]
    assert writer(path).open(200).adopted == ()


def test_panic_of_displaced_report_leaves_no_file(path: Path, spool: Spool) -> None:
    reports = [report(number) for number in range(10)]
    writer(path).store(batch_of(*reports, next_seq=200))
    before = names(path)
    late = Batch(next_seq=200)
    late.add_open(msgspec.structs.replace(reports[4], panicked=True))
    late.add_open(msgspec.structs.replace(reports[9], panicked=True))
    writer(path).store(late)
    assert names(path) == before
    assert spool.load(reports[9].id).panicked


def test_counted_report_is_never_adopted(path: Path, spool: Spool) -> None:
    writer(path).store(batch_of(*(report(number) for number in range(10)), next_seq=200))
    # What a kill between the removal of files and the counts may leave
    (path / f"{report(4).id}.json").write_bytes(msgspec.json.encode(opened(report(4))))
    assert writer(path).open(200).adopted == ()
    assert writer(path, boot_id="0" * 32).open(0).adopted == ()
    assert [issue.count for issue in spool.issues().issues] == [10]


def test_start_counts_all_before_its_position(path: Path, spool: Spool) -> None:
    assert writer(path).open(40).counts.next_seq == 40


def test_lost_counts_are_made_of_reports(path: Path, spool: Spool) -> None:
    writer(path).store(batch_of(report(1), report(2), next_seq=9))
    for damage in ("{", "", '{"schema":9}'):
        (path / "issues.json").write_text(damage)
        found = writer(path).open(9)
        assert found.adopted == ()
        assert re.search(r"issues\.json: .*: made again of 2 reports", found.repair)
        assert [issue.count for issue in spool.issues().issues] == [2]
        assert writer(path).open(9).repair == ""


def test_lost_counts_of_earlier_boots_are_made(path: Path, spool: Spool) -> None:
    writer(path).store(batch_of(report(1), report(2), next_seq=9))
    (path / "issues.json").unlink()
    found = writer(path, boot_id="0" * 32).open(0)
    assert (found.adopted, found.counts.issues[0].count) == ((), 2)
    assert "issues.json: missing: made again of 2 reports" in found.repair


def test_counts_lost_meanwhile_are_made_again(path: Path, spool: Spool) -> None:
    writer(path).store(batch_of(report(1), report(2), next_seq=9))
    (path / "issues.json").write_text("{")
    stored = writer(path).store(batch_of(report(20), next_seq=30))
    assert "made again of 2 reports" in stored.repair
    assert [issue.count for issue in spool.issues().issues] == [3]


def test_open_report_comes_again_without_counts(path: Path, spool: Spool) -> None:
    writer(path).store(batch_of(report(30), next_seq=20))
    writer(path).store(open_batch(report(20)))
    (path / "issues.json").write_text("{")
    counts = writer(path).open(20).counts
    assert [issue.count for issue in counts.issues] == [1]
    assert counts.counted == (30,)
