# SPDX-License-Identifier: GPL-2.0-or-later
"""Parse one line of a text capture of the kernel log: dmesg, klogd and syslog form.

These forms hold less than /dev/kmsg: no sequence number, often no level. The text before the
message is kept in ``head``, so that ``head + text`` is the line again. A line without the header of
the form is all text.

Source of truth: kernel/printk/printk.c ``print_prefix``; dmesg(1) of util-linux; RFC 3164 section
4.1 and RFC 3339 for the timestamps of syslog files; the classic klogd for ``<N>``.
"""

import calendar
import re
from collections.abc import Callable
from datetime import UTC, datetime

from klogd_py.record.types import USER, Record, Severity

_STAMP = r"\[ *(?P<s>\d{1,10})\.(?P<us>\d{6})\](?: ?\[ *(?P<caller>[TC]\d+)\])? ?"
_KLOGD = re.compile(r"(?:<(?P<n>[^<>]|\d{2,4})>)?(?:" + _STAMP + ")?", re.DOTALL)
_DMESG = re.compile(
    r"(?:(?P<facility>[a-z0-9]+) *:(?P<level>[a-z]+) *: ?)?"
    r"(?:<(?P<n>\d{1,4})>)?"
    r"(?:" + _STAMP + r"|\[(?P<date>[A-Z][a-z]{2} [A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d \d{4})\] ?)?"
)
_SYSLOG = re.compile(
    r"(?:<\d{1,3}>)?"
    r"(?:(?P<iso>\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,6})?(?:Z|[+-]\d\d:\d\d))"
    r"|(?P<bsd>[A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d)) "
    r"\S+ (?P<tag>[^\s:\[]+)(?:\[\d+\])?: (?:<(?P<n>\d{1,4})>)?(?:" + _STAMP + ")?"
)
_FACILITIES = [
    "kern",
    "user",
    "mail",
    "daemon",
    "auth",
    "syslog",
    "lpr",
    "news",
    "uucp",
    "cron",
    "authpriv",
    "ftp",
    "res0",
    "res1",
    "res2",
    "res3",
    "local0",
    "local1",
    "local2",
    "local3",
    "local4",
    "local5",
    "local6",
    "local7",
]
_LEVELS = ("emerg", "alert", "crit", "err", "warn", "notice", "info", "debug")

_KMSG_LINE = re.compile(r"\d{1,4},\d+,\d+[,;]")

Parser = Callable[[str], Record]


def parse_klogd(line: str) -> Record:
    """Parse ``<4>[    1.234567] text`` as given by /proc/kmsg and syslog(2).

    One digit is a kernel level; two to four are ``facility << 3 | level``; any other single
    character counts as DEBUG, as in the classic klogd. Without ``<N>`` the record has no prefix.
    """
    found = _KLOGD.match(line)
    # Every part of the pattern is optional
    assert found is not None
    mark = found["n"]
    if mark and mark.isdecimal() and int(mark) > (2047 if len(mark) > 1 else 7):
        mark = "d" if len(mark) == 1 else None
        if mark is None:
            return Record(line)
    prefix = None if not mark else int(mark) if mark.isdecimal() else int(Severity.DEBUG)
    return _record(line, found, prefix)


def parse_dmesg(line: str) -> Record:
    """Parse ``kern  :err   : [   13.708945] text`` and shorter forms: dmesg with or without -x, -T,
    -r.
    """
    found = _DMESG.match(line)
    assert found is not None
    prefix = int(found["n"]) & 2047 if found["n"] else None
    facility, level = found["facility"], found["level"]
    if facility in _FACILITIES and level in _LEVELS:
        prefix = _FACILITIES.index(facility) << 3 | _LEVELS.index(level)
    elif facility:
        return Record(line)
    date = found["date"]
    return _record(line, found, prefix, _wall_us(date, "%a %b %d %H:%M:%S %Y") if date else None)


def syslog_parser(year: int) -> Parser:
    """Return a parser for syslog files, whose BSD timestamps are those of ``year`` in local
    time.
    """

    def syslog(line: str) -> Record:
        """Parse ``Nov 19 12:34:38 host kernel: [1.234567] text``; lines of others get facility
        USER.
        """
        found = _SYSLOG.match(line)
        if found is None:
            return Record(line)
        wall_us = (
            _iso_us(found["iso"])
            if found["iso"]
            else _wall_us(f"{found['bsd']} {year}", "%b %d %H:%M:%S %Y")
        )
        if found["tag"] != "kernel":
            return Record(line[found.start("tag") :], USER << 3 | Severity.INFO, wall_us=wall_us)
        return _record(line, found, int(found["n"]) & 2047 if found["n"] else None, wall_us)

    return syslog


def guess_format(line: str) -> str:
    """Guess the form of a capture from its first line: kmsg, dmesg, syslog, else klogd."""
    if _KMSG_LINE.match(line):
        return "kmsg"
    if _SYSLOG.match(line):
        return "syslog"
    found = _DMESG.match(line)
    if found and not line.startswith("<") and (found["s"] or found["date"]):
        return "dmesg"
    return "klogd"


def _record(
    line: str, found: re.Match[str], prefix: int | None, wall_us: int | None = None
) -> Record:
    usec = int(found["s"]) * 1_000_000 + int(found["us"]) if found["s"] else None
    return Record(
        line[found.end() :],
        prefix,
        usec=usec,
        caller=found["caller"] or "",
        head=line[: found.end()],
        wall_us=wall_us,
    )


def _wall_us(stamp: str, form: str) -> int | None:
    """Microseconds since the Unix epoch of a timestamp in local time.

    ``None`` for an impossible date (Feb 30).
    """
    try:
        return int(datetime.strptime(stamp, form).timestamp()) * 1_000_000
    except (ValueError, OverflowError):
        return None


def _iso_us(stamp: str) -> int | None:
    try:
        moment = datetime.fromisoformat(stamp).astimezone(UTC)
    except (ValueError, OverflowError):
        return None
    return calendar.timegm(moment.utctimetuple()) * 1_000_000 + moment.microsecond
