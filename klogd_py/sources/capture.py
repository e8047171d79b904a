# SPDX-License-Identifier: GPL-2.0-or-later
"""Read kernel messages from a file or a pipe instead of the running kernel.

`klogd_py.sources.capture_records` says what is read: each line in its own form.
"""

import re
import time
from datetime import datetime

from klogd_py.line_prefix.stamp_years import DateSearch, StampYears
from klogd_py.record.selection import Following
from klogd_py.record.types import Gap, Record
from klogd_py.sources.capture_records import MAX_RECORD_BYTES, CaptureRecords
from klogd_py.sources.errors import InputFailed
from klogd_py.sources.input_file import CHUNK_BYTES, InputFile, open_input

# The dictionary lines of a record follow within this time
DICTIONARY_WAIT_S = 0.02
# Limit of the whole wait, during which nothing else happens
MAX_DICTIONARY_WAIT_S = 0.1

# Some programs write NUL between the records of /dev/kmsg.
_RECORD_SEPARATOR = re.compile(rb"(?:(?<=\n)|\A)\0(?=[0-9]{1,4},[0-9]+,[0-9]+[,;])")
# Most records of /dev/kmsg have these flags, and entries of journalctl -o verbose this cursor.
_SIGNS_OF_LINES = (b",-;", b",-,", b",c;", b",c,", b" [s=")
# 1971
_UNSET_BEFORE_S = 31_536_000


class Capture:
    """The records of one open file or pipe, in order. Mutable: how far it has been read."""

    def __init__(
        self,
        content: InputFile,
        form: str = "auto",
        years: StampYears | None = None,
        max_record_bytes: int = MAX_RECORD_BYTES,
    ) -> None:
        """``years`` are those of times that state none; found in a file by default.

        A record that is longer than ``max_record_bytes`` is given in parts.
        """
        self.name = content.name
        self.exhausted = False
        self.remark: str | None = None
        self.content = content
        self._is_failure_told = self._is_form_told = False
        self._form = form
        self._records = CaptureRecords(form, years or _years_of(content), max_record_bytes)

    def fileno(self) -> int:
        """The descriptor of the input."""
        return self.content.fileno()

    def read_batch(self) -> list[Record | Gap]:
        """Read the records of the next chunk; empty if there is nothing now, or the input has
        ended.

        Raises:
            InputFailed: all that can be read has been returned, and the input has not ended there.
        """
        # Standard input is shared: making it non-blocking would affect other processes.
        while not self.exhausted and self.content.is_readable(0):
            # What is unpacked already does not make the descriptor readable.
            if records := self._read_records():
                return records
        if self.exhausted and self.content.failure is not None and not self._is_failure_told:
            self._is_failure_told = True
            raise InputFailed(self.content.failure)
        return []

    def _read_records(self) -> list[Record | Gap]:
        """Read the records of the next chunk, and wait a moment for their dictionaries."""
        raw = self._read()
        until_s = time.monotonic() + MAX_DICTIONARY_WAIT_S
        while (
            self._awaits_dictionary(raw)
            and time.monotonic() < until_s
            and self.content.is_readable(DICTIONARY_WAIT_S)
        ):
            raw += self._read()
        records = self._records.push(raw, is_end=self.exhausted, is_full=len(raw) >= CHUNK_BYTES)
        if records and self._form == "auto" and not self._is_form_told:
            self._is_form_told = True
            self.remark = f"{self.name}: read as {self._records.describe(records)}"
        return records

    def drain_pending(self) -> list[Record | Gap]:
        """Return what has come of an unfinished record."""
        self.exhausted = True
        return self._records.flush()

    def seek(self, seq: int) -> bool:
        """Return False: a pipe cannot seek, and reading a file waits for the sinks anyway."""
        return False

    def close(self) -> None:
        """Close the input unless it is standard input."""
        self.content.close()

    def _read(self) -> bytes:
        raw = self.content.read(CHUNK_BYTES)
        if b"\0" in raw:
            raw = _RECORD_SEPARATOR.sub(b"", raw)
        self.exhausted = self.content.ended and not self.content.has_content
        return raw

    def _awaits_dictionary(self, raw: bytes) -> bool:
        """Whether dictionary lines of the last record may still come: a pipe can separate them."""
        return (
            (self._records.may_go_on or any(sign in raw for sign in _SIGNS_OF_LINES))
            and raw.endswith(b"\n")
            and not self.exhausted
            and len(raw) < CHUNK_BYTES
        )


def open_capture(path: str, form: str, following: Following = Following.NO) -> Capture:
    """Open ``path``, or standard input for ``-``; raises SourceUnavailable."""
    return Capture(open_input(path, following), form)


def _years_of(content: InputFile) -> StampYears:
    """Find the years of the times in a file that state none; in a pipe they are guessed."""
    modified_s, now_s = content.modified_s, time.time()
    if modified_s is None or content.is_followed:
        return StampYears(datetime.fromtimestamp(now_s))
    # The clock was not set, or the file is from an archive without times.
    is_unset = modified_s < _UNSET_BEFORE_S
    limit_s = now_s if is_unset else min(modified_s, now_s)
    years = _search_dates(content).years(datetime.fromtimestamp(limit_s))
    content.rewind()
    return years


def _search_dates(content: InputFile) -> DateSearch:
    """Find the dates at the head of the lines of a file."""
    search, tail = DateSearch(), b""
    while raw := content.read(CHUNK_BYTES):
        head, _, rest = (tail + raw).rpartition(b"\n")
        search.add(head)
        # A line without an end is not collected.
        tail = b"\n" + rest[:CHUNK_BYTES]
        # A file whose beginning has no dates has none.
        if not search.has_dates:
            return search
    search.add(tail)
    return search
