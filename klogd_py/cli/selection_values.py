# SPDX-License-Identifier: GPL-2.0-or-later
"""Check and convert the values of the options that select records.

Each function raises ArgumentTypeError. Levels and facilities are those of dmesg, times are those of
journalctl. Times without a zone are local.

Source of truth: dmesg(1); systemd.time(7) and systemd's time-util.c; journalctl(1).
"""

import re
from argparse import ArgumentTypeError
from datetime import UTC, datetime, timedelta, timezone, tzinfo

from klogd_py.config.value_text import format_value

LEVELS = ("emerg", "alert", "crit", "err", "warn", "notice", "info", "debug")
_OTHER_LEVELS = {"panic": 0, "error": 3, "warning": 4}
_FACILITIES = (
    *("kern", "user", "mail", "daemon", "auth", "syslog", "lpr", "news", "uucp", "cron"),
    *("authpriv", "ftp", "res0", "res1", "res2", "res3", "local0", "local1", "local2", "local3"),
    *("local4", "local5", "local6", "local7"),
)
_SECOND = 1_000_000
_UNITS = (
    (("usec", "us", "µs"), 1),
    (("msec", "ms"), 1000),
    (("seconds", "second", "sec", "s", ""), _SECOND),
    (("minutes", "minute", "min", "m"), 60 * _SECOND),
    (("hours", "hour", "hr", "h"), 3600 * _SECOND),
    (("days", "day", "d"), 86400 * _SECOND),
    (("weeks", "week", "w"), 7 * 86400 * _SECOND),
    # 30.44 and 365.25 days
    (("months", "month", "M"), 2_629_800 * _SECOND),
    (("years", "year", "y"), 31_557_600 * _SECOND),
)
_UNIT_US = {name: length_us for names, length_us in _UNITS for name in names}
_SPAN = re.compile(r"(?:\d+(?:\.\d+)?\s*[a-zA-Zµ]+\s*)*(?:\d+(?:\.\d+)?)?")
_SPAN_PART = re.compile(r"(\d+(?:\.\d+)?)\s*([a-zA-Zµ]*)\s*")
_DATE = re.compile(
    r"(?:(?:mon|tue|wed|thu|fri|sat|sun)[a-z]*,? )?"
    r"(?:(?P<date>\d{2,4}-\d{1,2}-\d{1,2})(?:[T ](?=\d)|$|(?= ?(?:utc|z|[+-]\d))))?"
    r"(?P<time>\d{1,2}:\d{2}(?::\d{2}(?:\.\d{1,6})?)?)?"
    r" ?(?P<zone>utc|z|[+-]\d{2}:?\d{2})?",
    re.IGNORECASE,
)
_DAYS = {"today": 0, "yesterday": -1, "tomorrow": 1}


def levels(text: str) -> frozenset[int]:
    """Return the numbers of levels such as ``err,warn``, ``err+`` or ``+info``.

    ``err+`` includes all that are more severe, ``+info`` all that are less.
    """
    found: set[int] = set()
    for word in text.split(","):
        number = _level(word.strip().strip("+").lower())
        if number is None:
            wanted = f"levels such as err,warn or err+ of {', '.join(LEVELS)}"
            raise ArgumentTypeError(f"expected {wanted}, got {format_value(text)}")
        found.add(number)
        found |= set(range(number)) if word.strip().endswith("+") else set()
        found |= set(range(number, 8)) if word.strip().startswith("+") else set()
    return frozenset(found)


def _level(name: str) -> int | None:
    if name in LEVELS:
        return LEVELS.index(name)
    return int(name) if name in tuple("01234567") else _OTHER_LEVELS.get(name)


def facilities(text: str) -> frozenset[int]:
    """Return the numbers of facilities such as ``kern,daemon``."""
    names = [name.strip().lower() for name in text.split(",")]
    for name in names:
        if name not in _FACILITIES:
            raise ArgumentTypeError(
                f"expected facilities such as kern,daemon,local0, got {format_value(text)}"
            )
    return frozenset(map(_FACILITIES.index, names))


def boot(text: str) -> int:
    """Return the number of a boot: 0 is the last one, -1 the one before, 1 the first."""
    if not re.fullmatch(r"[+-]?\d{1,6}", text, re.ASCII):
        raise ArgumentTypeError(f"expected a number such as 0, -1 or 1, got {format_value(text)}")
    return int(text)


def expression(text: str) -> str:
    """Return a regular expression that Python can compile."""
    try:
        re.compile(text)
    except (re.error, OverflowError, RecursionError) as error:
        raise ArgumentTypeError(
            f"expected a regular expression, got {format_value(text)}: {error}"
        ) from error
    return text


def point_in_time(text: str) -> int:
    """Return a time such as ``yesterday``, ``-1h`` or ``2026-11-26 10:00`` as `parse_time` does."""
    found = parse_time(text, datetime.now().astimezone())
    if found is None:
        raise ArgumentTypeError(
            "expected a time such as '2026-11-26 10:00', yesterday, -1h or @1795687200, "
            f"got {format_value(text)}"
        )
    return found


def parse_time(text: str, now: datetime) -> int | None:
    """Return the microseconds since the Unix epoch of a time of systemd.time(7).

    ``now`` has a zone. ``None`` if the text is no time.
    """
    word = " ".join(text.split())
    try:
        return (
            _parse_epoch(word)
            or _parse_relative(word, now)
            or _parse_word(word.lower(), now)
            or _parse_date(word, now)
        )
    except (ValueError, OverflowError):
        return None


def _parse_epoch(word: str) -> int | None:
    found = re.fullmatch(r"@(\d{1,11})(?:\.(\d{1,6}))?", word, re.ASCII)
    if found is None:
        return None
    return int(found[1]) * _SECOND + int((found[2] or "0").ljust(6, "0"))


def _parse_relative(word: str, now: datetime) -> int | None:
    """Parse ``-1h``, ``+90s``, ``2 days ago`` and ``5min left``."""
    for sign, prefix, suffix in ((-1, "-", ""), (1, "+", ""), (-1, "", "ago"), (1, "", "left")):
        if not word.startswith(prefix) or not word.endswith(suffix):
            continue
        span = word.removeprefix(prefix).removesuffix(suffix).strip()
        if not span or not _SPAN.fullmatch(span):
            continue
        parts = _SPAN_PART.findall(span)
        if all(unit in _UNIT_US or unit.lower() in _UNIT_US for _, unit in parts):
            length = sum(float(n) * _UNIT_US.get(u, _UNIT_US.get(u.lower(), 0)) for n, u in parts)
            return _to_us(now) + sign * round(length)
    return None


def _parse_word(word: str, now: datetime) -> int | None:
    if word == "now":
        return _to_us(now)
    if word not in _DAYS:
        return None
    day = now.replace(tzinfo=None) + timedelta(days=_DAYS[word])
    return _to_us(_local(day.replace(hour=0, minute=0, second=0, microsecond=0), now))


def _parse_date(word: str, now: datetime) -> int | None:
    found = _DATE.fullmatch(word)
    if found is None or not (found["date"] or found["time"]):
        return None
    zone = _parse_zone(found["zone"])
    today = (now.astimezone(zone) if zone is not None else now).replace(tzinfo=None)
    year, month, day = today.year, today.month, today.day
    if found["date"]:
        year, month, day = map(int, found["date"].split("-"))
        year += 2000 if year < 69 else 1900 if year < 100 else 0
    hour, minute, *rest = (found["time"] or "0:0").split(":")
    second, _, fraction = (rest[0] if rest else "0").partition(".")
    moment = datetime(
        *(year, month, day, int(hour), int(minute), int(second)), int(fraction.ljust(6, "0") or 0)
    )
    return _to_us(moment.replace(tzinfo=zone) if zone is not None else _local(moment, now))


def _parse_zone(text: str | None) -> tzinfo | None:
    if text is None:
        return None
    if text.lower() in ("utc", "z"):
        return UTC
    minutes = int(text[1:3]) * 60 + int(text[-2:])
    return timezone(timedelta(minutes=-minutes if text[0] == "-" else minutes))


def _local(moment: datetime, now: datetime) -> datetime:
    """Return a local time with the zone that is in force then."""
    return moment.replace(tzinfo=now.tzinfo) if now.tzinfo is UTC else moment.astimezone()


def _to_us(moment: datetime) -> int:
    return (moment - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1)
