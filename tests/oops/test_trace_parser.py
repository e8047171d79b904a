# SPDX-License-Identifier: GPL-2.0-or-later
from collections.abc import Sequence
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from klogd_py.line_prefix.reader import read_line
from klogd_py.oops.code_lines import CodeBytes
from klogd_py.oops.trace_buffer import MAX_HELD_RECORDS, TraceBuffer
from klogd_py.oops.trace_parser import Frame, SymbolizedAddress, Trace, parse_trace
from klogd_py.record.types import USER, Cause, Gap, Record

OOPS = [
    "BUG: kernel NULL pointer dereference, address: 0000000000000000",
    "RIP: 0010:0xffffffffa9720a2a",
    "Code: 31 c0 <89> 04 25",
    "Call Trace:",
    " <TASK>",
    " 0xffffffffa96d79f4",
    " ? 0xffffffffa96d0001",
    " 0xffffffffa9a000af",
    "RIP: 0033:0x000000000047b7a0",
    "Code: 40 00 <48> 3d",
    " </TASK>",
    "Modules linked in: lkdtm nic(O) [last unloaded: gone]",
    "---[ end trace 0000000000000000 ]---",
]


def test_oops_yields_frames_code_and_modules() -> None:
    trace = parse_trace(OOPS)
    assert trace.frames == (
        Frame(0xFFFFFFFFA9720A2A, exact=True),
        Frame(0xFFFFFFFFA96D79F4),
        Frame(0xFFFFFFFFA96D0001, reliable=False),
        Frame(0xFFFFFFFFA9A000AF, called_previous=True, is_kernel_entry=True),
    )
    assert trace.code == (CodeBytes(0xFFFFFFFFA9720A28, bytes.fromhex("31c0890425")),)
    assert trace.modules == ("lkdtm", "nic")


def test_all_unreliable_frames_are_kept() -> None:
    trace = parse_trace(["Call Trace:", " ? 0xffffffffa96d79f4", " ? 0xffffffffa9a000af"])
    assert trace.frames == (
        Frame(0xFFFFFFFFA96D79F4),
        Frame(0xFFFFFFFFA9A000AF, called_previous=True),
    )


@pytest.mark.parametrize(
    "line",
    [
        "#PF: supervisor instruction fetch in kernel mode",
        "kernel tried to execute NX-protected page - exploit attempt?",
    ],
)
def test_bytes_at_bad_pc_are_no_code(line: str) -> None:
    assert parse_trace([line, *OOPS]).code == ()


def test_symbol_beside_address_is_recorded() -> None:
    trace = parse_trace(
        [
            " [<ffffffff81078a90>] kthread+0x90/0xa0",
            " [<ffffffffa0000010>] ? nic_probe+0x10/0x20 [nic]",
        ]
    )
    assert trace.symbolized == (
        SymbolizedAddress(0xFFFFFFFF81078A90, "kthread", 0x90, 0xA0),
        SymbolizedAddress(0xFFFFFFFFA0000010, "nic_probe", 0x10, 0x20, "nic"),
    )


def test_code_words_are_read_little_endian() -> None:
    trace = parse_trace(["pc : 0xffff800008123456", "Code: 91056108 (d4210000)"])
    assert trace.code == (CodeBytes(0xFFFF800008123452, bytes.fromhex("08610591000021d4")),)


@pytest.mark.parametrize("code", ["Code: 0f0 0b", "Code: ", "Code: zz 0b"])
def test_code_line_without_numbers_has_no_bytes(code: str) -> None:
    pc = "RIP: 0010:0xffffffffa9720a2a"
    assert parse_trace([pc, code]).code == ()
    assert parse_trace([pc, "Code: 0f 0b"]).code == (CodeBytes(0xFFFFFFFFA9720A2A, b"\x0f\x0b"),)


def test_code_of_two_register_blocks_is_kept_apart() -> None:
    first, second = "RIP: 0010:0xffffffffa9720a2a", "RIP: 0010:0xffffffffb9720a2a"
    trace = parse_trace([first, second, "Code: 0f <0b> 90", "Code: 90 90"])
    assert trace.code == (CodeBytes(0xFFFFFFFFB9720A29, b"\x0f\x0b\x90"),)


def test_prefix_of_a_capture_is_no_evidence() -> None:
    records = [read_line(f"[    1.952082][   T43] {line}") for line in OOPS]
    assert parse_trace([record.text for record in records]) == parse_trace(OOPS)
    assert (records[0].caller, records[0].usec) == ("T43", 1952082)


@pytest.mark.parametrize(
    "line",
    [
        "BUG: KASAN: use-after-free in 0xffffffffa96d79f4",
        "Workqueue: events 0xffffffffa96d79f4",
        "hardirqs last  enabled at (303): [<ffffffffa96d79f4>] 0xffffffffa96d79f4",
        " #0: ffff88801c6f (&p->lock){+.+.}-{3:3}, at: 0xffffffffa96d79f4",
        "calling  0xffffffffa96d79f4 @ 1",
    ],
)
def test_address_outside_call_chain_is_no_frame(line: str) -> None:
    assert parse_trace([line, *OOPS]) == parse_trace(OOPS)
    assert parse_trace([*OOPS[:6], line, *OOPS[6:]]) == parse_trace(OOPS)


def test_link_register_is_not_exact() -> None:
    trace = parse_trace(["pc : [<ffffffc000d394c4>] lr : [<ffffffc000d394a0>] pstate: 60400145"])
    assert trace.frames == (Frame(0xFFFFFFC000D394C4, exact=True), Frame(0xFFFFFFC000D394A0))


def records(texts: list[str], caller: str = "", first_us: int = 0) -> list[Record | Gap]:
    return [Record(text, 4, usec=first_us + i, caller=caller) for i, text in enumerate(texts)]


def push(
    trace_buffer: TraceBuffer,
    items: Sequence[Record | Gap],
    now_s: float,
    *,
    may_hold: bool = True,
) -> tuple[list[Record | Gap], list[Trace]]:
    """What goes on when a buffer is given these items, and what the traces that ended prove."""
    count = sum(isinstance(item, Record) for item in items)
    observed = trace_buffer.push(items, range(count), now_s, may_hold=may_hold)
    return observed.ready, [parse_trace(trace.lines) for trace in observed.traces]


def test_only_records_of_oops_are_held() -> None:
    trace_buffer = TraceBuffer()
    plain = records(["usb 1-1: new device", "NET: up"])
    oops = records(OOPS)
    assert push(trace_buffer, [*plain, *oops[:5]], 0.0) == (plain, [])
    ready, traces = push(trace_buffer, oops[5:], 0.1)
    assert (ready, traces) == (oops, [parse_trace(OOPS)])
    assert trace_buffer.is_empty


def test_records_are_held_one_second_at_most() -> None:
    trace_buffer = TraceBuffer()
    oops = records(OOPS[:5])
    assert push(trace_buffer, oops, 10.0) == ([], [])
    assert trace_buffer.deadline() == 11.0
    assert push(trace_buffer, [], 10.5) == ([], [])
    assert push(trace_buffer, [], 11.0) == (oops, [parse_trace(OOPS[:5])])
    assert trace_buffer.deadline() is None


def test_timestamps_second_apart_split_oops() -> None:
    trace_buffer = TraceBuffer()
    early, late = records(OOPS[:6]), records(OOPS[:6], first_us=2_000_000)
    ready, traces = push(trace_buffer, [*early, *late], 0.0)
    assert (ready, len(traces)) == (early, 1)


def test_interleaved_oopses_are_separated_by_caller() -> None:
    trace_buffer = TraceBuffer()
    one, two = (
        records(OOPS, "T7"),
        records([line.replace("ffffffffa9", "ffffffffb1") for line in OOPS], "C1"),
    )
    mixed = [record for pair in zip(one, two, strict=True) for record in pair]
    ready, traces = push(trace_buffer, mixed, 0.0)
    assert ready == mixed
    assert [trace.frames[1].address for trace in traces] == [0xFFFFFFFFA96D79F4, 0xFFFFFFFFB16D79F4]


def test_other_callers_wait_behind_oops() -> None:
    trace_buffer = TraceBuffer()
    oops, other = records(OOPS, "T7"), records(["NET: up"], "T9")
    assert push(trace_buffer, [*oops[:3], *other], 0.0) == ([], [])
    assert push(trace_buffer, oops[3:], 0.0)[0] == [*oops[:3], *other, *oops[3:]]


def test_oops_lines_of_a_process_are_not_held() -> None:
    trace_buffer = TraceBuffer()
    forged: list[Record | Gap] = [Record(text, USER << 3 | 4) for text in OOPS]
    assert push(trace_buffer, forged[:5], 0.0) == (forged[:5], [])


def test_unheld_stream_still_yields_traces() -> None:
    trace_buffer = TraceBuffer()
    oops = records(OOPS)
    assert push(trace_buffer, oops[:5], 0.0, may_hold=False) == (oops[:5], [])
    assert push(trace_buffer, oops[5:], 0.0, may_hold=False) == (oops[5:], [parse_trace(OOPS)])


def test_number_of_held_records_is_limited() -> None:
    trace_buffer = TraceBuffer()
    flood = records(
        [OOPS[0], *[f" {0xFFFFFFFF81000000 + i:#x}" for i in range(MAX_HELD_RECORDS * 3)]]
    )
    ready = []
    for start in range(0, len(flood), 500):
        ready += push(trace_buffer, flood[start : start + 500], 0.0)[0]
    assert len(flood) - len(ready) < MAX_HELD_RECORDS
    assert ready == flood[: len(ready)]


TEXTS = st.sampled_from([*OOPS, "NET: up", "usb 1-1: new device"])
ITEMS = st.one_of(
    st.builds(
        Record,
        TEXTS,
        st.just(4),
        st.none(),
        st.integers(0, 3_000_000),
        caller=st.sampled_from(["", "T1", "C0"]),
    ),
    st.just(Gap(1, 2, Cause.OVERRUN)),
)


@given(
    st.lists(st.tuples(st.lists(ITEMS, max_size=8), st.floats(0, 1.5), st.booleans()), max_size=12)
)
def test_buffer_keeps_order_and_time_limit(
    steps: list[tuple[list[Record | Gap], float, bool]],
) -> None:
    trace_buffer = TraceBuffer()
    given_at: list[tuple[Record | Gap, float]] = []
    ready: list[Record | Gap] = []
    now_s = 0.0
    for batch, pause_s, hold in steps:
        now_s += pause_s
        given_at += [(item, now_s) for item in batch]
        ready += push(trace_buffer, batch, now_s, may_hold=hold)[0]
        waiting = [since_s for _, since_s in given_at[len(ready) :]]
        assert all(now_s - since_s < 1.0 for since_s in waiting)
        due_s = trace_buffer.deadline()
        assert due_s is not None or not waiting
        assert due_s is None or due_s < now_s + 1.001
    ready += trace_buffer.flush().ready
    assert ready == [item for item, _ in given_at]
    assert all(before <= after for (_, before), (_, after) in pairwise(given_at))
