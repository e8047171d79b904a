# SPDX-License-Identifier: GPL-2.0-or-later
"""Parse one line of /proc/kmsg or syslog(2): ``<4>[    1.234567] text``.

Source of truth: kernel/printk/printk.c ``print_prefix``; the classic klogd for ``<N>``.
"""

import re

from klogd_py.record.types import Record, Severity

_LINE = re.compile(
    r"(?:<(?P<n>[^<>]|\d{2,4})>)?"
    r"(?:\[ *(?P<s>\d{1,10})\.(?P<us>\d{6})\](?: ?\[ *(?P<caller>[TC]\d+)\])? ?)?",
    re.DOTALL,
)


def parse_klogd(line: str) -> Record:
    """Parse a line; ``head`` is what stands before the text, so that both are the line again.

    One digit is a kernel level; two to four are ``facility << 3 | level``; any other single
    character counts as DEBUG, as in the classic klogd. Without ``<N>`` the record has no prefix.
    """
    found = _LINE.match(line)
    # Every part of the pattern is optional
    assert found is not None
    mark = found["n"]
    if mark and mark.isdecimal() and int(mark) > (2047 if len(mark) > 1 else 7):
        mark = "d" if len(mark) == 1 else None
        if mark is None:
            return Record(line)
    prefix = None if not mark else int(mark) if mark.isdecimal() else int(Severity.DEBUG)
    return Record(
        line[found.end() :],
        prefix,
        usec=int(found["s"]) * 1_000_000 + int(found["us"]) if found["s"] else None,
        caller=found["caller"] or "",
        head=line[: found.end()],
    )
