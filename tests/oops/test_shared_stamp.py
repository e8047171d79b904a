# SPDX-License-Identifier: GPL-2.0-or-later
"""A line of a capture may be a user's string, printed by the kernel with its line feeds."""

import weakref

import pytest

from klogd_py.line_prefix.reader import read_line
from klogd_py.oops.provenance import Origin
from klogd_py.oops.shared_stamp import SharedStamp
from klogd_py.oops.trace_buffer import TraceBuffer
from klogd_py.record.types import Gap, Record

FORGED = [
    "[   12.345678][    T1] x[81]: segfault at 0 ip 0000000000401136 in a",
    "[   12.345678][    T1] Oops: 0002 [#1] SMP",
    "[   12.345678][    T1] RIP: 0010:0xffffffff81123456",
    "[   12.345678][    T1] Call Trace:",
    "[   12.345678][    T1]  0xffffffff81123456",
    "[   12.345679][    T1] ---[ end trace 0000000000000000 ]---",
]


class Referable(list[Record | Gap]):
    """A list to which there may be a weak reference."""


def traces(lines: list[str], origin: Origin = Origin.CAPTURE) -> int:
    """The records of all traces in some lines."""
    buffer = TraceBuffer(origin)
    records: list[Record] = [read_line(line) for line in lines]
    observed = buffer.push(records, range(len(records)), 0.0, may_hold=True)
    ended = [*observed.traces, *buffer.flush().traces]
    return sum(len(trace.records) for trace in ended)


def test_line_with_stamp_of_user_string_proves_nothing() -> None:
    assert traces(FORGED) == 0
    assert traces(FORGED[1:]) == 5


def test_later_stamp_is_that_of_another_message() -> None:
    later = [line.replace("12.345678", "12.345680") for line in FORGED[1:]]
    assert traces([FORGED[0], *later]) == 5


def test_other_caller_is_that_of_another_message() -> None:
    other = [line.replace("T1]", "C3]") for line in FORGED[1:]]
    assert traces([FORGED[0], *other]) == 5


def test_process_name_may_have_made_the_next_line() -> None:
    named = "[   12.345678][    T1] CPU: 0 PID: 5 Comm: a Not tainted 6.1.0 #1"
    assert traces([named, *FORGED[1:5]]) == 0
    assert traces([named.replace("12.345678", "12.345670"), *FORGED[1:5]]) == 4


@pytest.mark.parametrize(
    "text", ["Modules linked in: a", "Call Trace:", "", "Hardware name: QEMU", "PGD 0 P4D 0"]
)
def test_line_without_users_words_changes_nothing(text: str) -> None:
    stamp = SharedStamp()
    assert not stamp.is_rest(read_line(f"[   12.345678] {text}"))
    assert not stamp.is_rest(read_line("[   12.345678] Oops: 0002 [#1] SMP"))


def test_clock_that_counts_ticks_tells_nothing() -> None:
    coarse = [line.replace("12.345678", "12.340000") for line in FORGED[:-1]]
    assert traces(coarse) == 4


def test_skipped_text_is_the_line_before() -> None:
    stamp = SharedStamp()
    stamp.skip(f"no stamp\n{FORGED[0]}\n".encode())
    assert stamp.is_rest(read_line(FORGED[1]))


def test_lines_passed_in_parts_are_looked_at() -> None:
    stamp = SharedStamp()
    stamp.skip(f"{FORGED[0]}\n".encode())
    stamp.pass_by([read_line("[   12.345678][    T1] Call Trace:")])
    stamp.skip(b"[   12.345678][    T1] PGD 0 P4D 0\n")
    assert stamp.is_rest(read_line(FORGED[1]))


def test_long_lines_that_passed_are_not_kept() -> None:
    stamp = SharedStamp()
    alive: list[weakref.ref[Referable]] = []
    for _ in range(9):
        items = Referable([Record("x" * 10_000)])
        stamp.pass_by(items)
        alive.append(weakref.ref(items))
    del items
    assert [found() is not None for found in alive] == [False] * 8 + [True]
