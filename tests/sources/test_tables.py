# SPDX-License-Identifier: GPL-2.0-or-later
"""Tables with the names of their columns, and the verbose output of journalctl."""

import os
import threading
from pathlib import Path

import pytest

from klogd_py.record.types import Machine, Record
from klogd_py.sources.capture import DICTIONARY_WAIT_S, Capture
from klogd_py.sources.input_file import InputFile
from tests.sources.captured import read_records
from tests.sources.test_log_objects import DAY_US
from tests.test_linear import assert_linear

KIBANA = '"@timestamp","host.name","message"'
ROW = '"Nov 25, 2023 @ 10:41:07.000","web","[   12.345678] eth0: up, ""x"""'


@pytest.fixture(autouse=True)
def utc(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", "UTC")


@pytest.mark.parametrize(
    ("names", "row", "text", "host"),
    [
        (KIBANA, ROW, 'eth0: up, "x"', "web"),
        ("Time,Line,tsNs", "2023-11-25T10:41:07Z,[   12.345678] up,1700908867000000000", "up", ""),
        (
            '"_raw","_time","host"',
            '"Nov 25 2023 10:41:07 db kernel: [   12.345678] up","2023-11-25T10:41:08Z","web"',
            "up",
            "db",
        ),
        ("timestamp;message", "2023-11-25 10:41:07;[   12.345678] a, b", "a, b", ""),
        ("host\tmessage\ttime", "web\t[   12.345678] up\t1700908867", "up", "web"),
    ],
    ids=["kibana", "grafana", "splunk", "semicolon", "tab"],
)
def test_row_of_a_table_is_read_by_name(
    names: str, row: str, text: str, host: str, tmp_path: Path
) -> None:
    first, *records = read_records(tmp_path / "log", f"{names}\n{row}\n{row}\n")
    assert first.text == names
    assert [record.text for record in records] == [text, text]
    for record in records:
        assert (record.usec, record.wall_us) == (12_345_678, DAY_US)
        assert (record.machine.host if record.machine else "") == host


def test_other_lines_in_a_table_stay_text(tmp_path: Path) -> None:
    lines = [KIBANA, ROW, "no row", "a,b", '"open,', KIBANA]
    texts = [record.text for record in read_records(tmp_path / "log", "\n".join(lines) + "\n")]
    assert texts == [KIBANA, 'eth0: up, "x"', *lines[2:]]


@pytest.mark.parametrize("at", [0, 1, 70, 98, 99])
@pytest.mark.parametrize("text", ['5" disk', '"open', '"a" b', 'a "b', '"', 'x",'])
@pytest.mark.parametrize("separator", [",", ";", "\t"])
def test_quotation_mark_costs_no_other_row(
    separator: str, text: str, at: int, tmp_path: Path
) -> None:
    texts = [f"row {number}" for number in range(100)]
    texts[at] = text
    rows = [separator.join(("web", f"[   12.345678] {text}", "7")) for text in texts]
    rows[at] = separator.join(("web", text, "7"))
    names = separator.join(("host", "message", "x"))
    found = read_records(tmp_path / "log", "\n".join([names, *rows]) + "\n")[1:]
    assert len(found) == len(texts)
    for number, record in enumerate(found):
        if number == at:
            assert text in record.text
        else:
            assert record.text == texts[number]
            assert record.machine == Machine("web")


@pytest.mark.parametrize("text", ['"open', '"a"b"c', '"""'])
@pytest.mark.parametrize("separator", [",", "\t"])
def test_rows_with_quotation_marks_take_linear_time(
    separator: str, text: str, tmp_path: Path
) -> None:
    row = separator.join(("web", "[   12.345678] eth0: up", "7")) + "\n"
    odd = separator.join((f"web{text}", text, "7")) + "\n"

    def job(count: int) -> None:
        rows = [odd if at % 50 == 0 else row for at in range(count)]
        records = read_records(
            tmp_path / "log", separator.join(("host", "log", "x")) + "\n" + "".join(rows)
        )
        assert len(records) > count * 0.9

    assert_linear(job, 10_000)


def test_value_of_a_row_may_have_lines(tmp_path: Path) -> None:
    rows = ['web,"[   12.345678] a\nb ""c"", d\ne",7', "web,[   12.345679] f,7"]
    found = read_records(tmp_path / "log", "host,message,x\n" + "\n".join(rows * 2) + "\n")[1:]
    assert [record.text for record in found] == ['a\nb "c", d\ne', "f"] * 2


@pytest.mark.parametrize(
    "line", ["message, and more", "log", "a,b,c", "Dear list,message", "time,a"]
)
def test_text_without_column_names_is_no_table(line: str, tmp_path: Path) -> None:
    lines = [line, "[   12.345678] a,b", "[   12.345679] x, y"]
    texts = [record.text for record in read_records(tmp_path / "log", "\n".join(lines) + "\n")]
    assert texts == [line, "a,b", "x, y"]


VERBOSE = """Sat 2023-11-25 10:41:07.000000 UTC [s=1a;i=2f;b=0123;m=bc614e;t=60af7ae5722c0;x=1]
    _TRANSPORT=kernel
    PRIORITY=4
    SYSLOG_FACILITY=0
    _HOSTNAME=web
    _BOOT_ID=0123456789abcdef0123456789abcdef
    _SOURCE_MONOTONIC_TIMESTAMP=12345678
    MESSAGE=eth0: up
            second line
"""


def test_verbose_entry_of_a_journal_is_one_record(tmp_path: Path) -> None:
    found = read_records(tmp_path / "log", "-- Boot 1 --\n" + VERBOSE * 2)
    assert found[0].text == "-- Boot 1 --"
    assert (
        found[1:]
        == [
            Record(
                "eth0: up\nsecond line",
                4,
                usec=12_345_678,
                wall_us=0x60AF7AE5722C0,
                machine=Machine("web", "0123456789abcdef0123456789abcdef"),
            )
        ]
        * 2
    )


@pytest.mark.parametrize("at", [0, 40, 82, 100, 150, 400, len(VERBOSE) - 1])
def test_verbose_entry_does_not_wait_for_next(at: int) -> None:
    readable, writable = os.pipe()
    source = Capture(InputFile(readable, "pipe"))
    parts = [VERBOSE[:at].encode(), VERBOSE[at:].encode()]
    os.write(writable, parts[0])
    later = threading.Timer(DICTIONARY_WAIT_S / 4, os.write, (writable, parts[1]))
    later.start()
    found = source.read_batch() if at else []
    later.join()
    found += source.read_batch()
    assert [item.text for item in found if isinstance(item, Record)] == ["eth0: up\nsecond line"]
    os.close(writable)
    source.close()
