# SPDX-License-Identifier: GPL-2.0-or-later
"""Put the function in which the processor was into its call trace.

x86 and others unwind from a register block without the function that the block itself names::

    RIP: 0010:nic_poll+0x1f/0x40 [nic]
    Call Trace:
     nic_irq+0x31/0x140 [nic]

Source of truth: ``show_trace_log_lvl`` in arch/x86/kernel/dumpstack.c.
"""

from msgspec import structs

from klogd_py.record.report import Frame
from klogd_py.reports.anatomy.anatomy import Anatomy
from klogd_py.reports.anatomy.stacks import TracedStack
from klogd_py.reports.blame.noise import noise_family


def stacks_with_counter(anatomy: Anatomy) -> tuple[TracedStack, ...]:
    """Return the stacks, the program counter being the first frame of the trace behind it."""
    if not anatomy.counters:
        return anatomy.stacks
    counter = anatomy.counters[0]
    traces = anatomy.stacks_after(counter.line)
    # They print it as one that is not reliable: a leaf function may have no frame.
    is_doubtful = anatomy.kernel.arch.startswith(("ppc", "s390"))
    if not traces or _has_counter(traces[0], counter.frame, is_doubtful):
        return anatomy.stacks
    whole = structs.replace(traces[0], frames=(counter.frame, *traces[0].frames))
    return tuple(whole if stack is traces[0] else stack for stack in anatomy.stacks)


def _has_counter(stack: TracedStack, counter: Frame, is_doubtful: bool) -> bool:
    """Whether a stack needs no frame of the program counter.

    It begins in that function, in a frame that may be ``is_doubtful``, holds that place further on,
    or shows the path to what prints it.
    """
    if any((frame.function, frame.offset) == _place(counter) for frame in stack.frames):
        return True
    first = next((frame.function for frame in stack.frames if frame.reliable or is_doubtful), "")
    return first == counter.function or noise_family(first) == _PRINTING


def _place(frame: Frame) -> tuple[str, int | None]:
    return frame.function, frame.offset


_PRINTING = "reporters"
