# SPDX-License-Identifier: GPL-2.0-or-later
import itertools
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from klogd_py.record.sequence import SequenceRange
from klogd_py.record.types import Cause, Entry, Gap, Record
from klogd_py.sinks.sequence_tracker import (
    SequenceTracker,
    StartPosition,
    advance,
    consecutive_range,
)
from tests.entries import entry, gap_entry, lost_entry, numbered_entries, position_at


def _tracker(expected: int | None = 0, cause: Cause = Cause.PRE_START) -> SequenceTracker:
    position = None if expected is None else position_at(expected)
    return SequenceTracker(gap_entry, StartPosition(position, cause))


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
    assert tracker.given == position_at(9)


def test_records_read_again_come_once() -> None:
    tracker = _tracker(3, Cause.RESTART)
    assert _summary([*tracker.filter(numbered_entries(range(6)))]) == [3, 4, 5]
    assert _summary([*tracker.filter(numbered_entries(range(9)))]) == [6, 7, 8]
    tracker.seek(position_at(7))
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
    assert tracker.given == position_at(begin + len(covered))


def test_number_delivered_as_a_part_is_not_missed() -> None:
    tracker = _tracker(5)
    head = Entry(Record("a b", 6, 5, parts=(7, 9, 10)), 0, "a b")
    assert _summary([*tracker.filter([head, *numbered_entries([6, 8])])]) == [
        5,
        6,
        8,
    ]
    assert tracker.given == position_at(11)
    assert _summary([*tracker.filter(numbered_entries([9, 10, 11]))]) == [11]


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
    tracker.filter([_line(5, 7, 9, 10)])
    assert _summary([*tracker.filter(then)]) == expected
    assert tracker.missed == Counter(
        gap.cause
        for gap in expected
        if isinstance(gap, Gap) and gap.cause is Cause.OVERRUN
        for _ in range(gap.count)
    )


def test_delivered_part_is_left_out_after_a_loss() -> None:
    tracker = _tracker(5)
    tracker.filter([_line(5, 8)])
    assert _summary([*tracker.filter(numbered_entries([6, 8, 9]))]) == [
        6,
        Gap(7, 7, Cause.OVERRUN),
        9,
    ]


def test_seek_forgets_only_parts_not_kept() -> None:
    tracker = _tracker(5)
    tracker.filter([_line(5, 8), *numbered_entries([6]), _line(7, 9)])
    tracker.seek(position_at(7, 8))
    assert [tracker.has_seen(seq) for seq in range(6, 10)] == [True, False, True, False]
    assert _summary([*tracker.filter(numbered_entries(range(6, 11)))]) == [7, 9, 10]


def test_tracker_continues_with_parts_accepted_before() -> None:
    tracker = SequenceTracker(gap_entry, StartPosition(position_at(6, 8, 9)))
    assert _summary([*tracker.filter(numbered_entries([6, 7, 8, 9, 10]))]) == [6, 7, 10]


def test_batch_after_a_continued_line_passes_unchanged() -> None:
    tracker = _tracker(5)
    tracker.filter([_line(5, 7), *numbered_entries([6])])
    later = numbered_entries(range(8, 12))
    assert tracker.filter(later, consecutive_range(later)) is later
    assert tracker.given == position_at(12)


def test_part_behind_its_batch_is_not_missed() -> None:
    tracker = _tracker(5)
    batch = [_line(5, 8), *numbered_entries([6, 7])]
    assert [*tracker.filter(batch, consecutive_range(batch))] == batch
    assert tracker.given == position_at(9)


@pytest.mark.parametrize(
    ("batch", "expected"),
    [
        (numbered_entries([5]), SequenceRange(5, 5)),
        (numbered_entries(range(5, 9)), SequenceRange(5, 8)),
        (numbered_entries([5, 7]), None),
        (numbered_entries([5, 5, 6]), None),
        ([_line(5, 8), *numbered_entries([6, 7])], None),
        ([entry("raw"), *numbered_entries([5])], None),
        ([], None),
    ],
    ids=["one", "four", "missing", "twice", "line in pieces", "raw bytes", "nothing"],
)
def test_only_consecutive_batches_have_a_range(
    batch: list[Entry], expected: SequenceRange | None
) -> None:
    assert consecutive_range(batch) == expected


@given(st.integers(0, 6), st.lists(st.tuples(st.integers(0, 8), st.integers(1, 6)), max_size=6))
def test_known_range_changes_nothing_but_the_time(begin: int, reads: list[tuple[int, int]]) -> None:
    known, unknown = _tracker(begin), _tracker(begin)
    for first, count in reads:
        batch = numbered_entries(range(first, first + count))
        kept = known.filter(batch, consecutive_range(batch))
        assert [*kept] == [*unknown.filter(batch)]
        assert (known.given, known.missed) == (unknown.given, unknown.missed)


@given(st.lists(st.integers(0, 9), max_size=6), st.integers(1, 11))
def test_entries_accepted_in_pieces_move_position_alike(ends: list[int], filtered: int) -> None:
    batch = [_line(0, 3, 5, 14), *numbered_entries([1, 2, 4, 6]), lost_entry(7, 9, Cause.EINVAL)]
    batch += [entry("raw"), _line(10, 12), *numbered_entries([11, 13])]
    at_once, in_pieces = _tracker(0), _tracker(0)
    at_once.accept(at_once.filter(batch))
    assert at_once.accepted == at_once.given == position_at(15)
    given_entries = [*in_pieces.filter(batch[:filtered]), *in_pieces.filter(batch[filtered:])]
    borders = [0, *sorted(set(ends) - {0}), len(batch)]
    for start, end in itertools.pairwise(borders):
        in_pieces.accept(given_entries[start:end])
        assert in_pieces.accepted == advance(position_at(0), batch[:end])
    assert in_pieces.accepted == at_once.accepted
