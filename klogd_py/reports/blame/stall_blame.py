# SPDX-License-Identifier: GPL-2.0-or-later
"""Find what the kernel was asked to do where a processor stalls.

The top of such a stack is chance. What counts is the function that a place of dispatch (a system
call, a timer, a work item) has called: `klogd_py.reports.blame.kind_noise.ANCHORS`.
"""

from collections.abc import Iterable

from klogd_py.record.report import Frame
from klogd_py.reports.anatomy.anatomy import Anatomy
from klogd_py.reports.anatomy.function_names import plain_name
from klogd_py.reports.blame import kind_noise
from klogd_py.reports.blame.candidates import stalled_stacks
from klogd_py.reports.blame.noise import is_noise


def under_anchor(anatomy: Anatomy) -> Frame | None:
    """Return what was dispatched in the first stack in which that is known."""
    for frames in stalled_stacks(anatomy):
        found = _called_by_anchor(frames)
        if found is not None:
            return found
    return None


def _called_by_anchor(frames: Iterable[Frame]) -> Frame | None:
    """Return what the innermost anchor has called; ``None`` without an anchor.

    If all of that is noise, it is the place itself: an anchor further out says less.
    """
    called = faulted = top = None
    for frame in frames:
        name = plain_name(frame.function)
        if kind_noise.CROSS_CALLS.match(name):
            return Frame("smp_call_function")
        if kind_noise.ANCHORS.match(name):
            if called is not None or top is not None:
                return called or top
        elif kind_noise.FAULT_ANCHORS.match(name):
            faulted = faulted or called
        elif not is_noise(name):
            called = frame
        top = top or frame
    return faulted
