# SPDX-License-Identifier: GPL-2.0-or-later
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from klogd_py.pipeline.batch import Batch
from klogd_py.pipeline.ratelimit import MAX_RUN_S, RateLimiter
from klogd_py.record.types import Cause, Gap, Record, Severity


def line(seq: int | None, text: str = "x", prefix: int = 6) -> Record:
    return Record(text, prefix, seq)


def push(limiter: RateLimiter, items: Sequence[Record | Gap], now_s: float) -> list[Record | Gap]:
    """What passes when a limiter is given these items."""
    return [*limiter.push(Batch(items), now_s).items]


def left_out(first: int, last: int, note: str) -> Gap:
    return Gap(first, last, Cause.RATE_LIMIT, note)


def test_default_rate_limiter_passes_every_record() -> None:
    limiter = RateLimiter()
    assert limiter.is_idle
    batch: list[Record | Gap] = [line(seq) for seq in range(100)]
    assert push(limiter, batch, 0) == batch


def test_suppressed_run_is_one_gap() -> None:
    limiter = RateLimiter(Severity.NOTICE)
    batch = [
        line(0, prefix=5),
        line(1, prefix=6),
        line(2, prefix=7),
        line(3, prefix=4),
        line(4, prefix=7),
        line(5, prefix=5),
    ]
    note = "less severe than notice"
    assert push(limiter, batch, 0) == [
        batch[0],
        left_out(1, 2, note),
        batch[3],
        left_out(4, 4, note),
        batch[5],
    ]


@pytest.mark.parametrize("prefix", [0, 1, 2, 3])
def test_errors_and_worse_pass_any_rate_limit(prefix: int) -> None:
    limiter = RateLimiter(Severity.EMERG, burst=1)
    batch: list[Record | Gap] = [line(seq, prefix=prefix) for seq in range(100)]
    assert push(limiter, batch, 0) == batch


def test_lines_differing_in_numbers_are_limited() -> None:
    limiter = RateLimiter(burst=2)
    batch = [line(seq, f"usb 1-{seq}: reset at 0x{seq:x}ff") for seq in range(10)]
    other = line(10, "eth0: up")
    assert push(limiter, [*batch, other], 0) == [
        *batch[:2],
        left_out(2, 9, "repeats of: usb #-#: reset at #"),
        other,
    ]


def test_line_passes_again_after_interval() -> None:
    limiter = RateLimiter(burst=1, interval_s=10)
    assert push(limiter, [line(0), line(1)], 0) == [line(0)]
    assert push(limiter, [line(2)], 10) == [left_out(1, 1, "repeats of: x"), line(2)]


def test_long_run_is_announced_in_time() -> None:
    limiter = RateLimiter(burst=1)
    assert push(limiter, [line(0), line(1)], 5.0) == [line(0)]
    assert limiter.deadline() == pytest.approx(5.0 + MAX_RUN_S)
    assert push(limiter, [], 5.0 + MAX_RUN_S / 2) == []
    assert push(limiter, [], 5.0 + MAX_RUN_S) == [left_out(1, 1, "repeats of: x")]
    assert limiter.deadline() is None


ITEMS = st.lists(
    st.tuples(st.sampled_from(["a 1", "a 2", "b"]), st.integers(0, 7), st.floats(0, 3)), max_size=60
)


@given(ITEMS, st.sampled_from(list(Severity)), st.integers(0, 3))
def test_limiter_keeps_every_number_once(
    items: list[tuple[str, int, float]], min_severity: Severity, burst: int
) -> None:
    limiter = RateLimiter(min_severity, burst, interval_s=5)
    now_s = 0.0
    out: list[Record | Gap] = []
    for seq, (text, prefix, pause_s) in enumerate(items):
        now_s += pause_s
        out += push(limiter, [line(seq, text, prefix)], now_s)
    out += limiter.push(Batch([], is_last=True), now_s).items
    covered: list[int | None] = []
    for item in out:
        covered += range(item.first, item.last + 1) if isinstance(item, Gap) else [item.seq]
    assert covered == [*range(len(items))]
    assert [
        record for record in out if isinstance(record, Record) and record.severity <= Severity.ERR
    ] == [
        line(seq, text, prefix)
        for seq, (text, prefix, _) in enumerate(items)
        if prefix <= Severity.ERR
    ]
