# SPDX-License-Identifier: GPL-2.0-or-later
"""What a run with ``--input`` prints of the records that a user selects."""

import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.cli.test_inputs import run, texts
from tests.waiting import wait_until

BOOTS = b"""\
<6>[    1.000000] one
<3>[    2.000000] two ERROR
<28>[    3.000000] three
<6>[    0.000000] Linux version 6.1.0
<2>[    1.500000] five
<6>[    0.100000] Linux version 6.2.0
<6>[    4.000000] seven
"""
TIMES = b"".join(
    b"2026-11-26T10:00:%02d+00:00 host kernel: line %d\n goes on %d\n" % (i, i, i)
    for i in range(0, 60, 10)
)


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (["--level", "err+"], ["two ERROR", "five"]),
        (["-l", "warn"], ["three"]),
        (["--facility", "daemon"], ["three"]),
        (["--boot", "0"], ["Linux version 6.2.0", "seven"]),
        (["--boot", "-1"], ["Linux version 6.1.0", "five"]),
        (["-b", "-2"], ["one", "two ERROR", "three"]),
        (["--boot", "1"], ["one", "two ERROR", "three"]),
        (["--grep", "error"], ["two ERROR"]),
        (["--grep", "Error"], []),
        (["-g", "^t", "--level", "+warn"], ["three"]),
    ],
)
@pytest.mark.parametrize("source", ["file", "-"])
def test_selected_records_of_input_are_printed(
    options: list[str], expected: list[str], source: str, tmp_path: Path
) -> None:
    (tmp_path / "file").write_bytes(BOOTS)
    found = run(tmp_path, "--input", source, *options, text=BOOTS)
    assert (found.returncode, texts(found.stdout)) == (0, expected)


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (["--since", "2026-11-26 10:00:40 UTC"], [40, 50]),
        (["--until", "2026-11-26 10:00:15 UTC"], [0, 10]),
        (["-S", "@1795687220", "-U", "@1795687230"], [20, 30]),
    ],
)
def test_lines_of_selected_times_are_printed(
    options: list[str], expected: list[int], tmp_path: Path
) -> None:
    found = run(tmp_path, "--input", "-", "--input-format", "syslog", *options, text=TIMES)
    lines = [text.split()[-1] for text in found.stdout.decode().splitlines()]
    assert lines == [str(second) for second in expected for _ in range(2)]


@pytest.mark.parametrize(
    ("dates", "since", "expected", "told"),
    [
        (("05/25/2023", "06/01/2023"), "2023-05-30", ["b"], False),
        (("25/05/2023", "01/06/2023"), "2023-05-30", ["b"], False),
        (("06/01/2023", "06/25/2023"), "2023-05-30", ["a", "b"], False),
        (("2023-05-25", "06/01/2023"), "2023-05-30", [], True),
        (("25/05/2023", "05/26/2023"), "2023-05-30", [], False),
    ],
)
def test_file_tells_order_of_day_and_month(
    dates: tuple[str, str], since: str, expected: list[str], told: bool, tmp_path: Path
) -> None:
    lines = [f"{date} 10:00:00 [    1.00000{at}] {'ab'[at]}\n" for at, date in enumerate(dates)]
    (tmp_path / "file").write_text("".join(lines))
    found = run(tmp_path, "--input", "file", "--since", since)
    assert (found.returncode, texts(found.stdout)) == (0, expected)
    remark = [line for line in found.stderr.decode().splitlines() if "read as" not in line]
    assert [line.partition(": ")[0] for line in remark] == ["klogd-py"] * (2 if told else 0)
    assert ("lines with a date such as 05/06/2023: 1;" in "".join(remark)) is told


def test_holes_stay_visible_in_a_selection(tmp_path: Path) -> None:
    kmsg = b"3,1,1000,-;one\n6,2,2000,-;two\n3,9,3000,-;nine\n"
    found = run(tmp_path, "--input", "-", "--level", "err", text=kmsg)
    shown = found.stdout.decode()
    assert [word in shown for word in ("one", "two", "nine")] == [True, False, True]
    assert "6 kernel records missing (sequence numbers 3 to 8)" in shown


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--since", "-1h"], b"no line states a time of day"),
        (["--boot", "9"], b"the log has no boot 9; its last one is 3"),
    ],
)
def test_selection_that_cannot_be_made_is_told(
    options: list[str], words: bytes, tmp_path: Path
) -> None:
    found = run(tmp_path, "--input", "-", *options, text=BOOTS)
    assert (found.returncode, found.stdout) == (0, b"")
    assert words in found.stderr


@pytest.mark.parametrize(
    ("log", "words", "remedy"),
    [
        (BOOTS, "only 3 boots", "name a boot from 0, the last, to -2"),
        (BOOTS[:20], "only 1 boot", "leave out --boot"),
    ],
)
def test_boot_before_the_first_is_refused(
    log: bytes, words: str, remedy: str, tmp_path: Path
) -> None:
    found = run(tmp_path, "--input", "-", "--boot", "-9", text=log)
    assert found.returncode == 1
    assert found.stderr.decode().splitlines()[-2:] == [
        f"klogd-py: no kernel messages to read: the log has {words}",
        f"klogd-py: {remedy}",
    ]


@pytest.mark.parametrize(
    "arguments",
    [
        ["--level", "err", "--sink", "syslog"],
        ["--boot", "0"],
        ["--follow", "--once"],
        ["--input", "-", "--since", "2026-11-26", "--until", "2026-11-25"],
        ["translate", "--level", "err"],
        ["--input", "-", "--level", "loud"],
    ],
)
def test_selection_without_meaning_is_wrong_usage(arguments: list[str], tmp_path: Path) -> None:
    found = run(tmp_path, *arguments)
    assert (found.returncode, found.stdout) == (2, b"")
    assert len(found.stderr.splitlines()) == 2


@pytest.mark.parametrize(("option", "old"), [("--follow", ["old"]), ("--follow-new", [])])
def test_followed_file_may_rotate_and_shrink(option: str, old: list[str], tmp_path: Path) -> None:
    log, out = tmp_path / "kern.log", tmp_path / "out"
    log.write_text("<6>old\n")
    words = [sys.executable, "-m", "klogd_py", "--config", "/dev/null", "--input", str(log), option]

    def shown() -> list[str]:
        return [text for text in texts(out.read_bytes()) if text != "begun"]

    def begins() -> bool:
        _append(log, "<6>begun\n")
        time.sleep(0.2)
        return "begun" in texts(out.read_bytes())

    with out.open("wb") as file:
        process = subprocess.Popen(words, stdout=file)
        try:
            wait_until(begins)
            log.rename(tmp_path / "kern.log.1")
            log.write_text("<6>after rotation\n")
            wait_until(lambda: shown() == [*old, "after rotation"])
            log.write_text("")
            _append(log, "<6>cut\n")
            wait_until(lambda: shown() == [*old, "after rotation", "cut"])
        finally:
            process.terminate()
            assert process.wait(20) == 0


def _append(path: Path, text: str) -> None:
    with path.open("a") as file:
        file.write(text)
