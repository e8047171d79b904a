# SPDX-License-Identifier: GPL-2.0-or-later
import io
import os
import pty

import pytest

from klogd_py.system.progress import FIRST_AFTER_S, PERIOD_S, Progress, ProgressLine
from tests.terminals import read_to_end

MIB = 1 << 20


@pytest.mark.parametrize(
    ("progress", "text"),
    [
        (
            Progress(30 * MIB, 120 * MIB, 2000, 3),
            "30 of 120 MiB, 2,000 lines, 3 frames named, 0:30 left",
        ),
        (Progress(5 * MIB, None, 7, 0), "5 MiB, 7 lines, 0 frames named"),
        (Progress(0, 9 * MIB, 0, 0), "0 of 9 MiB, 0 lines, 0 frames named"),
        (Progress(9 * MIB, 9 * MIB, 1, 1), "9 of 9 MiB, 1 lines, 1 frames named, 0:00 left"),
    ],
)
def test_progress_says_how_long_it_takes(progress: Progress, text: str) -> None:
    assert progress.describe(10.0) == text


def test_line_comes_late_and_is_erased() -> None:
    readable, writable = pty.openpty()
    now_s = 0.0
    with os.fdopen(writable, "w") as terminal:
        line = ProgressLine(terminal, lambda: now_s)
        line.erase()
        assert not line.is_due
        now_s = FIRST_AFTER_S
        assert line.is_due
        line.show(Progress(0, None, 1, 0))
        assert not line.is_due
        now_s += PERIOD_S
        assert line.is_due
        line.erase()
        line.erase()
    assert read_to_end(readable) == b"\r\x1b[Kklogd-py: 0 MiB, 1 lines, 0 frames named\r\x1b[K"


def test_nothing_is_due_without_a_terminal() -> None:
    now_s = 99.0
    assert not ProgressLine(io.StringIO(), lambda: now_s).is_due
