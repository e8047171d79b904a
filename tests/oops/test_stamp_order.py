# SPDX-License-Identifier: GPL-2.0-or-later
"""Logs whose newest line is first, and others whose stamps are in no order."""

from hypothesis import given
from hypothesis import strategies as st

from klogd_py.line_prefix.reader import read_line
from klogd_py.oops.boot_boundary import BootBoundary, NextBoot

BANNER = "Linux version 6.1.192 (root@vm) (gcc) #1 SMP"
# Boots by which the direction is recognised
RECOGNISED = 7


def boots_of(lines: list[str]) -> list[tuple[int, NextBoot]]:
    """The boots that begin in a log, with the index of their first line."""
    boundary = BootBoundary()
    found = [boundary.detect(read_line(line)) for line in lines]
    return [(at, boot) for at, boot in enumerate(found) if boot is not None]


def stamped(*seconds: float) -> list[str]:
    return [f"[{each:12.6f}] text" for each in seconds]


def test_newest_first_log_is_one_boot() -> None:
    falling = stamped(*range(5000, 0, -2))
    assert [at for at, _ in boots_of(falling)] == list(range(1, RECOGNISED + 1))
    assert boots_of(stamped(*range(0, 5000, 2))) == []


def test_dense_newest_first_log_is_one_boot() -> None:
    falling = stamped(*(9 - at / 1000 for at in range(9000)))
    assert boots_of(falling) == []


def test_rise_in_newest_first_log_is_older_boot() -> None:
    newer, older = stamped(*range(90, 0, -2)), stamped(*range(400, 0, -2))
    assert boots_of([*newer, *older])[RECOGNISED:] == [(len(newer), NextBoot())]


def test_banner_in_newest_first_log_ends_boot() -> None:
    newer = [*stamped(*range(90, 0, -2), 0), f"[    0.000000] {BANNER}"]
    older = stamped(*range(400, 0, -2))
    assert boots_of([*newer, *older])[RECOGNISED:] == [(len(newer), NextBoot())]


def test_log_turns_forward_again_after_jumps() -> None:
    lines = [*stamped(*range(90, 0, -2)), *stamped(*range(100, 200, 2)), *stamped(5, 6)]
    found = [at for at, _ in boots_of(lines)]
    assert found[-1] == len(lines) - 2
    assert len(found) == RECOGNISED * 2 + 2


def test_boots_of_one_line_keep_their_zero() -> None:
    lines = [line for _ in range(20) for line in stamped(3, 0)]
    assert [at for at, _ in boots_of(lines)] == list(range(1, 40, 2))


STAMPS = st.lists(
    st.tuples(st.sampled_from([-4, -1.5, -0.2, 0, 0.2, 1.5, 4]), st.integers(1, 14)), max_size=8
)
OTHERS = st.sampled_from(
    [
        "no stamp",
        "x [    7.000000] y",
        "user  :notice: [    5.000000] x",
        f"[    2.000000] {BANNER}",
        "[    0.000000] x",
        "6,1,3000000,-;x",
    ]
)


@given(STAMPS, st.lists(st.tuples(st.integers(0, 60), OTHERS), max_size=3), st.data())
def test_skipping_in_any_order_changes_no_boot(
    moves: list[tuple[float, int]], others: list[tuple[int, str]], data: st.DataObject
) -> None:
    seconds, lines = 40.0, list[str]()
    for step, times in moves:
        for _ in range(times):
            seconds = max(0.0, seconds + step)
            lines += stamped(seconds)
    for at, other in others:
        lines.insert(at, other)
    one_by_one, at_once = BootBoundary(), BootBoundary()
    while lines:
        size = data.draw(st.integers(1, 12))
        part, lines = lines[:size], lines[size:]
        begun = [one_by_one.detect(read_line(line)) for line in part]
        text = "".join(f"{line}\n" for line in part).encode()
        if at_once.is_same_boot(text):
            at_once.skip(text)
            assert begun == [None] * len(part)
        else:
            assert begun == [at_once.detect(read_line(line)) for line in part]
