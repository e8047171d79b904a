# SPDX-License-Identifier: GPL-2.0-or-later
"""Apply the filter of one sink to its entries, within a limit of time, and count what is left out.

Python searches a regular expression by backtracking, which can take exponential time. The text is
the kernel's and may hold strings of a user. So an expression that takes longer than `LIMIT_S` for
`CHUNK_ENTRIES` entries is interrupted and not used any more, until the next reload. The entries
pass then.
"""

import logging
from collections.abc import Collection, Sequence
from functools import partial
from itertools import islice

from klogd_py.record.types import Entry
from klogd_py.sinks.entry_filter import EntryFilter, Expression, subsystem_of
from klogd_py.sinks.left_out import Item, LeftOut, mark_left_out
from klogd_py.system.cpu_limit import CpuTimeExceeded, call_within
from klogd_py.system.jobs import Jobs

# Usually a few hundred microseconds are enough.
CHUNK_ENTRIES, LIMIT_S = 64, 0.1
# So many records without a subsystem are no accident: a whole boot has fewer.
MAX_WITHOUT_SUBSYSTEM = 5000

logger = logging.getLogger(__name__)


class SinkFilter:
    """What one sink gets, and how many records it did not get. Mutable; lives on the event loop."""

    def __init__(self, name: str, jobs: Jobs) -> None:
        """``name`` is the name of the sink."""
        # Records that were left out since the start
        self.left_out = 0
        self._name = name
        self._jobs = jobs
        self._filter: EntryFilter | None = None
        # Entries of earlier filters may still wait
        self._was_used = False
        # The expression that is being searched
        self._searched: Expression | None = None
        # Records before the first one that states a subsystem; `None` from that one on
        self._without_subsystem: int | None = 0

    @property
    def is_idle(self) -> bool:
        """Whether every entry passes."""
        return self._filter is None

    def configure(self, conditions: EntryFilter | None) -> None:
        """Use other conditions from now on; ``None`` lets everything pass."""
        self._filter = conditions
        self._was_used = self._was_used or conditions is not None

    def apply(self, entries: Sequence[Entry], unselected: Collection[int] = ()) -> Sequence[Item]:
        """Return the entries that pass, with a `LeftOut` for each run of others.

        ``unselected`` are the identities of entries that no sink gets. Raises nothing: all others
        pass if an unexpected error occurs.
        """
        try:
            passes = self._judge_all(entries)
        except Exception as error:
            self._jobs.report(f"filter of {self._name}", error)
            passes = [True] * len(entries)
        if unselected:
            self._was_used = True
            found = zip(entries, passes, strict=True)
            passes = [id(entry) not in unselected and is_passed for entry, is_passed in found]
        return entries if all(passes) else mark_left_out(entries, passes)

    def count(self, items: Sequence[Item]) -> int:
        """Count what is left out among items that are done; returns how many of them it is."""
        if not self._was_used:
            return 0
        found = [item for item in items if isinstance(item, LeftOut)]
        self.left_out += sum(run.count for run in found)
        return len(found)

    def _judge_all(self, entries: Sequence[Entry]) -> list[bool]:
        if self._filter is None:
            return [True] * len(entries)
        passes: list[bool] = []
        while len(passes) < len(entries):
            end = len(passes) + CHUNK_ENTRIES
            try:
                call_within(LIMIT_S, partial(self._judge, entries[:end], passes))
            except CpuTimeExceeded:
                self._drop_expression()
        return passes

    def _judge(self, entries: Sequence[Entry], passes: list[bool]) -> None:
        """Append to ``passes`` whether each of the entries behind it passes."""
        start = len(passes)
        before = entries[start - 1].record if start else None
        for entry in islice(entries, start, None):
            # A record that is sent twice is left out twice, or not at all.
            passes.append(passes[-1] if entry.record is before else self._passes(entry))
            before = entry.record

    def _passes(self, entry: Entry) -> bool:
        conditions = self._filter
        if conditions is None:
            return True
        if conditions.subsystems and self._without_subsystem is not None:
            self._look_for_subsystem(entry)
        found = conditions.passes_without_text(entry)
        if found is not None:
            return found
        if self._occurs(conditions.exclude, entry.text):
            return False
        return not conditions.match or self._occurs(conditions.match, entry.text)

    def _occurs(self, expressions: Sequence[Expression], text: str) -> bool:
        for expression in expressions:
            self._searched = expression
            if expression.occurs_in(text):
                return True
        return False

    def _look_for_subsystem(self, entry: Entry) -> None:
        if subsystem_of(entry.record):
            self._without_subsystem = None
        elif self._without_subsystem is not None:
            self._without_subsystem += 1
            if self._without_subsystem == MAX_WITHOUT_SUBSYSTEM:
                self.warn_of_no_subsystem()

    def warn_of_no_subsystem(self) -> None:
        """Log once that a condition has left out everything, because no record could fulfil it."""
        if self._without_subsystem:
            logger.warning(
                "%s: subsystem left out everything: no record states one, see klogd-py.toml(5)",
                self._name,
            )
        self._without_subsystem = None

    def _drop_expression(self) -> None:
        """Use the expression no more that was being searched when the time was over."""
        slow, self._searched = self._searched, None
        if slow is None or self._filter is None:
            return
        logger.warning(
            "%s: %s is not used until the next reload, and records pass it: "
            "the expression takes too long: %s",
            self._name,
            slow.key,
            slow.pattern.pattern,
        )
        self._filter = self._filter.without(slow)
