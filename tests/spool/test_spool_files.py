# SPDX-License-Identifier: GPL-2.0-or-later
"""Reports in real files: written, counted, kept within limits, and found again."""

import os
import stat
import subprocess
from datetime import datetime, timedelta, timezone
from pathlib import Path

import msgspec
import pytest

from klogd_py.spool.errors import AmbiguousName, BrokenReport, NoSuchReport, SpoolNotUsable
from klogd_py.spool.pending import Batch
from klogd_py.spool.reader import Spool
from klogd_py.spool.retention import DAY_S, Limits
from tests.needs import is_root, needs_mount
from tests.reports_made import BOOT_ID
from tests.spool.batches import batch_of, report, writer

NOW_S = 1_795_800_000.0


def ids(spool: Spool) -> list[str]:
    return [one.id for one in spool.list().summaries]


def test_written_report_is_loaded_as_it_was(path: Path, spool: Spool) -> None:
    usage = writer(path).store(batch_of(report(1))).usage
    assert spool.load(report(1).id) == report(1)
    assert (usage.reports, usage.issues, usage.problem) == (1, 1, "")
    assert usage.size_bytes == (path / f"{report(1).id}.json").stat().st_size


def test_undecodable_bytes_are_shown_in_hexadecimal(path: Path, spool: Spool) -> None:
    text = b"comm \xff\x80".decode("utf-8", "surrogateescape")
    writer(path).store(batch_of(msgspec.structs.replace(report(1), text=(text,))))
    assert spool.load(report(1).id).text == ("comm \\xff\\x80",)


def test_files_are_for_the_group_alone(path: Path, spool: Spool) -> None:
    before = os.umask(0)
    try:
        writer(path).store(batch_of(report(1)))
    finally:
        os.umask(before)
    modes = {one.name: stat.S_IMODE(one.stat().st_mode) for one in path.iterdir()}
    assert modes == {f"{report(1).id}.json": 0o640, "issues.json": 0o640, ".lock": 0o640}


def test_directory_is_made_for_its_group(path: Path) -> None:
    before = os.umask(0)
    try:
        writer(path).store(batch_of(report(1)))
    finally:
        os.umask(before)
    assert stat.S_IMODE(path.stat().st_mode) == 0o750
    assert writer(path).open(0).usage.reports == 1


def test_first_and_last_three_are_kept(path: Path, spool: Spool) -> None:
    for number in range(10):
        writer(path).store(batch_of(report(number)))
    assert ids(spool) == [report(number).id for number in (0, 1, 2, 7, 8, 9)]
    assert [issue.count for issue in spool.issues().issues] == [10]


def test_one_batch_of_thousand_is_counted_exactly(path: Path, spool: Spool) -> None:
    writer(path).store(batch_of(*(report(number) for number in range(1000))))
    assert [issue.count for issue in spool.issues().issues] == [1000]
    kept = [report(number).id for number in (0, 1, 2, 997, 998, 999)]
    assert sorted(ids(spool)) == kept
    assert spool.issues().issues[0].kept == tuple(kept)


def test_batch_that_failed_is_merged_exactly(path: Path, spool: Spool) -> None:
    failed = batch_of(*(report(number) for number in range(50)))
    failed.merge(batch_of(*(report(number) for number in range(50, 120))))
    writer(path).store(failed)
    assert [issue.count for issue in spool.issues().issues] == [120]
    assert len(spool.issues().counted) == 120


def test_counted_numbers_are_known_after_restart(path: Path, spool: Spool) -> None:
    writer(path).store(batch_of(report(20), report(30), next_seq=25))
    counts = writer(path).open(25).counts
    assert (counts.boot_id, counts.next_seq, counts.counted) == (BOOT_ID, 25, (30,))
    other = writer(path, boot_id="0" * 32)
    assert (other.open(0).counts.next_seq, other.open(0).counts.counted) == (0, ())


def test_open_report_is_completed_under_its_id(path: Path, spool: Spool) -> None:
    batch = Batch()
    batch.add_open(msgspec.structs.replace(report(1), text=("BUG: first line",)))
    writer(path).store(batch)
    assert spool.load(report(1).id).text == ("BUG: first line",)
    assert spool.issues().issues == ()
    writer(path).store(batch_of(report(1)))
    assert spool.load(report(1).id) == report(1)
    assert [issue.count for issue in spool.issues().issues] == [1]


def test_open_report_of_earlier_boot_is_adopted(path: Path, spool: Spool) -> None:
    batch = Batch()
    batch.add_open(report(1))
    writer(path).store(batch)
    opened = writer(path, boot_id="0" * 32).open(0)
    assert opened.adopted == (report(1),)
    assert [issue.count for issue in spool.issues().issues] == [1]
    assert writer(path, boot_id="0" * 32).open(0).adopted == ()


def test_open_report_of_this_boot_comes_again(path: Path, spool: Spool) -> None:
    batch = Batch()
    batch.add_open(report(7))
    writer(path).store(batch)
    assert writer(path).open(7).adopted == ()
    assert writer(path).open(8).adopted == (report(7),)


def test_panic_after_failed_batch_is_kept(path: Path, spool: Spool) -> None:
    failed = batch_of(report(1), report(2))
    later = Batch()
    later.add_open(msgspec.structs.replace(report(1), panicked=True))
    failed.merge(later)
    writer(path).store(failed)
    assert spool.load(report(1).id).panicked
    assert [issue.count for issue in spool.issues().issues] == [2]


def test_counted_issues_have_a_kept_report(path: Path, spool: Spool) -> None:
    batch = batch_of(*(report(number, f"1:{number:x}") for number in range(5)))
    usage = writer(path, Limits(reports=2)).store(batch).usage
    assert (usage.reports, usage.issues) == (2, 2)


def test_repeats_go_before_first_reports(path: Path, spool: Spool) -> None:
    for number in range(6):
        writer(path).store(batch_of(report(number, f"1:{number % 3:x}")))
        os.utime(path / f"{report(number).id}.json", (NOW_S + number, NOW_S + number))
    writer(path, Limits(reports=4)).store(batch_of(report(9, "1:0")))
    assert ids(spool) == [report(number).id for number in (0, 1, 2, 9)]
    writer(path, Limits(reports=2)).store(batch_of(report(10, "1:1")))
    assert ids(spool) == [report(1).id, report(2).id]
    counts = {issue.fingerprint: issue.count for issue in spool.issues().issues}
    assert counts == {"1:0": 3, "1:1": 3, "1:2": 2}


def test_size_of_all_reports_is_limited(path: Path, spool: Spool) -> None:
    size = len(msgspec.json.encode(report(1)))
    limited = writer(path, Limits(size_bytes=4 * size))
    usage = [limited.store(batch_of(report(number, f"1:{number:x}"))).usage for number in range(20)]
    assert max(one.size_bytes for one in usage) <= 4 * size
    assert usage[-1].reports == 4


def test_too_large_file_goes_before_reports(path: Path, spool: Spool) -> None:
    writer(path).store(batch_of(report(1), report(2, "1:bb")))
    (path / "issues.json").unlink()
    with (path / "0-large.json").open("wb") as large:
        large.truncate(1 << 40)
    writer(path).store(batch_of(report(3, "1:cc")))
    assert sorted(ids(spool)) == [report(1).id, report(2).id, report(3).id]
    assert not (path / "0-large.json").exists()


def test_reports_older_than_days_are_removed(path: Path, spool: Spool) -> None:
    writer(path).store(batch_of(report(1), report(2, "1:bb")))
    old = path / f"{report(1).id}.json"
    changed_s = old.stat().st_mtime - 91 * DAY_S
    os.utime(old, (changed_s, changed_s))
    writer(path).store(batch_of(report(3, "1:cc")))
    assert sorted(ids(spool)) == [report(2).id, report(3).id]


def test_huge_report_loses_end_of_its_text(path: Path, spool: Spool) -> None:
    text = tuple(f"line {number} {'x' * 4000}" for number in range(2000))
    writer(path).store(batch_of(msgspec.structs.replace(report(1), text=text)))
    found = spool.load(report(1).id)
    assert found.truncated
    assert found.text == text[: len(found.text)]
    assert 400 < len(found.text) < 2000


def test_names_are_found_by_their_beginning(path: Path, spool: Spool) -> None:
    writer(path).store(batch_of(report(1, "1:ab12"), report(2, "1:ab99"), report(3, "1:cc00")))
    assert spool.find("last") == report(3).id
    assert spool.find(report(2).id) == report(2).id
    assert spool.find("20261127-00001") == report(1).id
    assert spool.find("1:ab12") == spool.find("ab12") == report(1).id
    with pytest.raises(AmbiguousName, match="1:ab12, 1:ab99"):
        spool.find("ab")
    with pytest.raises(NoSuchReport):
        spool.find("zz")
    with pytest.raises(NoSuchReport):
        spool.load("../issues")


def test_fingerprint_means_the_newest_report(path: Path, spool: Spool) -> None:
    writer(path).store(batch_of(report(1), report(2), report(3)))
    assert spool.find("aa00") == report(3).id


def test_broken_files_are_named_and_skipped(path: Path, spool: Spool) -> None:
    writer(path).store(batch_of(report(1)))
    good = (path / f"{report(1).id}.json").read_bytes()
    (path / "cut.json").write_bytes(good[:200])
    (path / "renamed.json").write_bytes(good)
    (path / "empty.json").write_bytes(b"")
    (path / "list.json").write_bytes(b"[" * 100_000)
    with open(path / "huge.json", "wb") as file:
        file.truncate(1 << 40)
    (path / "link.json").symlink_to("/etc/passwd")
    os.mkfifo(path / "fifo.json")
    (path / "notes.txt").write_text("mine")
    (path / "directory.json").mkdir()
    listing = spool.list()
    assert [one.id for one in listing.summaries] == [report(1).id]
    assert sorted(one.name for one in listing.broken) == [
        *("cut.json", "directory.json", "empty.json", "fifo.json", "huge.json", "link.json"),
        *("list.json", "notes.txt", "renamed.json"),
    ]
    with pytest.raises(BrokenReport):
        spool.load("huge")
    with pytest.raises(BrokenReport, match="symbolic link"):
        spool.load("link")


WRONG_TIMES = [
    *("garbage", "2026-13-27T18:04:05Z", "2026-11-27T18:04:05+01:00", "20261127T180405Z"),
    "\u0662026-11-27T18:04:05Z",
    # No zone may move them out of the calendar.
    *("0001-01-01T00:00:00Z", "9999-12-31T23:59:59Z"),
]


@pytest.mark.parametrize("key", ["first_seen", "last_seen"])
@pytest.mark.parametrize("time", WRONG_TIMES)
def test_wrong_time_makes_a_file_broken(path: Path, spool: Spool, key: str, time: str) -> None:
    wrong = msgspec.structs.replace(report(2), **{key: time})
    for one in (report(1), wrong):
        (path / f"{one.id}.json").write_bytes(msgspec.json.encode(one))
    listing = spool.list()
    assert [one.id for one in listing.summaries] == [report(1).id]
    assert [(one.name, one.reason) for one in listing.broken] == [
        (f"{wrong.id}.json", f"not a report: {time!r} is not a time")
    ]
    with pytest.raises(BrokenReport, match="is not a time"):
        spool.load(wrong.id)
    assert [issue.count for issue in writer(path).open(99).counts.issues] == [1]


def test_report_without_times_is_whole(path: Path, spool: Spool) -> None:
    timeless = msgspec.structs.replace(report(1), first_seen="", last_seen="")
    writer(path).store(batch_of(timeless))
    assert spool.load(timeless.id) == timeless
    assert [one.last_seen for one in spool.issues().issues] == [""]


def test_wrong_time_makes_counts_again(path: Path, spool: Spool) -> None:
    writer(path).store(batch_of(report(1), next_seq=9))
    counts = path / "issues.json"
    counts.write_text(counts.read_text().replace("2026-11-27T", "yesterday"))
    found = writer(path).open(9)
    assert [issue.last_seen for issue in found.counts.issues] == [report(1).last_seen]
    assert "is not a time: made again of 1 report" in found.repair


def test_broken_files_stop_no_new_report(path: Path, spool: Spool) -> None:
    (path / "issues.json").unlink(missing_ok=True)
    (path / "issues.json").symlink_to("/etc/passwd")
    (path / f"{report(1).id}.json").symlink_to("/etc/passwd")
    os.mkfifo(path / f".{report(2).id}.json.new")
    before = Path("/etc/passwd").read_bytes()
    stored = writer(path).store(batch_of(report(1), report(2)))
    assert sorted(ids(spool)) == [report(1).id, report(2).id]
    assert stored.is_counted
    assert Path("/etc/passwd").read_bytes() == before


def test_left_temporary_file_is_removed(path: Path, spool: Spool) -> None:
    (path / ".20261127-00001.json.new").write_text("{")
    (path / ".hidden").write_text("mine")
    writer(path).open(0)
    assert sorted(one.name for one in path.iterdir()) == [".hidden", ".lock", "issues.json"]


def test_forgotten_report_takes_its_issue_along(path: Path, spool: Spool) -> None:
    writer(path).store(batch_of(report(1), report(2), report(3, "1:bb"), next_seq=40))
    assert spool.forget([report(1).id, "unknown"]) == 1
    assert len(spool.issues().issues) == 2
    assert spool.forget([report(2).id]) == 1
    assert [issue.fingerprint for issue in spool.issues().issues] == ["1:bb"]
    assert spool.issues().next_seq == 40


def test_old_reports_are_forgotten_by_age(path: Path, spool: Spool) -> None:
    old = msgspec.structs.replace(report(1), last_seen="2025-01-01T00:00:00Z")
    writer(path).store(batch_of(old, report(2)))
    # In another zone the text of this time would be before the first report.
    zone = timezone(timedelta(hours=-5))
    assert spool.forget_before(datetime(2024, 12, 31, 20, tzinfo=zone)) == 1
    assert ids(spool) == [report(2).id]


def test_start_makes_the_missing_directory(tmp_path: Path) -> None:
    opened = writer(tmp_path / "reports").open(0)
    assert opened.usage.problem == ""
    assert Spool(tmp_path / "reports").list().summaries == ()
    assert writer(tmp_path / "none" / "reports").open(0).usage.problem == ""


def test_missing_directory_is_said_by_name(tmp_path: Path) -> None:
    with pytest.raises(SpoolNotUsable, match=r"nothing.*No such file"):
        Spool(tmp_path / "nothing").list()
    problem = writer(tmp_path / "nothing" / "reports").store(batch_of(report(1))).usage.problem
    assert "No such file or directory" in problem


@pytest.mark.skipif(is_root(), reason="needs another user than root, who may write anywhere")
def test_directory_without_permission_is_a_problem(path: Path, spool: Spool) -> None:
    path.chmod(0o500)
    stored = writer(path).store(batch_of(report(1)))
    path.chmod(0o700)
    assert "Permission denied" in stored.usage.problem
    assert not stored.is_counted


@needs_mount
def test_full_disk_is_a_problem_until_emptied(tmp_path: Path) -> None:
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "none", str(tmp_path)], check=True)
    try:
        full = writer(tmp_path / "reports")
        full.open(0)
        (tmp_path / "fill").write_bytes(b"x" * 40_000)
        big = msgspec.structs.replace(report(1), text=("x" * 60_000,))
        stored = full.store(batch_of(big))
        assert "No space left on device" in stored.usage.problem
        names = sorted(one.name for one in (tmp_path / "reports").iterdir())
        assert [name for name in names if name.endswith(".new")] == []
        (tmp_path / "fill").unlink()
        assert full.store(batch_of(report(2))).usage.problem == ""
        assert ids(Spool(tmp_path / "reports")) == [report(2).id]
    finally:
        subprocess.run(["umount", str(tmp_path)], check=True)
