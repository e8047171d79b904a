# SPDX-License-Identifier: GPL-2.0-or-later
"""Objects of JSON in which other programs keep lines of a kernel log, alone and in lists."""

import json
from pathlib import Path

import pytest

from klogd_py.line_prefix.reader import PrefixReader
from klogd_py.record.types import KERN, USER, Machine, Record
from klogd_py.sources.capture_records import MAX_RECORD_BYTES
from klogd_py.sources.object_lines import read_object_line
from tests.sources.captured import read_records

LINE = "[   12.345678] eth0: up"
DAY_US = 1_700_908_867_000_000
ISO = "2023-11-25T10:41:07+00:00"


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return tmp_path / "log"


@pytest.mark.parametrize(
    ("content", "prefix", "host"),
    [
        (
            {
                "message": " " + LINE,
                "fromhost": "web",
                "facility": "kern",
                "priority": "warning",
                "timereported": ISO,
                "timegenerated": "2023-11-25T10:41:08+00:00",
            },
            4,
            "web",
        ),
        ({"PROGRAM": "kernel", "PRIORITY": "err", "MESSAGE": LINE, "ISODATE": ISO}, 3, ""),
        ({"short_message": LINE, "timestamp": 1700908867, "level": 4, "facility": 0}, 4, ""),
        ({"textPayload": LINE, "timestamp": ISO, "severity": "INFO"}, None, ""),
        ({"message": LINE, "timestamp": 1700908867000, "host": "web"}, None, "web"),
        ({"line": LINE, "timestamp": "1700908867000000000"}, None, ""),
        (
            {
                "@timestamp": ISO,
                "message": LINE,
                "host": {"name": "web"},
                "log": {"syslog": {"priority": 4}},
            },
            4,
            "web",
        ),
        ({"_index": "k", "_source": {"@timestamp": ISO, "message": LINE}}, None, ""),
        ({"level": "error", "msg": LINE, "ts": 1700908867.0}, None, ""),
    ],
    ids=[
        *("rsyslog", "syslog-ng", "gelf", "google", "cloudwatch", "grafana", "filebeat"),
        *("elastic", "zap"),
    ],
)
def test_keys_beside_a_line_are_read(
    content: dict[str, object], prefix: int | None, host: str, log: Path
) -> None:
    (record,) = read_records(log, json.dumps(content) + "\n")
    assert (record.text, record.usec) == ("eth0: up", 12_345_678)
    assert (record.prefix, record.wall_us) == (prefix, DAY_US)
    assert (record.machine.host if record.machine else "") == host


def test_line_of_a_program_is_its_own(log: Path) -> None:
    content = {"PROGRAM": "sshd", "PRIORITY": "warning", "MESSAGE": "RIP: x", "HOST": "web"}
    (record,) = read_records(log, json.dumps(content) + "\n")
    assert (record.facility, record.text) == (USER, "sshd: RIP: x")


@pytest.mark.parametrize("message", [LINE, "<2>" + LINE, f"Nov 25 10:41:07 web kernel: {LINE}"])
@pytest.mark.parametrize(
    "program",
    [
        *({"programname": "evil"}, {"ident": "evil", "facility": "user"}, {"PROGRAM": "evil"}),
        *({"SYSLOG_IDENTIFIER": "evil"}, {"appname": "evil", "facility": "kern", "level": 3}),
    ],
)
def test_program_cannot_state_a_kernel_stamp(
    program: dict[str, object], message: str, log: Path
) -> None:
    line = json.dumps({"timereported": ISO, "hostname": "web", "message": message} | program)
    (record,) = read_records(log, line + "\n")
    assert (record.facility, record.usec, record.wall_us) == (USER, None, DAY_US)
    assert record.head + record.text == f"evil: {message}"
    read_line = read_object_line(line, PrefixReader())
    assert read_line is not None
    assert (read_line.record.facility, read_line.record.usec) == (USER, None)


@pytest.mark.parametrize(("level", "facility"), [("", KERN), ("<4>", KERN), ("<12>", USER)])
def test_field_on_its_own_line_states_its_prefix(level: str, facility: int) -> None:
    found = read_object_line(f'    "log": "{level}{LINE}",', PrefixReader())
    assert found is not None
    assert (found.record.facility, found.record.usec) == (facility, 12_345_678)


def test_journal_entry_may_be_of_vector(log: Path) -> None:
    content = {
        "_TRANSPORT": "kernel",
        "PRIORITY": "4",
        "SYSLOG_FACILITY": "0",
        "_SOURCE_MONOTONIC_TIMESTAMP": "12345678",
        "message": "eth0: up",
        "host": "web",
        "timestamp": ISO,
    }
    assert read_records(log, json.dumps(content) + "\n") == [
        Record("eth0: up", 4, usec=12_345_678, wall_us=DAY_US, machine=Machine("web"))
    ]


def test_record_may_be_of_fluent_bit(log: Path) -> None:
    content = {"date": 1700908867.0, "priority": 4, "sequence": 7, "sec": 12, "usec": 345678}
    assert read_records(log, json.dumps(content | {"msg": "eth0: up"}) + "\n") == [
        Record("eth0: up", 4, 7, 12_345_678, wall_us=DAY_US)
    ]


@pytest.mark.parametrize(
    ("content", "text"),
    [
        ({"log": "/var/log/kern.log", "message": LINE}, "eth0: up"),
        ({"message": "kernel", "log": "<4>" + LINE}, "eth0: up"),
        ({"message": "", "_raw": f"Nov 25 10:41:07 web kernel: {LINE}"}, "eth0: up"),
        ({"log": "/var/log/kern.log", "line": "a", "message": "eth0: up"}, "eth0: up"),
    ],
)
def test_text_is_the_line_of_the_kernel(content: dict[str, object], text: str, log: Path) -> None:
    line = json.dumps(content)
    assert [record.text for record in read_records(log, line + "\n")] == [text]
    found = read_object_line(line, PrefixReader())
    assert found is not None
    assert found.record.text == text


@pytest.mark.parametrize(
    "line",
    [
        f'{{"a":{{"msg":"inner"}},"msg":"{LINE}"}}',
        f'{{"msg":"{LINE}","a":[{{"msg":"inner"}}]}}',
        f'{{"a":[[{{"msg":"{LINE}"}}],"}}"],"msg":"{LINE}"}}',
        f'{{"msg":"twice","msg":"{LINE}"}}',
    ],
)
def test_line_is_that_of_outer_object(line: str) -> None:
    found = read_object_line(line, PrefixReader())
    assert found is not None
    assert found.record.text == "eth0: up"
    content = json.loads(f"{found.record.head}named{found.record.tail}")
    assert content["msg"] == LINE.replace("eth0: up", "named")


RING = {"date": 1700908867.0, "priority": 4, "sequence": 7, "sec": 12, "usec": 345678, "msg": "x"}
DMESG = {"pri": 4, "time": 12.345678, "msg": "x"}
OWN = {"schema": 1, "text": "x", "severity": "warning", "facility": 0, "usec": 12345678}
ENTRY = {
    "__CURSOR": "c",
    "_TRANSPORT": "kernel",
    "PRIORITY": "4",
    "SYSLOG_FACILITY": "0",
    "_SOURCE_MONOTONIC_TIMESTAMP": "12345678",
    "MESSAGE": "x",
}


@pytest.mark.parametrize(
    "content",
    [
        *(RING | {"priority": 99999}, RING | {"sec": 9 * 10**15}, RING | {"usec": 10**6}),
        *(RING | {"sequence": 1 << 63}, DMESG | {"pri": 2048}, DMESG | {"pri": True}),
        *(DMESG | {"time": time} for time in (1e300, 1e305, 10**16, True)),
        *(OWN | {"facility": 256}, OWN | {"usec": 1 << 63}, ENTRY | {"SYSLOG_FACILITY": "256"}),
        *(ENTRY | {"PRIORITY": "8"}, ENTRY | {"_SOURCE_MONOTONIC_TIMESTAMP": "9" * 19}),
    ],
)
def test_numbers_beyond_the_kernels_are_none(content: dict[str, object], log: Path) -> None:
    (record,) = read_records(log, json.dumps(content) + "\n")
    assert record.text == "x"
    assert record.prefix in (None, 4, 6)
    assert record.seq in (None, 7)
    assert record.usec in (None, 12_345_678)


ROWS = [{"message": f"[   12.00000{at}] line {at}"} for at in range(9)]
TEXTS = [f"line {at}" for at in range(9)]
LINES = [row["message"] for row in ROWS]


@pytest.mark.parametrize("indent", [None, 2, 4])
@pytest.mark.parametrize("before", ["", '{"x": 1}\n'])
@pytest.mark.parametrize(
    "content",
    [
        ROWS,
        {"events": ROWS},
        [["1700908867000000000", line] for line in LINES],
        {"data": {"result": [{"values": [["1700908867000000000", line] for line in LINES]}]}},
        {"InstanceId": "i-1", "Output": "\r\n".join(LINES)},
        {"contents": "\n".join(LINES) + "\n", "next": "1"},
        {"tests": {"igt@x": {"dmesg": "\n".join(f"<4> {line}" for line in LINES)}}},
        {"dmesg": [{"pri": 4, "time": 12.0 + at, "msg": text} for at, text in enumerate(TEXTS)]},
    ],
    ids=["list", "events", "pairs", "loki", "ec2", "google", "igt", "dmesg"],
)
def test_lines_within_any_json_are_read(
    content: object, before: str, indent: int | None, log: Path
) -> None:
    records = read_records(
        log, f"{before}{json.dumps(content, indent=indent)}\n[    1.000000] line after\n"
    )
    texts = [record.text for record in records]
    assert [text for text in texts if text.startswith("line")] == [*TEXTS, "line after"]
    assert all(record.usec is not None for record in records if record.text in TEXTS)


@pytest.mark.parametrize("key", ["message", "log", "msg", "_raw"])
def test_whole_log_of_a_key_is_split(key: str, log: Path) -> None:
    lines = [
        "<4>[    1.000000] a",
        "more",
        "Nov 25 10:41:07 web kernel: [    2.000000] b",
        "[ 3] c",
    ]
    content = {key: "\n".join(lines) + "\n", "host": "db"}
    records = read_records(log, json.dumps(content) + "\n")
    assert [record.text for record in records] == ["a\nmore", "b\n[ 3] c"]
    assert [record.usec for record in records] == [1_000_000, 2_000_000]
    assert [record.machine for record in records] == [Machine("db"), Machine("web")]


@pytest.mark.parametrize(
    "content",
    [
        {"message": f"a\n{LINE}\n"},
        {"pri": "warn", "time": 1.0, "msg": f"a\n{LINE}"},
        {"MESSAGE": f"a\n{LINE}", "_TRANSPORT": "kernel"},
        {"message": f"a\n{LINE}", "_TRANSPORT": "kernel"},
        {"PROGRAM": "evil", "message": f"{LINE}\na"},
    ],
)
def test_stamp_in_a_later_line_is_text(content: dict[str, object], log: Path) -> None:
    (record,) = read_records(log, json.dumps(content) + "\n")
    assert LINE in record.text


def test_events_end_with_an_empty_line(log: Path) -> None:
    text = "".join(f"data: {json.dumps(row)}\n\n" for row in ROWS)
    assert [record.text for record in read_records(log, text + "\nend\n")] == [*TEXTS, "", "end"]


@pytest.mark.parametrize("indent", [None, 4])
def test_line_of_json_may_hold_a_whole_log(indent: int | None, log: Path) -> None:
    lines = [f"[   12.{at:06d}] eth0: up {at}" for at in range(MAX_RECORD_BYTES // 16)]
    content = json.dumps({"Output": "\n".join(lines)}, indent=indent)
    assert len(content) > MAX_RECORD_BYTES
    texts = [record.text for record in read_records(log, content + "\n")]
    assert texts == [line.partition("] ")[2] for line in lines]


@pytest.mark.parametrize("text", ["{" + "x" * 300_000, '{\n"' + "x" * 300_000, "[[" * 200_000])
def test_long_text_with_braces_is_split(text: str, log: Path) -> None:
    texts = [record.text for record in read_records(log, text + "\n")]
    assert max(map(len, texts)) <= MAX_RECORD_BYTES
    assert "".join(texts) == text.replace("\n", "")
