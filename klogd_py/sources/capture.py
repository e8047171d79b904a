# SPDX-License-Identifier: GPL-2.0-or-later
"""Read kernel messages from a file or a pipe instead of the running kernel.

The forms: ``kmsg`` (raw /dev/kmsg records, each with its dictionary lines), ``dmesg``, ``klogd``
(``<N>`` in front) and ``syslog``; ``auto`` decides by the first line. A record ends with its line
feed, or where the input ends. A record that is longer than MAX_RECORD_BYTES is given in parts, all
but the last marked as truncated, so that memory and time have a bound.
"""

import re
import time
from datetime import datetime

import msgspec
from msgspec import Struct

from klogd_py.record.selection import Following
from klogd_py.record.types import Gap, Record
from klogd_py.sources import kmsg_format, text_formats
from klogd_py.sources.errors import InputFailed
from klogd_py.sources.input_file import CHUNK_BYTES, InputFile, open_input

# No kernel writes a longer record
MAX_RECORD_BYTES = 1 << 16
# The dictionary lines of a record follow within this time
DICTIONARY_WAIT_S = 0.02
# Limit of the whole wait, during which nothing else happens
MAX_DICTIONARY_WAIT_S = 0.1

# Some programs write NUL between the records of /dev/kmsg.
_RECORD_SEPARATOR = re.compile(rb"(?:(?<=\n)|\A)\0(?=[0-9]{1,4},[0-9]+,[0-9]+[,;])")
# Anchored, so that where no line feed comes it is not looked for from every byte on.
_WHOLE_RECORD = re.compile(rb"^[^\n]*\n(?: [^\n]*\n)*", re.MULTILINE)


class _Split(Struct, frozen=True):
    """Input split into records: the complete ones, and the bytes of one that is not."""

    pieces: list[bytes]
    rest: bytes


class Capture:
    """The records of one open file or pipe, in order. Mutable: how far it has been read."""

    def __init__(
        self,
        content: InputFile,
        form: str = "auto",
        year: int | None = None,
        max_record_bytes: int = MAX_RECORD_BYTES,
    ) -> None:
        """``year`` is that of timestamps without one; the current year by default.

        A record that is longer than ``max_record_bytes`` is given in parts.
        """
        self._max_record_bytes = max_record_bytes
        self.name = content.name
        self.exhausted = False
        self.remark: str | None = None
        self._input = content
        self._is_failure_told = False
        self._form = form
        self._parsers = {
            "dmesg": text_formats.parse_dmesg,
            "klogd": text_formats.parse_klogd,
            "syslog": text_formats.syslog_parser(datetime.now().year if year is None else year),
        }
        # The incomplete record at the end of the input so far
        self._tail = b""
        # The next bytes continue a record that is too long
        self._is_in_long_record = False

    def fileno(self) -> int:
        """The descriptor of the input."""
        return self._input.fileno()

    def read_batch(self) -> list[Record | Gap]:
        """Read the records of the next chunk; empty if there is nothing now, or the input has
        ended.

        Raises:
            InputFailed: all that can be read has been returned, and the input has not ended there.
        """
        # Standard input is shared: making it non-blocking would affect other processes.
        while not self.exhausted and self._input.is_readable(0):
            # What is unpacked already does not make the descriptor readable.
            if records := self._read_records():
                return records
        if self.exhausted and self._input.failure is not None and not self._is_failure_told:
            self._is_failure_told = True
            raise InputFailed(self._input.failure)
        return []

    def _read_records(self) -> list[Record | Gap]:
        """Read the records of the next chunk, and wait a moment for their dictionaries."""
        raw = self._read()
        until_s = time.monotonic() + MAX_DICTIONARY_WAIT_S
        while (
            self._awaits_dictionary(raw)
            and time.monotonic() < until_s
            and self._input.is_readable(DICTIONARY_WAIT_S)
        ):
            raw += self._read()
        return self._records(raw)

    def drain_pending(self) -> list[Record | Gap]:
        """Return what has come of an unfinished record."""
        self.exhausted = True
        return self._records(b"")

    def seek(self, seq: int) -> bool:
        """Return False: a pipe cannot seek, and reading a file waits for the sinks anyway."""
        return False

    def close(self) -> None:
        """Close the input unless it is standard input."""
        self._input.close()

    def _read(self) -> bytes:
        raw = self._input.read(CHUNK_BYTES)
        if b"\0" in raw:
            raw = _RECORD_SEPARATOR.sub(b"", raw)
        self.exhausted = self._input.ended and not self._input.has_content
        return raw

    def _awaits_dictionary(self, raw: bytes) -> bool:
        """Whether dictionary lines of the last record may still come: a pipe can separate them."""
        return (
            self._form in ("auto", "kmsg")
            and raw.endswith(b"\n")
            and not self.exhausted
            and len(raw) < CHUNK_BYTES
        )

    def _records(self, raw: bytes) -> list[Record | Gap]:
        """Parse the records that are complete; of one that is too long, the parts so far."""
        data = self._tail + raw
        self._tail = b""
        if self._form == "auto" and data:
            if b"\n" not in data and len(data) <= self._max_record_bytes and not self.exhausted:
                # The format cannot be guessed from half a line.
                self._tail = data
                return []
            first = data.lstrip(b"\n")[: self._max_record_bytes + 1].partition(b"\n")[0]
            self._form = text_formats.guess_format(first.decode("utf-8", "surrogateescape"))
        split = self._split(data)
        pieces, rest = split.pieces, split.rest
        if (
            self._form == "kmsg"
            and len(raw) >= CHUNK_BYTES
            and pieces
            and len(pieces[-1]) + len(rest) <= self._max_record_bytes
        ):
            # The dictionary lines of the last record may be in the next chunk.
            rest = pieces.pop() + rest
        if rest and self.exhausted:
            pieces.append(rest)
            rest = b""
        records = self._parse_pieces(pieces)
        parted = len(rest) - len(rest) % self._max_record_bytes
        records += self._split_long(rest[:parted], is_whole=False) if parted else []
        self._tail = rest[parted:]
        return records

    def _split(self, data: bytes) -> _Split:
        """Split data into complete records and the incomplete rest."""
        end = data.rfind(b"\n") + 1
        if self._form == "kmsg":
            return _Split(_WHOLE_RECORD.findall(data[:end]), data[end:])
        return _Split(data[:end].split(b"\n")[:-1], data[end:])

    def _parse_pieces(self, pieces: list[bytes]) -> list[Record | Gap]:
        """Parse complete records; the first may be the end of one that is too long."""
        if (
            not self._is_in_long_record
            and max(map(len, pieces), default=0) <= self._max_record_bytes
        ):
            return (
                [*kmsg_format.parse_all(pieces)]
                if self._form == "kmsg"
                else [self._parse(piece) for piece in pieces]
            )
        return [record for piece in pieces for record in self._split_long(piece, is_whole=True)]

    def _split_long(self, piece: bytes, is_whole: bool) -> list[Record | Gap]:
        """Split a record that may be too long: the first part is parsed, the others stay raw.

        All parts but the last are marked as truncated.
        """
        records: list[Record | Gap] = []
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
        """Parse one record; it cannot be read again, so it is returned raw if it cannot be
        parsed.
        """
        if self._form == "kmsg":
            return kmsg_format.parse_or_raw(piece)
        parse = self._parsers[self._form]
        line = piece.decode("utf-8", "surrogateescape")
        try:
            return parse(line)
        except Exception:
            return Record(line)


def open_capture(path: str, form: str, following: Following = Following.NO) -> Capture:
    """Open ``path``, or standard input for ``-``; raises SourceUnavailable."""
    return Capture(open_input(path, following), form)
