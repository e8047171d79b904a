# SPDX-License-Identifier: GPL-2.0-or-later
r"""Why are sequence numbers missing between two records, and how is that told?

Every number that no record of its own stands for is covered by exactly one `Gap`, and each Gap
becomes an entry among the records, so that whoever reads the log can reckon: records + gaps = last
- first + 1.

Source of truth: kernel/printk/printk.c ``devkmsg_read``, which takes one record for each EINVAL and
any number for EPIPE.
"""

from collections.abc import Callable, Sequence

from klogd_py.record.types import SPEAKER, SYSLOG, Cause, Entry, Gap, Record, Severity

_WORDS = {
    Cause.PRE_START: "not seen ({span}): older than this log",
    Cause.OVERRUN: "lost ({span}): the kernel's ring buffer overran",
    Cause.EINVAL: "lost ({span}): the kernel refused a read",
    Cause.UNPARSABLE: "without a readable number ({span}): delivered as raw bytes",
    Cause.SINK_DROP: "lost ({span}): the sink could not take them",
    Cause.RATE_LIMIT: "left out ({span}) as configured",
    Cause.RESTART: "lost ({span}): they were overwritten before this sink took up again",
}
_HARMLESS = frozenset((Cause.PRE_START, Cause.UNPARSABLE, Cause.RATE_LIMIT))
_OF_ONE = frozenset((Cause.EINVAL, Cause.UNPARSABLE))


def explain(first: int, last: int, events: Sequence[Cause]) -> list[Gap]:
    """The gaps that make up the missing numbers ``first`` to ``last``, given what happened between
    the two records.

    EINVAL and an unparsable record stand for one number each, an overrun for all that is left where
    it happened.
    """
    known = [cause for cause in events if cause in _OF_ONE][: last - first + 1]
    before = _until_overrun(events)
    heads, tails = known[:before], known[before:]
    causes = [(cause, 1) for cause in heads]
    causes.append((Cause.OVERRUN, last - first + 1 - len(known)))
    causes += [(cause, 1) for cause in tails]
    gaps: list[Gap] = []
    for cause, count in causes:
        if not count:
            continue
        if gaps and gaps[-1].cause is cause:
            gaps[-1] = Gap(gaps[-1].first, gaps[-1].last + count, cause)
        else:
            gaps.append(Gap(first, first + count - 1, cause))
        first += count
    return gaps


def announce(gap: Gap, wall_us_of: Callable[[Record], int]) -> Entry:
    """The entry that tells of a gap: its record in words, its text with the same for programs
    behind them.

    ``klogd-py: 3 kernel records lost (sequence numbers 5 to 7): the kernel's ring buffer overran
    [gap first="5" last="7" count="3" cause="overrun"]``
    """
    records = "1 kernel record" if gap.count == 1 else f"{gap.count} kernel records"
    span = (
        f"sequence number {gap.first}"
        if gap.count == 1
        else f"sequence numbers {gap.first} to {gap.last}"
    )
    facts = (
        f'[gap first="{gap.first}" last="{gap.last}" count="{gap.count}" cause="{gap.cause.value}"]'
    )
    words = f"{SPEAKER}: {records} {_WORDS[gap.cause].format(span=span)}"
    # May repeat the words of a record, which must not pass for facts
    if gap.note:
        words += f", {gap.note.replace('[gap', '[_gap')}"
    severity = Severity.NOTICE if gap.cause in _HARMLESS else Severity.WARNING
    record = Record(words, SYSLOG << 3 | severity)
    return Entry(record, wall_us_of(record), f"{words} {facts}", gap=gap)


def _until_overrun(events: Sequence[Cause]) -> int:
    """How many of the events that stand for one number came before the overrun.

    All, if there was none.
    """
    before = 0
    for cause in events:
        if cause not in _OF_ONE:
            break
        before += 1
    return before
