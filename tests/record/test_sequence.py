# SPDX-License-Identifier: GPL-2.0-or-later
import pytest
from hypothesis import given
from hypothesis import strategies as st

from klogd_py.record.sequence import Position, SequenceRange
from klogd_py.record.types import Cause, Entry, Gap, Record
from tests.entries import gap_entry, numbered_entries, position_at

# How many numbers an entry covers, and how far behind them its parts lie
STEPS = st.lists(
    st.tuples(st.integers(1, 4), st.sets(st.integers(1, 9), max_size=3)), min_size=1, max_size=12
)


def test_entry_without_number_has_no_sequence() -> None:
    assert Entry(Record("a", 6), 0, "a").sequence is None


@pytest.mark.parametrize(
    ("entry", "sequence", "count"),
    [
        (numbered_entries([5])[0], SequenceRange(5, 5), 1),
        (Entry(Record("ab", 6, 5, parts=(7, 9)), 0, "ab"), SequenceRange(5, 5, (7, 9)), 3),
        (gap_entry(Gap(5, 8, Cause.OVERRUN)), SequenceRange(5, 8), 4),
    ],
    ids=["record", "line of three records", "gap"],
)
def test_sequence_covers_all_numbers_of_entry(
    entry: Entry, sequence: SequenceRange, count: int
) -> None:
    assert entry.sequence == sequence
    assert sequence.count == count


@pytest.mark.parametrize(
    ("later", "joined"),
    [
        (SequenceRange(8, 8), SequenceRange(5, 8)),
        (SequenceRange(8, 12), SequenceRange(5, 12)),
        (SequenceRange(9, 9), None),
        (SequenceRange(7, 9), None),
    ],
)
def test_only_ranges_that_meet_are_joined(
    later: SequenceRange, joined: SequenceRange | None
) -> None:
    assert SequenceRange(5, 7).joined(later) == joined


@given(st.integers(0, 20), st.integers(0, 12), st.sets(st.integers(0, 40)))
def test_rest_of_a_range_has_every_other_number(first: int, size: int, taken: set[int]) -> None:
    rest = SequenceRange(first, first + size).without(taken)
    assert [seq for part in rest for seq in range(part.first, part.last + 1)] == sorted(
        set(range(first, first + size + 1)) - taken
    )


@given(st.integers(0, 5), STEPS)
def test_position_holds_exactly_the_numbers_had(
    start: int, steps: list[tuple[int, set[int]]]
) -> None:
    position, had = Position(start), set(range(start))
    for count, distances in steps:
        first = position.next_seq
        # A gap ends before a number that has come already.
        last = min([first + count - 1, *(seq - 1 for seq in position.ahead if seq > first)])
        parts = tuple(sorted({last + far for far in distances} - had))
        sequence = SequenceRange(first, last, parts)
        assert position.missing_in(SequenceRange(first, last)) == [SequenceRange(first, last)]
        position = position.after(sequence)
        had |= {*range(first, last + 1), *parts}
        assert {seq for seq in range(120) if seq in position} == had
        assert position.next_seq not in had


def test_missing_numbers_lie_around_those_had() -> None:
    position = position_at(5, 7, 9, 10)
    assert position.missing_in(SequenceRange(3, 12)) == [
        SequenceRange(5, 6),
        SequenceRange(8, 8),
        SequenceRange(11, 12),
    ]
    assert position.missing_in(SequenceRange(9, 10)) == []
