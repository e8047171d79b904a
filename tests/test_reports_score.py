# SPDX-License-Identifier: GPL-2.0-or-later
"""Test the command that compares found reports with what is expected of logs."""

import json
from pathlib import Path

import pytest

from tests.corpus.report_score import main
from tests.reports.lines import NULL_DEREF, ORDINARY, WARNING

TITLE = "BUG: unable to handle kernel NULL pointer dereference in nic_read"


def collection(folder: Path, *logs: str) -> Path:
    """A collection of logs of syzkaller."""
    place = folder / "syzkaller" / "linux" / "report"
    place.mkdir(parents=True)
    for number, log in enumerate(logs):
        (place / str(number)).write_text(log)
    entries = [
        {"path": f"syzkaller/linux/report/{number}", "origin": "syzkaller", "role": "log"}
        for number in range(len(logs))
    ]
    (folder / "index.json").write_text(json.dumps(entries))
    return folder


def test_found_crash_with_its_title_is_right(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    log = "\n".join([f"TITLE: {TITLE}", "", *NULL_DEREF, ""])
    assert main([str(collection(tmp_path, log))]) == 0
    shown = capsys.readouterr().out
    assert "null-deref               1      1            0      1      1       1/1       0" in shown
    assert "title equal, clean logs         1 of 1     100.0 %" in shown


def test_other_title_is_listed_as_miss(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    log = "\n".join(["TITLE: WARNING in nic_close", "", *WARNING, ""])
    assert main([str(collection(tmp_path, log))]) == 0
    assert "function: syzkaller/linux/report/0 | WARNING in nic_close" in capsys.readouterr().out


def test_damaged_logs_are_read_as_well(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    log = "\n".join([f"TITLE: {TITLE}", "", *NULL_DEREF, ""])
    assert main([str(collection(tmp_path, log)), "--damaged", "20"]) == 0
    assert "damaged logs without error     20 of 20" in capsys.readouterr().out


@pytest.mark.parametrize(
    "log", [f"\n{WARNING[0]}\n", f"TITLE: {TITLE}\n\n{ORDINARY}\n"], ids=["false alarm", "missed"]
)
def test_false_and_missed_crashes_fail_the_command(tmp_path: Path, log: str) -> None:
    assert main([str(collection(tmp_path, log))]) == 1


def test_folder_without_index_is_wrong_call(tmp_path: Path) -> None:
    with pytest.raises(SystemExit) as ended:
        main([str(tmp_path)])
    assert ended.value.code == 2
