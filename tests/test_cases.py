# SPDX-License-Identifier: GPL-2.0-or-later
"""The script that runs recorded cases, with cases of its own."""

import os
import subprocess
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[1] / "scripts/cases"


def write_cases(folder: Path, **scripts: str) -> Path:
    """Write a read-only folder of cases, each with these commands."""
    (folder / "lib.sh").write_text("greeting=hello\n")
    for name, commands in scripts.items():
        (folder / name).mkdir()
        (folder / name / "run.sh").write_text(commands)
        (folder / name).chmod(0o555)
    (folder / "notes").mkdir()
    return folder


def run(*arguments: str | Path, program: str = "/bin/true") -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "KLOGD_PY": program}
    command = [SCRIPT, *arguments]
    return subprocess.run(
        command, env=environment, capture_output=True, text=True, timeout=60, check=False
    )


def test_right_cases_are_counted_with_status_0(tmp_path: Path) -> None:
    good = '. ../lib.sh; echo x >made; [ "$greeting" = hello ] && [ "$KLOGD_PY" = /bin/true ]\n'
    done = run(write_cases(tmp_path, one=good, two="exit 77\n", three=good))
    assert done.returncode == 0
    assert done.stdout.splitlines() == [
        "ok    one",
        "ok    three",
        "skip  two: ",
        "2 right, 0 wrong, 1 skipped",
    ]
    assert not (tmp_path / "one/made").exists()


def test_wrong_case_is_shown_with_status_1(tmp_path: Path) -> None:
    bad = "echo fine; echo 'FAIL  no name'; exit 3\n"
    done = run(write_cases(tmp_path, bad=bad, good="exit 0\n"))
    assert done.returncode == 1
    assert done.stdout.splitlines() == [
        "FAIL  bad: exit status 3",
        "        FAIL  no name",
        "ok    good",
        "1 right, 1 wrong, 0 skipped",
    ]


def test_name_selects_cases_by_their_beginning(tmp_path: Path) -> None:
    write_cases(tmp_path, a1="exit 0\n", a2="exit 0\n", b1="exit 1\n")
    assert run(tmp_path, "a").stdout.splitlines()[-1] == "2 right, 0 wrong, 0 skipped"
    none = run(tmp_path, "c")
    assert (none.returncode, none.stderr) == (1, f"{tmp_path} has no such case\n")


@pytest.mark.parametrize(("arguments", "status"), [(["/nonexistent/cases"], 0), ([], 2)])
def test_missing_folder_of_cases_is_said(arguments: list[str], status: int) -> None:
    done = run(*arguments)
    assert (done.returncode, done.stdout) == (status, "")
    assert "/nonexistent/cases" in done.stderr or "usage: " in done.stderr
