# SPDX-License-Identifier: GPL-2.0-or-later
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from klogd_py.pipeline.batch import Batch
from klogd_py.pipeline.continuation import MAX_HOLD_S, MAX_PARTS, Joiner
from klogd_py.record.types import Cause, Gap, Record


def piece(seq: int, text: str, flags: str = "-", caller: str = "", prefix: int = 6) -> Record:
    return Record(text, prefix, seq, seq * 10, flags, caller)


def shown(items: list[Record | Gap]) -> list[tuple[int | None, str, tuple[int, ...]] | Gap]:
    return [item if isinstance(item, Gap) else (item.seq, item.text, item.parts) for item in items]


def push(joiner: Joiner, items: Sequence[Record | Gap], now_s: float) -> list[Record | Gap]:
    """What goes on when a joiner is given these items."""
    return [*joiner.push(Batch(items), now_s).items]


CASES: list[tuple[str, list[Record | Gap], list[tuple[int | None, str, tuple[int, ...]] | Gap]]] = [
    (
        "directly behind its beginning",
        [piece(1, "ata1: "), piece(2, "link ", "c"), piece(3, "up", "c"), piece(4, "x")],
        [(1, "ata1: link up", (2, 3)), (4, "x", ())],
    ),
    (
        "to its own caller's line, past another caller's",
        [piece(1, "a ", caller="T1"), piece(2, "b", caller="C0"), piece(3, "c", "c", "T1")],
        [(1, "a c", (3,)), (2, "b", ())],
    ),
    (
        "not past a record in between, where callers are not told",
        [piece(1, "a "), piece(2, "b", prefix=4), piece(3, "c", "c")],
        [(1, "a ", ()), (2, "b", ()), (3, "c", ())],
    ),
    (
        "not across records that were lost",
        [piece(1, "a "), Gap(2, 2, Cause.OVERRUN), piece(3, "c", "c")],
        [(1, "a ", ()), Gap(2, 2, Cause.OVERRUN), (3, "c", ())],
    ),
    (
        "not to another facility's line, whoever called",
        [piece(1, "a ", caller="T1", prefix=14), piece(2, "c", "c", "T1")],
        [(1, "a ", ()), (2, "c", ())],
    ),
    (
        "as old kernels flag the first piece",
        [
            piece(1, "x"),
            piece(2, "a ", "c"),
            piece(3, "b", "+"),
            piece(4, "y"),
            piece(5, "d ", "c"),
            piece(6, "e", "+"),
        ],
        [(1, "xa b", (2, 3)), (4, "y", ()), (5, "d e", (6,))],
    ),
]


@pytest.mark.parametrize(
    ("given_items", "wanted"), [case[1:] for case in CASES], ids=[case[0] for case in CASES]
)
def test_continuation_pieces_join_only_their_own_line(
    given_items: list[Record | Gap], wanted: list[tuple[int | None, str, tuple[int, ...]] | Gap]
) -> None:
    joiner = Joiner()
    assert shown([*push(joiner, given_items, 0), *joiner.flush().items]) == wanted


def test_unfinished_line_waits_for_next_batch() -> None:
    joiner = Joiner()
    assert push(joiner, [piece(1, "done"), piece(2, "loading: ")], 5.0) != []
    assert joiner.deadline() == pytest.approx(5.0 + MAX_HOLD_S)
    assert shown(push(joiner, [piece(3, "ok", "c")], 5.01)) == [(2, "loading: ok", (3,))]


def test_unfinished_line_waits_limited_time() -> None:
    joiner = Joiner()
    assert push(joiner, [piece(2, "loading: ")], 5.0) == []
    assert push(joiner, [], 5.0 + MAX_HOLD_S / 2) == []
    assert shown(push(joiner, [], 5.0 + MAX_HOLD_S)) == [(2, "loading: ", ())]
    assert joiner.deadline() is None


def test_number_of_pieces_is_limited() -> None:
    joiner = Joiner()
    lines = push(joiner, [piece(0, "x"), *(piece(seq, "x", "c") for seq in range(1, 200))], 0)
    assert max(len(item.parts) for item in lines if isinstance(item, Record)) == MAX_PARTS


@pytest.mark.parametrize(
    ("had_below", "parts"), [(0, (3, 5)), (1, (3, 5)), (2, ()), (4, (3,)), (6, (3, 5))]
)
def test_pieces_stay_apart_if_sink_is_between(had_below: int, parts: tuple[int, ...]) -> None:
    joiner = Joiner(lambda seq, other: (seq < had_below) != (other < had_below))
    pieces = [
        piece(1, "a ", caller="T1"),
        piece(2, "x", caller="C0"),
        piece(3, "b ", "c", "T1"),
        piece(5, "c", "c", "T1"),
    ]
    first = push(joiner, [*pieces], 0)[0]
    assert isinstance(first, Record)
    assert first.parts == parts


def test_truncated_piece_marks_line_truncated() -> None:
    cut = Record("b", 6, 2, 20, "c", truncated=True)
    (line,) = push(Joiner(), [piece(1, "a"), cut], 0)
    assert isinstance(line, Record)
    assert line.truncated


PIECES = st.lists(
    st.tuples(
        st.sampled_from(["-", "-", "c"]),
        st.sampled_from(["", "T1", "C0"]),
        st.sampled_from([6, 4, 14]),
        st.booleans(),
    ),
    max_size=40,
)


@given(PIECES)
def test_joining_keeps_every_number_and_text(
    pieces: list[tuple[str, str, int, bool]],
) -> None:
    records = [
        piece(seq, f"<{seq}>:", flags, caller, prefix)
        for seq, (flags, caller, prefix, _) in enumerate(pieces)
    ]
    joiner = Joiner()
    out: list[Record | Gap] = []
    batch: list[Record | Gap] = []
    for record, (_, _, _, ends) in zip(records, pieces, strict=True):
        batch.append(record)
        if ends:
            out += push(joiner, batch, 0)
            batch = []
    out += push(joiner, batch, 0) if batch else []
    out += joiner.flush().items
    lines = [item for item in out if isinstance(item, Record)]
    assert [line.seq for line in lines] == sorted(
        line.seq for line in lines if line.seq is not None
    )
    assert sorted(seq for line in lines for seq in (line.seq, *line.parts) if seq is not None) == [
        *range(len(records))
    ]
    assert all(
        line.text == "".join(f"<{seq}>:" for seq in (line.seq, *line.parts)) for line in lines
    )


def test_restarted_joiner_keeps_pieces_apart() -> None:
    joiner = Joiner(lambda seq, other: True)
    joiner.restart()
    pieces: list[Record | Gap] = [Record("a", 6, 1, 1), Record("b", 6, 2, 2, "c")]
    assert [item.text for item in push(joiner, pieces, 0.0) if isinstance(item, Record)] == [
        "a",
        "b",
    ]
