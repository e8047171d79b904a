# SPDX-License-Identifier: GPL-2.0-or-later
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from klogd_py.record.types import Cause, Entry, Gap, Record
from klogd_py.sinks.sequence_tracker import SequenceTracker
from tests.entries import entry, gap_entry, lost_entry, numbered_entries


def _tracker(expected: int | None = 0, cause: Cause = Cause.PRE_START) -> SequenceTracker:
    return SequenceTracker(gap_entry, expected, cause)


def _summary(entries: "list[Entry] | tuple[Entry, ...]") -> list[int | Gap | None]:
    return [item.gap or item.record.seq for item in entries]


def test_records_before_a_new_sink_are_no_overrun() -> None:
    tracker = _tracker()
    assert _summary([*tracker.filter(numbered_entries([7, 8]))]) == [
        Gap(0, 6, Cause.PRE_START),
        7,
        8,
    ]
    assert _summary([*tracker.filter(numbered_entries([11]))]) == [Gap(9, 10, Cause.OVERRUN), 11]


def test_sink_without_position_starts_with_first_record() -> None:
    tracker = _tracker(None)
    assert _summary([*tracker.filter(numbered_entries([7, 8]))]) == [7, 8]
    assert tracker.expected == 9


def test_records_read_again_come_once() -> None:
    tracker = _tracker(3, Cause.RESTART)
    assert _summary([*tracker.filter(numbered_entries(range(6)))]) == [3, 4, 5]
    assert _summary([*tracker.filter(numbered_entries(range(9)))]) == [6, 7, 8]
    tracker.seek(7)
    assert _summary([*tracker.filter(numbered_entries(range(9)))]) == [7, 8]


def test_unnumbered_record_is_treated_as_its_predecessor() -> None:
    tracker = _tracker(2)
    batch = [
        *numbered_entries([0]),
        entry("raw"),
        *numbered_entries([1]),
        *numbered_entries([2]),
        entry("raw"),
        lost_entry(3, 3, Cause.UNPARSABLE),
    ]
    assert _summary([*tracker.filter(batch)]) == [2, None, Gap(3, 3, Cause.UNPARSABLE)]
    assert _summary([*tracker.filter(batch)]) == []


def test_both_lines_of_a_record_are_filtered_together() -> None:
    tracker = _tracker(4)
    twice = [entry("a", seq=4), entry("b", seq=4), entry("a", seq=5), entry("b", seq=5)]
    assert _summary([*tracker.filter(twice)]) == [4, 4, 5, 5]
    assert _summary([*tracker.filter(twice[2:])]) == []


@given(
    st.lists(st.tuples(st.integers(0, 40), st.integers(1, 12), st.booleans()), min_size=1),
    st.integers(0, 20),
)
def test_every_number_comes_once_despite_rereading(
    reads: list[tuple[int, int, bool]], begin: int
) -> None:
    tracker = _tracker(begin)
    covered: list[int] = []
    for first, count, as_gap in reads:
        batch = (
            [lost_entry(first, first + count - 1, Cause.OVERRUN)]
            if as_gap
            else numbered_entries(range(first, first + count))
        )
        for taken in tracker.filter(batch):
            gap = taken.gap
            covered += range(gap.first, gap.last + 1) if gap else [taken.record.seq or 0]
    assert covered == [*range(begin, begin + len(covered))]
    assert tracker.expected == begin + len(covered)


def test_number_delivered_as_a_part_is_not_missed() -> None:
    tracker = _tracker(5)
    head = Entry(Record("a b", 6, 5, parts=(7, 9, 10)), 0, "a b")
    assert _summary([*tracker.filter([head, *numbered_entries([6, 8])], may_have_parts=True)]) == [
        5,
        6,
        8,
    ]
    assert tracker.expected == 11
    assert _summary([*tracker.filter(numbered_entries([9, 10, 11]), may_have_parts=True)]) == [11]


def _line(seq: int, *parts: int) -> Entry:
    """A continued line; its parts had these sequence numbers."""
    return Entry(Record("a b", 6, seq, parts=parts), 0, "a b")


@pytest.mark.parametrize(
    ("then", "expected"),
    [
        (
            [*numbered_entries([12])],
            [Gap(6, 6, Cause.OVERRUN), Gap(8, 8, Cause.OVERRUN), Gap(11, 11, Cause.OVERRUN), 12],
        ),
        (
            [lost_entry(6, 12, Cause.EINVAL)],
            [Gap(6, 6, Cause.EINVAL), Gap(8, 8, Cause.EINVAL), Gap(11, 12, Cause.EINVAL)],
        ),
        (
            [lost_entry(8, 9, Cause.RATE_LIMIT)],
            [Gap(6, 6, Cause.OVERRUN), Gap(8, 8, Cause.RATE_LIMIT)],
        ),
        ([lost_entry(9, 10, Cause.OVERRUN)], [Gap(6, 6, Cause.OVERRUN), Gap(8, 8, Cause.OVERRUN)]),
    ],
    ids=["overwritten", "announced", "announced in part", "announced though it came"],
)
def test_gap_never_covers_delivered_parts(
    then: list[Entry], expected: list[int | Gap | None]
) -> None:
    tracker = _tracker(5)
    tracker.filter([_line(5, 7, 9, 10)], may_have_parts=True)
    assert _summary([*tracker.filter(then, may_have_parts=True)]) == expected
    assert tracker.missed == Counter(
        gap.cause
        for gap in expected
        if isinstance(gap, Gap) and gap.cause is Cause.OVERRUN
        for _ in range(gap.count)
    )


def test_delivered_part_is_left_out_after_a_loss() -> None:
    tracker = _tracker(5)
    tracker.filter([_line(5, 8)], may_have_parts=True)
    assert _summary([*tracker.filter(numbered_entries([6, 8, 9]), may_have_parts=True)]) == [
        6,
        Gap(7, 7, Cause.OVERRUN),
        9,
    ]


def test_seek_forgets_only_parts_not_kept() -> None:
    tracker = _tracker(5)
    tracker.filter([_line(5, 8), *numbered_entries([6]), _line(7, 9)], may_have_parts=True)
    tracker.seek(7, {8})
    assert [tracker.has_seen(seq) for seq in range(6, 10)] == [True, False, True, False]
    assert _summary([*tracker.filter(numbered_entries(range(6, 11)))]) == [7, 9, 10]


def test_tracker_continues_with_parts_accepted_before() -> None:
    tracker = SequenceTracker(gap_entry, 6, Cause.RESTART, ahead=[8, 9])
    assert _summary([*tracker.filter(numbered_entries([6, 7, 8, 9, 10]))]) == [6, 7, 10]
