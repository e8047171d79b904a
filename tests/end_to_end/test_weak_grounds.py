# SPDX-License-Identifier: GPL-2.0-or-later
"""What `translate` says of lines that it named though no kernel prints such a line."""

import subprocess
import sys
from pathlib import Path

import pytest

MAP = "c0100000 T _text\nc010b800 T do_fork\nc010b900 T sys_fork\nc0200000 A _end\n"
PLAIN = "a line of no interest\n"
FRAME = "EIP:    0010:[<c010b860>]    Not tainted\n"
PROSE = "somebody said [<c010b860>] to me\n"


def translate(folder: Path, text: str, *options: str, through: str = "file") -> tuple[str, str]:
    map_file, file = folder / "System.map", folder / "text"
    map_file.write_text(MAP)
    file.write_text(text)
    command = [sys.executable, "-m", "klogd_py", "translate", "--map", str(map_file), *options]
    with file.open() as content:
        given = [str(file)] if through == "file" else []
        done = subprocess.run(
            [*command, *given],
            stdin=content,
            capture_output=True,
            text=True,
            timeout=60,
            check=True,
        )
    return done.stdout, done.stderr


@pytest.mark.parametrize("through", ["file", "pipe"])
def test_lines_in_prose_are_listed_by_number(tmp_path: Path, through: str) -> None:
    out, errors = translate(
        tmp_path, PLAIN * 3 + FRAME + PROSE + PLAIN * 2000 + PROSE, through=through
    )
    assert out.count("do_fork+0x60/0x100") == 3
    remark = "lines 5, 2006 named on weak grounds: no kernel prints an address in"
    if through == "file":
        # Not broken, since it begins with a path
        assert errors == f"klogd-py: {tmp_path / 'text'}: {remark} this form\n"
    else:
        assert errors == f"klogd-py: {remark}\nklogd-py:   this form\n"


def test_line_numbers_hold_where_a_slide_is_learnt(tmp_path: Path) -> None:
    out, errors = translate(tmp_path, PLAIN * 3000 + PROSE, "--slide", "0")
    assert out.endswith("somebody said [do_fork+0x60/0x100] to me\n")
    assert "line 3001 named on weak grounds" in errors


def test_many_weak_lines_are_counted_not_listed(tmp_path: Path) -> None:
    _, errors = translate(tmp_path, PROSE * 100)
    assert "lines 1, 2, 3, 4, 5, 6, 7, 8, 9, 10 and 90 more named on weak grounds" in errors


def test_nothing_is_said_of_whole_lines(tmp_path: Path) -> None:
    assert translate(tmp_path, PLAIN + FRAME) == (
        PLAIN + FRAME.replace("<c010b860>", "do_fork+0x60/0x100"),
        "",
    )
