# SPDX-License-Identifier: GPL-2.0-or-later
r"""Kernel messages from a file or a pipe instead of the running kernel.

The forms: ``kmsg`` (raw /dev/kmsg records, each with its dictionary lines), ``dmesg``, ``klogd``
(``<N>`` in front) and ``syslog``; ``auto`` decides by the first line. A record ends with its line
feed, or where the input ends. One that is longer than LONGEST_BYTES is given in parts, each marked
as cut but the last, so that memory and time have a bound.
"""

import os
import re
import select
import sys
import time
from datetime import datetime

import msgspec

from klogd_py.record.types import Gap, Record
from klogd_py.sources import kmsg_format, text_formats
from klogd_py.sources.kmsg_device import SourceUnavailable

FORMS = ("auto", "kmsg", "dmesg", "klogd", "syslog")
CHUNK_BYTES = 1 << 18
# No kernel writes a longer record; what is longer is given in parts
MAX_BYTES = 1 << 16
# What belongs to a record comes sooner than this, or never
REST_S = 0.02
# So long at most for all that comes meanwhile: nothing else happens in that time
MAX_REST_S = 0.1

# Anchored, so that where no line feed comes it is not looked for from every byte on.
_WHOLE_RECORD = re.compile(rb"^[^\n]*\n(?: [^\n]*\n)*", re.MULTILINE)


def is_readable(descriptor: int, wait_s: float) -> bool:
    """Whether something can be read within a time, were it the end.

    Select(2) knows no descriptor above 1023.
    """
    asked = select.poll()
    asked.register(descriptor, select.POLLIN)
    return bool(asked.poll(wait_s * 1000))


class Capture:
    """The records of one open file or pipe, in order."""

    def __init__(
        self,
        descriptor: int,
        name: str,
        form: str = "auto",
        year: int | None = None,
        longest_bytes: int = MAX_BYTES,
    ) -> None:
        """``year`` is what stamps that name none are taken for; the current one by default.

        A record that is longer than ``longest_bytes`` is given in parts.
        """
        self._longest_bytes = longest_bytes
        self.name = name
        self.exhausted = False
        self.remark = ""
        self._descriptor = descriptor
        self._form = form
        self._syslog = text_formats.syslog_in_year(datetime.now().year if year is None else year)
        # The beginning of a record
        self._tail = b""
        # What comes goes on with a record that is too long and was given in part
        self._is_amid = False

    def fileno(self) -> int:
        """The descriptor of the input."""
        return self._descriptor

    def read_batch(self) -> list[Record | Gap]:
        """The records of the next chunk; empty when the input has nothing just now or has ended."""
        if not is_readable(self._descriptor, 0):
            # Standard input is shared: making it non-blocking would be felt by others
            return []
        raw = self._read()
        until_s = time.monotonic() + MAX_REST_S
        while (
            self._may_go_on(raw)
            and time.monotonic() < until_s
            and is_readable(self._descriptor, REST_S)
        ):
            raw += self._read()
        return self._records(raw)

    def drain_pending(self) -> list[Record | Gap]:
        """What has come of an unfinished record."""
        self.exhausted = True
        return self._records(b"")

    def seek(self, seq: int) -> bool:
        """A pipe cannot, and a file is never left behind: reading it waits for the sinks."""
        return False

    def close(self) -> None:
        """Close the input unless it is standard input."""
        if self._descriptor != 0:
            os.close(self._descriptor)

    def _read(self) -> bytes:
        raw = os.read(self._descriptor, CHUNK_BYTES)
        self.exhausted = not raw
        return raw

    def _may_go_on(self, raw: bytes) -> bool:
        """Whether dictionary lines of the last record may still come.

        A pipe can part them from it.
        """
        return (
            self._form in ("auto", "kmsg")
            and raw.endswith(b"\n")
            and not self.exhausted
            and len(raw) < CHUNK_BYTES
        )

    def _records(self, raw: bytes) -> list[Record | Gap]:
        """The records that are whole by now.

        Of one that is too long for that, what there is of it, in parts.
        """
        data = self._tail + raw
        self._tail = b""
        if self._form == "auto" and data:
            if b"\n" not in data and len(data) <= self._longest_bytes and not self.exhausted:
                # Half a line does not tell
                self._tail = data
                return []
            first = data.lstrip(b"\n")[: self._longest_bytes + 1].partition(b"\n")[0]
            self._form = text_formats.form_of(first.decode("utf-8", "surrogateescape"))
        pieces, rest = self._cut(data)
        if (
            self._form == "kmsg"
            and len(raw) >= CHUNK_BYTES
            and pieces
            and len(pieces[-1]) + len(rest) <= self._longest_bytes
        ):
            # Its dictionary lines may be in the next chunk
            rest = pieces.pop() + rest
        if rest and self.exhausted:
            pieces.append(rest)
            rest = b""
        records = self._of_pieces(pieces)
        parted = len(rest) - len(rest) % self._longest_bytes
        records += self._in_parts(rest[:parted], is_whole=False) if parted else []
        self._tail = rest[parted:]
        return records

    def _cut(self, data: bytes) -> tuple[list[bytes], bytes]:
        """The pieces that are whole, one for each record, and what stands behind the last line
        feed.
        """
        end = data.rfind(b"\n") + 1
        if self._form == "kmsg":
            return _WHOLE_RECORD.findall(data[:end]), data[end:]
        return data[:end].split(b"\n")[:-1], data[end:]

    def _of_pieces(self, pieces: list[bytes]) -> list[Record | Gap]:
        """The records of pieces that are whole, but for the first, which may be the end of one that
        is too long.
        """
        if not self._is_amid and max(map(len, pieces), default=0) <= self._longest_bytes:
            return (
                [*kmsg_format.parse_all(pieces)]
                if self._form == "kmsg"
                else [self._parsed(piece) for piece in pieces]
            )
        return [record for piece in pieces for record in self._in_parts(piece, is_whole=True)]

    def _in_parts(self, piece: bytes, is_whole: bool) -> list[Record | Gap]:
        """A record that may be too long in parts: the first as it reads, the others as they are.

        All but the last are cut.
        """
        records: list[Record | Gap] = []
        if self._is_amid and not piece.strip(b"\n"):
            # It ended where the last part did
            self._is_amid = False
            return records
        for start in range(
            0,
            len(piece) or 1,
            self._longest_bytes,
            # An empty line is a record, too
        ):
            part = piece[start : start + self._longest_bytes]
            is_cut = not is_whole or start + self._longest_bytes < len(piece)
            if self._is_amid:
                records.append(kmsg_format.unparsed(part, is_cut))
            else:
                record = self._parsed(part)
                records.append(
                    msgspec.structs.replace(record, truncated=is_cut or record.truncated)
                )
            self._is_amid = True
        self._is_amid = not is_whole
        return records

    def _parsed(self, piece: bytes) -> Record:
        """One record.

        What has been read cannot be read again, so it is delivered raw for whatever reason it makes
        no sense.
        """
        if self._form == "kmsg":
            return kmsg_format.parse_surely(piece)
        parse = {"dmesg": text_formats.dmesg, "klogd": text_formats.klogd, "syslog": self._syslog}[
            self._form
        ]
        line = piece.decode("utf-8", "surrogateescape")
        try:
            return parse(line)
        except Exception:
            return Record(line)


def open_capture(path: str, form: str) -> Capture:
    """Open ``path``, or standard input for ``-``; raises SourceUnavailable."""
    if path == "-":
        return Capture(sys.stdin.fileno(), "standard input", form)
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOCTTY)
        if os.path.isdir(path):
            os.close(descriptor)
            raise IsADirectoryError(21, "Is a directory")
    except OSError as error:
        raise SourceUnavailable(f"{path}: {error.strerror}") from error
    return Capture(descriptor, path, form)
