# SPDX-License-Identifier: GPL-2.0-or-later
"""Which reports of an issue are announced, and that each of them is counted once."""

import random

import msgspec
import pytest

from klogd_py.record.report import Fingerprint, Report
from klogd_py.reports.storm import MAX_PERIOD_S, StormControl
from tests.reports_made import make_report

PERIOD_S = 60.0


def report(number: int = 1, issue: str = "1:aa") -> Report:
    seen = f"2026-11-27T18:04:05.{number:06d}Z"
    fingerprint = Fingerprint(issue, issue, issue)
    return make_report(id=f"id-{number}", first_seen=seen, last_seen=seen, fingerprint=fingerprint)


def test_first_report_of_issue_goes_out() -> None:
    assert StormControl().add(report(), 5.0) == [report()]


def test_repeats_wait_for_the_period_end() -> None:
    storm = StormControl(PERIOD_S)
    storm.add(report(1), 0.0)
    assert [storm.add(report(number), 1.0) for number in (2, 3, 4)] == [[], [], []]
    assert storm.deadline() == PERIOD_S
    assert storm.due(59.9) == []
    found = storm.due(60.0)
    assert found == [msgspec.structs.replace(report(4), count=3, first_seen=report(2).first_seen)]
    assert storm.deadline() is None


def test_period_without_repeats_announces_nothing() -> None:
    storm = StormControl(PERIOD_S)
    storm.add(report(1), 0.0)
    assert storm.deadline() is None
    assert storm.due(1000.0) == []


def test_repeat_behind_the_period_goes_out() -> None:
    storm = StormControl(PERIOD_S)
    storm.add(report(1), 0.0)
    assert storm.add(report(2), 61.0) == [report(2)]


def test_periods_double_up_to_one_hour() -> None:
    storm = StormControl(PERIOD_S)
    storm.add(report(1), 0.0)
    times = [second for second in range(1, 20_000) if storm.add(report(second), float(second))]
    gaps = [later - before for before, later in zip([0, *times], times, strict=False)]
    assert gaps == [60, 120, 240, 480, 960, 1920, 3600, 3600, 3600, 3600]


def test_issue_silent_for_an_hour_begins_anew() -> None:
    storm = StormControl(PERIOD_S)
    for second in range(0, 500, 10):
        storm.add(report(second), float(second))
    waiting = storm.waiting
    found = storm.add(report(9999), 490.0 + MAX_PERIOD_S)
    assert [one.count for one in found] == [waiting, 1]
    storm.add(report(10_000), 491.0 + MAX_PERIOD_S)
    assert storm.deadline() == 490.0 + MAX_PERIOD_S + PERIOD_S


def test_other_issues_are_announced_at_once() -> None:
    storm = StormControl(PERIOD_S)
    found = [storm.add(report(number, f"1:{number:x}"), 0.0) for number in range(50)]
    assert [len(one) for one in found] == [1] * 50


@pytest.mark.parametrize("seed", range(10))
def test_each_report_is_counted_exactly_once(seed: int) -> None:
    dice = random.Random(seed)
    storm = StormControl(PERIOD_S, max_issues=5)
    announced: list[Report] = []
    replaced, now_s = 0, 0.0
    for number in range(2000):
        now_s += dice.choice((0.0, 0.1, 10.0, 100.0, 5000.0))
        one = report(number, f"1:{dice.randrange(8):x}")
        replaced += storm.replaces_waiting(one, now_s)
        announced += storm.add(one, now_s)
        if dice.random() < 0.3:
            announced += storm.due(now_s)
    announced += storm.flush()
    assert sum(one.count for one in announced) == 2000
    assert (storm.waiting, replaced) == (0, 2000 - len(announced))


def test_forgotten_issue_gives_what_it_held() -> None:
    storm = StormControl(PERIOD_S, max_issues=1)
    storm.add(report(1), 0.0)
    storm.add(report(2), 1.0)
    assert storm.add(report(3, "1:bb"), 2.0) == [report(2), report(3, "1:bb")]
