# SPDX-License-Identifier: GPL-2.0-or-later
import pytest

from klogd_py.record.types import USER, Record, Severity
from klogd_py.sources import kmsg_format
from klogd_py.sources.kmsg_format import MalformedRecord

# Bytes as the kernel writes them, and the record that they are; read and written both ways.
RECORDS = [
    (
        b"6,339,5140900,-;NET: Registered protocol family 10\n",
        Record("NET: Registered protocol family 10", 6, 339, 5140900),
    ),
    (b"4,0,0,c;\n", Record("", 4, 0, 0, "c")),
    (b"30,7,8,-;systemd[1]: Started.\n", Record("systemd[1]: Started.", 30, 7, 8)),
    (b"2047,18446744073709551615,1,+;x\n", Record("x", 2047, 2**64 - 1, 1, "+")),
    (b"6,1,2,-,caller=T123;x\n", Record("x", 6, 1, 2, "-", "T123")),
    (
        b"6,1,2,-,caller=C4,task=kworker/0:1,next;x\n",
        Record("x", 6, 1, 2, "-", "C4", ("task=kworker/0:1", "next")),
    ),
    (
        b"6,191,258206,-;pci_bus 0000:00: root bus\n SUBSYSTEM=pci_bus\n DEVICE=+pci_bus:0000:00\n",
        Record(
            "pci_bus 0000:00: root bus",
            6,
            191,
            258206,
            fields=(("SUBSYSTEM", "pci_bus"), ("DEVICE", "+pci_bus:0000:00")),
        ),
    ),
    (
        rb"6,1,2,-;tab\x09, line\x0afeed, back\x5cslash, \xc3\xa9, \xff" + b"\n",
        Record("tab\t, line\nfeed, back\\slash, é, \udcff", 6, 1, 2),
    ),
    (b"6,1,2,-;semi;colon, comma\n", Record("semi;colon, comma", 6, 1, 2)),
]


@pytest.mark.parametrize(("raw", "record"), RECORDS)
def test_kmsg_record_is_parsed_into_its_fields(raw: bytes, record: Record) -> None:
    assert kmsg_format.parse(raw) == record


@pytest.mark.parametrize(("raw", "record"), RECORDS)
def test_record_is_rendered_as_kmsg_writes_it(raw: bytes, record: Record) -> None:
    assert kmsg_format.render(record) == raw


def test_header_of_linux_3_5_has_no_flags() -> None:
    assert kmsg_format.parse(b"6,1,2;old\n") == Record("old", 6, 1, 2)


@pytest.mark.parametrize(
    ("raw", "text"),
    [
        (b"6,1,2,-;no line feed", "no line feed"),
        (rb"6,1,2,-;cut \xc3\xa9\xc", "cut é\\xc"),
        (rb"6,1,2,-;cut \x", "cut \\x"),
        (b"6,1,2,-;cut \\", "cut \\"),
        (rb"6,1,2,-;broken \xa9\xc " + b"\n", "broken \udca9\\xc "),
    ],
)
def test_cut_record_is_marked_truncated(raw: bytes, text: str) -> None:
    record = kmsg_format.parse(raw)
    assert (record.text, record.truncated) == (text, True)


def test_whole_record_is_not_truncated() -> None:
    assert not kmsg_format.parse(rb"6,1,2,-;\x5c\x5c whole" + b"\n").truncated


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"\n",
        b"hello\n",
        b"6,1;too few\n",
        b"a,1,2,-;x\n",
        b"6,-1,2,-;x\n",
        b"6,1_0,2,-;x\n",
        b"6, 1,2,-;x\n",
        b"2048,1,2,-;prefix\n",
        b",1,2,-;x\n",
        b"6,1,2,-\n",
        b"6,%s,2,-;x\n" % (b"9" * 5000),
    ],
)
def test_bytes_without_header_are_malformed(raw: bytes) -> None:
    with pytest.raises(MalformedRecord) as raised:
        kmsg_format.parse(raw)
    assert raised.value.raw == raw


def test_unparsable_record_is_raw_and_not_kernel() -> None:
    (record,) = kmsg_format.parse_all([b"BUG: \xff nonsense\n"])
    assert record == Record("BUG: \udcff nonsense", USER << 3 | Severity.WARNING, unparsed=True)


def test_dictionary_line_without_key_is_dropped() -> None:
    assert kmsg_format.parse(b"6,1,2,-;x\n =nothing\n noequals\n K=v=w\n").fields == (("K", "v=w"),)


def test_prefix_gives_facility_and_severity() -> None:
    record = kmsg_format.parse(b"1695,1,2,-;x\n")
    assert (record.facility, record.severity) == (211, Severity.DEBUG)


def test_binary_dictionary_key_round_trips() -> None:
    raw = b"6,1,2,-;text\n \\x80KEY=value\n"
    assert kmsg_format.render(kmsg_format.parse(raw)) == raw
