# SPDX-License-Identifier: GPL-2.0-or-later
"""Put the functions of a report in the order in which they come into question."""

from collections.abc import Iterable, Iterator, Sequence

from klogd_py.record.report import Frame
from klogd_py.reports.anatomy.anatomy import Anatomy
from klogd_py.reports.anatomy.function_names import plain_name
from klogd_py.reports.anatomy.stacks import TracedStack
from klogd_py.reports.blame.kind_noise import INTERRUPT_ENTRY, STALL_CHECK, TICK

_RCU_THREAD = ("rcu_gp_kthread", "rcu_gp_fqs_loop")


def reliable(frames: Iterable[Frame]) -> Iterator[Frame]:
    """Yield the frames that the unwinder vouches for."""
    return (frame for frame in frames if frame.reliable)


def counter_and_trace(anatomy: Anatomy) -> Iterator[Frame]:
    """Yield the program counter, then the call trace behind it."""
    line = 0
    if anatomy.counters:
        line = anatomy.counters[0].line
        yield anatomy.counters[0].frame
    yield from first_trace(anatomy, line)


def first_trace(anatomy: Anatomy, line: int = 0) -> Iterator[Frame]:
    """Yield the frames of the first call trace from a line on, or of any stack if there is none."""
    traces = anatomy.stacks_after(line) or anatomy.stacks_after(0) or anatomy.stacks
    for stack in traces[:1]:
        yield from reliable(stack.frames)


def header_then_trace(anatomy: Anatomy) -> Iterator[Frame]:
    """Yield what the header names, then the first stack of any label."""
    yield from anatomy.header.functions[:1]
    for stack in anatomy.stacks[:1]:
        yield from reliable(stack.frames)


def labelled(anatomy: Anatomy, words: str) -> Sequence[TracedStack]:
    """Return the stacks whose label holds these words."""
    return [stack for stack in anatomy.stacks if words in stack.label or words in stack.about]


def stalled_stacks(anatomy: Anatomy) -> Iterator[tuple[Frame, ...]]:
    """Yield the stacks of a stall, each from where the interrupt has found it.

    The stack of the processor that has found its own stall comes first.
    """
    stacks = [
        stack for stack in anatomy.stacks if stack.is_call_trace and not _is_of_rcu_thread(stack)
    ]
    for stack in sorted(stacks, key=_is_found_by_other):
        counter = [
            place.frame for place in anatomy.counters if _is_before(place.line, stack, anatomy)
        ]
        yield (*counter[-1:], *reliable(interrupted_part(stack)))


def _is_found_by_other(stack: TracedStack) -> bool:
    return not any(STALL_CHECK.match(plain_name(frame.function)) for frame in stack.frames)


def _is_of_rcu_thread(stack: TracedStack) -> bool:
    """Whether it shows where RCU's own thread sleeps, which had no time to run."""
    sleeps = any(frame.function.startswith(_RCU_THREAD) for frame in stack.frames)
    return sleeps and _is_found_by_other(stack)


def _is_before(line: int, stack: TracedStack, anatomy: Anatomy) -> bool:
    """Whether the register block of a line is that of a stack: no other stack is in between."""
    return line < stack.line and not any(line < other.line < stack.line for other in anatomy.stacks)


def interrupted_part(stack: TracedStack) -> tuple[Frame, ...]:
    """Return the frames of what the timer's interrupt has stopped; all where there is no tick."""
    names = [plain_name(frame.function) for frame in stack.frames]
    tick = next((at for at, name in enumerate(names) if TICK.match(name)), None)
    if tick is None:
        return stack.frames
    behind = [at for at in stack.interrupted if at > tick]
    if behind:
        return stack.frames[behind[0] :]
    entry = tick
    while entry < len(names) and not INTERRUPT_ENTRY.match(names[entry]):
        entry += 1
    while entry < len(names) and INTERRUPT_ENTRY.match(names[entry]):
        entry += 1
    return stack.frames[entry:]
