# SPDX-License-Identifier: GPL-2.0-or-later
"""Read what the pieces of a prefix state: level, facility, times, caller and host."""

import re

from klogd_py.line_prefix import moments
from klogd_py.line_prefix.dates import Dates
from klogd_py.line_prefix.grammar import TextSpan
from klogd_py.line_prefix.pieces import FACILITIES, OTHER_PROGRAM, PIECES, SEVERITIES
from klogd_py.record.lazy_pattern import lazy_pattern
from klogd_py.record.types import USER, Severity

LAST_PREFIX = 2047
_NEXT_PIECE = lazy_pattern("|".join(rf"(?P<in_{piece.name}>{piece.pattern})" for piece in PIECES))
# dmesg alone writes a comma.
_NUMERIC_ZONE = re.compile(r"^[^,]*[+-]\d\d:?\d\d$")
_CALLER_FIELD = re.compile(r",caller=([TC]\d{1,10})")


class PrefixValues:
    """What the pieces of one prefix state; the innermost one wins. Mutable while they are read.

    Size: one short method for each piece that states something.
    """

    def __init__(self, dates: Dates) -> None:
        self.prefix: int | None = None
        self.usec: int | None = None
        self.caller = ""
        self.wall_us: int | None = None
        self.host = ""
        self._dates = dates
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
        self.wall_us = self._dates.date_us(found["bsd"])
        self.host = found["host_bsd"] or self.host

    def _read_date(self, found: re.Match[str]) -> None:
        stamp = found["ctime"] or found["logread"]
        self.wall_us = self._dates.date_us(stamp)

    def _read_reltime(self, found: re.Match[str]) -> None:
        self.wall_us = self._dates.begin_minute(found["minute"])

    def _read_delta(self, found: re.Match[str]) -> None:
        # Only where it is all that the line states
        if found["later"] and self.usec is None and self.wall_us is None:
            self.wall_us = self._dates.later(found["later"])

    def _read_written(self, found: re.Match[str]) -> None:
        self.wall_us = moments.written_date_us(found["written"], self._dates.years)

    def _read_logcat(self, found: re.Match[str]) -> None:
        stamp = found["logcat"] or found["logcat_time"]
        self.wall_us = moments.logcat_us(stamp, self._dates.years)

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
    "kmsg": PrefixValues._read_kmsg,
    "stamp": PrefixValues._read_stamp,
    "caller": PrefixValues._read_caller,
    "priority": PrefixValues._read_priority,
    "level": PrefixValues._read_level,
    "dotted": PrefixValues._read_dotted,
    "kernel": PrefixValues._read_kernel,
    "dashes": PrefixValues._read_dashes,
    "rfc5424": PrefixValues._read_rfc5424,
    "iso": PrefixValues._read_iso,
    "bsd": PrefixValues._read_bsd,
    "reltime": PrefixValues._read_reltime,
    "delta": PrefixValues._read_delta,
    "ctime": PrefixValues._read_date,
    "logread": PrefixValues._read_date,
    "written": PrefixValues._read_written,
    "logcat": PrefixValues._read_logcat,
    "logcat_time": PrefixValues._read_logcat,
    "cri": PrefixValues._read_cri,
    "epoch": PrefixValues._read_epoch,
    "tai64n": PrefixValues._read_tai64n,
}
# Behind these the line of any program may follow.
_DATES = frozenset(("iso", "bsd", "logread", "written", "epoch"))


def _prefix_of(facility: str, severity: str) -> int:
    return FACILITIES.index(facility) << 3 | SEVERITIES[severity]
