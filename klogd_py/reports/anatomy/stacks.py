# SPDX-License-Identifier: GPL-2.0-or-later
"""Collect the stacks of a report, each with its label, and the program counters among them."""

from msgspec import Struct

from klogd_py.record.report import Frame
from klogd_py.reports.anatomy.frame_lines import read_frames
from klogd_py.reports.anatomy.program_counter import read_program_counter
from klogd_py.reports.anatomy.stack_labels import is_call_trace, stack_label


class TracedStack(Struct, frozen=True):
    """A stack, and where it is in the report.

    ``line`` is the number of the line of its label. ``about`` is a label that stood before that of
    a call trace: ``Task dump for CPU 1``. ``interrupted`` are the places in ``frames`` of functions
    that an interrupt or a trap has stopped: their register block stands among the frames.
    """

    label: str
    line: int
    about: str = ""
    frames: tuple[Frame, ...] = ()
    interrupted: tuple[int, ...] = ()

    @property
    def is_call_trace(self) -> bool:
        """Whether it is a stack of a processor or a task, not of an earlier event."""
        return is_call_trace(self.label)


class CounterLine(Struct, frozen=True, gc=False):
    """A program counter of the kernel in front of a stack, and the number of its line."""

    line: int
    frame: Frame


class StackReader:
    """The stacks of one report. Mutable: filled line by line."""

    def __init__(self, header: str) -> None:
        """A stack without a label of its own is that of the header."""
        self.counters: list[CounterLine] = []
        self._stacks: list[TracedStack] = []
        self._label = header
        self._about = ""
        self._line = 0
        self._frames: list[Frame] = []
        self._interrupted: list[int] = []
        # Register blocks among the frames belong to the stack until a line says otherwise.
        self._is_open = False

    @property
    def stacks(self) -> tuple[TracedStack, ...]:
        """All stacks that have frames."""
        self._store()
        return tuple(self._stacks)

    def read_line(self, number: int, text: str) -> bool:
        """Take a line; ``False`` if it has nothing of a stack."""
        label = stack_label(text)
        if label:
            self._begin(number, label)
            start = text.find(":") + 1
            frames = read_frames(text[start:]) if start and start < len(text.rstrip()) else ()
            self._add(frames)
            return True
        counter = read_program_counter(text)
        if counter is not None:
            self._take_counter(number, counter)
            return True
        frames = read_frames(text)
        if not frames:
            return False
        if not self._is_open and self._frames:
            self._begin(number, "Call Trace")
        self._add(frames)
        return True

    def close(self) -> None:
        """Take a line behind which register blocks are no part of the stack any more."""
        self._is_open = False

    def _begin(self, number: int, label: str) -> None:
        is_trace = is_call_trace(label)
        about = self._label if is_trace and self._is_open and not self._frames else ""
        self._store()
        self._about = "" if is_call_trace(about) else about
        self._label, self._line = label, number
        self._frames, self._interrupted = [], []
        self._is_open = True

    def _add(self, frames: tuple[Frame, ...]) -> None:
        if len(frames) > 1 and self._frames and self._frames[-1].function == frames[0].function:
            # arm names each caller once more, as the callee of the next line.
            frames = frames[1:]
        self._frames += frames
        self._is_open |= bool(frames)

    def _take_counter(self, number: int, counter: Frame) -> None:
        if self._is_open and self._frames:
            self._interrupted.append(len(self._frames))
            self._frames.append(counter)
        else:
            self.counters.append(CounterLine(number, counter))

    def _store(self) -> None:
        if self._frames:
            self._stacks.append(
                TracedStack(
                    self._label,
                    self._line,
                    self._about,
                    tuple(self._frames),
                    tuple(self._interrupted),
                )
            )
            self._frames, self._interrupted = [], []
