# SPDX-License-Identifier: GPL-2.0-or-later
"""Recognise the entries of ``journalctl -o verbose``.

Source of truth: systemd's src/shared/logs-show.c ``output_verbose``.
"""

import re
from collections.abc import Sequence

from klogd_py.record.types import Record
from klogd_py.sources import journal_format
from klogd_py.sources.framings import MAX_LINES, Framing

# "Sat 2023-11-25 10:41:07.123456 CET [s=3a1b;i=2f;b=0123;m=bc614e;t=60af63d5c2d40;x=1]"
_VERBOSE = re.compile(
    rb"[^\s\d]{2,24} \d{4}-\d\d-\d\d \d\d:\d\d:\d\d(?:\.\d{1,6})? \S{1,8} "
    rb"\[s=[0-9a-f]+;i=[0-9a-f]+;b=[0-9a-f]+;m=[0-9a-f]+;t=(?P<t>[0-9a-f]{1,16});x=[0-9a-f]+\]$"
)
_VERBOSE_FIELD = re.compile(rb"    (?P<name>[A-Z_][A-Z0-9_]{0,63})=(?P<value>.*)$")


class VerboseFraming(Framing):
    """Entries of ``journalctl -o verbose``: a time with the cursor, and a field on each line."""

    name = "export"

    def begins(self, line: bytes) -> bool:
        """Whether a record begins with this line."""
        return _VERBOSE.match(line) is not None

    def continues(self, lines: Sequence[bytes], line: bytes) -> bool:
        """Whether a line belongs to the lines before it: the next lines of a value, too."""
        return line.startswith(b"    ") and len(lines) < MAX_LINES

    def may_end(self, lines: Sequence[bytes]) -> bool:
        """Whether these lines are a whole record if no line follows for a while."""
        return any(line.startswith(b"    MESSAGE=") for line in lines)

    def make(self, lines: Sequence[bytes]) -> list[Record] | None:
        """Make a record of its lines; ``None`` if they are text."""
        found = _VERBOSE.match(lines[0])
        assert found is not None
        fields: dict[str, list[str]] = {"__REALTIME_TIMESTAMP": [str(int(found["t"], 16))]}
        values: list[str] = []
        indent = b""
        for line in lines[1:]:
            text = line.decode("utf-8", "surrogateescape")
            if (field := _VERBOSE_FIELD.match(line)) is not None:
                name = field["name"].decode()
                values = fields.setdefault(name, [])
                values.append(text[len(name) + 5 :])
                indent = b" " * (len(name) + 5)
            elif values:
                values[-1] += "\n" + text.removeprefix(indent.decode())
        return [journal_format.from_journal(fields)] if "MESSAGE" in fields else None
