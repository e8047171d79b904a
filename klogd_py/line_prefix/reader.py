# SPDX-License-Identifier: GPL-2.0-or-later
"""Make records of the lines of a capture: text, level, times, caller and host.

``head + text + tail`` is the line again.
"""

import re
from collections.abc import Sequence
from datetime import datetime

import msgspec

from klogd_py.line_prefix import moments
from klogd_py.line_prefix.common_prefix import LETTER, match_prefix
from klogd_py.line_prefix.dates import Dates
from klogd_py.line_prefix.grammar import (
    ANY_PREFIX,
    SHOWN_BEFORE_END,
    SHOWN_ENDS,
    Grammar,
    may_have_shown_tail,
)
from klogd_py.line_prefix.prefix_values import PrefixValues
from klogd_py.line_prefix.stamp_years import StampYears
from klogd_py.line_prefix.terminal import strip_controls
from klogd_py.record.types import Machine, Record

_STAMPED = re.compile(r"\[ *(\d{1,10})\.(\d{6})\] " + LETTER)


class PrefixReader:
    """Reads the lines of one capture in order. Mutable: years, and what lines have in common."""

    def __init__(self, years: StampYears | None = None, grammar: Grammar = ANY_PREFIX) -> None:
        """``years`` are those of times that state none; now is the last one by default."""
        self._dates = Dates(years or StampYears(datetime.now()))
        self._grammar = grammar
        self._is_any = grammar is ANY_PREFIX
        # Neighbours share the host.
        self._machine = Machine()

    def read_printable(self, lines: Sequence[str]) -> list[Record]:
        """Return the records of lines whose characters are all printable."""
        if not self._is_any:
            return list(map(self.read, lines))
        records = []
        for line in lines:
            found = _STAMPED.match(line)
            if (
                found is None
                or "kernel" in line
                or (
                    line[-1] in SHOWN_ENDS
                    and line[-2] in SHOWN_BEFORE_END
                    and may_have_shown_tail(line)
                )
            ):
                records.append(self.read(line))
                continue
            seconds, microseconds = found.groups()
            end = found.end()
            usec = int(seconds) * 1_000_000 + int(microseconds)
            records.append(
                Record(line[end:], None, None, usec, "-", "", (), (), False, False, line[:end])
            )
        return records

    def read(self, line: str) -> Record:
        """Return the record of a line without its line feed."""
        found = match_prefix(line) if self._is_any else None
        if found is None:
            return self._read_any(line)
        n, bsd, iso, host, seconds, microseconds, caller = found.groups()
        end = found.end()
        wall_us = self._dates.date_us(bsd) if bsd else moments.iso_us(iso) if iso else None
        return Record(
            line[end:],
            None if n is None else int(n),
            None,
            None if seconds is None else int(seconds) * 1_000_000 + int(microseconds),
            "-",
            caller or "",
            (),
            (),
            False,
            False,
            line[:end],
            wall_us,
            (),
            None if host is None else self._machine_named(host),
        )

    def read_text(self, line: str) -> str:
        """Return the text of the record of a line, at less cost."""
        found = match_prefix(line) if self._is_any else None
        return self._read_any(line).text if found is None else line[found.end() :]

    def read_shown(self, line: str) -> Record:
        """Return the record of a line as a terminal shows it, without what it obeys."""
        record = self.read(line)
        if line.isprintable():
            return record
        head, text, tail = map(strip_controls, (record.head, record.text, record.tail))
        return msgspec.structs.replace(record, head=head, text=text, tail=tail)

    def _read_any(self, line: str) -> Record:
        span = self._grammar.text_span(line)
        values = PrefixValues(self._dates)
        start = values.read(line, span) if span.start else 0
        return Record(
            line[start : span.end],
            values.prefix,
            usec=values.usec,
            caller=values.caller,
            head=line[:start],
            tail=line[span.end :],
            wall_us=values.wall_us,
            machine=self._machine_named(values.host) if values.host else None,
        )

    def _machine_named(self, host: str) -> Machine:
        if self._machine.host != host:
            self._machine = Machine(host)
        return self._machine


def read_line(line: str) -> Record:
    """Return the record of one line that stands for itself."""
    return PrefixReader().read(line)
