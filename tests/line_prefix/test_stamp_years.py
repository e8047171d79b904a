# SPDX-License-Identifier: GPL-2.0-or-later
"""The years of times that state none."""

from datetime import datetime

import pytest

from klogd_py.line_prefix.month_names import month_number
from klogd_py.line_prefix.stamp_years import DatedLine, DateSearch, StampYears

LIMIT = datetime(2026, 11, 27, 12)
MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


def search(*stamps: str) -> DateSearch:
    found = DateSearch()
    found.add("".join(f"{stamp} web kernel: eth0: up\n" for stamp in stamps).encode())
    return found


def years_of_file(*stamps: str, limit: datetime = LIMIT) -> list[int]:
    """The years of lines such as ``Nov 25 10:41:07``, in a file that can be searched before."""
    return _years(search(*stamps).years(limit), stamps)


def years_of_pipe(*stamps: str, limit: datetime = LIMIT) -> list[int]:
    return _years(StampYears(limit), stamps)


def _years(years: StampYears, stamps: tuple[str, ...]) -> list[int]:
    found = []
    for stamp in stamps:
        month = month_number(stamp[:3])
        assert month is not None
        found.append(years.year_of(month, int(stamp[4:6])))
    return found


def at_noon(*dates: tuple[int, int]) -> tuple[str, ...]:
    return tuple(f"{MONTHS[month - 1]} {day:2} 12:00:00" for month, day in dates)


@pytest.mark.parametrize(
    ("dates", "expected"),
    [
        ([(11, 20), (11, 27)], [2026, 2026]),
        # In a file that was written yesterday, this lies in the future.
        ([(12, 17), (11, 24)], [2025, 2026]),
        ([(12, 30), (1, 2), (12, 30), (1, 2)], [2024, 2025, 2025, 2026]),
        ([(2, 29)], [2024]),
        ([(11, 26), (11, 25), (11, 26)], [2026, 2026, 2026]),
    ],
)
def test_years_of_a_file_go_down(dates: list[tuple[int, int]], expected: list[int]) -> None:
    assert years_of_file(*at_noon(*dates)) == expected


@pytest.mark.parametrize(
    ("dates", "expected"),
    [
        ([(2, 28), (2, 29), (3, 1)], [2024, 2024, 2024]),
        ([(2, 28), (2, 29), (3, 1), (11, 20)], [2024, 2024, 2024, 2024]),
        ([(12, 31), (1, 3), (2, 29), (3, 1)], [2023, 2024, 2024, 2024]),
        ([(2, 28), (2, 29), (12, 31), (1, 3)], [2024, 2024, 2024, 2026]),
        ([(2, 29), (3, 1), (2, 20), (2, 21)], [2024, 2024, 2026, 2026]),
    ],
)
def test_run_with_leap_day_has_one_year(dates: list[tuple[int, int]], expected: list[int]) -> None:
    assert years_of_file(*at_noon(*dates)) == expected


@pytest.mark.parametrize(
    ("dates", "expected"),
    [
        ([(11, 20), (11, 27)], [2026, 2026]),
        ([(12, 17), (11, 24)], [2025, 2026]),
        ([(12, 30), (1, 2)], [2025, 2026]),
        # The clock was set back.
        ([(11, 27), (11, 3)], [2026, 2026]),
        # Nothing can be known before the line comes.
        ([(2, 28), (2, 29), (3, 1)], [2026, 2024, 2024]),
    ],
)
def test_years_of_a_pipe_go_up(dates: list[tuple[int, int]], expected: list[int]) -> None:
    assert years_of_pipe(*at_noon(*dates)) == expected


@pytest.mark.parametrize(
    ("dates", "expected"),
    [
        ([(11, 20), (1, 1), (11, 21), (1, 1), (11, 22)], [2026] * 5),
        ([(11, 20), (12, 31), (11, 21), (12, 31), (11, 22)], [2026, 2025, 2026, 2025, 2026]),
        ([(11, 20), (12, 31), (1, 1), (11, 21)], [2026, 2025, 2026, 2026]),
        # The network came on the second day.
        ([(11, 20), (1, 1), (1, 2), (11, 21)], [2026, 2026, 2026, 2026]),
        ([(1, 1), (11, 26)], [2026, 2026]),
        ([(12, 31), (11, 26)], [2025, 2026]),
        # New Year, indeed
        ([(12, 30), (12, 31), (1, 1), (1, 2), (1, 3)], [2025, 2025, 2026, 2026, 2026]),
    ],
)
def test_unset_clock_changes_no_other_year(
    dates: list[tuple[int, int]], expected: list[int]
) -> None:
    assert years_of_file(*at_noon(*dates)) == expected
    assert years_of_pipe(*at_noon(*dates)) == expected


def test_years_after_many_boots_without_clock() -> None:
    dates = [(12, 20), (1, 1), (12, 21), (1, 5), (1, 1), (1, 6)]
    assert years_of_file(*at_noon(*dates)) == [2025, 2025, 2025, 2026, 2026, 2026]


@pytest.mark.parametrize(
    ("stamps", "expected"),
    [
        (at_noon((1, 2), (1, 1), (12, 31), (12, 30)), [2026, 2026, 2025, 2025]),
        (at_noon((1, 2), (12, 31)), [2026, 2025]),
        (
            ("Jan  1 10:00:00", "Jan  1 09:00:00", "Jan  1 08:00:00", "Dec 31 07:00:00"),
            [2026] * 3 + [2025],
        ),
        (("Dec 31 10:00:00", "Dec 31 09:00:00", "Dec 30 09:00:00"), [2025] * 3),
        (
            at_noon((1, 1), (3, 1), (2, 29), (2, 28), (2, 27), (12, 31)),
            [2026, 2024, 2024, 2024, 2024, 2023],
        ),
    ],
)
def test_newest_first_goes_down_in_years(stamps: tuple[str, ...], expected: list[int]) -> None:
    assert years_of_file(*stamps, limit=datetime(2026, 1, 2)) == expected


def test_leap_day_in_the_year_of_the_file() -> None:
    dates = at_noon((2, 28), (2, 29), (3, 1))
    assert years_of_file(*dates, limit=datetime(2024, 3, 2)) == [2024, 2024, 2024]


def test_line_that_was_not_found_moves_nothing() -> None:
    years = search(*at_noon((12, 30), (1, 2))).years(LIMIT)
    assert [years.year_of(*date) for date in ((12, 30), (6, 1), (12, 30), (1, 2))] == [
        *(2025, 2026, 2025, 2026),
    ]


@pytest.mark.parametrize(
    ("line", "date"),
    [
        ("Nov  3 08:13:42 a", DatedLine(11, 3)),
        ("<4>Nov  4 08:13:42 b", DatedLine(11, 4)),
        ("kern.log:123:Nov 25 10:41:07 web", DatedLine(11, 25)),
        ("> > nov. 25 10:41:07 web", DatedLine(11, 25)),
        ("02-29 10:41:07.123     0     0 W : x", DatedLine(2, 29)),
        ("x Nov  4 08:13:42", None),
        ("13-29 10:41:07.123", None),
    ],
)
def test_dates_are_found_at_the_head(line: str, date: DatedLine | None) -> None:
    found = DateSearch()
    found.add(f"{line}\n{line}\n".encode())
    assert found.lines == ([] if date is None else [date])
