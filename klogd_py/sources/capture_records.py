# SPDX-License-Identifier: GPL-2.0-or-later
"""Make records of the bytes of a capture, chunk by chunk.

A record ends with its line feed, or where the input ends. One that is longer than the limit is
given in parts, all but the last marked as truncated, so that memory and time have a bound.
"""

import re
from collections.abc import Iterator, Sequence

import msgspec

from klogd_py.line_prefix.grammar import ANY_PREFIX, grammar_of
from klogd_py.line_prefix.pieces import DMESG, SYSLOG
from klogd_py.line_prefix.reader import PrefixReader
from klogd_py.line_prefix.stamp_years import StampYears
from klogd_py.record.types import Gap, Record
from klogd_py.sources import kmsg_format
from klogd_py.sources.form_names import describe_forms
from klogd_py.sources.klogd_format import parse_klogd
from klogd_py.sources.netconsole import has_fragments
from klogd_py.sources.record_assembler import DESCRIBED, RecordAssembler
from klogd_py.sources.sequence_holes import SequenceHoles

# No kernel writes a longer record
MAX_RECORD_BYTES = 1 << 16
_KMSG_LINE = re.compile(rb"\d{1,4},\d{1,20},\d{1,20},[^,;\n]{1,4}[,;]")
# Anchored, so that where no line feed comes it is not looked for from every byte on.
_WHOLE_RECORD = re.compile(rb"^[^\n]*\n(?: [^\n]*\n)*", re.MULTILINE)
# A line of JSON may be so long
MAX_OBJECT_BYTES = 1 << 20
_OBJECT = re.compile(rb"[ \t]{0,16}(?:\{|\[\s{0,4}[{\[])")
# A line of dmesg -r, behind which a line without a prefix is the rest of the same message
_LEVEL_HEAD = re.compile(r"<\d{1,4}>\[ *\d{1,10}\.\d{6}\]")
_PSTORE_HEADER = re.compile(r"[A-Z][A-Za-z]{2,15}#\d{1,10} Part\d{1,5}$")
_IN_TRACES = ("0x", "[<", "Code:", "linked in:")


_GRAMMARS = {
    "dmesg": grammar_of(DMESG),
    "syslog": grammar_of(SYSLOG),
}


class CaptureRecords:
    """Makes the records of one capture. Mutable: what has come of records that are not whole."""

    def __init__(
        self,
        form: str = "auto",
        years: StampYears | None = None,
        max_record_bytes: int = MAX_RECORD_BYTES,
    ) -> None:
        """``form`` is one of `klogd_py.sources.INPUT_FORMATS`.

        ``years`` are those of times that state none.
        """
        self.reader = PrefixReader(years, _GRAMMARS.get(form, ANY_PREFIX))
        self._form = form
        self._max_record_bytes = max_record_bytes
        # A capture of /dev/kmsg may be one of netconsole.
        framings = {"auto": None, "export": ("export",), "json": ("json",)}
        framings |= {"kmsg": ("kmsg",), "table": ("table",)}
        read_line = {"klogd": parse_klogd, "kmsg": _read_unparsed}.get(form)
        self._assembler = RecordAssembler(self.reader, framings.get(form, ()), read_line)
        self._holes = SequenceHoles()
        # The incomplete record at the end of the bytes so far
        self._tail = b""
        # The next bytes continue a record that is too long
        self._is_in_long_record = False
        self._was_kmsg = form == "kmsg"

    @property
    def may_go_on(self) -> bool:
        """Whether lines of the last record may follow."""
        return self._was_kmsg or self._assembler.is_open

    def push(self, raw: bytes, *, is_end: bool, is_full: bool = False) -> list[Record | Gap]:
        """Take the next bytes; returns the records that are whole now.

        ``is_end``: no bytes follow. ``is_full``: more bytes are there already.
        """
        data = self._tail + raw
        end = data.rfind(b"\n") + 1
        whole, self._tail = data[:end], data[end:]
        records: list[Record] = []
        if whole:
            records = self._whole_records(whole, is_full=is_full and not is_end)
        if is_end and self._tail:
            tail, self._tail = self._tail, b""
            records += self._whole_records(tail, is_full=False)
        if len(self._tail) >= self._limit_of(self._tail):
            parted = len(self._tail) - len(self._tail) % self._max_record_bytes
            records += self._assembler.flush()
            records += self._split_long(self._tail[:parted], is_whole=False)
            self._tail = self._tail[parted:]
        if is_end:
            records += [part for one in self._assembler.flush() for part in self._parts_of(one)]
        return self._holes.announce(records)

    def describe(self, records: Sequence[Record | Gap]) -> str:
        """Say in which form the first records were read; see `describe_forms`."""
        return describe_forms(records[:DESCRIBED], self._assembler.framed)

    def flush(self) -> list[Record | Gap]:
        """Return what has come of an unfinished record."""
        return self.push(b"", is_end=True)

    def _whole_records(self, data: bytes, *, is_full: bool) -> list[Record]:
        """Make records of whole lines; the last may lack its line feed where the input ends."""
        if self._is_kmsg(data):
            return self._kmsg_records(data, is_full=is_full)
        if not data.endswith(b"\n"):
            data += b"\n"
        self._was_kmsg = False
        if len(data) > self._max_record_bytes or self._is_in_long_record:
            lines = data.split(b"\n")[:-1]
            if self._is_in_long_record or max(map(len, lines)) > self._max_record_bytes:
                return self._long_lines(lines)
        records = self._assembler.push(data)
        if not is_full and not self._tail:
            records += self._assembler.end_waiting()
        self._was_kmsg = self._assembler.is_open
        # The beginning of a line that belongs to the last record
        if not is_full and not self._tail.startswith(b" "):
            records += self._assembler.close_record()
        return records if self._form != "auto" else _with_continuations(records)

    def _is_kmsg(self, data: bytes) -> bool:
        """Whether a text is read as records of /dev/kmsg, of which most are alike."""
        if self._assembler.is_open or has_fragments(data):
            return False
        if self._form == "kmsg":
            return True
        return (
            self._form == "auto"
            and not self._is_in_long_record
            and _KMSG_LINE.match(data) is not None
            and b"\0" not in data
        )

    def _kmsg_records(self, data: bytes, *, is_full: bool) -> list[Record]:
        self._was_kmsg = True
        end = data.rfind(b"\n") + 1
        pieces = _WHOLE_RECORD.findall(data[:end]) + ([data[end:]] if data[end:] else [])
        if is_full and pieces and len(pieces[-1]) <= self._max_record_bytes:
            # The dictionary lines of the last record may be in the next chunk.
            self._tail = pieces.pop() + self._tail
        if self._is_in_long_record or max(map(len, pieces), default=0) > self._max_record_bytes:
            return [record for piece in pieces for record in self._split_long(piece, is_whole=True)]
        records = kmsg_format.parse_all(pieces)
        if not any(record.unparsed for record in records):
            return records
        mixed: list[Record] = []
        for record, piece in zip(records, pieces, strict=True):
            mixed += self._text_lines(piece) if record.unparsed else [record]
        return mixed

    def _text_lines(self, piece: bytes) -> list[Record]:
        """Make records of lines that are none of /dev/kmsg itself, dictionary lines included."""
        records = self._assembler.push(piece if piece.endswith(b"\n") else piece + b"\n")
        return records + self._assembler.close_record()

    def _long_lines(self, lines: Sequence[bytes]) -> list[Record]:
        """Make records of lines of which some are too long."""
        records: list[Record] = []
        for line in lines:
            if self._is_in_long_record or len(line) > self._limit_of(line):
                records += self._assembler.flush()
                records += self._split_long(line, is_whole=True)
            else:
                made = self._assembler.push(line + b"\n")
                records += [part for record in made for part in self._parts_of(record)]
        return records

    def _limit_of(self, line: bytes) -> int:
        """The limit of a line: one of JSON may hold a whole log."""
        may_be_json = self._form in ("auto", "json") and not self._is_in_long_record
        if may_be_json and (self._assembler.is_in_object or _OBJECT.match(line)):
            return max(self._max_record_bytes, MAX_OBJECT_BYTES)
        return self._max_record_bytes

    def _parts_of(self, record: Record) -> Iterator[Record]:
        """Split the text of a record that is too long; all parts but the last are truncated."""
        size, text = self._max_record_bytes, record.text
        for start in range(0, len(text) or 1, size):
            part = record if start == 0 else Record("", record.prefix)
            is_cut = start + size < len(text)
            yield msgspec.structs.replace(
                part, text=text[start : start + size], truncated=is_cut or record.truncated
            )

    def _split_long(self, piece: bytes, *, is_whole: bool) -> list[Record]:
        """Split a record that may be too long: the first part is parsed, the others stay raw.

        All parts but the last are marked as truncated.
        """
        records: list[Record] = []
        if self._is_in_long_record and not piece.strip(b"\n"):
            # The record ended exactly where the last part did.
            self._is_in_long_record = False
            return records
        # An empty line is a record, too.
        for start in range(0, len(piece) or 1, self._max_record_bytes):
            part = piece[start : start + self._max_record_bytes]
            is_cut = not is_whole or start + self._max_record_bytes < len(piece)
            if self._is_in_long_record:
                records.append(kmsg_format.raw_record(part, is_cut))
            else:
                record = self._parse(part)
                records.append(
                    msgspec.structs.replace(record, truncated=is_cut or record.truncated)
                )
            self._is_in_long_record = True
        self._is_in_long_record = not is_whole
        return records

    def _parse(self, piece: bytes) -> Record:
        if self._form == "kmsg" or (self._form == "auto" and _KMSG_LINE.match(piece)):
            return kmsg_format.parse_or_raw(piece)
        return self._assembler.read_text(piece)


def _read_unparsed(line: str) -> Record:
    """Make a record of a line that is to be one of /dev/kmsg, and is none."""
    return kmsg_format.raw_record(line.encode("utf-8", "surrogateescape"))


def _with_continuations(records: list[Record]) -> list[Record]:
    """Join lines without a prefix to the record of dmesg -r before them, whose text goes on."""
    if all(record.head for record in records):
        return records
    joined: list[Record] = []
    for record in records:
        last = joined[-1] if joined else None
        if last is not None and _goes_on(last, record):
            joined[-1] = msgspec.structs.replace(last, text=f"{last.text}\n{record.text}")
        else:
            joined.append(record)
    return joined


def _goes_on(last: Record, record: Record) -> bool:
    """Whether a line is the rest of the message of the record before it.

    The frames of a trace stay records of their own, whatever stands between them.
    """
    return (
        not record.head
        and record.prefix is None
        and record.seq is None
        and bool(record.text)
        and _LEVEL_HEAD.match(last.head) is not None
        and not _PSTORE_HEADER.match(record.text)
        and not any(sign in last.text or sign in record.text for sign in _IN_TRACES)
    )
