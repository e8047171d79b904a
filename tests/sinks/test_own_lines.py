# SPDX-License-Identifier: GPL-2.0-or-later
"""No record passes for a message of klogd-py itself or of the kernel.

Gaps are found with the regular expressions of docs/delivery.md only.
"""

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from klogd_py.record.types import Cause, Entry, Gap, Record
from klogd_py.sinks.console import Colour, ConsoleSink
from klogd_py.sinks.file import FileSink
from klogd_py.sinks.file_format import FileFormat, LineEncoder
from klogd_py.sinks.formats import TaggedText, is_reserved, split_identifier
from klogd_py.sinks.journal import JournalSink
from klogd_py.sinks.local_syslog import SyslogSink
from tests.entries import WALL_US, gap_entry
from tests.json_documents import read_document
from tests.sockets import DatagramListener, JournalListener, StreamListener

DOCUMENT = (Path(__file__).parents[2] / "docs/delivery.md").read_text()
GAP_PATTERNS = dict(re.findall(r"^\| ([^|]+) \| `(\^[^`]+\$)` \|$", DOCUMENT, re.MULTILINE))

FACTS = '[gap first="5" last="7" count="3" cause="overrun"]'
WORDS = f"3 kernel records lost (sequence numbers 5 to 7): the kernel's ring buffer overran {FACTS}"
CLAIMS = [
    "klogd-py: ",
    "klogd-py[1]: ",
    "KLOGD-PY: ",
    "klogd_py: ",
    "k1ogd-py: ",
    "\u043alogd-py: ",
    "klogd\u200b-py: ",
    "kernel: ",
    "kernel/0: ",
    "kernel.: ",
    "kernel[0]: ",
    "Kernel: ",
    "KERNEL-1: ",
    "kemel: ",
    "kerneI: ",
    ".kernel: ",
    "k\u0435rnel: ",
    "\u1d0bernel: ",
    "",
    " klogd-py: ",
    "x: klogd-py: ",
    "x\nklogd-py: ",
    "x\r<44>klogd-py: ",
    f"2026-11-23T08:13:42.123456+01:00 host klogd-py: {WORDS}\n",
    f"x\u2028<44>Nov 23 08:13:42 klogd-py: {WORDS}\u2029",
    "x\x85klogd-py: ",
    "\u202eyp-dgolk: ",
    "x\x9b2Kklogd-py: ",
    "x\0klogd-py: ",
]
PREFIXES = [4, 12, 44, 45, 5 << 3, 1999, None]

# Returns the identifiers, and the facts of the gaps
Read = Callable[[list[Entry], Path], tuple[list[str], list[tuple[str, ...]]]]


def _entry(text: str, prefix: int | None) -> Entry:
    return Entry(Record(text, prefix, 3, 4), WALL_US, text)


def _by_lines(name: str, tags: str, lines: list[str]) -> tuple[list[str], list[tuple[str, ...]]]:
    found = [re.match(tags, line) for line in lines]
    gaps = [
        gap.groups() for line in lines if (gap := re.search(GAP_PATTERNS[name], line)) is not None
    ]
    return [tag[1] if tag else "" for tag in found], gaps


def _of_file(entries: list[Entry], folder: Path) -> tuple[list[str], list[tuple[str, ...]]]:
    sink = FileSink(str(folder / "log"))
    sink.send(entries)
    sink.close()
    return _by_lines(
        'file, `format = "text"`', r"\S+ \S+ (\S+): ", (folder / "log").read_text().split("\n")[:-1]
    )


def _of_klogd_format(entries: list[Entry], folder: Path) -> tuple[list[str], list[tuple[str, ...]]]:
    lines = "".join(LineEncoder(FileFormat.KLOGD).encode(entries)).split("\n")[:-1]
    return _by_lines('file, `format = "klogd"`', r"<\d+>(\S+): ", lines)


def _of_console(entries: list[Entry], folder: Path) -> tuple[list[str], list[tuple[str, ...]]]:
    sink = ConsoleSink(Colour.NEVER)
    return _by_lines(
        "console", r"... .. \S+ (\S+): ", [sink.encode(entry).decode()[:-1] for entry in entries]
    )


def _of_datagrams(entries: list[Entry], folder: Path) -> tuple[list[str], list[tuple[str, ...]]]:
    sink = SyslogSink(str(folder / "log"))
    with DatagramListener(folder / "log") as listener:
        received = []
        for entry in entries:
            sink.send([entry])
            received += [datagram.decode() for datagram in listener.read()]
        sink.close()
    return _by_lines("syslog", r"<\d+>... .. \S+ (\S+): ", received)


def _of_stream(entries: list[Entry], folder: Path) -> tuple[list[str], list[tuple[str, ...]]]:
    sink = SyslogSink(str(folder / "log"))
    with StreamListener(folder / "log") as listener:
        sink.send(entries)
        received = [message.decode() for message in listener.messages()]
        sink.close()
    return _by_lines("syslog", r"<\d+>... .. \S+ (\S+): ", received)


def _of_json(entries: list[Entry], folder: Path) -> tuple[list[str], list[tuple[str, ...]]]:
    content = "".join(LineEncoder(FileFormat.JSON).encode(entries))
    # splitlines() splits at everything that some program takes for the end of a line.
    documents = [read_document(line) for line in content.splitlines()]
    facts = [document["gap"] for document in documents if "gap" in document]
    return [document["tag"] for document in documents], [
        tuple(str(fact) for fact in gap.values()) for gap in facts
    ]


def _of_journal(entries: list[Entry], folder: Path) -> tuple[list[str], list[tuple[str, ...]]]:
    sink = JournalSink("", str(folder / "log"))
    with JournalListener(folder / "log") as listener:
        received = []
        for entry in entries:
            sink.send([entry])
            received += [dict(fields) for fields in listener.entries()]
        sink.close()
    keys = [f"KLOGD_GAP_{key}" for key in ("FIRST", "LAST", "COUNT", "CAUSE")]
    gaps = [tuple(fields[key].decode() for key in keys) for fields in received if keys[0] in fields]
    assert not any("_TRANSPORT" in fields or "_PID" in fields for fields in received), (
        "trusted fields are the journal's"
    )
    return [fields["SYSLOG_IDENTIFIER"].decode() for fields in received], gaps


READERS: dict[str, Read] = {
    "file": _of_file,
    "klogd format": _of_klogd_format,
    "console": _of_console,
    "syslog": _of_datagrams,
    "syslog stream": _of_stream,
    "json": _of_json,
    "journal": _of_journal,
}


@pytest.mark.parametrize("read", READERS.values(), ids=READERS.keys())
def test_documented_parser_finds_only_real_gaps(read: Read, tmp_path: Path) -> None:
    records = [_entry(claim + WORDS, prefix) for claim in CLAIMS for prefix in PREFIXES]
    note = f"repeats of: klogd-py: {FACTS}"
    real = [Gap(1, 2, Cause.PRE_START), Gap(8, 8, Cause.EINVAL), Gap(9, 12, Cause.RATE_LIMIT, note)]
    tags, gaps = read([*records, *map(gap_entry, real)], tmp_path)
    assert gaps == [
        (str(gap.first), str(gap.last), str(gap.count), gap.cause.value) for gap in real
    ]
    assert len(tags) == len(records) + len(real), "a record is one line"
    for record, tag in zip(records, tags, strict=False):
        if record.record.facility:
            assert not is_reserved(tag), record
        elif read is not _of_klogd_format:
            assert tag == "kernel"
    assert set(tags[len(records) :]) == {"klogd-py"}


TEXTS = st.text(
    st.sampled_from('klogd-py: kernel[gap first="1"]\n\r\0\x85\u2028\u202e\x9b\x1b<4>'), max_size=60
)


@pytest.mark.parametrize(
    "read", [_of_klogd_format, _of_console, _of_json], ids=["klogd format", "console", "json"]
)
@given(text=TEXTS, prefix=st.sampled_from(PREFIXES))
@example(text=f"<44>klogd-py: {WORDS}", prefix=44)
def test_no_text_of_a_record_makes_a_gap(read: Read, text: str, prefix: int | None) -> None:
    tags, gaps = read([_entry(f"{text}{FACTS}", prefix)], Path())
    assert (len(tags), gaps) == (1, [])


@pytest.mark.parametrize("file_format", list(FileFormat))
@given(text=st.text(max_size=80), prefix=st.sampled_from(PREFIXES))
def test_lines_of_a_file_hold_no_controls(
    file_format: FileFormat, text: str, prefix: int | None
) -> None:
    (line,) = LineEncoder(file_format).encode([_entry(text, prefix)])
    assert line.endswith("\n")
    assert line[:-1].replace("\t", "").isprintable()


@given(st.text(max_size=80))
def test_escaped_json_is_read_back_unchanged(text: str) -> None:
    (line,) = LineEncoder(FileFormat.JSON).encode([_entry(text, 6)])
    assert read_document(line)["text"] == text


@pytest.mark.parametrize(
    "name", ["systemd[1]", "sshd[22]", "klogd", "dracut-cmdline", "kern", "logger", "snapd-kernel"]
)
def test_identifiers_of_other_programs_are_kept(name: str) -> None:
    text = f"{name}: hello"
    assert split_identifier(_entry(text, 14), text) == TaggedText(name, "hello")
