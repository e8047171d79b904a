# SPDX-License-Identifier: GPL-2.0-or-later
"""Make records of the lines of a capture, each line in its own form.

Most records are one line of text, whose prefix `klogd_py.line_prefix` reads. Those that have
several lines are those of `klogd_py.sources.framings`.
"""

import re
from collections.abc import Callable, Sequence

import msgspec

from klogd_py.line_prefix.reader import PrefixReader
from klogd_py.record.types import Record
from klogd_py.sources.framings import ExportFraming, Framing, KmsgFraming, ObjectFraming
from klogd_py.sources.netconsole import RELEASE, FragmentJoiner, Joined, has_fragments
from klogd_py.sources.table_framing import TableFraming
from klogd_py.sources.verbose_framing import VerboseFraming

# So many records tell in which form a capture is
DESCRIBED = 1000
# Cheap signs that a text may hold others than lines with a prefix
_SIGNS = (b"{", b"[[", b"[\n", b"__", b" [s=", b",-,", b",-;", b",c;", b",c,", b",+;")
_OTHERS = re.compile(
    rb"(?:^|\n)(?:\0|(?:data: |\x1e)?[\[ \t\}-]{0,16}[{,]|__CURSOR=|__REALTIME_TIMESTAMP="
    rb"|\[\s{0,16}\[\s{0,16}\"\d{19}\""
    rb"|[^\s\d]{2,24} \d{4}-[^\n]{14,40}\[s=[0-9a-f]"
    rb"|(?:" + RELEASE + rb",)?\d{1,4},\d{1,20},\d)"
)


class RecordAssembler:
    """Makes the records of one capture. Mutable: the lines of a record that is not complete.

    Size: short methods on the same open record.
    """

    def __init__(
        self,
        reader: PrefixReader,
        names: Sequence[str] | None = None,
        read_line: Callable[[str], Record] | None = None,
    ) -> None:
        """``names`` are the framings that are looked for; all of them by default.

        ``read_line`` reads lines of text instead of ``reader``, and leaves all their characters.
        """
        self._read_line = read_line
        self._reader = reader
        self._table = TableFraming(reader)
        self._objects = ObjectFraming(reader)
        framings: list[Framing] = [KmsgFraming(), ExportFraming(), self._objects]
        framings += [VerboseFraming(), self._table]
        self._framings = [one for one in framings if names is None or one.name in names]
        self._fragments = FragmentJoiner()
        self._lines: list[bytes] = []
        self._framing: Framing | None = None
        # The first records of each form of several lines
        self.framed: dict[str, list[Record]] = {}
        self._has_begun = False

    @property
    def is_open(self) -> bool:
        """Whether lines of the last record may follow."""
        return self._framing is not None or self._fragments.is_open

    @property
    def is_in_object(self) -> bool:
        """Whether the lines of a JSON object may follow."""
        return self._framing is self._objects

    def push(self, text: bytes) -> list[Record]:
        """Make records of whole lines, each with its line feed."""
        if not self._has_begun:
            self._has_begun = True
            self._table.read_names(text.partition(b"\n")[0])
        if not self.is_open and not self._may_have_others(text):
            decoded = text.decode("utf-8", "surrogateescape")
            lines = decoded.split("\n")
            lines.pop()
            if self._read_line is not None:
                return list(map(self._read_line, lines))
            if decoded.replace("\n", "").isprintable():
                return self._reader.read_printable(lines)
            return [self._text(line) for line in lines]
        records: list[Record] = []
        for line in text.split(b"\n")[:-1]:
            if has_fragments(line) or self._fragments.is_open:
                for joined in self._fragments.push(line):
                    records += self._push_joined(joined)
            else:
                records += self._push_line(line)
        return records

    def close_record(self) -> list[Record]:
        """Return the last record if only a next line would tell that it is complete."""
        framing = self._framing
        return self._close() if framing is not None and framing.may_end(self._lines) else []

    def end_waiting(self) -> list[Record]:
        """Return the records that wait for a fragment which has not come."""
        return self._flush_fragments() if self._fragments.holds_whole else []

    def flush(self) -> list[Record]:
        """Return what is still open: nothing follows."""
        return self._flush_fragments() + self._close_all()

    def _flush_fragments(self) -> list[Record]:
        records: list[Record] = []
        for joined in self._fragments.flush():
            records += self._push_joined(joined)
        return records

    def read_text(self, line: bytes) -> Record:
        """Make a record of one line of text."""
        return self._text(line.decode("utf-8", "surrogateescape"))

    def _may_have_others(self, text: bytes) -> bool:
        if not self._framings:
            return False
        signs = any(sign in text for sign in _SIGNS)
        is_known = self._table.is_known or self._objects.is_in_list
        return is_known or (signs and _OTHERS.search(text) is not None)

    def _text(self, line: str) -> Record:
        return self._read_line(line) if self._read_line else self._reader.read_shown(line)

    def _push_joined(self, joined: Joined) -> list[Record]:
        """Take the lines of a record that was joined, or a line between two of them."""
        if not joined.is_cut:
            return [record for line in joined.lines for record in self._push_line(line)]
        records = KmsgFraming().make(joined.lines) or []
        cut = [msgspec.structs.replace(record, truncated=True) for record in records]
        return [*self._close_all(), *cut]

    def _push_line(self, line: bytes) -> list[Record]:
        records: list[Record] = []
        while self._framing is not None:
            if self._framing.continues(self._lines, line):
                self._lines.append(line)
                return [*records, *self._close_if_complete()]
            records += self._close()
        self._framing = next((one for one in self._framings if one.begins(line)), None)
        if self._framing is None:
            return [*records, self.read_text(line)]
        self._lines = [line]
        return [*records, *self._close_if_complete()]

    def _close_if_complete(self) -> list[Record]:
        framing = self._framing
        assert framing is not None
        if not framing.is_complete(self._lines):
            return []
        rest = framing.rest(self._lines)
        records = self._close()
        return [*records, *self._push_line(rest)] if rest else records

    def _close_all(self) -> list[Record]:
        records: list[Record] = []
        while self._framing is not None:
            records += self._close()
        return records

    def _close(self) -> list[Record]:
        """Make records of the lines so far; lines that are no record are text.

        Of lines that are looked at again, some may be open then.
        """
        framing, self._framing = self._framing, None
        lines, self._lines = self._lines, []
        if framing is None:
            return []
        records, again = framing.make(lines), list[bytes]()
        if records is None and framing.retries and len(lines) > 1:
            lines, again = lines[:1], lines[1:]
            records = framing.make(lines)
        if records is None:
            records = [self.read_text(line) for line in lines]
        else:
            known = self.framed.setdefault(framing.name, [])
            if len(known) < DESCRIBED:
                known += records
        return records + [record for line in again for record in self._push_line(line)]
