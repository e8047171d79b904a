# SPDX-License-Identifier: GPL-2.0-or-later
import pytest
from hypothesis import given
from hypothesis import strategies as st

from klogd_py.pipeline.crash_counter import CRASH_SPAN_US
from klogd_py.pipeline.stats import Counters
from klogd_py.record.crash_kind import CrashKind
from klogd_py.record.types import (
    Cause,
    Entry,
    Gap,
    LookupFailure,
    Record,
    Severity,
    SymbolAddress,
    TimestampSource,
)


def record(
    seq: int | None, prefix: int | None = 6, text: str = "text", usec: int | None = 0
) -> Record:
    return Record(text, prefix, seq, usec)


def test_records_are_counted_by_severity() -> None:
    counters = Counters()
    counters.count_read([record(0, 3), record(1, 12), record(2, 4), record(3, None)])
    expected = {Severity.ERR: 1, Severity.WARNING: 2, Severity.INFO: 1}
    assert {severity: counters.severities[severity] for severity in Severity} == {
        severity: expected.get(severity, 0) for severity in Severity
    }
    assert counters.records == 4


@given(st.lists(st.integers(1, 5), min_size=1, max_size=20), st.data())
def test_reread_records_are_counted_once(sizes: list[int], data: st.DataObject) -> None:
    counters, upto = Counters(), 0
    for size in sizes:
        start = data.draw(st.integers(0, upto))
        counters.count_read([record(seq) for seq in range(start, upto + size)])
        upto += size
        assert (counters.records, counters.next_seq) == (upto, upto)


def test_gap_is_counted_once_by_cause() -> None:
    counters = Counters()
    batch: list[Record | Gap] = [record(0), Gap(1, 9, Cause.OVERRUN), record(10)]
    counters.count_read(batch)
    counters.count_read(batch)
    assert dict(counters.gaps) == {Cause.OVERRUN: 9}
    assert counters.records == 2


def test_records_without_numbers_are_counted() -> None:
    counters = Counters()
    counters.count_read([record(None)])
    counters.count_read([record(None)])
    assert (counters.records, counters.next_seq) == (2, None)


def test_reread_suppressed_records_are_counted_once() -> None:
    counters = Counters()
    batch: list[Record | Gap] = [record(0), Gap(1, 4, Cause.RATE_LIMIT)]
    counters.count_suppressed(batch)
    counters.count_suppressed(batch)
    assert counters.gaps[Cause.RATE_LIMIT] == 4


@pytest.mark.parametrize(
    ("prefix", "text"),
    [
        (1, "BUG: kernel NULL pointer dereference, address: 0000000000000000"),
        (4, "Oops: 0002 [#1] SMP"),
        (0, "Internal error: Oops: 96000045 [#1] SMP"),
        (1, "Unable to handle kernel paging request at virtual address dead"),
        (4, "general protection fault: 0000 [#1]"),
        (2, "kernel BUG at mm/slub.c:306!"),
        (0, "Kernel panic - not syncing: Fatal exception"),
    ],
)
def test_first_line_of_oops_counts_one_oops(prefix: int, text: str) -> None:
    counters = Counters()
    counters.crashes.count([record(0), record(1, prefix, text)])
    assert counters.crashes.last_oops is not None
    assert (counters.crashes.last_oops.text, counters.crashes.oopses) == (text, 1)


@pytest.mark.parametrize(
    ("prefix", "text"),
    [
        # A process says so
        (1 << 3 | 4, "Oops: 0002 [#1] SMP"),
        (6, "Oops is what this line at level info is about"),
        (4, "usb 1-1: device descriptor read/64, error -71"),
    ],
)
def test_other_lines_are_no_oops(prefix: int, text: str) -> None:
    counters = Counters()
    counters.crashes.count([record(0, prefix, text)])
    assert counters.crashes.last_oops is None
    assert not any(counters.crashes.by_kind.values())


def test_lines_of_one_oops_count_once() -> None:
    counters = Counters()
    first, second = (
        "BUG: kernel NULL pointer dereference, address: 0",
        "kernel BUG at mm/slub.c:306!",
    )
    counters.crashes.count([record(0, 1, first, 10), record(1, 4, "Oops: 0002", 20)])
    counters.crashes.count(
        [record(2, 0, "Kernel panic - not syncing: Fatal exception", CRASH_SPAN_US)]
    )
    assert counters.crashes.last_oops == record(0, 1, first, 10)
    counters.crashes.count([record(3, 1, second, 3 * CRASH_SPAN_US)])
    assert (counters.crashes.last_oops, counters.crashes.oopses) == (
        record(3, 1, second, 3 * CRASH_SPAN_US),
        2,
    )


def counted(*records: Record) -> dict[str, int]:
    """The kinds of crash that are counted in some records, without those that are not."""
    counters = Counters()
    counters.crashes.count(records)
    return {kind.value: count for kind, count in counters.crashes.by_kind.items() if count}


WARNING = "WARNING: CPU: 0 PID: 37 at drivers/x.c:235 nic_read+0x1/0x2"
KASAN = "BUG: KASAN: slab-use-after-free in nic_read+0x1/0x2"
HUNG_TASK = "INFO: task nicd:81 blocked for more than 120 seconds."
PANIC = "Kernel panic - not syncing: panic_on_warn set ..."


def test_warnings_are_counted_but_are_no_oops() -> None:
    counters = Counters()
    counters.crashes.count([record(0, 4, WARNING, 10), record(1, 3, HUNG_TASK, 20)])
    assert (
        counters.crashes.by_kind[CrashKind.WARNING],
        counters.crashes.by_kind[CrashKind.HUNG_TASK],
    ) == (1, 1)
    assert (counters.crashes.oopses, counters.crashes.last_oops) == (0, None)


def test_burst_counts_each_of_its_kinds_once() -> None:
    lines = [(3, KASAN), (4, WARNING), (3, KASAN), (0, PANIC), (4, WARNING)]
    burst = [record(at, prefix, text, at) for at, (prefix, text) in enumerate(lines)]
    assert counted(*burst) == {"kasan": 1, "warning": 1, "panic": 1}


def test_kind_is_counted_again_after_a_second() -> None:
    late = record(2, 4, WARNING, 2 * CRASH_SPAN_US + 2)
    assert counted(record(0, 4, WARNING, 1), record(1, 4, WARNING, CRASH_SPAN_US), late) == {
        "warning": 2
    }


def test_later_line_of_oops_counts_no_kind() -> None:
    first = "BUG: kernel NULL pointer dereference, address: 0"
    assert counted(record(0, 1, first, 10), record(1, 4, "Oops: 0002 [#1] SMP", 20)) == {
        "null-deref": 1
    }
    assert counted(
        record(0, 2, "kernel BUG at mm/slub.c:306!", 10),
        record(1, 4, "invalid opcode: 0000 [#1] SMP", 20),
    ) == {"bug": 1}


def test_oops_line_without_another_header_is_counted() -> None:
    assert counted(record(0, 4, "Oops: 0002 [#1] SMP", 10)) == {"oops": 1}
    late = record(1, 4, "invalid opcode: 0000 [#2] SMP", 20 + CRASH_SPAN_US)
    assert counted(record(0, 4, WARNING, 10), late) == {"warning": 1, "invalid-opcode": 1}


def test_crash_that_is_read_again_counts_once() -> None:
    counters = Counters()
    far_apart = [record(at, 4, WARNING, at * 9 * CRASH_SPAN_US) for at in range(3)]
    counters.crashes.count(far_apart[:2])
    counters.crashes.count(far_apart)
    counters.crashes.count(far_apart[:1])
    assert counters.crashes.by_kind[CrashKind.WARNING] == 3


def test_crashes_without_numbers_are_all_counted() -> None:
    assert counted(record(None, 4, WARNING, 1), record(None, 4, WARNING, 9 * CRASH_SPAN_US)) == {
        "warning": 2
    }


def test_symbols_are_counted_by_source_failures_by_reason() -> None:
    counters = Counters()
    place = SymbolAddress("f", 0, 1, "", "T", "kallsyms")
    entry = Entry(record(0), 0, "f", (place, place), time_source=TimestampSource.LIVE)
    counters.count_symbols([entry], [LookupFailure.OUTSIDE], looked_up=True)
    assert (dict(counters.named), dict(counters.nameless)) == (
        {"kallsyms": 2},
        {LookupFailure.OUTSIDE: 1},
    )
    assert counters.time_source is TimestampSource.LIVE
