# SPDX-License-Identifier: GPL-2.0-or-later
"""Say in which form the lines of a capture were read."""

import re
from collections import Counter
from collections.abc import Iterable

from klogd_py.record.types import Gap, Record

# The forms by what stands before the text, the first that fits
_HEADS = (
    ("klogd", re.compile(r"(?:<\d+>)+(?:\[[^\]]*\] ?)*$")),
    ("dmesg", re.compile(r"(?:\w+ *:\w+ *: )?(?:\[[^\]]*\] ?)+$|\S+,\d+[+-]\d\d:\d\d $")),
    (
        "syslog",
        re.compile(r".*(?:kernel|vmunix)(?:\[\d*\])?: |.*\d\d:\d\d:\d\d\S* \S+ $|.* - - - "),
    ),
    ("lines with a prefix", re.compile(r".")),
)


def describe_forms(records: Iterable[Record | Gap]) -> str:
    """Return ``syslog``, or ``syslog (197 of 200 lines; 3 as text)``."""
    counts = Counter(_form_of(record) for record in records if isinstance(record, Record))
    if len(counts) <= 1:
        return "".join(counts)
    [(form, count), *others] = counts.most_common(3)
    rest = ", ".join(f"{number} as {name}" for name, number in others)
    return f"{form} ({count} of {counts.total()} lines; {rest})"


def _form_of(record: Record) -> str:
    if record.seq is not None:
        return "kmsg"
    if not record.head:
        return "entries of several lines" if record.machine is not None else "text"
    return next(name for name, heads in _HEADS if heads.match(record.head))
