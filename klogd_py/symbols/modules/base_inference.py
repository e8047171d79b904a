# SPDX-License-Identifier: GPL-2.0-or-later
"""Where does a module lie whose address the kernel hides, judged by an oops and the module's own
file?

Allocations begin at page boundaries, so the last three digits of a return address leave few places
behind a call in the module's code that it can be. At a base in question all frames that fall into
the module must stand behind calls. It is believed if the bytes of ``Code:`` or direct calls of
known functions speak for it, or if it is the only one of all linked-in modules that explains all
frames.

Source of truth: as in `klogd_py.symbols.modules.module_elf`.
"""

import re
from bisect import bisect_right
from collections.abc import Callable, Collection, Iterator, Sequence
from operator import itemgetter

from msgspec import Struct

from klogd_py.oops.trace_parser import Frame, Trace
from klogd_py.symbols.call_decoder import DECODERS, CallDecoder
from klogd_py.symbols.modules.module_elf import Code, ModuleFile
from klogd_py.symbols.symbol_table import PAGE_BYTES

STRONG = 5
# Frames that are enough where no other module and no other place is possible
MIN_ALONE = 2
MAX_FRAMES = 64
# Of one allocation and one oops; 10,000 are many for the largest modules
MAX_BASES = 32_768
# Of a Code: line, to be compared at all
_MIN_BYTES = 16

_EXCEPTION = re.compile(
    r"el1\w*_(?:sync|irq|fiq|error)\w*"
    # Arm64 prints no registers between the two
)

# The kernel's functions at a run-time address
NamesAt = Callable[[int], Collection[str]]


class ModuleBase(Struct, frozen=True):
    """Where an allocation of a module begins, and the proof in words.

    ``init`` is the one that is freed.
    """

    module: str
    address: int
    init: bool = False
    proof: str = ""


class _Place(Struct, frozen=True):
    """An allocation at an address in question, and what a trace says of it."""

    base: ModuleBase
    code: Code
    points: int
    covered: frozenset[int]

    @property
    def end(self) -> int:
        return self.base.address + len(self.code.text)


def locate(
    trace: Trace,
    files: Sequence[ModuleFile],
    complete: bool,
    names_at: NamesAt,
    is_open: Callable[[int], bool],
) -> list[ModuleBase]:
    """The bases that a trace proves for modules of unknown place.

    ``is_open`` says of a run-time address that no known symbol explains it, so that a module may
    lie there. ``complete`` says that the file of every module that may lie there is among
    ``files``: only then a place can be the only one.
    """
    frames = [frame for frame in _weighed(trace) if is_open(frame.address)]
    places = [place for file in files for place in _places(trace, frames, file, names_at)]
    returns = {frame.address for frame in frames if not frame.exact}
    found: list[ModuleBase] = []
    for place in sorted(places, key=lambda place: place.points, reverse=True):
        rivals = [other for other in places if other is not place and other.covered & place.covered]
        alone = (
            complete
            and bool(returns)
            and returns <= place.covered
            and not any(returns <= other.covered for other in rivals)
        )
        if place.points >= STRONG and all(place.points >= 2 * other.points for other in rivals):
            found.append(place.base)
        elif alone and len(place.covered) >= MIN_ALONE:
            words = f"the only place for all {len(returns)} frames of an oops"
            found.append(ModuleBase(place.base.module, place.base.address, place.base.init, words))
    return [
        base
        for base in found
        if sum((base.module, base.init) == (other.module, other.init) for other in found) == 1
    ]


def contradicts(trace: Trace, file: ModuleFile, base: ModuleBase, names_at: NamesAt) -> str:
    """What a later trace says against a base that was proved; empty if nothing."""
    code = file.init if base.init else file.core
    calls = DECODERS.get(file.machine)
    points, against, _ = (
        _weigh(trace, code, calls, base.address, names_at) if calls is not None else (0, "", None)
    )
    return against if points < STRONG else ""


def _weighed(trace: Trace) -> list[Frame]:
    return [frame for frame in trace.frames[:MAX_FRAMES] if frame.reliable]


def _places(
    trace: Trace, frames: list[Frame], file: ModuleFile, names_at: NamesAt
) -> Iterator[_Place]:
    calls = DECODERS.get(file.machine)
    for code, init in ((file.core, False), (file.init, True)):
        if calls is None or not code.text or (init and file.name not in trace.loading):
            continue
        for base in _candidates(trace, frames, code, calls):
            points, against, covered = _weigh(trace, code, calls, base, names_at)
            if not against and covered:
                proof = f"{len(covered)} frames of an oops fit its file"
                yield _Place(
                    ModuleBase(file.name, base, init, proof), code, points, frozenset(covered)
                )


def _candidates(trace: Trace, frames: list[Frame], code: Code, calls: CallDecoder) -> set[int]:
    """Every base at which one of the frames stands behind a call, or the processor in the code that
    was printed.

    None of a file in which there are too many to be weighed, as in one that was made for it.
    """
    by_low_bits: dict[int, list[int]] = {}
    for at in calls.call_ends(code.text):
        by_low_bits.setdefault(at % PAGE_BYTES, []).append(at)
    bases: set[int] = set()
    for frame in frames:
        if frame.exact and trace.code:
            bases |= {
                frame.address - at
                for at in range(frame.address % PAGE_BYTES, len(code.text), PAGE_BYTES)
            }
        else:
            bases |= {frame.address - at for at in by_low_bits.get(frame.address % PAGE_BYTES, ())}
        if len(bases) > MAX_BASES:
            return set()
    return bases


def _weigh(
    trace: Trace, code: Code, calls: CallDecoder, base: int, names_at: NamesAt
) -> tuple[int, str, set[int]]:
    """Points for a base, what speaks against it, and the frames that it explains."""
    points = 0
    covered: set[int] = set()
    before: Frame | None = None
    for frame in _weighed(trace):
        at = frame.address - base
        if 0 <= at <= len(code.text) and frame.address not in covered:
            if frame.exact or _interrupted(before, names_at):
                covered.add(frame.address)
            elif calls.ends_at(code.text, at):
                covered.add(frame.address)
                points += 1
                if frame.called_previous and before is not None:
                    points += 2 * _called(code, at, before, base, names_at)
            else:
                return 0, f"there is no call before {frame.address:#x}", set()
        before = frame
    compared, against = _compare(trace, code, base)
    return points + 4 * compared, against, covered


def _interrupted(entry: Frame | None, names_at: NamesAt) -> bool:
    """Whether the frame above is the entry of an exception, so that this one is where the processor
    was taken from.
    """
    return entry is not None and any(
        _EXCEPTION.fullmatch(name) for name in names_at(entry.address - 1)
    )


def _called(code: Code, at: int, callee: Frame, base: int, names_at: NamesAt) -> bool:
    """Whether the direct call before an offset leads to the function in which the callee stood."""
    target = code.calls.get(at)
    if target is None:
        return False
    value = callee.address - (0 if callee.exact else 1)
    if isinstance(target, str):
        return target in names_at(value)
    number = bisect_right(code.functions, value - base, key=itemgetter(0)) - 1
    return number >= 0 and value - base < len(code.text) and code.functions[number][0] == target


def _compare(trace: Trace, code: Code, base: int) -> tuple[bool, str]:
    """Whether the bytes of ``Code:`` are those of the file, but for those that a kernel changes."""
    for start, printed in trace.code:
        first = max(0, base - start)
        at = start + first - base
        if not 0 <= at < len(code.text):
            continue
        row = zip(printed[first:], code.text[at:], code.changed[at:], strict=False)
        same = [here == there for here, there, changed in row if not changed]
        if len(same) < _MIN_BYTES:
            continue
        if sum(same) * 10 >= len(same) * 9:
            return True, ""
        return False, f"the code at {start:#x} is not that of the file"
    return False, ""
