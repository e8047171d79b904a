# SPDX-License-Identifier: GPL-2.0-or-later
"""Put the lines of a trace into the order in which the kernel printed them.

Logs are exported newest line first, too, as by ``journalctl -r`` and by consoles in a browser. The
timestamps show that, and where there are none, or all are the same, the lines that begin and end
parts of a trace.
"""

from collections.abc import Sequence
from itertools import pairwise

from klogd_py.oops import address_scanner
from klogd_py.record.types import Record

# So many steps back are more than those between the clocks of processors
_MIN_FALLS = 4
# More addresses than there are in the lines above a call trace
_MIN_FRAMES = 4
_HEADINGS = ("all Trace:", "all trace:", "acktrace:")
_FIRST, _LAST = "---[ cut here ]---", "---[ end "


def in_printed_order(records: Sequence[Record], lines: Sequence[Sequence[str]]) -> list[str]:
    """Return the lines of a trace in the order in which they were printed.

    ``lines`` are those of each record. The lines of one record stay in their order.
    """
    if not lines:
        return []
    is_reversed = has_falling_stamps(records)
    if is_reversed is None:
        is_reversed = _has_frames_above_heading([line for each in lines for line in each])
    ordered = reversed(lines) if is_reversed else lines
    return [line for each in ordered for line in each]


def has_falling_stamps(records: Sequence[Record]) -> bool | None:
    """Return whether timestamps run back; ``None`` if they run in no direction."""
    stamps = [record.usec for record in records if record.usec is not None]
    steps = [after - before for before, after in pairwise(stamps)]
    falls, rises = sum(step < 0 for step in steps), sum(step > 0 for step in steps)
    if not falls and not rises:
        return None
    return falls >= _MIN_FALLS and falls > rises


def _has_frames_above_heading(lines: Sequence[str]) -> bool:
    """Return whether the frames of a trace stand above its heading, and none below it."""
    headings = [at for at, line in enumerate(lines) if any(word in line for word in _HEADINGS)]
    if not headings:
        return False
    first = [at for at, line in enumerate(lines) if _FIRST in line]
    last = [at for at, line in enumerate(lines) if _LAST in line]
    if (first and first[0] < headings[0]) or (last and last[-1] > headings[-1]):
        return False
    frames = [at for at, line in enumerate(lines) if address_scanner.find(line)]
    above = sum(at < headings[0] for at in frames)
    below = sum(at > headings[-1] for at in frames)
    # Registers and the program counter are printed above the heading, and so below it here
    return above >= _MIN_FRAMES and above > below and not _starts_below(lines, headings[-1])


def _starts_below(lines: Sequence[str], heading: int) -> bool:
    """Return whether the line below the heading is a frame, or begins a stack: ``<TASK>``."""
    below = lines[heading + 1] if heading + 1 < len(lines) else ""
    return "TASK>" in below or bool(address_scanner.find(below))
