# SPDX-License-Identifier: GPL-2.0-or-later
"""Read what stands before the kernel's own text in a line of a capture.

Quoting, the header of /dev/kmsg, syslog timestamps, levels, kernel timestamps and callers, each of
them optional.
"""

import re

from klogd_py.record.types import KERN, USER, Record

# What may stand before the kernel's own text in a capture: quoting, the header of /dev/kmsg, a
# syslog timestamp, <N>, dmesg -x, the kernel's own message of a loss, the prompt of a serial
# console, [time], [caller].
ENVELOPE = re.compile(
    r"(?:> ?){0,64}"
    r"(?:\d{1,4},\d{1,20},\d{1,20},[^;]{0,80};)?"
    r"(?:(?:[A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d|\d{4}-\d\d-\d\d[T ]\S+) (?:\S+ )?kernel: )?"
    r"(?:(?:kern|user|mail|daemon|auth|syslog|lpr|news|uucp|cron|authpriv|ftp|res[0-3]|local[0-7]) *+"  # noqa: E501
    r":(?:emerg|alert|crit|err|warn|notice|info|debug) *+: ?)?"
    r"(?:<\d{1,4}>)?"
    r"(?:\*\* \d{1,10} printk messages dropped \*\* )?"
    r"(?:(?:\s{1,80}|[\w.-]{1,64}+ login: )(?=\[ *\d{1,10}\.\d{6}\]))?"
    r"(?:\[ *\d+\.\d+\]|\[[A-Z][a-z]{2} [A-Z][a-z]{2} [ \d]\d [\d:]{8} \d{4}\]| ?\[ *[TC]\d+\]){0,2}"  # noqa: E501
    # No-break spaces, of a mail
    r"(?:\s{0,8}(?:\xa0|\xc2\xa0|\xef\xbf\xbd|\ufffd){1,8})?"
)

_BANNER = re.compile(r"\s*Linux version (\d+\.\d+\S*) \(")
_CALLER = re.compile(r"\[ *([TC]\d{1,10})\]")
# Of /dev/kmsg
_RAW = re.compile(r"(\d{1,4}),\d{1,20},(\d{1,17}),")
_FACILITY = re.compile(r"([a-z][a-z0-9]{0,15}) {0,16}:[a-z]{1,15} {0,16}:|<(\d{1,4})>")
_STAMP = re.compile(r"\[ *(\d{1,10})\.(\d{6})\]")


def banner_release(line: str) -> str | None:
    """Return the release in the banner of a kernel, which begins another boot.

    ``None`` for any other line.
    """
    if "Linux version " not in line:
        return None
    envelope = ENVELOPE.match(line)
    found = _BANNER.match(line, envelope.end() if envelope else 0)
    return found[1] if found else None


def record_from_line(line: str) -> Record:
    """Make a record of a line of a text capture; caller, timestamp and facility are parsed."""
    found = ENVELOPE.match(line)
    head = line[: found.end()] if found else ""
    if not head:
        return Record(line)
    if raw := _RAW.match(line):
        return Record(line, int(raw[1]) & 2047, usec=int(raw[2]))
    caller, stamp, facility = _CALLER.search(head), _STAMP.search(head), _FACILITY.search(head)
    usec = int(stamp[1]) * 1_000_000 + int(stamp[2]) if stamp else None
    prefix = None
    # All that matters is whether the kernel wrote it.
    if facility is not None:
        prefix = (
            int(facility[2]) & 2047
            if facility[2]
            else (KERN if facility[1] == "kern" else USER) << 3
        )
    return Record(line, prefix, usec=usec, caller=caller[1] if caller else "")
