# SPDX-License-Identifier: GPL-2.0-or-later
import os
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from klogd_py.record.types import Cause, Entry, Machine, Record
from klogd_py.sinks import SinkDown
from klogd_py.sinks.journal import SOCKET, JournalSink
from tests.entries import PLACE, entry, lost_entry, numbered_entries
from tests.sockets import JournalListener

BOOT_ID = "00f1e2d3c4b5a6978877665544332211"


@pytest.fixture
def sink(tmp_path: Path) -> Iterator[JournalSink]:
    with closing(JournalSink(BOOT_ID, str(tmp_path / "socket"))) as opened:
        yield opened


Fields = list[tuple[str, bytes]]

RICH = Record(
    "at ffffffff81000000", 4, 7, 5140900, "c", "T1", (), (("SUBSYSTEM", "net"), ("DEVICE", "n8"))
)

CASES: list[tuple[str, Entry, Fields]] = [
    (
        "a plain kernel record",
        Entry(Record("eth0: up", 6, 339, 5140900), 0, "eth0: up"),
        [
            ("MESSAGE", b"eth0: up"),
            ("PRIORITY", b"6"),
            ("SYSLOG_FACILITY", b"0"),
            ("SYSLOG_IDENTIFIER", b"kernel"),
            ("KLOGD_SEQ", b"339"),
            ("KLOGD_BOOT_ID", BOOT_ID.encode()),
            ("KLOGD_USEC", b"5140900"),
        ],
    ),
    (
        "the first record of a boot",
        Entry(Record("Linux version 6.18", 5, 0, 0), 0, "Linux version 6.18"),
        [
            ("MESSAGE", b"Linux version 6.18"),
            ("PRIORITY", b"5"),
            ("SYSLOG_FACILITY", b"0"),
            ("SYSLOG_IDENTIFIER", b"kernel"),
            ("KLOGD_SEQ", b"0"),
            ("KLOGD_BOOT_ID", BOOT_ID.encode()),
            ("KLOGD_USEC", b"0"),
        ],
    ),
    (
        "a translated record of a device",
        Entry(RICH, 0, "at vfs_write and vfs_write", (PLACE, PLACE)),
        [
            ("MESSAGE", b"at vfs_write and vfs_write"),
            ("PRIORITY", b"4"),
            ("SYSLOG_FACILITY", b"0"),
            ("SYSLOG_IDENTIFIER", b"kernel"),
            ("KLOGD_SEQ", b"7"),
            ("KLOGD_BOOT_ID", BOOT_ID.encode()),
            ("KLOGD_USEC", b"5140900"),
            ("KLOGD_CALLER", b"T1"),
            ("KLOGD_FLAGS", b"c"),
            ("KLOGD_RAW", b"at ffffffff81000000"),
            ("KLOGD_SYMBOL", b"vfs_write+0x1d/0x40 [ext4]"),
            ("KLOGD_SYMBOL", b"vfs_write+0x1d/0x40 [ext4]"),
            ("KERNEL_SUBSYSTEM", b"net"),
            ("KERNEL_DEVICE", b"n8"),
        ],
    ),
    (
        "a process's record with newlines and bytes that are not UTF-8",
        Entry(Record("init[1]: a\nb=c\n\udcff", 30, 8, 9), 0, "init[1]: a\nb=c\n\udcff"),
        [
            ("MESSAGE", b"a\nb=c\n\xff"),
            ("PRIORITY", b"6"),
            ("SYSLOG_FACILITY", b"3"),
            ("SYSLOG_IDENTIFIER", b"init"),
            ("SYSLOG_PID", b"1"),
            ("KLOGD_SEQ", b"8"),
            ("KLOGD_BOOT_ID", BOOT_ID.encode()),
            ("KLOGD_USEC", b"9"),
        ],
    ),
    (
        "a record without number, cut and not understood",
        Entry(Record("x", 2047, truncated=True, unparsed=True), 0, "x"),
        [
            ("MESSAGE", b"x"),
            ("PRIORITY", b"7"),
            ("SYSLOG_FACILITY", b"255"),
            ("SYSLOG_IDENTIFIER", b"kmsg"),
            ("KLOGD_TRUNCATED", b"1"),
            ("KLOGD_UNPARSED", b"1"),
        ],
    ),
    (
        "an announced loss",
        lost_entry(5, 9, Cause.SINK_DROP),
        [
            (
                "MESSAGE",
                b"5 kernel records lost (sequence numbers 5 to 9): the sink could not take them",
            ),
            ("PRIORITY", b"4"),
            ("SYSLOG_FACILITY", b"5"),
            ("SYSLOG_IDENTIFIER", b"klogd-py"),
            ("KLOGD_BOOT_ID", BOOT_ID.encode()),
            ("KLOGD_GAP_FIRST", b"5"),
            ("KLOGD_GAP_LAST", b"9"),
            ("KLOGD_GAP_COUNT", b"5"),
            ("KLOGD_GAP_CAUSE", b"sink-drop"),
        ],
    ),
    (
        "an empty record",
        Entry(Record("", 6, 1, 2), 0, ""),
        [
            ("MESSAGE", b""),
            ("PRIORITY", b"6"),
            ("SYSLOG_FACILITY", b"0"),
            ("SYSLOG_IDENTIFIER", b"kernel"),
            ("KLOGD_SEQ", b"1"),
            ("KLOGD_BOOT_ID", BOOT_ID.encode()),
            ("KLOGD_USEC", b"2"),
        ],
    ),
    (
        "a record of another machine, as far as it is known",
        Entry(Record("x", 6, 1, machine=Machine("router", "d" * 32)), 0, "x"),
        [
            ("MESSAGE", b"x"),
            ("PRIORITY", b"6"),
            ("SYSLOG_FACILITY", b"0"),
            ("SYSLOG_IDENTIFIER", b"kernel"),
            ("KLOGD_SEQ", b"1"),
            ("KLOGD_BOOT_ID", b"d" * 32),
            ("KLOGD_HOST", b"router"),
        ],
    ),
    (
        "a record of a machine that is not known",
        Entry(Record("x", 6, 1, machine=Machine()), 0, "x"),
        [
            ("MESSAGE", b"x"),
            ("PRIORITY", b"6"),
            ("SYSLOG_FACILITY", b"0"),
            ("SYSLOG_IDENTIFIER", b"kernel"),
            ("KLOGD_SEQ", b"1"),
        ],
    ),
]
each_case = pytest.mark.parametrize(
    ("item", "fields"), [case[1:] for case in CASES], ids=[case[0] for case in CASES]
)


@each_case
def test_journal_receives_exactly_these_fields(
    tmp_path: Path, sink: JournalSink, item: Entry, fields: Fields
) -> None:
    with JournalListener(tmp_path / "socket") as journal:
        assert sink.send([item]) == 1
        assert journal.entries() == [fields]


@pytest.mark.parametrize(
    ("key", "field"),
    [
        ("DEVICE", "KERNEL_DEVICE"),
        ("odd key-1", "KERNEL_ODD_KEY_1"),
        ("ünïcode", "KERNEL__N_CODE"),
        ("_X", "KERNEL__X"),
        ("A=B\nC", "KERNEL_A_B_C"),
        ("", "KERNEL_UNNAMED"),
        ("K" * 99, f"KERNEL_{'K' * 56}"),
    ],
)
def test_dictionary_key_becomes_a_valid_journal_field(key: str, field: str) -> None:
    record = Record("x", 6, fields=((key, "v"),))
    assert (field, b"v") in JournalSink(BOOT_ID, "x").fields(Entry(record, 0, "x"))
    assert len(field) < 65


def test_missing_journal_socket_means_down(tmp_path: Path, sink: JournalSink) -> None:
    with pytest.raises(SinkDown) as refused:
        sink.send(numbered_entries(range(2)))
    assert refused.value.accepted == 0
    with JournalListener(tmp_path / "socket") as journal:
        assert sink.send(numbered_entries(range(2))) == 2
        assert len(journal.entries()) == 2


def test_replaced_journal_gets_the_next_entry(tmp_path: Path, sink: JournalSink) -> None:
    path = tmp_path / "socket"
    for _ in range(2):
        with JournalListener(path) as journal:
            assert sink.send(numbered_entries(range(2))) == 2
            assert len(journal.entries()) == 2


def test_journal_that_reads_late_loses_nothing(tmp_path: Path, sink: JournalSink) -> None:
    with JournalListener(tmp_path / "socket", receive_buffer_bytes=1) as journal:
        waiting = numbered_entries(range(300))
        received: list[Fields] = []
        accepted = sink.send(waiting)
        assert 0 < accepted < 300
        while waiting := waiting[accepted:]:
            received += journal.entries()
            accepted = sink.send(waiting)
        received += journal.entries()
    assert [dict(fields)["KLOGD_SEQ"] for fields in received] == [
        str(seq).encode() for seq in range(300)
    ]


def test_only_the_journal_of_this_machine_may_block() -> None:
    assert JournalSink(BOOT_ID).blocking
    assert not JournalSink(BOOT_ID, "x").blocking


@pytest.fixture
def vacant_socket() -> Iterator[Path]:
    """The path of the journal's socket, on a machine without a journal."""
    path = Path(SOCKET)
    if os.geteuid() != 0:
        pytest.skip("needs root, to have a journal's socket in /run")
    if path.exists():
        pytest.skip(f"needs a machine without a journal, but {SOCKET} exists")
    made = [folder for folder in (path.parent, path.parent.parent) if not folder.exists()]
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        yield path
    finally:
        path.unlink(missing_ok=True)
        for folder in made:
            folder.rmdir()


@each_case
def test_library_sends_the_same_fields(vacant_socket: Path, item: Entry, fields: Fields) -> None:
    with JournalListener(vacant_socket) as journal:
        sink = JournalSink(BOOT_ID)
        assert sink.send([item]) == 1
        assert journal.entries() == [fields]


def test_library_sends_an_oversized_entry(vacant_socket: Path) -> None:
    text = "x" * 1_000_000
    with JournalListener(vacant_socket) as journal:
        assert JournalSink(BOOT_ID).send([entry(text)]) == 1
        assert ("MESSAGE", text.encode()) in journal.entries()[0]


def test_oversized_entry_does_not_stop_the_next(tmp_path: Path, sink: JournalSink) -> None:
    with JournalListener(tmp_path / "socket") as journal:
        assert sink.send([entry("x" * 1_000_000), entry("next")]) == 2
        assert ("MESSAGE", b"next") in journal.entries()[-1]


def test_journal_library_without_a_journal_is_down(vacant_socket: Path) -> None:
    with pytest.raises(SinkDown, match="no journal is running"):
        JournalSink(BOOT_ID).send([entry()])


def test_journal_sink_is_down_after_journald_dies(vacant_socket: Path) -> None:
    JournalListener(vacant_socket).die()
    with pytest.raises(SinkDown) as refused:
        JournalSink(BOOT_ID).send([entry()])
    assert refused.value.accepted == 0
