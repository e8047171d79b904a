# SPDX-License-Identifier: GPL-2.0-or-later
"""Reports as text, HTML, uReport and event of Sentry."""

import re
from datetime import UTC
from html.parser import HTMLParser

import msgspec
import pytest
from hypothesis import given, settings

from klogd_py.record.report import Confidence, Frame, Report, ReportSeverity, Source, Stack
from klogd_py.reports.documents.facts import describe_frame, describe_place
from klogd_py.reports.documents.html_page import html_page
from klogd_py.reports.documents.occurrences import Occurrences, occurrences_of
from klogd_py.reports.documents.sentry import event_id, sentry_event
from klogd_py.reports.documents.text import WIDTH, Look, plain_text, text_lines
from klogd_py.reports.documents.ureport2 import OperatingSystem, ureport2
from tests.reports.any_reports import REPORTS
from tests.reports.published_schemas import SENTRY, UREPORT2, problems
from tests.reports_made import CALL_TRACE, FREED, REPORT, make_report

ONCE = Occurrences(1, REPORT.first_seen, REPORT.last_seen, (REPORT.first_seen,))
OFTEN = Occurrences(
    17,
    "2026-11-24T02:04:05Z",
    "2026-11-27T18:04:05Z",
    ("2026-11-24T02:04:05Z", "2026-11-25T02:04:05Z", "2026-11-27T18:04:05Z"),
)
FEDORA = OperatingSystem("fedora", "41")
VOID = {"meta", "path"}


class TagReader(HTMLParser):
    """Reads a page: its tags, and whether each is closed in its place. Mutable."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.text = ""
        self.feed(page)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += attrs
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag not in VOID:
            assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data


def page_of(*reports: Report, occurrences: Occurrences = ONCE) -> str:
    return html_page([(report, occurrences) for report in reports], UTC, "1.0")


def facts_in(text: str) -> dict[str, str]:
    """The labelled lines of a text."""
    return dict(re.findall(r"^([a-z][a-z ]{1,10}?) {2,}(\S.*)$", text, re.MULTILINE))


def test_text_begins_with_title_and_place() -> None:
    lines = plain_text(REPORT, ONCE, UTC).splitlines()
    assert lines[:4] == [
        "KASAN: slab-use-after-free Read in nic_poll",
        "",
        "where       nic_poll in module nic",
        "when        2026-11-27 18:04:05 UTC, 5.2 s after the kernel started",
    ]


def test_text_says_how_often_and_sure() -> None:
    report = make_report(
        doubts=("a gap",), confidence=Confidence.LOW, panicked=True, after_oops=True
    )
    facts = facts_in(plain_text(report, OFTEN, UTC))
    assert facts["how often"].startswith("17 times, from 2026-11-24 02:04:05 UTC to")
    assert facts["how sure"] == "low: a gap"
    assert facts["how bad"] == "error: the kernel stopped (panic)"
    assert "<dd>error: the kernel stopped (panic)</dd>" in page_of(report)
    assert facts["after"].startswith("an oops of this boot")


def test_text_of_facts_fits_a_terminal() -> None:
    report = make_report(message="word " * 60, locks=("#0: (&dev->lock){+.+.}",) * 2)
    lines = [line.text for line in text_lines(report, OFTEN, UTC)]
    facts = lines[: lines.index("Call Trace")]
    assert len(facts) > 20
    assert max(map(len, facts)) <= WIDTH
    assert [line for line in facts if line.startswith("lock ")] == [
        "lock        #0: (&dev->lock){+.+.}"
    ]


def test_text_marks_the_blamed_frame_once() -> None:
    looks = {line.text: line.look for line in text_lines(REPORT, ONCE, UTC)}
    assert looks["> nic_poll+0x5d/0x140 [nic]"] is Look.BLAMED
    assert looks["  kasan_report+0xda/0x110"] is Look.NOISE
    assert looks["  ? nic_irq+0x40/0x40 [nic]"] is Look.NOISE
    assert looks["  net_rx_action+0x3f1/0x8a0"] is Look.PLAIN
    assert [*looks.values()].count(Look.BLAMED) == 1


def test_copy_of_blamed_function_is_marked() -> None:
    copy = Frame(f"{REPORT.function}.isra.0", 0x1F, 0x40)
    report = make_report(stacks=(Stack("Call Trace", (copy,)),))
    assert f"> {REPORT.function}.isra.0+0x1f/0x40" in plain_text(report, ONCE, UTC)


def test_place_says_if_kind_names_none() -> None:
    report = make_report(function="", module="", confidence=Confidence.HIGH)
    assert describe_place(report).startswith("not stated: ")


def test_frame_shows_module_and_source_line() -> None:
    frame = Frame("nic_poll", 0x5D, 0x140, "nic", file="drivers/net/nic.c", line=18)
    assert describe_frame(frame) == "nic_poll+0x5d/0x140 [nic]  drivers/net/nic.c:18"
    assert describe_frame(Frame("nic_poll", reliable=False)) == "? nic_poll"


@settings(max_examples=40)
@given(REPORTS)
def test_text_cannot_control_a_terminal(report: Report) -> None:
    text = plain_text(report, occurrences_of([report]), UTC)
    assert all(char.isprintable() or char in "\t\n" for char in text)


def test_page_needs_no_other_file() -> None:
    read = TagReader(page_of(REPORT, occurrences=OFTEN))
    assert not {"script", "img", "link", "iframe"} & {*read.tags}
    assert {"style", "svg", "details", "h1"} <= {*read.tags}
    assert not [name for name, _ in read.attributes if name in ("src", "href", "onload")]
    policies = [value for name, value in read.attributes if name == "content"]
    assert any(value and value.startswith("default-src 'none'") for value in policies)
    assert not re.search(r"url\(|@import", page_of(REPORT))


def test_page_has_title_and_place_on_top() -> None:
    page = page_of(make_report(source=Source("drivers/net/nic.c", 18)))
    body = page.partition("<body>")[2]
    assert re.search(r"<h1>KASAN: .* in nic_poll</h1>\n<p class=\"where\">nic_poll in module", body)
    assert body.index("drivers/net/nic.c:18") < body.index("<dl>")


def test_page_folds_noise_and_marks_blame() -> None:
    page = page_of(REPORT)
    folded = re.findall(r"<details><summary>(.*?)</summary><ol>(.*?)</ol>", page, re.DOTALL)
    assert [summary for summary, _ in folded] == [
        "3 frames of helpers, never to blame",
        "2 frames of helpers, never to blame",
    ]
    assert folded[0][1].count("<li") == 3
    assert re.findall(r'<li class="blamed">(.*?)</li>', page) == ["nic_poll+0x5d/0x140 [nic]"]


def test_page_shows_each_known_time() -> None:
    drawing = re.findall(r"<svg.*?</svg>", page_of(REPORT, occurrences=OFTEN), re.DOTALL)
    assert len(drawing) == 1
    # One more is the axis.
    assert drawing[0].count("<path") == 4
    assert "17 occurrences, 3 of them marked" in drawing[0]
    assert "<svg" not in page_of(REPORT, occurrences=ONCE)


def test_page_of_several_begins_with_contents() -> None:
    page = page_of(REPORT, make_report(title="WARNING in nic_stop"))
    assert re.findall(r'<a href="#report-2">(.*?)</a>', page) == ["WARNING in nic_stop"]
    assert page.count("<article id=") == 2
    assert "<title>2 crashes</title>" in page


def test_page_marks_the_byte_at_the_counter() -> None:
    page = page_of(make_report(code="48 89 <0f> 0b 90"))
    assert "48 89 <mark>&lt;0f&gt;</mark> 0b 90" in page


@settings(max_examples=40)
@given(REPORTS)
def test_page_is_well_formed_and_escaped(report: Report) -> None:
    read = TagReader(html_page([(report, occurrences_of([report]))], UTC, "1.0"))
    assert read.open == []
    assert "script" not in read.tags
    assert {"article", "h1"} <= {*read.tags}


def test_tags_in_a_log_are_text() -> None:
    evil = '<script>alert(1)</script>"><img src=x onerror=y>'
    stack = Stack(evil, (Frame(evil, file=evil, line=1),))
    report = make_report(title=evil, message=evil, text=(evil,), stacks=(stack,), host=evil)
    read = TagReader(page_of(report))
    assert not {"script", "img"} & {*read.tags}
    assert read.text.count(evil) >= 6


def test_ureport_is_what_faf_accepts() -> None:
    document = ureport2(REPORT, FEDORA, "1.0")
    assert problems(document, UREPORT2) == []
    problem = document["problem"]
    assert isinstance(problem, dict)
    assert problem["taint_flags"] == ["warning", "module_out_of_tree", "unsigned_module"]
    assert problem["modules"] == ["nic(OE+)", "e1000", "xfs"]
    assert problem["frames"][3] == {
        "address": 0,
        "reliable": True,
        "function_name": "nic_poll",
        "function_offset": 0x5D,
        "function_length": 0x140,
        "module_name": "nic",
    }
    assert document["reason"] == REPORT.title


def test_ureport_names_the_affected_package() -> None:
    kernel = msgspec.structs.replace(REPORT.kernel, release="6.12.4-200.fc41.x86_64")
    document = ureport2(make_report(kernel=kernel), FEDORA, "1.0")
    assert document["packages"] == [
        {
            "name": "kernel",
            "epoch": 0,
            "version": "6.12.4",
            "release": "200.fc41",
            "architecture": "x86_64",
            "package_role": "affected",
        }
    ]


def test_ureport_is_public_without_being_asked() -> None:
    raw = str(ureport2(REPORT, FEDORA, "1.0"))
    assert "netperf" not in raw
    assert "ffff8881054c0d40" not in raw


@settings(max_examples=50)
@given(REPORTS)
def test_any_report_is_a_valid_ureport(report: Report) -> None:
    assert problems(ureport2(report, OperatingSystem("O S", "1/2"), "1.0"), UREPORT2) == []


def test_sentry_event_is_what_relay_accepts() -> None:
    event = sentry_event(make_report(host="db1"), "1.0")
    assert problems(event, SENTRY) == []
    assert event["level"] == "error"
    assert event["fingerprint"] == ["1:0123456789abcdef"]
    assert event["tags"] == {
        "kind": "kasan",
        "module": "nic",
        "kernel": "6.12.4-amd64",
        "confidence": "high",
        "taint": "GWOE",
    }


def test_sentry_frames_are_oldest_first() -> None:
    raw = msgspec.json.decode(msgspec.json.encode(sentry_event(REPORT, "1.0")))
    frames = raw["exception"]["values"][0]["stacktrace"]["frames"]
    assert [frame["function"] for frame in frames] == [
        frame.function for frame in reversed(CALL_TRACE.frames)
    ]
    assert {frame["function"] for frame in frames if not frame["in_app"]} == {
        frame.function for frame in CALL_TRACE.frames if frame.noise or not frame.reliable
    }
    assert raw["threads"]["values"][0]["name"] == FREED.label


@pytest.mark.parametrize("severity", ReportSeverity)
def test_sentry_knows_the_level_of_severity(severity: ReportSeverity) -> None:
    assert problems(sentry_event(make_report(severity=severity), "1.0"), SENTRY) == []


def test_sentry_event_has_one_id_always() -> None:
    assert event_id(REPORT) == event_id(make_report(count=9))
    assert event_id(REPORT) != event_id(make_report(id="5f0c9a1e-000005218310-00000000"))


@settings(max_examples=40)
@given(REPORTS)
def test_any_report_is_a_valid_event(report: Report) -> None:
    event = sentry_event(report, "1.0")
    assert [one for one in problems(event, SENTRY) if "too long" not in one] == []
