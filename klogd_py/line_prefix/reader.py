# SPDX-License-Identifier: GPL-2.0-or-later
"""Make records of the lines of a capture: text, level, times, caller and host.

``head + text + tail`` is the line again.
"""

import re
from collections.abc import Sequence
from datetime import datetime

import msgspec

from klogd_py.line_prefix import moments
from klogd_py.line_prefix.grammar import ANY_PREFIX, Grammar, TextSpan
from klogd_py.line_prefix.pieces import (
    FACILITIES,
    LEVEL_NAME,
    OTHER_PROGRAM,
    PIECES,
    SEVERITIES,
)
from klogd_py.line_prefix.stamp_years import StampYears
from klogd_py.line_prefix.terminal import strip_controls
from klogd_py.record.lazy_pattern import lazy_pattern
from klogd_py.record.types import USER, Machine, Record, Severity

LAST_PREFIX = 2047
_NEXT_PIECE = lazy_pattern("|".join(rf"(?P<in_{piece.name}>{piece.pattern})" for piece in PIECES))
# dmesg alone writes a comma.
_NUMERIC_ZONE = re.compile(r"^[^,]*[+-]\d\d:?\d\d$")
_CALLER_FIELD = re.compile(r",caller=([TC]\d{1,10})")
# The letter that follows the stamp of most lines cannot begin another piece, unless it is that of
# the word "kernel".
_LETTER = r"(?= ?[A-Za-z])(?! ?(?:c\d|I\[))"
_STAMPED = re.compile(r"\[ *(\d{1,10})\.(\d{6})\] " + _LETTER)
# The same, behind a level or behind the head of a syslog line
_COMMON = re.compile(
    r"(?:<(?P<n>[0-7])>)?"
    r"(?:(?:(?P<bsd>[A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d)"
    r"|(?P<iso>\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,6})?(?:Z|[+-]\d\d:\d\d)))"
    rf" (?!{LEVEL_NAME})(?P<host>[\w.:%-]{{1,64}}) kernel: )?"
    r"\[ *(?P<s>\d{1,10})\.(?P<us>\d{6})\](?: ?\[ *(?P<caller>[TC]\d{1,10})\])? " + _LETTER
)
# What may stand behind the text in a copy
_MARK_ENDS = frozenset("M$>")
_MARKS = ("^M", "^M$", "br>", "br/>", "br />", "p>", "pre>", "code>", "div>", "span>", "li>", "td>")


class PrefixReader:
    """Reads the lines of one capture in order. Mutable: years, and what lines have in common."""

    def __init__(self, years: StampYears | None = None, grammar: Grammar = ANY_PREFIX) -> None:
        """``years`` are those of times that state none; now is the last one by default."""
        self.years = years or StampYears(datetime.now())
        self._grammar = grammar
        self._is_any = grammar is ANY_PREFIX
        # Neighbours share the second and the host.
        self._last_date = ""
        self._last_date_us: int | None = None
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
                or (line[-1] in _MARK_ENDS and line.endswith(_MARKS))
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
        found = _COMMON.match(line) if self._is_any else None
        if (
            found is None
            or line.find("kernel", found.end()) >= 0
            or (line[-1] in _MARK_ENDS and line.endswith(_MARKS))
            or not line.isprintable()
        ):
            return self._read_any(line)
        n, bsd, iso, host, seconds, microseconds, caller = found.groups()
        end = found.end()
        wall_us = self.date_us(bsd) if bsd else moments.iso_us(iso) if iso else None
        return Record(
            line[end:],
            None if n is None else int(n),
            None,
            int(seconds) * 1_000_000 + int(microseconds),
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

    def read_shown(self, line: str) -> Record:
        """Return the record of a line as a terminal shows it, without what it obeys."""
        record = self.read(line)
        if line.isprintable():
            return record
        head, text = strip_controls(record.head), strip_controls(record.text)
        return msgspec.structs.replace(record, head=head, text=text, tail="")

    def _read_any(self, line: str) -> Record:
        span = self._grammar.text_span(line)
        values = _Values(self)
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

    def date_us(self, stamp: str) -> int | None:
        """Return the wall time of a date in words; neighbours share one."""
        if stamp != self._last_date:
            self._last_date, self._last_date_us = stamp, moments.date_us(stamp, self.years)
        return self._last_date_us


def read_line(line: str) -> Record:
    """Return the record of one line that stands for itself."""
    return PrefixReader().read(line)


class _Values:
    """What the pieces of one prefix state; the innermost one wins. Mutable while they are read.

    Size: one short method for each piece that states something.
    """

    def __init__(self, reader: PrefixReader) -> None:
        self.prefix: int | None = None
        self.usec: int | None = None
        self.caller = ""
        self.wall_us: int | None = None
        self.host = ""
        self._reader = reader
        # The last piece is a time, behind which the line of any program may follow.
        self._is_dated = self._is_syslog = False

    def read(self, line: str, span: TextSpan) -> int:
        """Read the pieces of a line; returns where the text begins."""
        at = span.first_piece
        while at < span.start:
            if at == span.label_start:
                at = span.label_end
            found = _NEXT_PIECE.match(line, at)
            if found is None:
                # The blanks between two pieces
                at += 1
                continue
            name = (found.lastgroup or "").removeprefix("in_")
            if name in _READERS:
                _READERS[name](self, found)
            self._is_dated = name in _DATES
            # Only syslog daemons write an offset; others write the kernel's lines alone.
            self._is_syslog = name != "iso" or _NUMERIC_ZONE.search(found["iso"]) is not None
            at = found.end()
        other = OTHER_PROGRAM.match(line, span.start) if self._is_dated else None
        if other is None or not (self._is_syslog or other["pid"]):
            return span.start
        self.host = other["host"]
        if self.prefix is None:
            self.prefix = USER << 3 | Severity.INFO
        return other.start("tag")

    def _read_kmsg(self, found: re.Match[str]) -> None:
        self._set_prefix(found["kmsg_prefix"])
        self.usec = int(found["kmsg_usec"])
        if caller := _CALLER_FIELD.search(found[0]):
            self.caller = caller[1]

    def _read_stamp(self, found: re.Match[str]) -> None:
        self.usec = int(found["stamp_s"]) * 1_000_000 + int(found["stamp_us"])

    def _read_caller(self, found: re.Match[str]) -> None:
        self.caller = found["caller"]

    def _read_priority(self, found: re.Match[str]) -> None:
        self._set_prefix(found["priority"])

    def _read_level(self, found: re.Match[str]) -> None:
        self.prefix = _prefix_of(found["facility"], found["severity"])

    def _read_dotted(self, found: re.Match[str]) -> None:
        self.prefix = _prefix_of(found["dotted_facility"], found["dotted_severity"])
        self.host = found["host_dotted"] or self.host

    def _read_kernel(self, found: re.Match[str]) -> None:
        self.host = found["host"] or self.host
        if word := found["level_word"]:
            self.prefix = _prefix_of("kern", word.lower())

    def _read_dashes(self, found: re.Match[str]) -> None:
        self.host = found["host_dashes"] or self.host

    def _read_rfc5424(self, found: re.Match[str]) -> None:
        stamp, host = found["iso5424"], found["host5424"]
        self.wall_us = None if stamp == "-" else moments.iso_us(stamp)
        self.host = "" if host == "-" else host
        if found["app5424"] != "kernel" and self.prefix is None:
            self.prefix = USER << 3 | Severity.INFO

    def _read_iso(self, found: re.Match[str]) -> None:
        self.wall_us = moments.iso_us(found["iso"])
        self.host = found["host_iso"] or self.host

    def _read_bsd(self, found: re.Match[str]) -> None:
        self.wall_us = self._reader.date_us(found["bsd"])
        self.host = found["host_bsd"] or self.host

    def _read_date(self, found: re.Match[str]) -> None:
        stamp = found["ctime"] or found["logread"]
        self.wall_us = self._reader.date_us(stamp)

    def _read_written(self, found: re.Match[str]) -> None:
        self.wall_us = moments.written_date_us(found["written"], self._reader.years)

    def _read_logcat(self, found: re.Match[str]) -> None:
        stamp = found["logcat"] or found["logcat_time"]
        self.wall_us = moments.logcat_us(stamp, self._reader.years)

    def _read_cri(self, found: re.Match[str]) -> None:
        self.wall_us = moments.iso_us(found["cri"])

    def _read_epoch(self, found: re.Match[str]) -> None:
        self.wall_us = moments.epoch_us(found["epoch"] or found["epoch_in"])

    def _read_tai64n(self, found: re.Match[str]) -> None:
        self.wall_us = moments.tai64n_us(found["tai64n"])

    def _set_prefix(self, digits: str) -> None:
        if (prefix := int(digits)) <= LAST_PREFIX:
            self.prefix = prefix


_READERS = {
    "kmsg": _Values._read_kmsg,
    "stamp": _Values._read_stamp,
    "caller": _Values._read_caller,
    "priority": _Values._read_priority,
    "level": _Values._read_level,
    "dotted": _Values._read_dotted,
    "kernel": _Values._read_kernel,
    "dashes": _Values._read_dashes,
    "rfc5424": _Values._read_rfc5424,
    "iso": _Values._read_iso,
    "bsd": _Values._read_bsd,
    "ctime": _Values._read_date,
    "logread": _Values._read_date,
    "written": _Values._read_written,
    "logcat": _Values._read_logcat,
    "logcat_time": _Values._read_logcat,
    "cri": _Values._read_cri,
    "epoch": _Values._read_epoch,
    "tai64n": _Values._read_tai64n,
}
# Behind these the line of any program may follow.
_DATES = frozenset(("iso", "bsd", "logread", "written", "epoch"))


def _prefix_of(facility: str, severity: str) -> int:
    return FACILITIES.index(facility) << 3 | SEVERITIES[severity]
