# SPDX-License-Identifier: GPL-2.0-or-later
import pytest
from hypothesis import given
from hypothesis import strategies as st

from klogd_py.line_prefix.reader import read_line
from klogd_py.oops.boot_boundary import BootBoundary, NextBoot, banner_release, split_lines
from klogd_py.record.types import USER, Record

BORDER = "-- Boot 0123456789abcdef0123456789abcdef --"
BANNER = "Linux version 6.1.192 (root@vm) (gcc) #1 SMP"


@pytest.mark.parametrize(
    ("texts", "expected"),
    [
        ([f"[    0.000000] {BANNER}", "[    0.100000] x"], [NextBoot("6.1.192"), None]),
        (["[    9.000000] x", "[    7.999999] x"], [None, NextBoot()]),
        (["[    9.000000] x", "[    8.000000] x", "[    9.000000] x"], [None, None, None]),
        (
            ["[    0.700000] x", "[    0.000000] x", f"[    0.000000] {BANNER}"],
            [None, NextBoot(), NextBoot("6.1.192")],
        ),
        (["[    9.000000] x", "no stamp", "[    1.000000] x"], [None, None, NextBoot()]),
        (["[    9.000000] x", BORDER, "[    1.000000] x"], [None, NextBoot(), None]),
        (
            ["Nov 25 10:41:07 a kernel: x", BORDER, "Nov 25 10:42:07 a kernel: x"],
            [None, NextBoot(), None],
        ),
        (
            ["[    9.000000] x", "-- Reboot --", f"[    9.500000] {BANNER}"],
            [None, NextBoot(), NextBoot("6.1.192")],
        ),
        (["[    9.000000] x", f"[    9.100000] {BORDER}", f"{BORDER} x"], [None, None, None]),
        (["[    9.000000] x", BANNER, "[    1.000000] x"], [None, NextBoot("6.1.192"), None]),
    ],
)
def test_boot_begins_with_banner_or_earlier_timestamp(
    texts: list[str], expected: list[NextBoot | None]
) -> None:
    boots = BootBoundary()
    assert [boots.detect(read_line(text)) for text in texts] == expected


def syslog_line(host: str, second: int, text: str = "x") -> str:
    return f"Nov 25 10:41:07 {host} kernel: [{second:5}.000000] {text}"


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        ([("a", 9), ("b", 900), ("a", 10), ("b", 901), ("a", 10)], [None] * 5),
        ([("a", 9), ("b", 900), ("a", 10), ("b", 7)], [None, None, None, NextBoot(host="b")]),
        # Files one behind the other
        ([("a", 900), ("b", 9), ("b", 10), ("a", 901)], [None, NextBoot(host="b"), None, None]),
    ],
)
def test_stamps_of_each_host_are_compared_apart(
    lines: list[tuple[str, int]], expected: list[NextBoot | None]
) -> None:
    boots = BootBoundary()
    assert [boots.detect(read_line(syslog_line(*line))) for line in lines] == expected


def test_text_of_another_host_is_not_skipped() -> None:
    boots = BootBoundary()
    for line in (("a", 900), ("b", 9), ("a", 901)):
        boots.detect(read_line(syslog_line(*line)))
    assert boots.is_same_boot(f"{syslog_line('a', 902)}\n{syslog_line('a', 903)}\n".encode())
    assert not boots.is_same_boot(f"{syslog_line('a', 902)}\n{syslog_line('b', 999)}\n".encode())
    assert not boots.observe_run([read_line(syslog_line("b", 999))], ["x"])


def test_process_line_begins_no_boot() -> None:
    boots = BootBoundary()
    assert boots.detect(Record(BANNER, USER << 3 | 5)) is None
    assert boots.detect(read_line(f"user  :notice: [    9.000000] {BANNER}")) is None
    assert boots.detect(read_line(f"<13>[    9.000000] {BANNER}")) is None
    assert boots.detect(read_line(f"13,1,9000000,-;{BANNER}")) is None
    assert boots.detect(read_line(f"5,1,9000000,-;{BANNER}")) == NextBoot("6.1.192")
    assert boots.detect(read_line(f"kern  :notice: [    9.000000] {BANNER}")) == NextBoot("6.1.192")


def test_lines_end_only_at_line_feeds() -> None:
    assert split_lines(b"a\x0cb\rc\x85d\x1ce\r\nf\n") == ["a\x0cb\rc\x85d\x1ce\r", "f"]


LINES = st.sampled_from(
    [
        "[    0.000000] x",
        f"[    0.000000] {BANNER}",
        "[    1.000000] x",
        "[    2.500000] x [    7.000000] y",
        "[    2.400000] x",
        "[    9.000000][    T1] x",
        "user  :notice: [    5.000000] x",
        "<13>[    8.000000] x",
        "no stamp [x]",
        BORDER,
        "6,1,3000000,-;x",
        "13,2,4000000,-;x",
        "",
    ]
)


@given(st.lists(st.lists(LINES, min_size=1, max_size=6), max_size=5))
def test_skipped_text_leaves_state_of_its_lines(texts: list[list[str]]) -> None:
    one_by_one, at_once = BootBoundary(), BootBoundary()
    for lines in texts:
        begun = [one_by_one.detect(read_line(line)) for line in lines]
        text = "".join(f"{line}\n" for line in lines).encode()
        if at_once.is_same_boot(text):
            at_once.skip(text)
            assert begun == [None] * len(lines)
        else:
            assert begun == [at_once.detect(read_line(line)) for line in lines]


def test_skipped_text_still_updates_the_last_timestamp() -> None:
    text = b"[    0.100000] x\nno stamp [1]\n[   12.000000] y\n[   12.000000] y [1]\n"
    boots = BootBoundary()
    assert boots.is_same_boot(text)
    boots.skip(text)
    assert boots.detect(read_line("[   10.000000] x")) == NextBoot()


@pytest.mark.parametrize("head", ["", "[    0.000000] ", "<5>[    0.000000][    T0] "])
def test_banner_states_the_release_behind_any_head(head: str) -> None:
    assert banner_release(read_line(head + BANNER).text) == "6.1.192"


@pytest.mark.parametrize("line", ["", "NET: up", "nicd: Linux version 6.1.0 (x)", "Linux version "])
def test_other_line_states_no_release(line: str) -> None:
    assert banner_release(line) is None
