# SPDX-License-Identifier: GPL-2.0-or-later
"""Score one slide of a map by the evidence in an oops.

Each kind of evidence has a count, a number of points for each, and what contradicts.

Source of truth: as in `klogd_py.symbols.kaslr.call_pairs` and `klogd_py.symbols.call_decoder`.
"""

from collections.abc import Iterator
from functools import lru_cache

from msgspec import Struct

from klogd_py.oops.trace_parser import Frame, Trace
from klogd_py.record.quantity import quantity
from klogd_py.record.types import SymbolAddress
from klogd_py.symbols import elf_header
from klogd_py.symbols.call_decoder import DECODERS
from klogd_py.symbols.kaslr.architecture import X86_64, Architecture
from klogd_py.symbols.kaslr.call_pairs import (
    ENTRY_FUNCTIONS,
    STACK_DUMPERS,
    are_exclusive_to_others,
    has_impossible_pair,
    has_known_pair,
    without_suffix,
)
from klogd_py.symbols.symbol_line import CODE_KINDS
from klogd_py.symbols.symbol_table import SymbolTable
from klogd_py.symbols.system_map import KernelText
from klogd_py.symbols.trace_limits import MAX_FRAMES, MIN_COMPARED_BYTES

# By which a slide is proved
MIN_POINTS = 4
ADDRESS_MASK = (1 << 64) - 1
# On x86-64 without CONFIG_RANDOMIZE_BASE; with it modules begin higher
_MODULES_UNLESS_RANDOMISED = 0xFFFFFFFFA0000000
_DIRECT_CALL_BYTES = 5
_MAX_CALL_BYTES = 8


class Score(Struct, frozen=True):
    """The evidence of one trace for one slide.

    ``frames`` counts the different frames in the kernel's code. ``contradiction`` is one fact that
    rules the slide out, in words. ``weak_contradiction`` would rule it out if the trace were not
    interleaved with another one, or is very unlikely: then the trace proves nothing and refutes
    nothing.
    """

    points: int = 0
    frames: int = 0
    reasons: tuple[str, ...] = ()
    contradiction: str | None = None
    weak_contradiction: str | None = None


class _Evidence(Struct, frozen=True, gc=False):
    """One kind of evidence: how often it was found, what each is worth, its words, and one fact
    of this kind that contradicts.
    """

    count: int = 0
    points_each: int = 1
    reason: str = ""
    contradiction: str | None = None


class SlideScorer:
    """Scores slides of one map: its table at slide 0, and the kernel's text if it is at hand."""

    def __init__(
        self, table: SymbolTable, architecture: Architecture, text: KernelText | None = None
    ) -> None:
        self.architecture = architecture
        self._table = table
        self._text = text
        self._decoder = DECODERS.get(architecture.machine)
        self._kernel = table.kernel_range
        self._resolve = lru_cache(1 << 12)(table.resolve)

    def score(self, trace: Trace, slide: int) -> Score:
        """Return the evidence of a trace for and against one slide."""
        frames = [
            frame for frame in trace.frames[:MAX_FRAMES] if self._must_be_kernel(frame, slide)
        ]
        for frame in frames:
            if not frame.exact and self._function(frame, slide) is None:
                reason = f"{frame.address:#x} is no code by it at slide {slide:#x}"
                return Score(contradiction=reason)
        points = 0
        reasons: list[str] = []
        contradiction: str | None = None
        weak: str | None = None
        for needs_order, found in (
            (True, self._call_pairs(trace, slide)),
            (True, self._entry_function(frames, slide)),
            (True, self._direct_calls(trace, slide)),
            (True, self._code_bytes(trace, slide)),
            (False, self._return_addresses(frames, slide)),
        ):
            points += found.count * found.points_each
            if needs_order and trace.is_interleaved:
                weak = weak or found.contradiction
            else:
                contradiction = contradiction or found.contradiction
            if found.count:
                reasons.append(found.reason)
        weak = weak or self._early_return(frames, slide) or self._wrong_dumper(frames, slide)
        count = len({frame.address for frame in frames})
        return Score(points, count, tuple(reasons), contradiction, weak)

    def _must_be_kernel(self, frame: Frame, slide: int) -> bool:
        """Whether a frame must be in the kernel's own code at this slide.

        It is reliable, and no module is or can be there.
        """
        if frame.module or not frame.reliable or not self.architecture.contains(frame.address):
            return False
        apart = self.architecture.highest < ADDRESS_MASK
        if (
            slide == 0
            and self.architecture is X86_64
            and frame.address >= _MODULES_UNLESS_RANDOMISED
        ):
            apart = False
        return apart or frame.address - slide in self._kernel

    def _function(self, frame: Frame, slide: int) -> SymbolAddress | None:
        """Return the function that contains a frame at this slide."""
        value = frame.address - slide - (0 if frame.exact else 1)
        if value not in self._kernel:
            return None
        symbol = self._resolve(value)
        if isinstance(symbol, SymbolAddress) and symbol.kind in CODE_KINDS:
            return symbol
        return None

    def _function_names(self, frame: Frame, symbol: SymbolAddress, slide: int) -> frozenset[str]:
        """Return all names of the function that contains a frame, aliases included."""
        start = frame.address - slide - (0 if frame.exact else 1) - symbol.offset
        names = self._table.names_at(start)
        return frozenset(without_suffix(name.decode("utf-8", "replace")) for name in names)

    def _early_return(self, frames: list[Frame], slide: int) -> str | None:
        """Name a return address before which no direct call of x86-64 fits in its function.

        ``None`` if there is none. An indirect call may be shorter.
        """
        for frame in frames if self.architecture is X86_64 else ():
            symbol = self._function(frame, slide)
            if symbol is not None and not frame.exact and symbol.offset + 1 < _DIRECT_CALL_BYTES:
                return f"{symbol.name} would have called with its first bytes at slide {slide:#x}"
        return None

    def _wrong_dumper(self, frames: list[Frame], slide: int) -> str | None:
        """Name the function at the top of a trace without registers, unless it prints such traces.

        ``None`` if it does, or if there is none: the first line of the trace may have been lost.
        """
        for frame in frames if self.architecture is X86_64 else ():
            symbol = self._function(frame, slide) if frame.is_stack_dumper else None
            if symbol is not None and not STACK_DUMPERS.fullmatch(without_suffix(symbol.name)):
                return f"{symbol.name} would have printed the trace at slide {slide:#x}"
        return None

    def _call_pairs(self, trace: Trace, slide: int) -> _Evidence:
        """Count the pairs of neighbouring frames that call one another on every kernel.

        A pair that never does contradicts.
        """
        # A trace may be printed twice
        known: set[tuple[int, int]] = set()
        contradiction: str | None = None
        callee: SymbolAddress | None = None
        before = Frame(0)
        for frame in trace.frames[:MAX_FRAMES]:
            if not frame.reliable:
                continue
            symbol = self._function(frame, slide) if self._must_be_kernel(frame, slide) else None
            if frame.called_previous and callee is not None and symbol is not None:
                callers = self._function_names(frame, symbol, slide)
                callees = self._function_names(before, callee, slide)
                if has_known_pair(callers, callees):
                    known.add((before.address, frame.address))
                if has_impossible_pair(callers, callees) or are_exclusive_to_others(
                    callers, callees
                ):
                    contradiction = (
                        f"{symbol.name} would have called {callee.name} at slide {slide:#x}"
                    )
            callee, before = symbol, frame
        count = len(known)
        reason = f"{count} callers with their callees" if count > 1 else "a caller with its callee"
        return _Evidence(count, 2, reason, contradiction)

    def _entry_function(self, frames: list[Frame], slide: int) -> _Evidence:
        """Whether the trace ends in a function through which the kernel is entered.

        A frame below which user space begins must be in one.
        """
        contradiction: str | None = None
        entered = False
        for frame in frames:
            if frame.is_kernel_entry or frame is frames[-1]:
                symbol = self._function(frame, slide)
                entered = symbol is not None and bool(
                    ENTRY_FUNCTIONS.fullmatch(without_suffix(symbol.name))
                )
                if frame.is_kernel_entry and not entered:
                    where = f"at {frame.address:#x} at slide {slide:#x}"
                    contradiction = f"the kernel would have been entered {where}"
        return _Evidence(int(entered), 1, "ends in an entry function", contradiction)

    def _direct_calls(self, trace: Trace, slide: int) -> _Evidence:
        """Count the calls in the bytes of ``Code:`` that lead to the beginning of a function.

        One that leads into the middle of a function contradicts.
        """
        exact: set[int] = set()
        contradiction: str | None = None
        # Without any return address it may not be known whether the bytes are code at all
        is_code = any(not frame.exact for frame in trace.frames)
        for target in self._call_targets(trace):
            value = target - slide
            symbol = self._resolve(value) if value in self._kernel else None
            if not isinstance(symbol, SymbolAddress) or symbol.kind not in CODE_KINDS:
                continue
            if symbol.offset == 0:
                exact.add(target)
            elif is_code:
                where = f"into the middle of {symbol.name} at slide {slide:#x}"
                contradiction = f"a call leads to {target:#x}, {where}"
        return _Evidence(len(exact), 3, f"{len(exact)} calls in its code", contradiction)

    def _call_targets(self, trace: Trace) -> Iterator[int]:
        for code in trace.code if self._decoder is not None else ():
            assert self._decoder is not None
            for call in self._decoder.direct_calls(code.content):
                yield (code.start + call.target) & ADDRESS_MASK

    def _code_bytes(self, trace: Trace, slide: int) -> _Evidence:
        """Compare the bytes of ``Code:`` with the kernel's text.

        A few differ, since a kernel patches itself as it starts.
        """
        for code in trace.code if self._text is not None else ():
            assert self._text is not None
            if code.start - slide not in self._kernel:
                continue
            text = self._text.bytes_at(code.start - slide, len(code.content))
            if len(text) < MIN_COMPARED_BYTES:
                continue
            same = sum(here == there for here, there in zip(code.content, text, strict=False))
            if same * 4 >= len(text) * 3:
                return _Evidence(1, 4, f"{same} bytes of its code are those of the text")
            return _Evidence(
                contradiction=f"the code at {code.start:#x} is not that of the text"
                f" at slide {slide:#x}"
            )
        return _Evidence()

    def _return_addresses(self, frames: list[Frame], slide: int) -> _Evidence:
        """Count the return addresses behind a call in the kernel's text; all of them must be."""
        if self._text is None or self.architecture is not X86_64:
            return _Evidence()
        count = 0
        for frame in frames:
            if frame.exact:
                continue
            before = self._text.bytes_at(frame.address - slide - _MAX_CALL_BYTES, _MAX_CALL_BYTES)
            if len(before) < _MAX_CALL_BYTES:
                continue
            if not DECODERS[elf_header.X86_64].call_ends_at(before, len(before)):
                return _Evidence(
                    contradiction=f"there is no call before {frame.address:#x} at slide {slide:#x}"
                )
            count += 1
        return _Evidence(count, 1, f"{quantity(count, 'call')} before its return addresses")
