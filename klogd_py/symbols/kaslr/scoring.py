# SPDX-License-Identifier: GPL-2.0-or-later
"""What does a trace say for and against one slide of a map?

Each kind of evidence is a count, what one is worth, its words, and what contradicts.

Source of truth: as in `klogd_py.symbols.kaslr.architecture` and `klogd_py.symbols.call_decoder`.
"""

import re
from collections.abc import Iterator
from functools import lru_cache

from msgspec import Struct

from klogd_py.oops.trace_parser import Frame, Trace
from klogd_py.record.types import SymbolAddress
from klogd_py.symbols import elf_header
from klogd_py.symbols.call_decoder import OF_MACHINE
from klogd_py.symbols.kaslr.architecture import (
    ENTRY_FUNCTIONS,
    IMPOSSIBLE_CALL_PAIRS,
    KNOWN_CALL_PAIRS,
    ONLY_CALLEE,
    ONLY_CALLER,
    STACK_DUMPERS,
    X86_64,
    Architecture,
)
from klogd_py.symbols.symbol_line import CODE_KINDS
from klogd_py.symbols.symbol_table import SymbolTable
from klogd_py.symbols.system_map import Text

ENOUGH = 4
MAX_FRAMES_WEIGHED = 64
_MODULES_UNLESS_RANDOMISED = (
    # On x86-64 without CONFIG_RANDOMIZE_BASE; with it they lie higher
    0xFFFFFFFFA0000000
)
_DIRECT_CALL_BYTES = 5
MASK = (1 << 64) - 1


class Score(Struct, frozen=True):
    """What a trace says for one slide: ``against`` is one thing that speaks against it, in words.

    ``unsure`` is what would, were the trace not tangled, or what hardly ever is: then it proves
    nothing and refutes nothing.
    """

    points: int = 0
    frames: int = 0
    reasons: tuple[str, ...] = ()
    against: str = ""
    unsure: str = ""


class SlideScorer:
    """Weighs slides of one map: its table at slide 0, and the kernel's text if it is at hand."""

    def __init__(
        self, table: SymbolTable, architecture: Architecture, text: Text | None = None
    ) -> None:
        self.architecture = architecture
        self._table = table
        self._text = text
        self._decoder = OF_MACHINE.get(architecture.machine)
        self._first, self._end = table.kernel_range
        self._at = lru_cache(1 << 12)(table.resolve)

    def score(self, trace: Trace, slide: int) -> Score:
        """What a trace says for and against one slide."""
        frames = [
            frame for frame in trace.frames[:MAX_FRAMES_WEIGHED] if self._concerns(frame, slide)
        ]
        for frame in frames:
            if not frame.exact and self._function(frame, slide) is None:
                return Score(against=f"{frame.address:#x} is no code by it at slide {slide:#x}")
        points = 0
        reasons: list[str] = []
        against = unsure = ""
        for by_neighbours, (count, worth, words, contradiction) in (
            (True, self._chains(trace, slide)),
            (True, self._entries(frames, slide)),
            (True, self._calls(trace, slide)),
            (True, self._bytes(trace, slide)),
            (False, self._returns(frames, slide)),
        ):
            points += count * worth
            if by_neighbours and trace.is_interleaved:
                unsure = unsure or contradiction
            else:
                against = against or contradiction
            if count:
                reasons.append(words)
        unsure = unsure or self._too_early(frames, slide) or self._not_dumping(frames, slide)
        return Score(
            points, len({frame.address for frame in frames}), tuple(reasons), against, unsure
        )

    def _concerns(self, frame: Frame, slide: int) -> bool:
        """Whether a frame must lie in the kernel's own code at this slide.

        It is certain, and no module can be there.
        """
        if not frame.reliable or not self.architecture.holds(frame.address):
            return False
        apart = self.architecture.highest < MASK
        if (
            slide == 0
            and self.architecture is X86_64
            and frame.address >= _MODULES_UNLESS_RANDOMISED
        ):
            apart = False
        return apart or self._first <= frame.address - slide < self._end

    def _function(self, frame: Frame, slide: int) -> SymbolAddress | None:
        """The function that a frame lies in at this slide."""
        value = frame.address - slide - (0 if frame.exact else 1)
        if not self._first <= value < self._end:
            return None
        place = self._at(value)
        return place if isinstance(place, SymbolAddress) and place.kind in CODE_KINDS else None

    def _too_early(self, frames: list[Frame], slide: int) -> str:
        """A return address before which no direct call of x86-64 has room in its function.

        A call by a register may have.
        """
        for frame in frames if self.architecture is X86_64 else ():
            place = self._function(frame, slide)
            if place is not None and not frame.exact and place.offset + 1 < _DIRECT_CALL_BYTES:
                return f"{place.name} would have called with its first bytes at slide {slide:#x}"
        return ""

    def _not_dumping(self, frames: list[Frame], slide: int) -> str:
        """A trace without registers that does not begin in what prints such.

        Its first line may have been lost.
        """
        for frame in frames if self.architecture is X86_64 else ():
            place = self._function(frame, slide) if frame.is_stack_dumper else None
            if place is not None and not STACK_DUMPERS.fullmatch(_plain(place.name)):
                return f"{place.name} would have printed the trace at slide {slide:#x}"
        return ""

    def _chains(self, trace: Trace, slide: int) -> tuple[int, int, str, str]:
        """How many pairs of neighbours call one another on every kernel.

        A pair that never does contradicts.
        """
        # A trace may be printed twice
        known: set[tuple[int, int]] = set()
        against = ""
        callee: SymbolAddress | None = None
        before = Frame(0)
        for frame in trace.frames[:MAX_FRAMES_WEIGHED]:
            if not frame.reliable:
                continue
            place = self._function(frame, slide) if self._concerns(frame, slide) else None
            if frame.called_previous and callee is not None and place is not None:
                callers, called = (
                    self._names(frame, place, slide),
                    self._names(before, callee, slide),
                )
                if any(_calls(one, other) for one in callers for other in called):
                    known.add((before.address, frame.address))
                if any(
                    _never_calls(one, other) for one in callers for other in called
                ) or _are_strangers(callers, called):
                    against = f"{place.name} would have called {callee.name} at slide {slide:#x}"
            callee, before = place, frame
        pairs = len(known)
        return (
            pairs,
            2,
            f"{pairs} callers with their callees" if pairs > 1 else "a caller with its callee",
            against,
        )

    def _names(self, frame: Frame, place: SymbolAddress, slide: int) -> set[str]:
        """All names of the function that a frame lies in: several symbols may share its address."""
        start = frame.address - slide - (0 if frame.exact else 1) - place.offset
        return {_plain(name.decode("utf-8", "replace")) for name in self._table.names_at(start)}

    def _entries(self, frames: list[Frame], slide: int) -> tuple[int, int, str, str]:
        """Whether the trace ends in a function through which the kernel is entered.

        Before user space it must.
        """
        against = ""
        entered = False
        for frame in frames:
            if frame.is_kernel_entry or frame is frames[-1]:
                place = self._function(frame, slide)
                entered = place is not None and bool(ENTRY_FUNCTIONS.fullmatch(_plain(place.name)))
                if frame.is_kernel_entry and not entered:
                    against = f"the kernel would have been entered at {frame.address:#x} at slide {slide:#x}"
        return int(entered), 1, "ends in an entry function", against

    def _calls(self, trace: Trace, slide: int) -> tuple[int, int, str, str]:
        """Calls in the bytes of ``Code:`` that lead to the beginning of a function.

        One that leads into one contradicts.
        """
        exact: set[int] = set()
        against = ""
        whole = any(
            not frame.exact
            for frame in trace.frames
            # Or it may not be known whether the bytes are code at all
        )
        for target in self._targets(trace):
            value = target - slide
            place = self._at(value) if self._first <= value < self._end else None
            if not isinstance(place, SymbolAddress) or place.kind not in CODE_KINDS:
                continue
            if place.offset == 0:
                exact.add(target)
            elif whole:
                against = f"a call leads to {target:#x}, into the middle of {place.name} at slide {slide:#x}"
        return len(exact), 3, f"{len(exact)} calls in its code", against

    def _targets(self, trace: Trace) -> Iterator[int]:
        for start, code in trace.code if self._decoder is not None else ():
            assert self._decoder is not None
            for _, target in self._decoder.direct(code):
                yield (start + target) & MASK

    def _bytes(self, trace: Trace, slide: int) -> tuple[int, int, str, str]:
        """The bytes of ``Code:`` beside those of the text.

        A few differ, since a kernel patches itself as it starts.
        """
        for start, code in trace.code if self._text is not None else ():
            assert self._text is not None
            if not self._first <= start - slide < self._end:
                continue
            text = self._text.bytes_at(start - slide, len(code))
            same = sum(here == there for here, there in zip(code, text, strict=False))
            if len(text) < 16:
                continue
            if same * 4 >= len(text) * 3:
                return 1, 4, f"{same} bytes of its code are those of the text", ""
            return 0, 4, "", f"the code at {start:#x} is not that of the text at slide {slide:#x}"
        return 0, 4, "", ""

    def _returns(self, frames: list[Frame], slide: int) -> tuple[int, int, str, str]:
        """What stands before each return address must be a call."""
        if self._text is None or self.architecture is not X86_64:
            return 0, 1, "", ""
        calls = 0
        for frame in frames:
            if frame.exact:
                continue
            before = self._text.bytes_at(frame.address - slide - 8, 8)
            if len(before) < 8:
                continue
            if not OF_MACHINE[elf_header.X86_64].ends_at(before, len(before)):
                return 0, 1, "", f"there is no call before {frame.address:#x} at slide {slide:#x}"
            calls += 1
        return calls, 1, f"{calls} calls before its return addresses", ""


def _plain(name: str) -> str:
    """A function's name without what a compiler hung on it: ``do_syscall_64.isra.0``."""
    return name.partition(".")[0]


@lru_cache(1 << 12)
def _never_calls(caller: str, callee: str) -> bool:
    """Whether a callee does for another what this caller has done for itself.

    ``ksys_read`` does not call ``vfs_write``.
    """
    for pattern, kin in IMPOSSIBLE_CALL_PAIRS:
        found, other = pattern.fullmatch(caller), kin.fullmatch(callee)
        if found is not None and other is not None and found["what"] != other["what"]:
            return True
    return False


def _are_strangers(callers: set[str], called: set[str]) -> bool:
    """Whether one of two functions calls, or is called by, another one only."""
    callees = [ONLY_CALLEE[name] for name in callers if name in ONLY_CALLEE]
    patterns = [ONLY_CALLER[name] for name in called if name in ONLY_CALLER]
    return any(callee not in called for callee in callees) or any(
        not any(pattern.fullmatch(name) for name in callers) for pattern in patterns
    )


@lru_cache(1 << 12)
def _calls(caller: str, callee: str) -> bool:
    for pattern, called in KNOWN_CALL_PAIRS:
        found = pattern.fullmatch(caller)
        if found is None:
            continue
        for group, value in found.groupdict().items():
            called = called.replace(f"(?P={group})", re.escape(value or ""))
        if re.fullmatch(called, callee):
            return True
    return False
