# SPDX-License-Identifier: GPL-2.0-or-later
import json
import operator
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from klogd_py.record.types import (
    Cause,
    Entry,
    Gap,
    Machine,
    Record,
    Severity,
    SymbolAddress,
    TimestampSource,
)
from klogd_py.sinks.formats import TimestampFormatter
from klogd_py.sinks.json_document import Device, decode_device
from klogd_py.sinks.json_lines import JsonLines, RecentLines
from klogd_py.sinks.machine_identity import MachineIdentity
from klogd_py.sources import kmsg_format
from tests.entries import PLACE, WALL_US, entry, gap_entry, lost_entry, numbered_entries
from tests.json_documents import VALIDATOR, JsonDocument, read_document, read_documents

STAMP = TimestampFormatter().rfc3339(WALL_US)
LIVE = MachineIdentity("node1", "a" * 32, "b" * 32, "6.1.0-1-amd64", "c0ffee")
FOREIGN = Machine("router", "d" * 32, "5.15.0")
TEXTS = st.text(max_size=20) | st.binary(max_size=20).map(
    lambda raw: raw.decode("utf-8", "surrogateescape")
)
NUMBERS = st.none() | st.integers(0, 1 << 63)
RECORDS = st.builds(
    Record,
    TEXTS,
    st.none() | st.integers(0, 2047),
    NUMBERS,
    NUMBERS,
    st.sampled_from(["-", "c", ""]) | TEXTS,
    TEXTS,
    st.lists(TEXTS, max_size=2).map(tuple),
    st.lists(st.tuples(st.sampled_from(["SUBSYSTEM", "DEVICE"]) | TEXTS, TEXTS), max_size=3).map(
        tuple
    ),
    st.booleans(),
    st.booleans(),
    parts=st.lists(st.integers(0, 99), max_size=2).map(tuple),
    machine=st.none() | st.builds(Machine, TEXTS, TEXTS, TEXTS),
)
PLACES = st.builds(
    SymbolAddress, TEXTS, st.integers(0, 99), st.integers(0, 99), TEXTS, st.just("T"), TEXTS
)
GAPS = st.builds(Gap, st.integers(0, 9), st.integers(10, 99), st.sampled_from(Cause), TEXTS)
ENTRIES = st.builds(
    Entry,
    RECORDS,
    st.integers(0, 1 << 53),
    TEXTS,
    st.lists(PLACES, max_size=2).map(tuple),
    is_own=st.booleans(),
    time_source=st.none() | st.sampled_from(TimestampSource),
) | GAPS.map(gap_entry)


def document_of(of: Entry, identity: MachineIdentity | None = None) -> JsonDocument:
    (line,) = JsonLines(identity).encode([of])
    return read_document(line)


def test_json_omits_empty_values_but_keeps_zeros() -> None:
    assert document_of(Entry(Record("x", 0, 0, 0), WALL_US, "x")) == {
        "schema": 1,
        "timestamp": STAMP,
        "severity": "emerg",
        "severity_number": 21,
        "facility": 0,
        "tag": "kernel",
        "text": "x",
        "wall_us": WALL_US,
        "seq": 0,
        "usec": 0,
    }


def test_json_has_a_text_even_if_empty() -> None:
    assert document_of(entry(""))["text"] == ""


def test_json_holds_every_fact_of_the_entry() -> None:
    fields = (("SUBSYSTEM", "net"), ("DEVICE", "n3"))
    record = Record(
        "at ffff",
        12,
        7,
        8,
        "c",
        "T1",
        ("new=1",),
        fields,
        truncated=True,
        unparsed=True,
        parts=(9,),
    )
    made = Entry(record, WALL_US, "at vfs_write", (PLACE,), time_source=TimestampSource.LIVE)
    assert document_of(made, LIVE) == {
        "schema": 1,
        "timestamp": STAMP,
        "severity": "warning",
        "severity_number": 13,
        "facility": 1,
        "tag": "kmsg",
        "text": "at vfs_write",
        "wall_us": WALL_US,
        "time_quality": "live",
        "seq": 7,
        "parts": [9],
        "usec": 8,
        "caller": "T1",
        "flags": "c",
        "subsystem": "net",
        "device": {"kind": "net", "ifindex": 3},
        "fields": {"SUBSYSTEM": "net", "DEVICE": "n3"},
        "raw": "at ffff",
        "symbols": ["vfs_write+0x1d/0x40 [ext4]"],
        "extra": ["new=1"],
        "truncated": True,
        "unparsed": True,
        "host": "node1",
        "machine_id": "a" * 32,
        "boot_id": "b" * 32,
        "kernel": {"release": "6.1.0-1-amd64", "build_id": "c0ffee"},
    }


def test_json_of_gap_has_range_and_cause() -> None:
    document = document_of(lost_entry(5, 9, Cause.OVERRUN))
    assert document["gap"] == {"first": 5, "last": 9, "count": 5, "cause": "overrun"}
    assert (document["tag"], "[gap " in document["text"]) == ("klogd-py", False)


def test_stated_machine_replaces_the_running_one() -> None:
    record = Record("x", 6, machine=FOREIGN)
    document = document_of(Entry(record, WALL_US, "x"), LIVE)
    assert {key: document.get(key) for key in ("host", "machine_id", "boot_id", "kernel")} == {
        "host": "router",
        "machine_id": None,
        "boot_id": "d" * 32,
        "kernel": {"release": "5.15.0"},
    }


def test_record_of_unknown_machine_names_none() -> None:
    assert not {"host", "machine_id", "boot_id", "kernel"} & {*document_of(entry())}
    silent = Entry(Record("x", machine=Machine()), WALL_US, "x")
    assert not {"host", "machine_id", "boot_id", "kernel"} & {*document_of(silent, LIVE)}


# The column Syslog of the data model's appendix B
@pytest.mark.parametrize(
    ("severity", "number"),
    [
        (Severity.EMERG, 21),
        (Severity.ALERT, 19),
        (Severity.CRIT, 18),
        (Severity.ERR, 17),
        (Severity.WARNING, 13),
        (Severity.NOTICE, 10),
        (Severity.INFO, 9),
        (Severity.DEBUG, 5),
    ],
)
def test_severity_number_is_that_of_opentelemetry(severity: Severity, number: int) -> None:
    document = document_of(entry(prefix=3 << 3 | severity))
    assert (document["severity_number"], document["severity"], document["facility"]) == (
        number,
        severity.name.lower(),
        3,
    )


@pytest.mark.parametrize(
    ("text", "device"),
    [
        ("b8:0", Device("block", 8, 0)),
        ("b259:12", Device("block", 259, 12)),
        ("c1:3", Device("char", 1, 3)),
        ("n3", Device("net", ifindex=3)),
        ("+usb:1-1", Device("other", name="1-1")),
        ("+pci:0000:00:1f.0", Device("other", name="0000:00:1f.0")),
        ("", None),
        ("b8", None),
        ("n", None),
        ("n\u0663", None),
        ("+usb", None),
        ("+usb:", None),
        ("usb:1-1", None),
    ],
)
def test_device_is_decoded_as_documented(text: str, device: Device | None) -> None:
    assert decode_device(text) == device


def test_multiline_text_is_one_line_of_json() -> None:
    (line,) = JsonLines().encode([entry("two\nlines\u2028\x7f\x9b\x1c")])
    assert (line.count("\n"), line[:-1].isprintable()) == (1, True)
    assert read_document(line)["text"] == "two\nlines\u2028\x7f\x9b\x1c"


def test_printable_characters_are_not_escaped() -> None:
    (line, other) = JsonLines().encode([entry("Grüße 日本"), entry("\u202e")])
    assert ("Grüße 日本" in line, "\\u202e" in other) == (True, True)


@pytest.mark.parametrize(
    "raw",
    [
        b"6,1,2,-;\\xff\n",
        b"6,1,2,-;x\n \\xff=1\n",
        b"6,1,2,-;x\n KEY=\\xff\n",
        b"6,1,2,\xff;x\n",
        b"6,1,2,-,\xff;x\n",
        b"6,1,2,-,caller=\xff;x\n",
        b"\xff",
    ],
)
def test_json_accepts_bytes_that_are_not_utf_8(raw: bytes) -> None:
    record = kmsg_format.parse_all([raw])[0]
    lines = JsonLines().encode([entry("before"), Entry(record, 0, record.text), entry("after")])
    texts = [document["text"] for document in read_documents("".join(lines))]
    assert (texts[0], texts[2]) == ("before", "after")
    assert "\\xff" in json.dumps(read_document(lines[1])).replace("\\\\", "\\")


@settings(deadline=None)
@given(st.lists(ENTRIES, max_size=4), st.sampled_from([LIVE, MachineIdentity()]))
def test_schema_allows_document_of_any_entry(
    entries: list[Entry], identity: MachineIdentity
) -> None:
    lines = JsonLines(identity).encode(entries)
    documents = read_documents("".join(lines))
    assert [line.count("\n") for line in lines] == [1] * len(entries)
    assert [document["wall_us"] for document in documents] == [made.wall_us for made in entries]


@settings(deadline=None)
@given(st.lists(ENTRIES, max_size=4))
def test_entry_has_same_line_in_any_batch(entries: list[Entry]) -> None:
    alone = [line for made in entries for line in JsonLines(LIVE).encode([made])]
    assert JsonLines(LIVE).encode(entries) == alone


def test_schema_refuses_what_nobody_may_write() -> None:
    right = document_of(lost_entry(1, 2, Cause.OVERRUN), LIVE)
    wrong = [
        right | {"schema": 2},
        right | {"time": "live"},
        right | {"timestamp": "Nov 23 08:13:42"},
        right | {"severity": "fatal"},
        right | {"seq": "1"},
        right | {"gap": {"first": 1}},
        {key: value for key, value in right.items() if key != "text"},
    ]
    assert VALIDATOR.is_valid(right)
    assert [document for document in wrong if VALIDATOR.is_valid(document)] == []


def are_same(lines: Sequence[str], others: Sequence[str]) -> bool:
    """Whether two lists hold the same objects, which have been made once."""
    return len(lines) == len(others) and all(map(operator.is_, lines, others))


def test_second_sink_gets_lines_of_the_first() -> None:
    shared, entries = JsonLines(LIVE, is_shared=True), numbered_entries(range(6))
    lines = shared.encode(entries)
    assert are_same(shared.encode(entries), lines)
    # A queue sends other parts of the batch, and a filter leaves some out.
    assert are_same(shared.encode(entries[2:5]), lines[2:5])
    assert are_same(shared.encode(entries[::2]), lines[::2])
    assert lines == JsonLines(LIVE).encode(entries)


def test_known_and_new_entries_keep_their_order() -> None:
    shared, entries = JsonLines(LIVE, is_shared=True), numbered_entries(range(5))
    known = shared.encode(entries[1:3])
    lines = shared.encode(entries)
    assert are_same(lines[1:3], known)
    assert [document["seq"] for document in read_documents("".join(lines))] == [0, 1, 2, 3, 4]


def test_equal_entries_are_told_apart() -> None:
    shared, one = JsonLines(is_shared=True), entry()
    lines = shared.encode([one, one, entry()])
    assert [line == lines[0] for line in lines] == [True] * 3
    assert are_same(shared.encode([one]), shared.encode([one]))


def test_old_lines_make_room_for_new_ones() -> None:
    recent, first, second = RecentLines(10), numbered_entries(range(2)), numbered_entries([7])
    recent.add(first, ["aaaa", "bbbb"])
    assert recent.find(first) == ["aaaa", "bbbb"]
    recent.add(second, ["cccc"])
    assert recent.find([*first, *second]) == [None, None, "cccc"]
    recent.add(first, ["long", "too"])
    assert recent.find([*first, *second]) == ["long", "too", None]


def test_line_beyond_the_limit_is_not_kept() -> None:
    recent, entries = RecentLines(10), numbered_entries(range(2))
    recent.add(entries, ["a" * 6, "b" * 6])
    assert recent.find(entries) == [None, None]


def test_threads_share_lines_without_mixing_them() -> None:
    shared = JsonLines(LIVE, is_shared=True)
    batches = [numbered_entries(range(at, at + 50)) for at in range(0, 2000, 50)]
    with ThreadPoolExecutor(4) as pool:
        found = [*pool.map(lambda _: [*map(shared.encode, batches)], range(4))]
    alone = JsonLines(LIVE)
    assert found == [[alone.encode(batch) for batch in batches]] * 4
