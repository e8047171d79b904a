# SPDX-License-Identifier: GPL-2.0-or-later
from collections.abc import Sequence

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from klogd_py.pipeline.entry_merger import EntryMerger, Order
from klogd_py.record.types import Entry, Machine, Record


def entry(text: str, wall_us: int | None = None, usec: int | None = None) -> Entry:
    return Entry(Record(text, wall_us=wall_us, usec=usec), wall_us or 0, text)


def merge(streams: Sequence[Sequence[Entry]], chunk: int = 1) -> tuple[Order | None, list[str]]:
    """Feed each stream in chunks, and only while the merger needs it; return what comes out."""
    merger, left, found = EntryMerger(len(streams)), [list(stream) for stream in streams], []
    ended = [False] * len(streams)
    while not all(ended):
        number = next(n for n in range(len(streams)) if merger.needs(n))
        some, left[number] = left[number][:chunk], left[number][chunk:]
        if some:
            merger.add(number, some)
        else:
            merger.end(number)
            ended[number] = True
        found += merger.take()
    return merger.order, [item.text for item in found]


STAMPED = st.lists(st.lists(st.none() | st.integers(1, 50), max_size=30), min_size=2, max_size=4)


@given(STAMPED, st.integers(1, 9))
def test_merged_streams_keep_order_and_lose_nothing(
    times: list[list[int | None]], chunk: int
) -> None:
    streams = [
        [entry(f"{n}:{i}", time) for i, time in enumerate(some)] for n, some in enumerate(times)
    ]
    _, found = merge(streams, chunk)
    assert len(found) == sum(map(len, streams))
    for number, stream in enumerate(streams):
        own = [text for text in found if text.startswith(f"{number}:")]
        assert own == [item.text for item in stream]


@given(st.lists(st.lists(st.integers(1, 99), min_size=1, max_size=30), min_size=2, max_size=4))
def test_streams_with_wall_times_come_by_time(times: list[list[int]]) -> None:
    streams = [[entry(str(time), time) for time in sorted(some)] for some in times]
    order, found = merge(streams)
    assert order is Order.WALL_TIME
    assert [int(text) for text in found] == sorted(time for some in times for time in some)


def test_lines_without_time_follow_the_one_before() -> None:
    first = [entry("a1", 1), entry("a1 goes on"), entry("a5", 5)]
    second = [entry("b goes on"), entry("b3", 3), entry("b3 goes on")]
    assert merge([first, second], 9)[1] == [
        *("b goes on", "a1", "a1 goes on"),
        *("b3", "b3 goes on", "a5"),
    ]


def test_one_stream_without_time_leaves_order_given() -> None:
    order, found = merge([[entry("b", 9), entry("c", 1)], [entry("a")], [entry("d", 2)]])
    assert order is Order.AS_GIVEN
    assert found == ["b", "c", "a", "d"]


def test_only_the_stream_that_is_missing_is_read() -> None:
    merger = EntryMerger(2)
    merger.add(0, [entry("a", 1), entry("c", 3)])
    assert [merger.needs(0), merger.needs(1)] == [False, True]
    assert merger.take() == []
    merger.add(1, [entry("b", 2)])
    assert [item.text for item in merger.take()] == ["a", "b"]
    assert [merger.needs(0), merger.needs(1)] == [False, True]


def test_equal_stamped_lines_show_the_same_boot() -> None:
    common = [entry(f"line {i}", usec=1_000_001 * i) for i in range(1, 4)]
    order, found = merge([[*common, entry("x", usec=9_000_001)], [*common, entry("y", usec=8)]], 9)
    assert order is Order.KERNEL_TIME
    assert found[:2] == ["line 1", "line 1"]
    assert found[-1] == "x"


@pytest.mark.parametrize(
    "usecs", [(1_000_000, 2_000_000, 3_000_000), (0, 0, 0), (1_000_001, 2_000_001)]
)
def test_coarse_or_few_stamps_show_no_boot(usecs: tuple[int, ...]) -> None:
    common = [entry(f"line {usec}", usec=usec) for usec in usecs]
    assert merge([common, common], 9)[0] is Order.AS_GIVEN


def test_boots_with_one_name_are_the_same() -> None:
    machine = Machine(boot_id="0" * 31 + "1")
    streams = [
        [
            msgspec.structs.replace(
                item, record=msgspec.structs.replace(item.record, machine=machine)
            )
        ]
        for item in (entry("b", usec=2), entry("a", usec=1))
    ]
    assert merge(streams) == (Order.KERNEL_TIME, ["a", "b"])
