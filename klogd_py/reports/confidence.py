# SPDX-License-Identifier: GPL-2.0-or-later
"""Say what makes the title of a report doubtful."""

from collections.abc import Iterator

from klogd_py.record.crash_kind import CrashKind
from klogd_py.record.lazy_pattern import lazy_pattern
from klogd_py.reports.anatomy.anatomy import Anatomy
from klogd_py.reports.anatomy.stack_labels import is_call_trace, stack_label
from klogd_py.reports.blame.blame import Blame
from klogd_py.reports.blame.demangle import readable_name
from klogd_py.reports.blame.noise import is_noise
from klogd_py.reports.detection.open_report import is_consequence_of_report
from klogd_py.reports.raw_report import RawReport

NO_FUNCTION = "no function is to blame"
ONLY_NOISE = "all functions serve or report others"
NO_STACK = "no stack"
EMPTY_STACK = "a stack has no frames"
SHORT_STACK = "the stack ends before the function to blame"
UNNAMED = "an address above the function to blame has no name"
BROKEN_HEADER = "another message is inside the first line"
FAULT_INJECTION = "the stack of an injected fault is among the lines"
CONSEQUENCE = "only the panic that followed is known"
INTERLEAVED = "the lines of another report are among these"
GAP = "lines are missing"
ADDRESSES = "the addresses have no names"

_STAMP = lazy_pattern(r"\[ {0,7}\d{1,8}\.\d{6}\]")
# A frame, or the place of a WARN, in code of which no name is known
_UNNAMED_PLACE = lazy_pattern(
    r"(?:[ \t]{0,16}|RIP: 0010:)(?:\[<)?(?:0x)?(?:f{4}[0-9a-f]{12}|[89a-f][0-9a-f]{7})(?:>\])?$"
)
# A frame of any architecture whose address has no name
_UNNAMED_FRAME = lazy_pattern(
    r"[ \t]{0,16}(?:\[<?[0-9a-f]{8,16}>?\] ){0,1}(?:\? )?\[?<?(?:0x)?[0-9a-f]{8,16}>?\]?"
    r"(?: 0x[0-9a-f]{8,16})?(?: \(unreliable\))?[ \t]{0,4}"
)
_INJECTION = "FAULT_INJECTION: forcing a failure"
# lib/fault-inject.c, mm/failslab.c
_INJECTING = "should_fail"
_STACK_PARTS = ("IRQ", "TASK", "NMI", "SOFTIRQ")
# Kinds that print a call trace, if there is time: none of them is complete without a function.
# Others tell of a state (a counter, a lock-up of a workqueue, an error of the hardware).
_WITH_TRACE = frozenset((CrashKind.PANIC, CrashKind.BUG))
# Kinds whose reports always have a stack
_WITH_STACK = frozenset(
    (
        CrashKind.KASAN,
        CrashKind.KMSAN,
        CrashKind.KFENCE,
        CrashKind.UBSAN,
        CrashKind.SLUB,
        CrashKind.BAD_PAGE,
        CrashKind.LOCKDEP,
        CrashKind.INCONSISTENT_LOCK,
        CrashKind.SUSPICIOUS_RCU,
    )
)


def doubts_of(
    raw: RawReport, anatomy: Anatomy, blame: Blame, *, wants_function: bool
) -> tuple[str, ...]:
    """Return the reasons to doubt a report in short words; none where it can be relied on.

    ``wants_function``: its title names the function to blame. Where no function is known, a report
    can be relied on only if its title needs none and it is neither a panic nor a BUG.
    """
    return tuple(dict.fromkeys(_doubts(raw, anatomy, blame, wants_function)))


def _doubts(raw: RawReport, anatomy: Anatomy, blame: Blame, wants_function: bool) -> Iterator[str]:
    wants_function |= raw.kind in _WITH_TRACE
    if not anatomy.header.functions and _has_only_addresses(anatomy):
        yield ADDRESSES
    else:
        yield from _doubts_of_facts(raw.kind, anatomy, blame, wants_function)
    if _STAMP.search(anatomy.header.text) is not None:
        yield BROKEN_HEADER
    yield from _doubts_of_stack(raw.kind, anatomy, blame)
    if _has_injected_fault(raw, anatomy):
        yield FAULT_INJECTION
    if raw.kind is CrashKind.PANIC and is_consequence_of_report(anatomy.header.text):
        yield CONSEQUENCE
    if raw.interleaved or _has_unopened_part(anatomy) or _is_elsewhere(raw.kind, anatomy):
        yield INTERLEAVED
    if raw.truncated:
        yield GAP


def _doubts_of_facts(
    kind: CrashKind, anatomy: Anatomy, blame: Blame, wants_function: bool
) -> Iterator[str]:
    if wants_function and not blame.function:
        yield NO_FUNCTION
    if wants_function and blame.is_noise:
        yield ONLY_NOISE
    if not anatomy.stacks and (kind in _WITH_STACK or (wants_function and not blame.function)):
        yield NO_STACK
    if not anatomy.header.functions and _has_empty_stack(anatomy):
        yield EMPTY_STACK


def _doubts_of_stack(kind: CrashKind, anatomy: Anatomy, blame: Blame) -> Iterator[str]:
    if kind is CrashKind.WARNING and _has_only_reporters(anatomy, blame):
        yield SHORT_STACK
    if _has_unnamed_above(kind, anatomy, blame):
        yield UNNAMED


def _is_elsewhere(kind: CrashKind, anatomy: Anatomy) -> bool:
    """Whether the registers of a WARN are those of another function than its header names."""
    counter = anatomy.counter
    if kind is not CrashKind.WARNING or counter is None or not anatomy.header.functions:
        return False
    named = anatomy.header.functions[0]
    return readable_name(named.function) != readable_name(counter.function)


def _has_unopened_part(anatomy: Anatomy) -> bool:
    """Whether a part of a stack ends more often than it begins: ``</IRQ>`` without ``<IRQ>``."""
    text = "\n".join(anatomy.texts)
    return any(text.count(f"</{part}>") > text.count(f"<{part}>") for part in _STACK_PARTS)


def _has_empty_stack(anatomy: Anatomy) -> bool:
    """Whether the first call trace was announced, and its frames do not follow."""
    for number, text in enumerate(anatomy.texts):
        if "race" in text and number and is_call_trace(stack_label(text)):
            return number not in {stack.line for stack in anatomy.stacks}
    return False


def _has_only_addresses(anatomy: Anatomy) -> bool:
    """Whether the first call trace has frames, and none of the report's has a name."""
    if anatomy.stacks:
        return False
    texts = anatomy.texts
    for number, text in enumerate(texts[:-1]):
        if "race" in text and number and is_call_trace(stack_label(text)):
            behind = (one for one in texts[number + 1 :] if not one.strip().startswith("<"))
            return _UNNAMED_FRAME.fullmatch(next(behind, "")) is not None
    return False


def _has_unnamed_above(kind: CrashKind, anatomy: Anatomy, blame: Blame) -> bool:
    """Whether an address stands where the function to blame would be expected.

    In the registers of other crashes than a WARN it may be where a wild jump has led to.
    """
    if not blame.function or anatomy.header.functions:
        return False
    for text in anatomy.texts[1:]:
        if blame.function in text:
            return False
        is_register = text.startswith("RIP")
        if _UNNAMED_PLACE.match(text) and (not is_register or kind is CrashKind.WARNING):
            return True
    return False


def _has_only_reporters(anatomy: Anatomy, blame: Blame) -> bool:
    """Whether a function that only the header names is blamed, and the stack explains nothing."""
    if not blame.function or blame.is_noise or anatomy.counters or not anatomy.stacks:
        return False
    return all(
        is_noise(frame.function)
        for stack in anatomy.stacks[:1]
        for frame in stack.frames
        if frame.reliable
    )


def _has_injected_fault(raw: RawReport, anatomy: Anatomy) -> bool:
    before = (line.text for line in raw.context)
    return any(_INJECTION in text for text in (*before, *anatomy.texts)) or any(
        frame.reliable and frame.function.startswith(_INJECTING)
        for stack in anatomy.stacks[:1]
        for frame in stack.frames
    )
