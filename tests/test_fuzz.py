# SPDX-License-Identifier: GPL-2.0-or-later
"""The fuzzer itself: that it runs, and that it says what it stumbled over."""

from pathlib import Path

import pytest

from tests.fuzz.__main__ import main

pytest.importorskip("atheris", reason="needs atheris, which scripts/fuzz installs")


def test_fuzzing_for_a_second_finds_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["find", "--seconds", "1", "--keep", str(tmp_path)]) == 0
    name, runs, covered, word = capsys.readouterr().out.splitlines()[1].split()
    assert (name, word) == ("find", "ok")
    assert int(runs) > 300
    assert int(covered) > 20


def test_an_unknown_target_is_a_wrong_call(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["nothing"])
    assert ended.value.code == 2
    assert "no such target: nothing" in capsys.readouterr().err
