# SPDX-License-Identifier: GPL-2.0-or-later
"""What each sink makes of the report of a crash."""

import asyncio
import json
import re
from contextlib import closing
from pathlib import Path

import msgspec
import pytest
from msgspec import structs

from klogd_py.record.report import Confidence, Report, ReportSeverity, Source
from klogd_py.record.sequence import Position
from klogd_py.record.types import Cause, Entry
from klogd_py.reports.announcement import announce
from klogd_py.reports.document import decode, without_text
from klogd_py.sinks.backlog import size_of
from klogd_py.sinks.console import Colour, ConsoleSink
from klogd_py.sinks.drop_policy import WhenFull
from klogd_py.sinks.entry_filter import EntryFilter, Expression
from klogd_py.sinks.file_format import FileFormat, LineEncoder
from klogd_py.sinks.journal import JournalSink
from klogd_py.sinks.local_syslog import SyslogSink
from klogd_py.sinks.queue import SinkQueue
from klogd_py.sinks.report_fields import DOCUMENT_LIMIT_BYTES
from klogd_py.sinks.sequence_tracker import SequenceTracker, StartPosition
from tests.entries import gap_entry, numbered_entries
from tests.fakes import ScriptedSink
from tests.json_documents import read_document
from tests.queues import flush, make_queue
from tests.reports_made import REPORT, make_report
from tests.sockets import DatagramListener, JournalListener

EVIL = make_report(
    title='x" id=1\nNov 27 18:00:00 host kernel: forged\x1b]0;t\x07',
    function="a b\n",
    module="\udcff",
    message="\x9b31m",
)


def journal_fields(report: Report, folder: Path) -> dict[str, str]:
    with (
        JournalListener(folder / "socket") as listener,
        closing(JournalSink(None, str(folder / "socket"))) as sink,
    ):
        assert sink.send([announce(report)]) == 1
        (fields,) = listener.entries()
    return {key: value.decode("utf-8", "surrogateescape") for key, value in fields}


def test_journal_gets_each_fact_as_field(tmp_path: Path) -> None:
    report = make_report(source=Source("drivers/net/nic.c", 12), count=3)
    fields = journal_fields(report, tmp_path)
    document = fields.pop("KLOGD_REPORT")
    assert fields == {
        "MESSAGE": "KASAN: slab-use-after-free Read in nic_poll (3 times)",
        "MESSAGE_ID": "ed1765b5c93c4a38b11ad05b8475c37c",
        "PRIORITY": "3",
        "SYSLOG_FACILITY": "0",
        "SYSLOG_IDENTIFIER": "klogd-py",
        "CODE_FUNC": "nic_poll",
        "CODE_FILE": "drivers/net/nic.c",
        "CODE_LINE": "12",
        "KLOGD_SEQ": "1840",
        "KLOGD_BOOT_ID": REPORT.boot.id,
        "KLOGD_USEC": "5218310",
        "KLOGD_REPORT_ID": REPORT.id,
        "KLOGD_REPORT_KIND": "kasan",
        "KLOGD_REPORT_SEVERITY": "error",
        "KLOGD_REPORT_FUNCTION": "nic_poll",
        "KLOGD_REPORT_MODULE": "nic",
        "KLOGD_REPORT_FINGERPRINT": "1:0123456789abcdef",
        "KLOGD_REPORT_COUNT": "3",
        "KLOGD_REPORT_CONFIDENCE": "high",
        "KLOGD_REPORT_TAINT": "GWOE",
    }
    assert decode(document.encode()) == without_text(report)


def test_document_in_journal_is_limited(tmp_path: Path) -> None:
    large = make_report(stacks=REPORT.stacks * 500, modules=REPORT.modules * 500)
    document = journal_fields(large, tmp_path)["KLOGD_REPORT"]
    assert len(document) <= DOCUMENT_LIMIT_BYTES
    assert decode(document.encode()).stacks == REPORT.stacks[:1]


def test_syslog_gets_one_line_of_kern(tmp_path: Path) -> None:
    with (
        DatagramListener(tmp_path / "log") as listener,
        closing(SyslogSink(str(tmp_path / "log"))) as sink,
    ):
        sink.send([announce(REPORT)])
        (message,) = listener.read()
    found = re.fullmatch(r"<3>(\w{3} [ \d]\d [\d:]{8}) klogd-py: (.*)", message.decode())
    assert found is not None
    assert found[2].startswith("report 1:0123456789abcdef kind=kasan severity=error title=")


@pytest.mark.parametrize("format", [FileFormat.TEXT, FileFormat.KLOGD])
def test_files_get_the_same_line(format: FileFormat) -> None:
    (line,) = LineEncoder(format).encode([announce(REPORT)])
    assert re.search(r"(?:^<3>| )klogd-py: report 1:0123456789abcdef kind=kasan ", line)
    assert line.count("\n") == 1


def test_json_document_has_the_whole_report() -> None:
    (line,) = LineEncoder(FileFormat.JSON).encode([announce(REPORT)])
    document = read_document(line)
    assert document["tag"] == "klogd-py"
    assert "seq" not in document
    assert decode(json.dumps(document["report"]).encode()) == without_text(REPORT)


def console(report: Report, colour: Colour = Colour.NEVER) -> list[str]:
    return ConsoleSink(colour).encode(announce(report)).decode().removesuffix("\n").split("\n")


def test_console_shows_a_block_of_lines() -> None:
    first, *lines = console(make_report(source=Source("drivers/net/nic.c", 12)))
    assert re.fullmatch(r"\w{3} [ \d]\d [\d:.]+ klogd-py: kernel error", first)
    assert lines == [
        "  | KASAN: slab-use-after-free Read in nic_poll",
        "  | where    nic_poll [nic], drivers/net/nic.c:12",
        "  | task     netperf, pid 812, cpu 1",
        "  | kernel   6.12.4-amd64, tainted GWOE",
        "  | called   nic_poll < __napi_poll < net_rx_action < handle_softirqs",
        f"  | report   {REPORT.id}",
    ]


def test_block_is_at_most_eighty_columns() -> None:
    long = make_report(
        title="WARNING in " + "f" * 120 + " with words behind it " * 9,
        function="f" * 200,
        doubts=("no function", "interleaved") * 9,
        confidence=Confidence.LOW,
        panicked=True,
        message="reason " * 90,
    )
    lines = console(long)
    assert len(lines) > 10
    assert max(map(len, lines)) <= 80


def test_block_is_coloured_only_when_asked() -> None:
    coloured = console(make_report(severity=ReportSeverity.FATAL), Colour.ALWAYS)
    assert coloured[1].startswith("\x1b[1;31m  | KASAN")
    assert [line.endswith("\x1b[0m") for line in coloured[:3]] == [True, True, False]
    assert "\x1b" not in "".join(console(REPORT))


def test_untrusted_text_makes_no_line(tmp_path: Path) -> None:
    entry = announce(EVIL)
    lines = [line for format in FileFormat for line in LineEncoder(format).encode([entry])]
    with closing(SyslogSink(str(tmp_path / "none"))) as sink:
        lines.append(sink.encode(entry).decode() + "\n")
    lines += [f"{line}\n" for line in console(EVIL)]
    assert len(lines) > 8
    assert [line for line in lines if not line[:-1].isprintable()] == []
    assert journal_fields(EVIL, tmp_path)["KLOGD_REPORT_ID"] == REPORT.id


def test_filter_of_a_sink_lets_reports_pass() -> None:
    strict = EntryFilter(
        0, frozenset(("usb",)), frozenset(), (), (Expression("exclude", re.compile(".")),)
    )
    assert strict.passes_without_text(announce(REPORT)) is True


def tracker(next_seq: int) -> SequenceTracker:
    start = StartPosition(Position(next_seq), Cause.RESTART)
    return SequenceTracker(gap_entry, start)


def test_report_passes_a_sink_that_skips() -> None:
    entries: list[Entry] = [*numbered_entries(range(3, 6)), announce(REPORT)]
    filtered = tracker(9).filter(entries)
    assert [entry.report for entry in filtered] == [without_text(REPORT)]


def test_other_message_is_skipped_with_records() -> None:
    own = msgspec.structs.replace(announce(REPORT), report=None)
    assert tracker(9).filter([*numbered_entries(range(3, 6)), own]) == []


def waiting_queue(sink: ScriptedSink, when_full: WhenFull = WhenFull.WAIT) -> SinkQueue:
    """A queue that waits for the ring buffer to be read again."""
    sink.down = "away"
    queue = make_queue(sink, 1500, 10, when_full, rereadable=True)
    errors = [
        structs.replace(one, record=structs.replace(one.record, prefix=3))
        for one in numbered_entries(range(10, 20))
    ]
    queue.enqueue(errors)
    assert queue.needs_reread
    return queue


def test_unselected_report_does_not_wait() -> None:
    queue = waiting_queue(ScriptedSink())
    wanted, unwanted = announce(REPORT), announce(REPORT)
    before = queue.backlog.entry_count
    queue.enqueue([wanted, unwanted], unselected={id(unwanted)})
    assert queue.backlog.entry_count == before + 1


@pytest.mark.parametrize("when_full", list(WhenFull))
def test_waiting_reports_are_within_a_limit(when_full: WhenFull) -> None:
    sink = ScriptedSink()
    queue = waiting_queue(sink, when_full)
    for _ in range(100):
        queue.enqueue([announce(REPORT)])
    assert queue.backlog.bytes < 3 * 1500 + size_of(announce(REPORT))
    sink.down = ""
    assert asyncio.run(flush(queue))
    received = sum(entry.report is not None for entry in sink.received)
    assert received > 0
    assert queue.missed == {Cause.SINK_DROP: 100 - received}


def test_report_waits_while_ring_is_reread() -> None:
    sink = ScriptedSink()
    sink.down = "away"
    queue = make_queue(sink, 1500, 10, WhenFull.WAIT, rereadable=True)
    queue.enqueue(numbered_entries(range(10, 20)))
    assert queue.needs_reread
    queue.enqueue([*numbered_entries(range(20, 22)), announce(REPORT)])
    sink.down = ""
    assert asyncio.run(flush(queue))
    queue.resume()
    queue.enqueue(numbered_entries(range(10, 22)))
    assert [seq for seq in sink.seqs if seq is not None] == [*range(10, 22)]
    assert [entry.report for entry in sink.received if entry.is_own] == [without_text(REPORT)]
