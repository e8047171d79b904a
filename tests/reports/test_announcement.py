# SPDX-License-Identifier: GPL-2.0-or-later
"""The line with which a report is announced: values in quotes cannot pass for others."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from klogd_py.record.report import Confidence, ReportSeverity, Source
from klogd_py.record.types import Severity
from klogd_py.reports.announcement import PRIORITIES, announce, message, microseconds, report_line
from klogd_py.reports.document import decode, encode, fitted
from tests.reports_made import REPORT, make_report

PAIR = re.compile(r'(\w+)=(?:"((?:[^"\\]|\\.)*)"|(\S+))')


def pairs(line: str) -> dict[str, str]:
    """Read a line as a program would: ``report ISSUE key=value key="a value"``."""
    head, _, rest = line.partition(" ")
    issue, _, rest = rest.partition(" ")
    found = {"": head, "issue": issue}
    position = 0
    while position < len(rest):
        one = PAIR.match(rest, position)
        assert one is not None
        assert one[1] not in found
        found[one[1]] = one[3] if one[2] is None else re.sub(r'\\(["\\])', r"\1", one[2])
        position = one.end() + 1
    return found


def test_line_has_the_facts_of_report() -> None:
    assert pairs(report_line(REPORT)) == {
        "": "report",
        "issue": "1:0123456789abcdef",
        "kind": "kasan",
        "severity": "error",
        "title": "KASAN: slab-use-after-free Read in nic_poll",
        "function": "nic_poll",
        "module": "nic",
        "count": "1",
        "id": "5f0c9a1e-000005218310-1a2b3c4d",
    }


def test_rare_facts_are_there_if_known() -> None:
    found = pairs(
        report_line(
            make_report(source=Source("mm/slub.c", 306), confidence=Confidence.LOW, panicked=True)
        )
    )
    assert (found["file"], found["confidence"], found["panicked"]) == (
        "mm/slub.c:306",
        "low",
        "yes",
    )


def test_panic_of_announced_report_is_said() -> None:
    report = make_report(panicked=True, count=0)
    assert message(report) == f"{REPORT.title} (the kernel panicked)"
    found = pairs(report_line(report))
    assert (found["count"], found["panicked"], found["id"]) == ("0", "yes", REPORT.id)


@given(title=st.text(max_size=200), function=st.text(max_size=40))
def test_untrusted_text_adds_no_key(title: str, function: str) -> None:
    line = report_line(make_report(title=title, function=function))
    assert line.isprintable()
    assert pairs(line)["id"] == REPORT.id
    assert pairs(line).get("kind") == "kasan"


def test_title_with_quotes_is_read_back() -> None:
    title = 'WARNING in "x" kind=panic \\" id=1'
    assert pairs(report_line(make_report(title=title)))["title"] == title


@pytest.mark.parametrize("severity", list(ReportSeverity))
def test_priority_follows_from_the_severity(severity: ReportSeverity) -> None:
    entry = announce(make_report(severity=severity))
    assert entry.record.prefix == PRIORITIES[severity]
    assert entry.record.facility == 0
    expected = {"fatal": 2, "error": 3, "hang": 3, "warning": 4}
    assert entry.record.severity is Severity(expected[severity.value])


def test_entry_has_no_text_and_number() -> None:
    entry = announce(REPORT)
    assert entry.is_own
    assert entry.sequence is None
    assert entry.report is not None
    assert (entry.report.text, entry.report.context_before) == ((), ())
    assert entry.report.stacks == REPORT.stacks
    assert entry.wall_us == 1_795_802_645_231_004


def test_time_that_is_none_is_zero() -> None:
    assert [microseconds(text) for text in ("", "soon", "2026-13-01")] == [0, 0, 0]
    assert microseconds("1970-01-01T00:00:01.000002Z") == 1_000_002


def test_document_is_read_as_it_was() -> None:
    assert decode(encode(REPORT)) == REPORT


@pytest.mark.parametrize("limit", [400_000, 60_000, 8_000, 3_000, 1_500])
def test_document_keeps_its_limit_and_head(limit: int) -> None:
    large = make_report(text=("x" * 1000,) * 300, modules=REPORT.modules * 300)
    raw = fitted(large, limit)
    found = decode(raw)
    assert len(raw) <= limit or not found.stacks
    assert found.title == REPORT.title
    assert found.truncated == (limit < 400_000)
