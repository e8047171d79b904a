# SPDX-License-Identifier: GPL-2.0-or-later
"""What passes the filter of a sink, and what the filter leaves out."""

import re
from collections.abc import Sequence

import msgspec
import pytest

from klogd_py.config.sink_config import FilterSettings
from klogd_py.record.types import KERN, USER, Cause, Entry, Record, Severity
from klogd_py.sinks.entry_filter import MAX_SEARCHED_CHARS
from klogd_py.sinks.factory import entry_filter
from klogd_py.sinks.left_out import LeftOut
from klogd_py.sinks.sink_filter import (
    CHUNK_ENTRIES,
    LIMIT_S,
    MAX_WITHOUT_SUBSYSTEM,
    SinkFilter,
)
from klogd_py.system.jobs import Jobs
from tests.entries import WALL_US, lost_entry

USB = ("SUBSYSTEM", "usb")


def make_filter(**settings: object) -> SinkFilter:
    """Return a filter with some settings, whose others let everything pass."""
    found = SinkFilter("kern", Jobs())
    found.configure(entry_filter(msgspec.convert(settings, FilterSettings)))
    return found


def entry(
    text: str,
    severity: Severity = Severity.INFO,
    *fields: tuple[str, str],
    facility: int = KERN,
    seq: int | None = None,
) -> Entry:
    return Entry(Record(text, facility << 3 | severity, seq, fields=fields), WALL_US, text)


def passing(found: SinkFilter, entries: Sequence[Entry]) -> list[str]:
    """Return the texts of the entries that pass."""
    return [item.text for item in found.apply(entries) if isinstance(item, Entry)]


def test_least_severe_level_still_passes_itself() -> None:
    entries = [entry(severity.name, severity) for severity in Severity]
    for severity in Severity:
        found = make_filter(min_severity=int(severity))
        assert passing(found, entries) == [one.name for one in Severity if one <= severity]


def test_record_without_level_counts_as_info() -> None:
    unknown = [Entry(Record("text"), WALL_US, "text")]
    assert passing(make_filter(min_severity=Severity.INFO), unknown) == ["text"]
    assert passing(make_filter(min_severity=Severity.NOTICE), unknown) == []


def test_subsystem_is_what_the_kernel_states() -> None:
    entries = [
        entry("usb 1-1: new device", Severity.INFO, ("DEVICE", "+usb:1-1"), USB),
        entry("sd 0:0:0:0: attached", Severity.INFO, ("SUBSYSTEM", "scsi")),
        # A program named usb, in a message of the kernel
        entry("usb: page allocation failure"),
        entry("usb[12]: segfault at 0"),
        # A line that a process wrote
        entry("usb 1-1: new device", Severity.INFO, USB, facility=USER),
    ]
    texts = [one.text for one in entries]
    assert passing(make_filter(subsystem=["usb"]), entries) == texts[:1]
    assert passing(make_filter(subsystem=["usb", "scsi"]), entries) == texts[:2]
    assert passing(make_filter(exclude_subsystem=["usb"]), entries) == texts[1:]
    assert passing(make_filter(subsystem=["usb"], exclude_subsystem=["usb"]), entries) == []


def test_lack_of_any_subsystem_is_reported_once(caplog: pytest.LogCaptureFixture) -> None:
    found = make_filter(subsystem=["usb"])
    for _ in range(2):
        assert passing(found, [entry("text")] * MAX_WITHOUT_SUBSYSTEM) == []
    found.warn_of_no_subsystem()
    assert caplog.messages == [
        "kern: subsystem left out everything: no record states one, see klogd-py.toml(5)"
    ]


def test_other_subsystems_are_no_reason_to_warn(caplog: pytest.LogCaptureFixture) -> None:
    for found in (make_filter(subsystem=["usb"]), make_filter(exclude_subsystem=["usb"])):
        found.apply([entry("text"), entry("text", Severity.INFO, ("SUBSYSTEM", "net"))])
        found.warn_of_no_subsystem()
    idle = make_filter(match=["a"])
    idle.apply([entry("text")])
    idle.warn_of_no_subsystem()
    assert caplog.messages == []


def test_expressions_search_the_text_of_the_sink() -> None:
    named = Entry(Record("at [<c0100000>]", 6), WALL_US, "at vfs_write+0x0/0x40")
    entries = [entry("EXT4-fs (sda1): mounted"), entry("ext4: other"), named]
    texts = [one.text for one in entries]
    assert passing(make_filter(match=["^EXT4", "vfs_write"]), entries) == [texts[0], texts[2]]
    assert passing(make_filter(match=["(?i)ext4"], exclude=["mounted$"]), entries) == texts[1:2]
    assert passing(make_filter(match=["c0100000"]), entries) == []
    assert passing(make_filter(exclude=["c0100000"]), entries) == texts


def test_all_kinds_of_conditions_must_hold() -> None:
    found = make_filter(min_severity=4, subsystem=["usb"], match=["reset"], exclude=["hub"])
    entries = [
        entry("device reset", Severity.ERR, USB),
        entry("device reset", Severity.INFO, USB),
        entry("device reset", Severity.ERR),
        entry("device", Severity.ERR, USB),
        entry("hub reset", Severity.ERR, USB),
    ]
    assert found.apply(entries) == [entries[0], LeftOut(None, 4)]


def test_gaps_and_own_messages_pass_every_filter() -> None:
    gap = lost_entry(5, 7, Cause.OVERRUN)
    own = Entry(Record("text", 6), WALL_US, "text", is_own=True)
    unreadable = Entry(Record("\x01\x02", None, unparsed=True), WALL_US, "\x01\x02")
    found = make_filter(min_severity=0, subsystem=["usb"], match=["never"], exclude=["."])
    assert found.apply([gap, own, unreadable]) == [gap, own, unreadable]


def test_record_sent_twice_is_judged_once() -> None:
    record = Record("at [<c0100000>]", 6, 5)
    twice = [Entry(record, WALL_US, "at vfs_write"), Entry(record, WALL_US, "at [<c0100000>]")]
    assert make_filter(match=["vfs_write"]).apply(twice) == twice
    found = make_filter(exclude=["vfs_write"])
    items = found.apply(twice)
    assert (len(items), found.count(items), found.left_out) == (1, 1, 1)


def test_text_behind_the_limit_is_not_searched() -> None:
    long = entry("x" * (MAX_SEARCHED_CHARS - 1) + "yz")
    assert passing(make_filter(match=["xy$"]), [long]) == [long.text]
    assert passing(make_filter(match=["z"]), [long]) == []


@pytest.mark.parametrize("key", ["match", "exclude"])
def test_endless_expression_is_given_up_and_records_pass(
    key: str, caplog: pytest.LogCaptureFixture
) -> None:
    found = make_filter(**{key: [r"(a+)+$"]})
    entries = [entry("a" * 60 + "b", seq=seq) for seq in range(5 * CHUNK_ENTRIES)]
    assert found.apply(entries) == entries
    assert found.apply(entries) == entries
    (message,) = caplog.messages
    assert message == (
        f"kern: {key} is not used until the next reload, and records pass it: "
        "the expression takes too long: (a+)+$"
    )
    assert LIMIT_S < 1


def test_other_expressions_remain_when_one_is_given_up() -> None:
    found = make_filter(exclude=[r"(a+)+$", "^secret"], match=["a", "s"])
    entries = [entry("a" * 60 + "b"), entry("secret"), entry("other")]
    assert passing(found, entries) == [entries[0].text]
    found = make_filter(exclude=["^secret"], match=[r"(a+)+$"])
    assert passing(found, entries) == [entries[0].text, "other"]


def test_filter_that_fails_lets_everything_pass() -> None:
    jobs = Jobs()
    found = SinkFilter("kern", jobs)
    found.configure(entry_filter(FilterSettings(match=("never",))))
    good = entry("other")
    assert found.apply([good]) == [LeftOut(None, 1)]
    faulty = [good, msgspec.structs.replace(entry("text"), text=7)]
    assert found.apply(faulty) == faulty
    assert [*jobs.failures] == ["filter of kern"]


def test_changed_conditions_hold_for_later_entries() -> None:
    found = make_filter(match=["never"])
    entries = [entry("text", seq=3), entry("text", seq=4)]
    items = found.apply(entries)
    found.configure(None)
    assert found.is_idle
    # What still waits is counted when it is done.
    assert (found.count(items), found.left_out) == (1, 2)


def test_expressions_are_compiled_as_they_stand() -> None:
    made = entry_filter(FilterSettings(match=("a.c",), exclude=("(?i)x",)))
    assert made is not None
    assert made.match[0].pattern == re.compile("a.c")
    assert made.exclude[0].pattern.flags & re.IGNORECASE
    assert entry_filter(FilterSettings()) is None
