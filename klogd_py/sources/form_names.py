# SPDX-License-Identifier: GPL-2.0-or-later
"""Say in which form the lines of a capture were read, in the words of ``--input-format``."""

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from types import MappingProxyType

from klogd_py.record.types import Gap, Record

# The forms by what stands before the text, the first that fits
_HEADS = (
    ("klogd", re.compile(r"(?:<\d+>)+(?:\[[^\]]*\] ?)*$")),
    ("dmesg", re.compile(r"(?:\w+ *:\w+ *: )?(?:\[[^\]]*\] ?)+$|\S+,\d+[+-]\d\d:\d\d $")),
    (
        "syslog",
        re.compile(r".*(?:kernel|vmunix)(?:\[\d*\])?: |.*\d\d:\d\d:\d\d\S* \S+ $|.* - - - "),
    ),
    ("text", re.compile(r".")),
    ("text without a prefix", re.compile(r"$")),
)
NO_FRAMES: Mapping[str, Iterable[Record]] = MappingProxyType({})


def describe_forms(
    records: Iterable[Record | Gap], framed: Mapping[str, Iterable[Record]] = NO_FRAMES
) -> str:
    """Return ``syslog``, or ``syslog (197 of 200 lines; 3 as text without a prefix)``.

    The first word is a value of ``--input-format``. ``framed`` are records of several lines, by
    their form.
    """
    forms = {id(record): form for form, found in framed.items() for record in found}
    counts = Counter(
        forms.get(id(record)) or _form_of(record)
        for record in records
        if isinstance(record, Record)
    )
    if len(counts) <= 1:
        return "".join(counts)
    [(form, count), *others] = counts.most_common(3)
    rest = ", ".join(f"{number} as {name}" for name, number in others)
    return f"{form} ({count} of {counts.total()} lines; {rest})"


def _form_of(record: Record) -> str:
    if record.seq is not None:
        return "kmsg"
    return next(name for name, heads in _HEADS if heads.match(record.head))
