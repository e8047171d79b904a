# SPDX-License-Identifier: GPL-2.0-or-later
"""Say what makes the title of a report doubtful."""

import re
from collections.abc import Iterator

from klogd_py.record.crash_kind import CrashKind
from klogd_py.record.lazy_pattern import lazy_pattern
from klogd_py.reports.anatomy import Anatomy
from klogd_py.reports.blame import Blame
from klogd_py.reports.raw_report import RawReport
from klogd_py.reports.stack_labels import is_call_trace, stack_label

NO_FUNCTION = "no function is to blame"
ONLY_NOISE = "all functions serve or report others"
NO_STACK = "no stack"
EMPTY_STACK = "a stack has no frames"
BROKEN_HEADER = "another message is inside the first line"
FAULT_INJECTION = "the stack of an injected fault is among the lines"
CONSEQUENCE = "only the panic that followed is known"
INTERLEAVED = "the lines of another report are among these"
GAP = "lines are missing"

_STAMP = lazy_pattern(r"\[ {0,7}\d{1,8}\.\d{6}\]")
_INJECTION = "FAULT_INJECTION: forcing a failure"
# A panic for something that the kernel has reported before
_CONSEQUENCES = lazy_pattern(
    r"Kernel panic(?: - not syncing)?: (?:Fatal exception|panic_on_|hung_task: blocked|softlockup: hung|hard LOCKUP|Oops|RCU Stall|kernel: panic_on|KASAN: panic_on|KFENCE: panic_on|UBSAN: panic_on|Hard LOCKUP|Fatal hardware)",  # noqa: E501
    re.IGNORECASE,
)
# Which of the lines above the stack name the function
_TOLD_WITHOUT_STACK = frozenset((CrashKind.WORKQUEUE_LEAK, CrashKind.LOCK_STATE))
_STACK_PARTS = ("IRQ", "TASK", "NMI", "SOFTIRQ")
# "<Same stack as pid 30>"
_REPEATED = lazy_pattern(r" {0,8}<Same stack as pid \d")
# Such a stack is not there any more
_BROKEN_STACK = "Kernel stack is corrupted in"
# A stack that begins has a frame within so many lines; registers and text may stand before it.
_LINES_TO_FRAME = 15


def doubts_of(
    raw: RawReport, anatomy: Anatomy, blame: Blame, *, wants_function: bool
) -> tuple[str, ...]:
    """Return the reasons to doubt a report in short words; none where it can be relied on.

    ``wants_function``: its title names the function to blame.
    """
    return tuple(dict.fromkeys(_doubts(raw, anatomy, blame, wants_function)))


def _doubts(raw: RawReport, anatomy: Anatomy, blame: Blame, wants_function: bool) -> Iterator[str]:
    if wants_function and not blame.function:
        yield NO_FUNCTION
    if wants_function and blame.is_noise:
        yield ONLY_NOISE
    is_broken = _BROKEN_STACK in anatomy.header.text
    has_no_need = is_broken or raw.kind in _TOLD_WITHOUT_STACK
    if wants_function and not anatomy.stacks and not has_no_need:
        yield NO_STACK
    if not is_broken and _has_empty_stack(anatomy):
        yield EMPTY_STACK
    if _STAMP.search(anatomy.header.text) is not None:
        yield BROKEN_HEADER
    if any(_INJECTION in text for text in anatomy.texts):
        yield FAULT_INJECTION
    if raw.kind is CrashKind.PANIC and _CONSEQUENCES.match(anatomy.header.text) is not None:
        yield CONSEQUENCE
    if raw.interleaved or _has_unopened_part(anatomy):
        yield INTERLEAVED
    if raw.truncated:
        yield GAP


def _has_unopened_part(anatomy: Anatomy) -> bool:
    """Whether a part of a stack ends more often than it begins: ``</IRQ>`` without ``<IRQ>``."""
    text = "\n".join(anatomy.texts)
    return any(text.count(f"</{part}>") > text.count(f"<{part}>") for part in _STACK_PARTS)


def _has_empty_stack(anatomy: Anatomy) -> bool:
    """Whether a call trace was announced whose frames do not follow."""
    begun = {stack.line for stack in anatomy.stacks}
    return any(
        number not in begun
        and is_call_trace(stack_label(text))
        and not _REPEATED.match("".join(anatomy.texts[number + 1 : number + 2]))
        for number, text in enumerate(anatomy.texts)
        if number and text
    )
