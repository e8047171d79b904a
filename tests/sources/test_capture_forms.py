# SPDX-License-Identifier: GPL-2.0-or-later
"""Records that several lines make, in the forms of other programs, and lines among them."""

import json
import os
from datetime import datetime
from pathlib import Path

import msgspec
import pytest

from klogd_py.line_prefix.stamp_years import last_leap_year
from klogd_py.record.types import USER, Gap, Machine, Record
from klogd_py.sources import INPUT_FORMATS
from klogd_py.sources.capture import open_capture
from tests.sources.captured import read


def year_of(record: Record | Gap) -> int:
    assert isinstance(record, Record)
    assert record.wall_us is not None
    return datetime.fromtimestamp(record.wall_us / 1_000_000).year


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return tmp_path / "log"


ENTRY = {
    "__REALTIME_TIMESTAMP": "1700908867123456",
    "_SOURCE_MONOTONIC_TIMESTAMP": "12345678",
    "_BOOT_ID": "0123456789abcdef0123456789abcdef",
    "_HOSTNAME": "web",
    "_TRANSPORT": "kernel",
    "PRIORITY": "4",
    "SYSLOG_FACILITY": "0",
    "_KERNEL_SUBSYSTEM": "net",
    "MESSAGE": "eth0: link up",
}
KERNEL = Record(
    "eth0: link up",
    4,
    usec=12_345_678,
    fields=(("SUBSYSTEM", "net"),),
    wall_us=1_700_908_867_123_456,
    machine=Machine("web", "0123456789abcdef0123456789abcdef"),
)


def export(entry: dict[str, str]) -> bytes:
    """Write an entry as journalctl -o export does: a value with line feeds behind its length."""
    rows = [b"__CURSOR=s=1\n"]
    for key, value in entry.items():
        if "\n" in value:
            length = len(value.encode()).to_bytes(8, "little")
            rows.append(key.encode() + b"\n" + length + value.encode() + b"\n")
        else:
            rows.append(f"{key}={value}\n".encode())
    return b"".join(rows) + b"\n"


@pytest.mark.parametrize(
    "content",
    [
        export(ENTRY),
        json.dumps(ENTRY).encode() + b"\n",
        json.dumps(ENTRY, indent=8).encode() + b"\n",
    ],
    ids=["export", "json", "json-pretty"],
)
def test_journal_entry_becomes_the_kernels_record(content: bytes, log: Path) -> None:
    assert read(log, content * 3) == [KERNEL] * 3


def test_exported_value_may_have_several_lines(log: Path) -> None:
    found = read(log, export(ENTRY | {"MESSAGE": "one\n\nMESSAGE=two"}) + export(ENTRY))
    assert [record.text for record in found if isinstance(record, Record)] == [
        "one\n\nMESSAGE=two",
        "eth0: link up",
    ]


LEFT_OUT = "(a long message that journalctl has left out: see journalctl --all)"


@pytest.mark.parametrize(
    ("message", "text"),
    [
        # systemd.io/JOURNAL_EXPORT_FORMATS: several values, bytes, and one that is too long
        (["one", "two"], "one\ntwo"),
        ([111, 255, 10], "o\udcff\n"),
        (["one", [111, 255]], "one\no\udcff"),
        (None, LEFT_OUT),
        (["one", None], f"one\n{LEFT_OUT}"),
        (7, "7"),
        ({"a": [1]}, '{"a":[1]}'),
        ([], ""),
    ],
)
def test_message_of_any_type_is_kept(message: object, text: str, log: Path) -> None:
    (record,) = read(log, json.dumps(ENTRY | {"MESSAGE": message}).encode() + b"\n")
    is_cut = text.endswith(LEFT_OUT)
    assert record == msgspec.structs.replace(KERNEL, text=text, truncated=is_cut)


def test_other_fields_may_have_several_values(log: Path) -> None:
    several: dict[str, object] = {
        key: [value, "7"] for key, value in ENTRY.items() if key != "MESSAGE"
    }
    several["_HOSTNAME"] = list(b"web")
    assert read(log, json.dumps(ENTRY | several).encode() + b"\n") == [KERNEL]
    none = json.dumps(ENTRY | {"_KERNEL_SUBSYSTEM": None, "PRIORITY": None}).encode()
    assert read(log, none + b"\n") == [msgspec.structs.replace(KERNEL, fields=(), prefix=6)]


def test_exported_message_may_be_there_twice(log: Path) -> None:
    content = export(ENTRY).replace(b"MESSAGE=", b"MESSAGE=first\nMESSAGE=")
    assert read(log, content) == [msgspec.structs.replace(KERNEL, text="first\neth0: link up")]


def test_process_entry_is_never_the_kernels(log: Path) -> None:
    entry = ENTRY | {"_TRANSPORT": "syslog", "SYSLOG_IDENTIFIER": "kernel", "_PID": "7"}
    (record,) = read(log, json.dumps(entry).encode() + b"\n")
    assert isinstance(record, Record)
    assert (record.facility, record.text) == (USER, "kernel[7]: eth0: link up")


DMESG = b"""{
   "dmesg": [
      {
         "pri": "warn",
         "time":   12.345678,
         "caller": "T1",
         "msg": "one }, {"
      },{
         "pri": 13,
         "time": 12.345679,
         "msg": "two"
      }
   ]
}
"""


def test_dmesg_objects_become_kernel_records(log: Path) -> None:
    assert read(log, DMESG) == [
        Record("one }, {", 4, usec=12_345_678, caller="T1"),
        Record("two", 13, usec=12_345_679),
    ]


@pytest.mark.parametrize(
    "content",
    [
        b'{"log":"<4>[   12.345678] up\\n","stream":"stdout","time":"2023-11-25T10:41:07Z"}\n',
        b'- {"dt": "2023-11-25T10:41:07Z", "lvl": "target", "msg": "<4>[   12.345678] up"}\n',
        b'{"@timestamp":"2023-11-25T10:41:07Z","message":"<4>[   12.345678] up"}\n',
    ],
    ids=["docker", "lava", "logstash"],
)
def test_line_within_an_object_is_read(content: bytes, log: Path) -> None:
    (record,) = read(log, content)
    assert isinstance(record, Record)
    assert (record.text, record.prefix, record.usec) == ("up", 4, 12_345_678)
    assert record.wall_us == 1_700_908_867_000_000


@pytest.mark.parametrize("line", ["{not an object", "{", '{"a": 1}', '{"log": 7}', "[1, 2]", "}"])
def test_other_text_with_braces_stays_text(line: str, log: Path) -> None:
    found = read(log, f"{line}\nnext\n".encode())
    assert [record.text for record in found if isinstance(record, Record)] == [line, "next"]


def test_each_line_is_read_in_its_own_form(log: Path) -> None:
    content = (
        b"Script started on 2023-11-25\n4,1,12345678,-;kmsg\n SUBSYSTEM=net\n"
        b"<4>[   12.345678] klogd\nNov 25 10:41:07 web kernel: [   12.345678] syslog\n"
        + json.dumps(ENTRY).encode()
        + b"\nkern  :warn  : [   12.345678] dmesg\nno form\n"
    )
    found = [record for record in read(log, content) if isinstance(record, Record)]
    assert [record.text for record in found] == [
        "Script started on 2023-11-25",
        *("kmsg", "klogd", "syslog", "eth0: link up", "dmesg", "no form"),
    ]
    assert [record.usec for record in found] == [None, *[12_345_678] * 5, None]


@pytest.mark.parametrize(
    ("form", "text"),
    [
        ("text", "eth0: up"),
        ("dmesg", "eth0: up"),
        ("klogd", "eth0: up"),
        ("syslog", "eth0: up"),
    ],
)
def test_named_form_reads_its_own_prefix(form: str, text: str, log: Path) -> None:
    before = "Nov 25 10:41:07 web kernel: " if form == "syslog" else "[   12.345678] "
    (record,) = read(log, f"{before}{text}\n".encode(), form)
    assert isinstance(record, Record)
    assert record.text == text


def test_named_form_leaves_other_prefixes(log: Path) -> None:
    line = "Nov 25 10:41:07 web kernel: eth0: up"
    (record,) = read(log, f"{line}\n".encode(), "klogd")
    assert isinstance(record, Record)
    assert record.text == line


CRI = b"2023-11-25T10:41:07.1Z stdout F up\n"
DOCKER = b'{"log":"<4>[   12.345678] up\\n","stream":"stdout","time":"2023-11-25T10:41:07Z"}\n'


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"Nov 25 10:41:07 web kernel: up\n", "syslog"),
        (b"<4>up\n", "klogd"),
        (b"[   12.345678] up\n", "dmesg"),
        (b"4,1,2,-;up\n", "kmsg"),
        (b"6.4.0,4,1,2,-;up\n", "kmsg"),
        (DMESG, "json"),
        (json.dumps(ENTRY).encode() + b"\n", "json"),
        (json.dumps(ENTRY, indent=2).encode() + b"\n", "json"),
        (DOCKER, "json"),
        (export(ENTRY), "export"),
        (b"time,message\n1700908867,<4>up\n", "text without a prefix (1 of 2 lines; 1 as table)"),
        (CRI, "text"),
        (b"up\n", "text without a prefix"),
        (
            b"Nov 25 10:41:07 web kernel: up\n" * 3 + b"no form\n",
            "syslog (3 of 4 lines; 1 as text without a prefix)",
        ),
        (DOCKER * 3 + CRI * 2 + export(ENTRY), "json (3 of 6 lines; 2 as text, 1 as export)"),
    ],
)
def test_description_begins_with_an_input_format(content: bytes, words: str, log: Path) -> None:
    log.write_bytes(content)
    capture = open_capture(str(log), "auto")
    records = capture.read_batch()
    capture.close()
    assert records
    assert capture.remark == f"{log}: read as {words}"
    assert words.split()[0] in INPUT_FORMATS


@pytest.mark.parametrize(
    ("written", "year"),
    [
        ("2025-11-20T00:00:00+00:00", 2024),
        # As some archives and systems state it, which is no time
        ("1970-01-01T00:00:01+00:00", None),
    ],
)
def test_leap_day_of_a_file_decides_years(written: str, year: int | None, log: Path) -> None:
    lines = [f"{date} 12:00:00 web kernel: x\n" for date in ("Feb 28", "Feb 29", "Mar  1")]
    log.write_text("".join(lines))
    written_s = datetime.fromisoformat(written).timestamp()
    os.utime(log, (written_s, written_s))
    expected = year or last_leap_year(datetime.now().year)
    assert {year_of(record) for record in read(log, None)} == {expected}
