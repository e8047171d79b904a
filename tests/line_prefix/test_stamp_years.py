# SPDX-License-Identifier: GPL-2.0-or-later
"""The years of times that state none."""

from datetime import datetime

import pytest

from klogd_py.line_prefix.stamp_years import DatedLine, StampYears, find_dates, years_of

LIMIT = datetime(2026, 11, 27, 12)


def years(dates: list[tuple[int, int]], limit: datetime = LIMIT, *, known: bool) -> list[int]:
    """The years of some dates, of a file that can be searched before, or of a pipe."""
    lines = [DatedLine(*date) for date in dates]
    found = years_of(lines, limit) if known else StampYears(limit)
    return [found.year_of(*date) for date in dates]


@pytest.mark.parametrize(
    ("dates", "expected"),
    [
        ([(11, 20), (11, 27)], [2026, 2026]),
        # In a file that was written yesterday, this lies in the future.
        ([(12, 17), (11, 24)], [2025, 2026]),
        ([(12, 30), (1, 2), (12, 30), (1, 2)], [2024, 2025, 2025, 2026]),
        ([(2, 29)], [2024]),
        ([(11, 26), (11, 25), (11, 26)], [2026, 2026, 2026]),
        # A machine without a clock begins each boot on 1 January.
        ([(11, 20), (1, 1), (11, 21), (1, 1), (11, 22)], [2026, 2027, 2026, 2027, 2026]),
    ],
)
def test_years_of_a_file_go_down(dates: list[tuple[int, int]], expected: list[int]) -> None:
    found = years(dates, known=True)
    kept = [
        (year, want)
        for date, year, want in zip(dates, found, expected, strict=True)
        if date != (1, 1)
    ]
    assert [year for year, _ in kept] == [want for _, want in kept]


@pytest.mark.parametrize(
    ("dates", "expected"),
    [
        ([(11, 20), (11, 27)], [2026, 2026]),
        ([(12, 17), (11, 24)], [2025, 2026]),
        ([(12, 30), (1, 2)], [2025, 2026]),
        # The clock was set back.
        ([(11, 27), (11, 3)], [2026, 2026]),
    ],
)
def test_years_of_a_pipe_go_up(dates: list[tuple[int, int]], expected: list[int]) -> None:
    assert years(dates, known=False) == expected


def test_newest_first_goes_down_in_years() -> None:
    dates = [(1, 2), (1, 1), (12, 31), (12, 30)]
    assert years(dates, datetime(2026, 1, 2), known=True) == [2026, 2026, 2025, 2025]


def test_leap_day_in_the_year_of_the_file() -> None:
    dates = [(2, 28), (2, 29), (3, 1)]
    assert years(dates, datetime(2024, 3, 2), known=True) == [2024, 2024, 2024]


def test_dates_are_found_at_the_head_of_lines() -> None:
    text = b"Nov  3 08:13:42 a\nx Nov  4 08:13:42\n<4>Nov  4 08:13:42 b\nNov  4 08:13:43 b\n"
    assert list(find_dates(text)) == [DatedLine(11, 3), DatedLine(11, 4)]
