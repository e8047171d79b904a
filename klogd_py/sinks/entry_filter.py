# SPDX-License-Identifier: GPL-2.0-or-later
"""Decide which entries one sink gets: by severity, by subsystem and by regular expressions.

An entry passes if all conditions that are given hold. Gaps, messages of klogd-py's own and records
whose header could not be read always pass. The subsystem is the one that the kernel states in the
dictionary of a record: the text of a line may begin with a name that a user chose, as in
``usb: page allocation failure``, where ``usb`` is a program.

Source of truth: dev_printk_emit in drivers/base/core.c for SUBSYSTEM.
"""

import re
from typing import Literal

from msgspec import Struct

from klogd_py.record.types import KERN, Entry, Record

# The kernel's own lines are shorter. Only joined lines and captures have longer ones.
MAX_SEARCHED_CHARS = 4096


class Expression(Struct, frozen=True):
    """A regular expression, and the key that has it."""

    key: Literal["match", "exclude"]
    pattern: re.Pattern[str]

    def occurs_in(self, text: str) -> bool:
        """Whether the expression is found in the first `MAX_SEARCHED_CHARS` characters."""
        return self.pattern.search(text, 0, MAX_SEARCHED_CHARS) is not None


class EntryFilter(Struct, frozen=True):
    """The conditions for the entries of one sink.

    ``min_severity`` is the number of the least severe level that passes. ``subsystems`` and
    ``match`` let everything pass if they are empty.
    """

    min_severity: int = 7
    subsystems: frozenset[str] = frozenset()
    excluded_subsystems: frozenset[str] = frozenset()
    match: tuple[Expression, ...] = ()
    exclude: tuple[Expression, ...] = ()

    def passes_without_text(self, entry: Entry) -> bool | None:
        """Whether an entry passes; ``None`` if the expressions decide it."""
        record = entry.record
        if entry.gap is not None or entry.is_own or record.unparsed:
            return True
        if record.severity > self.min_severity:
            return False
        if self.subsystems or self.excluded_subsystems:
            subsystem = subsystem_of(record)
            if subsystem in self.excluded_subsystems:
                return False
            if self.subsystems and subsystem not in self.subsystems:
                return False
        return None if self.match or self.exclude else True

    def without(self, expression: Expression) -> "EntryFilter":
        """Return the filter without an expression that cannot be searched.

        What only that expression would have let pass must not be lost. So nothing has to match
        any more if it was one of ``match``.
        """
        if expression in self.match:
            kept = self.exclude
            return EntryFilter(
                self.min_severity, self.subsystems, self.excluded_subsystems, (), kept
            )
        kept = tuple(other for other in self.exclude if other is not expression)
        return EntryFilter(
            self.min_severity, self.subsystems, self.excluded_subsystems, self.match, kept
        )


def subsystem_of(record: Record) -> str:
    """Return the subsystem that the kernel states for a record; empty if it states none.

    Only a record of facility 0 is from the kernel.
    """
    if record.facility != KERN:
        return ""
    return next((value for key, value in record.fields if key == "SUBSYSTEM"), "")
