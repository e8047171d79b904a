# SPDX-License-Identifier: GPL-2.0-or-later
"""Records with escaped characters are handled in batches, too: few calls of Python for each."""

import sys
from collections.abc import Callable
from types import FrameType

import pytest

from klogd_py.record.types import Entry
from klogd_py.sinks.console import ConsoleSink
from klogd_py.sinks.file_format import FileFormat, LineEncoder
from klogd_py.sinks.local_syslog import SyslogSink
from klogd_py.sources import kmsg_format
from tests.entries import WALL_US

RECORDS = 512
# For one record with escapes, beyond those for one without
MAX_MORE_CALLS = 6

# As the kernel writes them: a tab, UTF-8, a backslash, a terminal control, no UTF-8, all of them
ESCAPED = [
    rb"\x09",
    rb"21 \xc2\xb0C",
    rb"C:\x5cEFI",
    rb"\x1b[31m",
    rb"\xff",
    rb"\x09\xc2\xb0\x5c\x1b\xff\x7f\x00",
]


def raw_records(escaped: bytes, every: int) -> list[bytes]:
    """Return records of which one in ``every`` holds ``escaped``; none if it is 0."""
    return [
        b"6,%d,%d,-;eth0: link up%s, 1000Mbps\n"
        % (number, number, escaped if every and number % every == 0 else b"")
        for number in range(RECORDS)
    ]


def count_calls(job: Callable[[], object]) -> int:
    """Return how many functions written in Python a job calls."""
    calls = 0

    def profile(_frame: FrameType, event: str, _argument: object) -> None:
        nonlocal calls
        calls += event == "call"

    sys.setprofile(profile)
    try:
        job()
    finally:
        sys.setprofile(None)
    return calls


def entries_of(raws: list[bytes]) -> list[Entry]:
    return [Entry(record, WALL_US, record.text) for record in kmsg_format.parse_all(raws)]


def parsing(raws: list[bytes]) -> Callable[[], object]:
    return lambda: kmsg_format.parse_all(raws)


def to_file(raws: list[bytes]) -> Callable[[], object]:
    return encoding(raws, FileFormat.TEXT)


def to_json(raws: list[bytes]) -> Callable[[], object]:
    return encoding(raws, FileFormat.JSON)


def encoding(raws: list[bytes], file_format: FileFormat) -> Callable[[], object]:
    entries = entries_of(raws)
    encoder = LineEncoder(file_format)
    return lambda: encoder.encode(entries)


def to_syslog(raws: list[bytes]) -> Callable[[], object]:
    entries = entries_of(raws)
    sink = SyslogSink("/dev/null")
    return lambda: [sink.encode(one) for one in entries]


def to_console(raws: list[bytes]) -> Callable[[], object]:
    entries = entries_of(raws)
    sink = ConsoleSink()
    return lambda: [sink.encode(one) for one in entries]


@pytest.mark.parametrize("every", [1, 4, 64])
@pytest.mark.parametrize("escaped", ESCAPED)
@pytest.mark.parametrize("stage", [parsing, to_file, to_json, to_syslog, to_console])
def test_escaped_record_costs_few_more_calls(
    stage: Callable[[list[bytes]], Callable[[], object]], escaped: bytes, every: int
) -> None:
    plain = count_calls(stage(raw_records(b"", 0)))
    most = plain + MAX_MORE_CALLS * RECORDS // every
    assert 0 < count_calls(stage(raw_records(escaped, every))) <= most


@pytest.mark.parametrize("escaped", ESCAPED)
def test_batch_unescapes_as_single_records_do(escaped: bytes) -> None:
    raws = raw_records(escaped, 4)
    assert kmsg_format.parse_all(raws) == list(map(kmsg_format.parse, raws))


def test_cut_escape_truncates_no_other_record() -> None:
    raws = [*raw_records(ESCAPED[-1], 4), rb"6,1,1,-;cut within a character \xc2\x" + b"\n"]
    records = kmsg_format.parse_all(raws)
    assert records == list(map(kmsg_format.parse, raws))
    assert [record.text for record in records if record.truncated] == [
        "cut within a character \udcc2\\x"
    ]
