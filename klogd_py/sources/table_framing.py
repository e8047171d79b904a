# SPDX-License-Identifier: GPL-2.0-or-later
"""Recognise the rows of a table whose first line names the columns.

Source of truth: RFC 4180.
"""

import csv
import re
from collections.abc import Sequence

from klogd_py.line_prefix.reader import PrefixReader
from klogd_py.record.types import Record
from klogd_py.sources import journal_format
from klogd_py.sources.framings import Framing
from klogd_py.sources.object_fields import KNOWN_KEYS

_SEPARATORS = ",;\t"
_NAME = re.compile(r"[@\w][\w .:@\[\]-]{0,63}$")
_MAX_COLUMNS = 256
# A value with more lines has no end
_MAX_ROW_LINES = 64
# A value in quotation marks begins there; the group is empty if it does not end on this line.
_IN_QUOTES = rb'[^"]*(?:""[^"]*)*("?)'
_REST_OF_QUOTED = re.compile(_IN_QUOTES)
_QUOTED = {mark: re.compile(rb'(?:^|%b)"%b' % (mark.encode(), _IN_QUOTES)) for mark in ",;"}
_QUOTED_VALUE = re.compile(r'"((?:[^"]|"")*)"')


class TableFraming(Framing):
    """Rows of a table whose first line has names, as Kibana, Splunk and Grafana export them.

    Mutable: the names.
    """

    name = "table"
    retries = True

    def __init__(self, reader: PrefixReader) -> None:
        self._reader = reader
        self._names: list[str] = []
        self._separator = ","
        self._first = b""
        # The value at the end of the last line goes on
        self._is_quoted = False

    @property
    def is_known(self) -> bool:
        """Whether the names have been read."""
        return bool(self._names)

    def begins(self, line: bytes) -> bool:
        """Whether a record begins with this line."""
        return bool(self._names) and line != self._first and self._separator.encode() in line

    def continues(self, lines: Sequence[bytes], line: bytes) -> bool:
        """Whether a line belongs to the lines before it: a value may have several."""
        return len(lines) < _MAX_ROW_LINES

    def is_complete(self, lines: Sequence[bytes]) -> bool:
        """Whether these lines are a whole record: each value that begins has ended.

        It is asked for each line once.
        """
        if self._separator == "\t":
            return True
        line, at = lines[-1], 0
        if self._is_quoted and len(lines) > 1:
            rest = _REST_OF_QUOTED.match(line)
            assert rest is not None
            self._is_quoted, at = not rest[1], rest.end()
        else:
            self._is_quoted = False
        for found in _QUOTED[self._separator].finditer(line, at):
            self._is_quoted = not found[1]
        return not self._is_quoted

    def make(self, lines: Sequence[bytes]) -> list[Record] | None:
        """Make a record of its lines; ``None`` if they are text."""
        text = b"\n".join(lines).decode("utf-8", "surrogateescape")
        values = _values(text, self._separator)
        if len(values) != len(self._names):
            return None
        content = {name: value for name, value in zip(self._names, values, strict=True) if value}
        record = journal_format.from_object(content, self._reader)
        return None if record is None else [record]

    def read_names(self, line: bytes) -> None:
        """Take the first line of a text for the names of a table.

        One of them is that of a line, another that of a time or a host.
        """
        text = line.decode("utf-8", "replace").removeprefix("\ufeff")
        for separator in _SEPARATORS:
            names = _values(text, separator) if separator in text else []
            if (
                1 < len(names) < _MAX_COLUMNS
                and all(map(_NAME.match, names))
                and any(name.lower() in journal_format.LINE_KEYS for name in names)
                and any(name.lower() in KNOWN_KEYS for name in names)
            ):
                self._first = line
                self._names, self._separator = [name.lower() for name in names], separator
                return


def _values(text: str, separator: str) -> list[str]:
    """The values of a row; none if it is no row. Between tabs, quotation marks may be text."""
    if separator == "\t":
        return list(map(_unquoted, text.split(separator)))
    try:
        return next(csv.reader([text], delimiter=separator, strict=True), [])
    except csv.Error:
        return [] if "\n" in text else text.split(separator)


def _unquoted(value: str) -> str:
    found = _QUOTED_VALUE.fullmatch(value)
    return value if found is None else found[1].replace('""', '"')
