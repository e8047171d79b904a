# SPDX-License-Identifier: GPL-2.0-or-later
r"""Explain missing sequence numbers, and write the messages that announce them.

Every sequence number without a record is covered by exactly one `Gap`. Each Gap becomes an entry
among the records, so that in the log records + gaps = last - first + 1.

Source of truth: kernel/printk/printk.c ``devkmsg_read``, which skips one record for each EINVAL and
any number of records for EPIPE.
"""

from collections.abc import Callable, Sequence

from klogd_py.record.sequence import SequenceRange
from klogd_py.record.types import SYSLOG, SYSLOG_IDENTIFIER, Cause, Entry, Gap, Record, Severity

_WORDS = {
    Cause.PRE_START: "not seen ({span}): older than this log",
    Cause.OVERRUN: "lost ({span}): the kernel's ring buffer overran",
    Cause.EINVAL: "lost ({span}): the kernel refused a read",
    Cause.UNPARSABLE: "without a readable number ({span}): delivered as raw bytes",
    Cause.SINK_DROP: "lost ({span}): the sink could not take them",
    Cause.RATE_LIMIT: "left out ({span}) as configured",
    Cause.CAPTURE: "missing ({span}): not in this capture",
    Cause.RESTART: "lost ({span}): they were overwritten before this sink took up again",
}
_HARMLESS = frozenset((Cause.PRE_START, Cause.UNPARSABLE, Cause.RATE_LIMIT))
_SINGLE_RECORD = frozenset((Cause.EINVAL, Cause.UNPARSABLE))


def explain(missing: SequenceRange, events: Sequence[Cause]) -> list[Gap]:
    """Split missing numbers into gaps by cause.

    ``events`` happened between the two records, in order. EINVAL and an unparsable record account
    for one number each, the overrun for all the others.
    """
    known = [cause for cause in events if cause in _SINGLE_RECORD][: missing.count]
    before = _count_before_overrun(events)
    heads, tails = known[:before], known[before:]
    causes = [(cause, 1) for cause in heads]
    causes.append((Cause.OVERRUN, missing.count - len(known)))
    causes += [(cause, 1) for cause in tails]
    gaps: list[Gap] = []
    first = missing.first
    for cause, count in causes:
        if not count:
            continue
        last = first + count - 1
        if gaps and gaps[-1].cause is cause:
            gaps[-1] = Gap(gaps[-1].first, last, cause)
        else:
            gaps.append(Gap(first, last, cause))
        first = last + 1
    return gaps


def announce(gap: Gap, wall_us_of: Callable[[Record], int]) -> Entry:
    """Make the entry that announces a gap; its text ends with the same facts for programs.

    ``klogd-py: 3 kernel records lost (sequence numbers 5 to 7): the kernel's ring buffer overran
    [gap first="5" last="7" count="3" cause="overrun"]``
    """
    records, span = "1 kernel record", f"sequence number {gap.first}"
    if gap.count > 1:
        records = f"{gap.count} kernel records"
        span = f"sequence numbers {gap.first} to {gap.last}"
    facts = (
        f'[gap first="{gap.first}" last="{gap.last}" count="{gap.count}" cause="{gap.cause.value}"]'
    )
    words = f"{SYSLOG_IDENTIFIER}: {records} {_WORDS[gap.cause].format(span=span)}"
    # The note may quote a record, whose text must not be mistaken for the facts.
    if gap.note:
        words += f", {gap.note.replace('[gap', '[_gap')}"
    severity = Severity.NOTICE if gap.cause in _HARMLESS else Severity.WARNING
    record = Record(words, SYSLOG << 3 | severity)
    return Entry(record, wall_us_of(record), f"{words} {facts}", gap=gap)


def _count_before_overrun(events: Sequence[Cause]) -> int:
    """Count the events of a single number before the overrun, or all if there was none."""
    before = 0
    for cause in events:
        if cause not in _SINGLE_RECORD:
            break
        before += 1
    return before
