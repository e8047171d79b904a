# SPDX-License-Identifier: GPL-2.0-or-later
from argparse import ArgumentTypeError
from datetime import UTC, datetime, timedelta, timezone

import pytest

from klogd_py.cli.selection_values import boot, expression, facilities, levels, parse_time

NOW = datetime(2026, 11, 27, 3, 45, 30, 250_000, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "numbers"),
    [
        ("err", {3}),
        ("err,warn", {3, 4}),
        ("err+", {0, 1, 2, 3}),
        ("+notice", {5, 6, 7}),
        ("warning, debug", {4, 7}),
        ("3", {3}),
        ("EMERG", {0}),
    ],
)
def test_levels_are_written_as_for_dmesg(text: str, numbers: set[int]) -> None:
    assert levels(text) == numbers


def test_facilities_are_written_as_for_dmesg() -> None:
    assert facilities("kern,daemon, local7") == {0, 3, 23}


@pytest.mark.parametrize(
    ("convert", "text"),
    [(levels, "errr"), (levels, ""), (facilities, "kernel"), (boot, "last"), (expression, "a(b")],
)
def test_wrong_selection_value_is_shown_back(convert: object, text: str) -> None:
    assert callable(convert)
    with pytest.raises(ArgumentTypeError, match=r"expected .* got '"):
        convert(text)


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("now", NOW),
        ("today", datetime(2026, 11, 27, tzinfo=UTC)),
        ("yesterday", datetime(2026, 11, 26, tzinfo=UTC)),
        ("tomorrow", datetime(2026, 11, 28, tzinfo=UTC)),
        ("2026-11-26 10:00", datetime(2026, 11, 26, 10, tzinfo=UTC)),
        ("2026-11-26 10:00:01.5", datetime(2026, 11, 26, 10, 0, 1, 500_000, tzinfo=UTC)),
        ("2026-11-26", datetime(2026, 11, 26, tzinfo=UTC)),
        ("2026-11-26T10:00:05Z", datetime(2026, 11, 26, 10, 0, 5, tzinfo=UTC)),
        ("2026-11-26 10:00 UTC", datetime(2026, 11, 26, 10, tzinfo=UTC)),
        (
            "2026-11-26 10:00+02:00",
            datetime(2026, 11, 26, 10, tzinfo=timezone(timedelta(hours=2))),
        ),
        ("Thu 2026-11-26 10:00", datetime(2026, 11, 26, 10, tzinfo=UTC)),
        ("26-11-26 10:00", datetime(2026, 11, 26, 10, tzinfo=UTC)),
        ("10:00", datetime(2026, 11, 27, 10, tzinfo=UTC)),
        ("-1h", NOW - timedelta(hours=1)),
        ("+3h30min", NOW + timedelta(hours=3, minutes=30)),
        ("2 days ago", NOW - timedelta(days=2)),
        ("11min ago", NOW - timedelta(minutes=11)),
        ("5min left", NOW + timedelta(minutes=5)),
        ("-90", NOW - timedelta(seconds=90)),
        ("-1.5s", NOW - timedelta(seconds=1.5)),
        ("-2M", NOW - timedelta(days=60.875)),
        ("-2m", NOW - timedelta(minutes=2)),
        ("@1395716396", datetime.fromtimestamp(1395716396, UTC)),
        ("@1395716396.25", datetime.fromtimestamp(1395716396.25, UTC)),
    ],
)
def test_times_are_those_of_systemd_time(text: str, moment: datetime) -> None:
    assert parse_time(text, NOW) == (moment - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(
        microseconds=1
    )


@pytest.mark.parametrize(
    "text", ["", "soon", "-1 parsec", "2026-13-01", "25:00", "@", "-", "ago", "1h", "9" * 400]
)
def test_text_that_is_no_time_is_refused(text: str) -> None:
    assert parse_time(text, NOW) is None
