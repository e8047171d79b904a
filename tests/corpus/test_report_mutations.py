# SPDX-License-Identifier: GPL-2.0-or-later
"""A crash stays the same issue however its log is written, mixed with other lines, or damaged."""

from collections.abc import Iterator, Sequence
from itertools import pairwise
from random import Random

import pytest
from msgspec import Struct

from klogd_py.record.report import Report
from klogd_py.reports.describe import describe
from klogd_py.reports.detection.open_report import MAX_LINES
from tests.corpus.expectations import logs_of
from tests.corpus.logs import COLLECTION, needs_collection
from tests.corpus.mutations import MUTATIONS, damaged
from tests.corpus.reported import reports_in
from tests.reports.lines import ORDINARY

pytestmark = needs_collection
# Every so many logs are enough to see a rule break
STEP = 4
FOREIGN = (
    ORDINARY,
    "eth0: link up, 1000 Mbps, full duplex",
    "EXT4-fs (sda1): mounted filesystem with ordered data mode",
    "device lo entered promiscuous mode",
)


class Crash(Struct, frozen=True):
    """A log with one report: the lines of that report, and its title."""

    path: str
    log: str
    texts: tuple[str, ...]
    report: Report


@pytest.fixture(scope="module")
def crashes() -> Sequence[Crash]:
    return [*_crashes()]


def _crashes() -> Iterator[Crash]:
    titled = [log for log in logs_of(COLLECTION) if log.expected.titles]
    for log in [log for log in titled if not log.expected.is_corrupted][::STEP]:
        found = reports_in(log.body)
        if len(found) == 1:
            lines = (*found[0].context, *found[0].lines)
            texts = tuple(line.text for line in lines)
            yield Crash(log.expected.path, log.body.decode("latin-1"), texts, describe(found[0]))


def stamped(at: int, text: str, caller: str = "") -> str:
    """A line of dmesg, one of ten in a millisecond."""
    return f"[  100.{at * 100:06d}]{caller} {text}\n"


@pytest.mark.parametrize("name", MUTATIONS)
def test_issue_stays_the_same_in_each_form(name: str, crashes: Sequence[Crash]) -> None:
    assert len(crashes) > 40
    others = []
    for crash in crashes:
        changed = MUTATIONS[name](crash.log).encode("latin-1")
        issues = [describe(raw).fingerprint.issue for raw in reports_in(changed)]
        if issues[:1] != [crash.report.fingerprint.issue]:
            others.append(crash.path)
    assert others == []


def test_callers_tell_two_crashes_apart(crashes: Sequence[Crash]) -> None:
    wrong = []
    pairs = list(pairwise(crashes))
    assert len(pairs) > 40
    for one, other in pairs:
        rest = [
            [(text, "[  T101]") for text in one.texts],
            [(text, "[  T202]") for text in other.texts],
        ]
        rng = Random(one.path)
        lines: list[str] = []
        while any(rest):
            text, caller = rng.choice([part for part in rest if part]).pop(0)
            lines.append(stamped(len(lines), text, caller))
        titles = sorted(describe(raw).title for raw in reports_in("".join(lines).encode()))
        if titles != sorted((one.report.title, other.report.title)):
            wrong.append((one.path, other.path))
    assert wrong == []


def test_foreign_lines_between_change_few_titles(crashes: Sequence[Crash]) -> None:
    wrong = []
    assert len(crashes) > 40
    for crash in crashes:
        rng, texts = Random(crash.path), []
        for text in crash.texts:
            while rng.random() < 0.5:
                texts.append(rng.choice(FOREIGN))
            texts.append(text)
        raw = "".join(stamped(at, text) for at, text in enumerate(texts)).encode()
        titles = [describe(one).title for one in reports_in(raw)]
        if titles[:1] != [crash.report.title]:
            wrong.append(crash.path)
    assert len(wrong) <= 0.05 * len(crashes)


@pytest.mark.parametrize("seed", range(4))
def test_damaged_logs_are_read_without_error(seed: int, crashes: Sequence[Crash]) -> None:
    rng = Random(seed)
    found = 0
    for crash in [*crashes[seed::4], *crashes[seed::4]]:
        for report in reports_in(damaged(crash.log.encode("latin-1"), rng)):
            assert 0 < len(report.lines) <= MAX_LINES
            assert describe(report).title
            found += 1
    assert found > 0
