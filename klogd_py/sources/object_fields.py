# SPDX-License-Identifier: GPL-2.0-or-later
"""Read level, time and host from the keys under which programs put them beside a line of a log.

What the line itself states counts more. A level counts only beside a facility or under the name
that syslog has for it: a program's own level is that of its report, not of the kernel's line.

Source of truth: rsyslog's RSYSLOG_StdJSONFmt; syslog-ng's ``format-json``; GELF 1.1; the Elastic
Common Schema; Fluent Bit's input ``kmsg``.
"""

from collections.abc import Mapping

import msgspec

from klogd_py.line_prefix import moments
from klogd_py.line_prefix.pieces import FACILITIES, SEVERITIES
from klogd_py.line_prefix.prefix_values import LAST_PREFIX
from klogd_py.line_prefix.reader import PrefixReader
from klogd_py.record.types import KERN, USER, Machine, Record, Severity

_TIME_KEYS = (
    *("timereported", "ISODATE", "time", "timestamp", "dt", "@timestamp", "ts", "date", "_time"),
    *("tsNs", "DATE", "timegenerated"),
)
_HOST_KEYS = ("host", "hostname", "fromhost", "HOST", "host.name", "_HOSTNAME")
_FACILITY_KEYS = ("facility", "FACILITY", "fac")
_LEVEL_KEYS = ("priority", "PRIORITY", "level", "severity")
_PROGRAM_KEYS = (
    *("PROGRAM", "programname", "ident", "SYSLOG_IDENTIFIER", "appname"),
    # In a table
    *("program", "syslog_identifier"),
)
# Those of a time or a host, in lower case
KNOWN_KEYS = frozenset(key.lower() for key in (*_TIME_KEYS, *_HOST_KEYS))
# Numbers below these are seconds, milliseconds, microseconds, nanoseconds: until the year 5138
_UNITS = ((10**11, 1_000_000), (10**14, 1000), (10**17, 1), (10**20, 0))
_MAX_DIGITS = 20


def with_fields(record: Record, content: Mapping[str, object], reader: PrefixReader) -> Record:
    """Return the record of a line with what the keys beside it state.

    A line of another program than the kernel is that program's own text, also what looks like the
    kernel's stamp in it.
    """
    program = next((name for key in _PROGRAM_KEYS if (name := content.get(key))), "kernel")
    if program != "kernel" and record.usec is not None:
        record = Record(f"{record.head}{record.text}{record.tail}", record.prefix)
    stamps = (content.get(key) for key in _TIME_KEYS)
    wall_us = record.wall_us
    if wall_us is None:
        wall_us = next((us for one in stamps if (us := moment_us(one, reader)) is not None), None)
    machine, host = record.machine, host_of(content)
    if host and (machine is None or not machine.host):
        machine = Machine(host)
    prefix = _prefix_of(content) if record.prefix is None else record.prefix
    text = record.text
    # As in a line of a syslog file
    if program != "kernel":
        text = f"{program}: {text}"
        prefix = prefix if prefix is not None and prefix > Severity.DEBUG else _user_level(prefix)
    return msgspec.structs.replace(
        record, text=text, prefix=prefix, wall_us=wall_us, machine=machine
    )


def host_of(content: Mapping[str, object]) -> str:
    """The name of the machine; empty if there is none."""
    for key in _HOST_KEYS:
        value = content.get(key)
        # Elastic Common Schema
        value = value.get("name") if isinstance(value, Mapping) else value
        if isinstance(value, str) and value:
            return value
    return ""


def moment_us(stamp: object, reader: PrefixReader) -> int | None:
    """Microseconds since the Unix epoch of a date, or of a number of any unit of time."""
    if isinstance(stamp, str) and stamp.isdecimal() and len(stamp) < _MAX_DIGITS:
        stamp = int(stamp)
    if isinstance(stamp, bool) or not isinstance(stamp, int | float | str):
        return None
    if isinstance(stamp, str):
        if moments.is_iso(stamp):
            return moments.iso_us(stamp)
        return reader.read(f"{stamp} kernel: ").wall_us if stamp else None
    if not 10**8 < stamp < _UNITS[-1][0]:
        return None
    scale_us = next(scale for last, scale in _UNITS if stamp < last)
    return round(stamp * scale_us) if scale_us >= 1 else int(stamp) // 1000


def _prefix_of(content: Mapping[str, object]) -> int | None:
    # Elastic Common Schema
    log = content.get("log")
    syslog = log.get("syslog") if isinstance(log, Mapping) else None
    stated = syslog.get("priority") if isinstance(syslog, Mapping) else None
    if type(stated) is int and 0 <= stated <= LAST_PREFIX:
        return stated
    facility = next((content[key] for key in _FACILITY_KEYS if key in content), None)
    keys = _LEVEL_KEYS[: 2 if facility is None else None]
    level = next((content[key] for key in keys if key in content), None)
    severity = _number_of(level, SEVERITIES, int(Severity.DEBUG))
    if severity is None:
        return None
    number = KERN if facility is None else _number_of(facility, _FACILITY_NUMBERS, len(FACILITIES))
    return None if number is None else number << 3 | severity


_FACILITY_NUMBERS = {name: number for number, name in enumerate(FACILITIES)}


def _number_of(value: object, names: Mapping[str, int], last: int) -> int | None:
    """The number of a name, or the number itself."""
    if isinstance(value, str):
        number = int(value) if value.isdecimal() and len(value) < 3 else names.get(value.lower())
    else:
        number = value if type(value) is int else None
    return number if number is not None and 0 <= number <= last else None


def _user_level(prefix: int | None) -> int:
    return USER << 3 | (Severity.INFO if prefix is None else prefix)
