# SPDX-License-Identifier: GPL-2.0-or-later
"""Convert the times that programs write before a line into microseconds since the Unix epoch.

A time without a zone, or with a name that means several, is local time. An impossible date (Feb 30)
has no time.

Source of truth: RFC 3339; RFC 3164 section 4.1.2; strftime(3) ``%c``; TAI64N of libtai.
"""

import calendar
import re
from datetime import UTC, datetime

from klogd_py.line_prefix.month_names import month_number
from klogd_py.line_prefix.stamp_years import StampYears, order_of

_ISO = re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d")
_FRACTION = re.compile(r"[.,](\d{1,9})")
# Hours east of Greenwich. Names that mean several zones (CST, IST, BST) are not among them.
_ZONES = {
    "Z": 0.0,
    "UTC": 0,
    "GMT": 0,
    "WET": 0,
    "WEST": 1,
    "CET": 1,
    "CEST": 2,
    "EET": 2,
    "EEST": 3,
    "MSK": 3,
    "SAST": 2,
    "HKT": 8,
    "SGT": 8,
    "JST": 9,
    "KST": 9,
    "AWST": 8,
    "ACST": 9.5,
    "ACDT": 10.5,
    "AEST": 10,
    "AEDT": 11,
    "NZST": 12,
    "NZDT": 13,
    "HST": -10,
    "AKST": -9,
    "AKDT": -8,
    "PST": -8,
    "PDT": -7,
    "MST": -7,
    "MDT": -6,
    "CDT": -5,
    "EST": -5,
    "EDT": -4,
}
_ZONE = re.compile(rf"(?<=\d) ?({'|'.join(_ZONES)}|[+-]\d\d(?::?\d\d)?)$")
_CLOCK = re.compile(r"(?<!\d\d)\d\d:\d\d:\d\d")
_DATE_PARTS = re.compile(r"\d{1,8}|[A-Za-z]{3}")
_SLASHED = re.compile(r"(?<!\d)(\d\d)/(\d\d)/\d{4}[ T]\d\d:")
_MONTHS = 12
_MIN_EPOCH_DIGITS = 9
_YEAR = re.compile(r"\b(\d{4})\b")
_HALF_DAY = re.compile(r"(?<=\d) ([AP])M\b")
# libtai counts from 1970 with 10 leap seconds
_TAI64_EPOCH = (1 << 62) + 10


def is_iso(stamp: str) -> bool:
    """Whether a text begins as ``2023-11-25T10:41:07``."""
    return _ISO.match(stamp) is not None


def iso_us(stamp: str) -> int | None:
    """``2023-12-22T12:26:24,559615-08:00``, and the forms of RFC 3339."""
    date, clock = stamp[:10].replace("/", "-"), stamp[11:]
    return _moment_us(date, clock)


def date_us(stamp: str, years: StampYears) -> int | None:
    """``Nov 25 10:41:07``, ``Fri Dec 22 12:26:24 2023``, ``mar. janv. 17 02:59:56 2023``."""
    found = _CLOCK.search(stamp)
    words = stamp[: found.start()].split() if found is not None else []
    if found is None or len(words) < 2:
        return None
    rest = stamp[found.start() :]
    year = _YEAR.search(rest, 8)
    clock = rest[: year.start()].rstrip() if year is not None else rest
    # "Nov 25 2023 10:41:07"
    if len(words[-1]) == 4 and words[-1].isdecimal():
        stated: str | None = words.pop()
    else:
        stated = year[1] if year is not None else None
    if len(words) < 2:
        return None
    # "26 Nov"
    if words[-2].isdecimal() and not words[-1].isdecimal():
        words[-2:] = words[-1], words[-2]
    if not words[-1].isdecimal():
        return None
    month, day = month_number(words[-2]), int(words[-1])
    if month is None:
        return None
    number = int(stated) if stated is not None else years.year_of(month, day)
    return _moment_us(f"{number:04d}-{month:02d}-{day:02d}", clock)


def written_date_us(stamp: str, years: StampYears) -> int | None:
    """``25.11.2023 10:41:07``, ``25/Nov/2023:10:41:07 +0000``, ``Nov 25, 2023 @ 10:41:07.123``.

    Day and month of ``05/06/2023`` are in the order of the text's other dates; ``None`` if those
    do not tell.
    """
    found = _CLOCK.search(stamp)
    parts = _DATE_PARTS.findall(stamp[: found.start()]) if found is not None else []
    if found is None or not parts:
        return None
    if len(parts[0]) == len("20231125"):
        parts = [parts[0][6:], parts[0][4:6], parts[0][:4]]
    elif stamp[2] == "/" and parts[1].isdecimal():
        order = order_of(int(parts[0]), int(parts[1]))
        if order is None:
            order = years.is_month_first
        if order is None:
            return None
        if order:
            parts[:2] = parts[1], parts[0]
    elif not parts[0].isdecimal():
        parts[:2] = parts[1], parts[0]
    month, day = month_number(parts[1]), int(parts[0])
    if month is None:
        return None
    year = int(parts[2]) if len(parts) > 2 else years.year_of(month, day)
    return _moment_us(f"{year:04d}-{month:02d}-{day:02d}", stamp[found.start() :])


def has_ambiguous_date(head: str) -> bool:
    """Whether the prefix of a line has a date such as ``05/06/2023``."""
    found = _SLASHED.search(head)
    return found is not None and order_of(int(found[1]), int(found[2])) is None


def logcat_us(stamp: str, years: StampYears) -> int | None:
    """``11-25 10:41:07.123``, ``2023-11-25 10:41:07.123 +0000``, ``1745896104.164``.

    A time that is too small is one since boot.
    """
    if stamp[2] != "-" and stamp[4] != "-":
        return epoch_us(stamp) if stamp.find(".") >= _MIN_EPOCH_DIGITS else None
    if stamp[2] == "-":
        month, day = int(stamp[:2]), int(stamp[3:5])
        if not 1 <= month <= _MONTHS:
            return None
        stamp = f"{years.year_of(month, day):04d}-{stamp}"
    return iso_us(stamp)


def epoch_us(stamp: str) -> int:
    """``1745896104.164``"""
    seconds, _, fraction = stamp.partition(".")
    return int(seconds) * 1_000_000 + int(fraction[:6].ljust(6, "0"))


def tai64n_us(label: str) -> int:
    """``@4000000065612a0d0a1b2c3d``"""
    return (int(label[1:17], 16) - _TAI64_EPOCH) * 1_000_000 + int(label[17:25], 16) // 1000


def _moment_us(date: str, clock: str) -> int | None:
    if (half := _HALF_DAY.search(clock)) is not None:
        hour = int(clock[:2]) % 12 + (12 if half[1] == "P" else 0)
        clock = f"{hour:02d}{clock[2 : half.start()]}{clock[half.end() :]}"
    zone = _ZONE.search(clock)
    fraction = _FRACTION.search(clock)
    try:
        moment = datetime.fromisoformat(f"{date}T{clock[:8]}")
        if zone is None:
            seconds = int(moment.timestamp())
        elif zone[1] in _ZONES:
            seconds = calendar.timegm(moment.timetuple()) - round(_ZONES[zone[1]] * 3600)
        else:
            aware = datetime.fromisoformat(f"{date}T{clock[:8]}{zone[1]}")
            seconds = calendar.timegm(aware.astimezone(UTC).utctimetuple())
    except (ValueError, OverflowError, OSError):
        return None
    return seconds * 1_000_000 + (int(fraction[1][:6].ljust(6, "0")) if fraction else 0)
