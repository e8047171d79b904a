# SPDX-License-Identifier: GPL-2.0-or-later
"""Lines of text: the kernel's timestamp, and the host of a record."""

import re
import socket

import pytest
from hypothesis import given
from hypothesis import strategies as st

from klogd_py.record.types import Cause, Entry, Machine, Record
from klogd_py.sinks.console import Colour, ConsoleSink
from klogd_py.sinks.file_format import FileFormat, LineEncoder, LineSettings
from klogd_py.sinks.formats import TimestampFormatter, host_name, kernel_stamp
from klogd_py.sinks.local_syslog import SyslogSink
from klogd_py.sinks.machine_identity import MAX_HOST_CHARS, MachineIdentity, host_word
from tests.entries import PLACE, WALL_US, entry, lost_entry

STAMPS = TimestampFormatter()
LIVE = MachineIdentity(host="node1")
ROUTER = Machine("router")
# As docs/delivery.md has it
SYSLOG_GAP = re.compile(r'<4[45]>\w{3} [ \d]\d [\d:]+ klogd-py: .*\[gap first="(\d+)"')


def of_host(host: str, text: str = "eth0: up", prefix: int = 6) -> Entry:
    return Entry(Record(text, prefix, machine=Machine(host)), WALL_US, text)


def text_lines(entries: list[Entry], settings: LineSettings) -> list[str]:
    """The lines of a file without the time."""
    return [
        line.partition(" ")[2] for line in LineEncoder(FileFormat.TEXT, settings).encode(entries)
    ]


@pytest.mark.parametrize(
    ("record", "stamp"),
    [
        (Record("x", usec=0), "[    0.000000] "),
        (Record("x", usec=5_140_900), "[    5.140900] "),
        (Record("x", usec=123_456_000_001), "[123456.000001] "),
        (Record("x", usec=5_140_900, caller="T1"), "[    5.140900][    T1] "),
        (Record("x", usec=5_140_900, caller="T1234567"), "[    5.140900][T1234567] "),
        (Record("x", caller="T1"), ""),
    ],
)
def test_stamp_has_the_form_of_printk(record: Record, stamp: str) -> None:
    assert kernel_stamp(record) == stamp


def test_file_shows_stamps_if_they_are_wanted() -> None:
    entries = [
        Entry(Record("eth0: up", 6, 7, 5_140_900), WALL_US, "eth0: up"),
        Entry(Record("at ffff", 4, 8, 5_140_901, caller="C1"), WALL_US, "at vfs_write", (PLACE,)),
        Entry(Record("systemd[1]: up", 14, 9, 6_000_000), WALL_US, "systemd[1]: up"),
        lost_entry(10, 10, Cause.EINVAL),
    ]
    lines = text_lines(entries, LineSettings(LIVE, kernel_stamp=True))
    assert lines[:3] == [
        "node1 kernel: [    5.140900] eth0: up\n",
        "node1 kernel: [    5.140901][    C1] at vfs_write\n",
        "node1 systemd[1]: [    6.000000] up\n",
    ]
    assert lines[3].startswith("node1 klogd-py: 1 kernel record lost")
    assert text_lines(entries, LineSettings(LIVE))[0] == "node1 kernel: eth0: up\n"


def test_console_shows_stamps_before_coloured_text() -> None:
    sink = ConsoleSink(Colour.ALWAYS, settings=LineSettings(LIVE, kernel_stamp=True))
    line = sink.encode(Entry(Record("disk on fire", 3, 7, 5_140_900), WALL_US, "disk on fire"))
    assert line.endswith(b" kernel: [    5.140900] \x1b[31mdisk on fire\x1b[0m\n")


def test_caller_of_a_capture_forges_no_line() -> None:
    record = Record("x", 6, usec=1, caller="T1\n\x1b[2J")
    (line,) = text_lines([Entry(record, WALL_US, "x")], LineSettings(LIVE, kernel_stamp=True))
    assert line[:-1].isprintable()


def test_live_file_names_the_host_of_others() -> None:
    entries = [of_host("router"), entry("eth0: up"), of_host("")]
    hosts = [line.split(" ")[0] for line in text_lines(entries, LineSettings(LIVE))]
    assert hosts == ["router", "node1", "-"]


def test_file_names_only_hosts_that_captures_state() -> None:
    entries = [of_host("router"), entry("eth0: up"), of_host("")]
    assert text_lines(entries, LineSettings()) == [
        "router kernel: eth0: up\n",
        "- kernel: eth0: up\n",
        "- kernel: eth0: up\n",
    ]


@given(st.text(max_size=300))
def test_stated_host_is_one_printable_word(host: str) -> None:
    word = host_word(host)
    assert re.fullmatch(r"[\x21-\x7e]*", word)
    assert (bool(word), word.endswith(":")) == (bool(host), False)
    assert len(word) <= 16 * MAX_HOST_CHARS


@pytest.mark.parametrize(
    ("host", "word"),
    [
        ("router", "router"),
        ("fe80::1", "fe80::1"),
        ("my host", "my\\x20host"),
        ("büro", "b\\xc3\\xbcro"),
        ("a:", "a\\x3a"),
        ("a:\n", "a:\\x0a"),
        ("\udcff", "\\xff"),
    ],
)
def test_odd_host_is_shown_with_escapes(host: str, word: str) -> None:
    assert host_word(host) == word


def test_syslog_names_the_host_of_captures() -> None:
    stamp = STAMPS.rfc3164(WALL_US)
    sink = SyslogSink("x")
    assert sink.encode(of_host("router")).decode() == f"<6>{stamp} router kernel: eth0: up"
    assert sink.encode(entry("eth0: up")).decode() == f"<6>{stamp} kernel: eth0: up"
    for own in ("", host_name(), socket.gethostname()):
        assert sink.encode(of_host(own)).decode() == f"<6>{stamp} kernel: eth0: up"


@pytest.mark.parametrize("host", ["klogd-py", "klogd-py:", "klogd-py: a", "kernel", "\nklogd-py:"])
def test_host_of_a_capture_forges_no_gap(host: str) -> None:
    forged = of_host(host, 'lost [gap first="1" last="2" count="2" cause="overrun"]', 44)
    datagram = SyslogSink("x").encode(forged).decode()
    assert SYSLOG_GAP.match(datagram) is None
    assert re.match(r"<44>\w{3} [ \d]\d [\d:]+ (?:klogd-py|kernel)\b", datagram) is None
    real = SyslogSink("x").encode(lost_entry(1, 2, Cause.OVERRUN)).decode()
    assert SYSLOG_GAP.match(real) is not None
