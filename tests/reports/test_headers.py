# SPDX-License-Identifier: GPL-2.0-or-later
"""Reports begin with the first lines of the table, and with no others."""

import pytest

from klogd_py.oops.crash_signatures import CRASH_MARKERS
from klogd_py.record.crash_kind import CrashKind
from klogd_py.reports.detection.headers import HEADERS, facts_of, find_header
from klogd_py.reports.detection.state_headers import NOTE_HEADERS
from klogd_py.reports.titles import fill, template_of
from tests.reports.header_samples import NO_HEADERS, SAMPLES
from tests.reports.lines import raw_report


@pytest.mark.parametrize(("kind", "text", "title"), SAMPLES)
def test_first_line_has_its_kind_and_title(kind: str, text: str, title: str) -> None:
    found = find_header(text)
    assert found is not None
    assert found.kind.value == kind
    assert fill(template_of(raw_report(found.kind, [text])), "F") == title


def test_every_row_has_a_sample() -> None:
    found = [find_header(text) for _, text, _ in SAMPLES]
    used = [one.header for one in found if one is not None]
    unused = [row.pattern.pattern for row in (*HEADERS, *NOTE_HEADERS) if row not in used]
    assert unused == []
    assert len(used) > 100


def test_every_kind_has_a_header() -> None:
    assert {row.kind for row in (*HEADERS, *NOTE_HEADERS)} == {*CrashKind}
    assert all(facts_of(kind).crash_class for kind in CrashKind)


@pytest.mark.parametrize("text", [text for _, text, _ in SAMPLES])
def test_shared_search_finds_each_first_line(text: str) -> None:
    assert any(marker in text for marker in CRASH_MARKERS)


@pytest.mark.parametrize("text", NO_HEADERS)
def test_other_lines_begin_no_report(text: str) -> None:
    assert find_header(text) is None


@pytest.mark.parametrize("text", [text for _, text, _ in SAMPLES])
def test_first_line_in_the_middle_is_none(text: str) -> None:
    found = find_header(f"nic0: {text}")
    # A form that begins with the name of a process fits any word
    assert found is None or found.header.beginning == ""


@pytest.mark.parametrize("printer", ["rcu: ", "watchdog: ", "NMI watchdog: ", "traps: ", "[ "])
def test_one_printer_before_header_is_left_out(printer: str) -> None:
    text = "BUG: soft lockup - CPU#1 stuck for 23s! [ip:77]"
    assert find_header(f"  {printer}{text}") is not None
    assert find_header(f"{printer}nic: {text}") is None


def test_title_of_sanitizer_has_the_access() -> None:
    header = "BUG: KASAN: slab-use-after-free in nic_poll+0x5d/0x140 [nic]"
    read = raw_report(CrashKind.KASAN, [header, "Read of size 8 at addr ffff8 by task ip/77"])
    write = raw_report(CrashKind.KASAN, [header, "Write of size 8 at addr ffff8 by task ip/77"])
    assert fill(template_of(read), "f") == "KASAN: slab-use-after-free Read in f"
    assert fill(template_of(write), "f") == "KASAN: slab-use-after-free Write in f"


def test_title_without_function_has_no_in() -> None:
    assert fill("kernel BUG in {function}", "") == "kernel BUG"
    assert fill("WARNING in {function}/usb_submit_urb", "") == "WARNING in usb_submit_urb"


def test_title_of_rust_has_its_message() -> None:
    lines = ["rust_kernel: panicked at rust/kernel/nic.rs:60:5:", "attempt to add with overflow"]
    title = fill(template_of(raw_report(CrashKind.RUST_PANIC, lines)), "nic::read")
    assert title == "attempt to add with overflow in nic::read"
