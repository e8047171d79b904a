# SPDX-License-Identifier: GPL-2.0-or-later
"""Reports in a collection of logs are those that others expect of it."""

from collections import Counter
from collections.abc import Sequence

import pytest

from tests.corpus import report_score
from tests.corpus.expectations import logs_of
from tests.corpus.logs import COLLECTION, needs_collection
from tests.corpus.report_score import Result, score_of

pytestmark = needs_collection
# Origins whose logs hold a crash each, as far as that is known, and the least share that is found
SHARES = {
    "abrt": 0.94,
    "lkp-tests": 0.95,
    "logspec": 1.0,
    "mailinglists/commitmsg": 0.99,
    "mailinglists/post": 0.98,
    "satyr": 1.0,
    "squad": 1.0,
}


@pytest.fixture(scope="module")
def results() -> Sequence[Result]:
    return report_score.results_of(logs_of(COLLECTION))


def test_crashes_are_found_and_nothing_else(results: Sequence[Result]) -> None:
    score = score_of(results)
    assert score.crashes > 300
    assert score.found >= 0.995 * score.crashes
    assert score.silent > 80
    assert score.false_alarms == 0


def test_titles_and_functions_are_the_expected(results: Sequence[Result]) -> None:
    score = score_of(results)
    assert score.clean > 250
    assert score.titles >= 0.97 * score.clean
    assert score.functions >= 0.98 * score.with_function


def test_doubt_tells_wrong_reports_from_right_ones(results: Sequence[Result]) -> None:
    score = score_of(results)
    assert score.corrupted > 60
    assert score.corrupted_flagged >= 0.8 * score.corrupted
    assert score.clean_flagged <= 0.03 * score.clean
    assert score.wrong_and_unflagged <= 0.01 * score.clean


@pytest.mark.parametrize("origin", SHARES)
def test_crashes_of_other_origins_are_found(origin: str, results: Sequence[Result]) -> None:
    crashes = [one for one in results if one.expected.origin == origin and one.expected.is_crash]
    assert crashes
    assert sum(bool(one.reports) for one in crashes) >= SHARES[origin] * len(crashes)


def test_most_logs_of_one_crash_give_one_report(results: Sequence[Result]) -> None:
    counts = Counter(len(one.reports) for one in results if one.expected.titles)
    assert counts[1] >= 0.9 * counts.total()


def test_expectations_before_a_log_change_nothing() -> None:
    logs = [log for log in logs_of(COLLECTION) if log.expected.titles][::6]
    assert len(logs) > 40
    without = report_score.results_of(logs)
    within = report_score.results_of(logs, with_headers=True)
    for one, other in zip(without, within, strict=True):
        assert one.first is not None
        assert other.first is not None
        assert one.first.title == other.first.title


def test_misses_and_tables_name_every_log(results: Sequence[Result]) -> None:
    tables = [*report_score.table_of(results), *report_score.origins_of(results)]
    assert any(line.startswith("kasan") for line in tables)
    wrong = sum(not one.has_title for one in results if one.expected.titles)
    assert wrong
    assert len(list(report_score.misses_of(results))) >= wrong / 2
