# SPDX-License-Identifier: GPL-2.0-or-later
"""Infer the base address of a module that the kernel hides, from an oops and the module's file.

Allocations begin at page boundaries, so that the last three digits of a return address leave few
calls in the module's code behind which it can be. At a candidate base, all frames in the module
must be behind calls. The base is proved if the bytes of ``Code:`` or direct calls of known
functions support it, or if it is the only one of all linked-in modules that explains all frames.

Source of truth: as in `klogd_py.symbols.modules.module_elf`.
"""

import re
from bisect import bisect_right
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Sequence
from operator import attrgetter

from msgspec import Struct

from klogd_py.oops.trace_parser import Frame, Trace
from klogd_py.symbols.call_decoder import DECODERS, CallDecoder
from klogd_py.symbols.modules.module_elf import ModuleCode, ModuleFile
from klogd_py.symbols.symbol_table import PAGE_BYTES
from klogd_py.symbols.trace_limits import MAX_FRAMES, MIN_COMPARED_BYTES

# By which a base is proved
MIN_POINTS = 5
# That are enough where no other module and no other base is possible
MIN_FRAMES_ALONE = 2
# Of one allocation and one oops; 10,000 are many for the largest modules
MAX_BASES = 32_768

# Behind these arm64 prints no registers
_EXCEPTION_ENTRY = re.compile(r"el1\w*_(?:sync|irq|fiq|error)\w*")

# The names of the kernel's own function at a run-time address
NamesAt = Callable[[int], Collection[str]]


class ModuleBase(Struct, frozen=True):
    """The address of an allocation of a module, and the proof in words.

    ``init`` is set for the allocation that is freed when the module is ready.
    """

    module: str
    address: int
    proof: str
    init: bool = False


class _Score(Struct, frozen=True, gc=False):
    """The evidence of a trace for one base: points, the addresses of the frames that it explains,
    and what contradicts.
    """

    points: int = 0
    covered: frozenset[int] = frozenset()
    contradiction: str | None = None


class _CodeComparison(Struct, frozen=True, gc=False):
    """Whether printed bytes are those of the file, and what differs if they are not.

    Neither if there are too few to compare.
    """

    is_same: bool = False
    difference: str | None = None


class _Candidate(Struct, frozen=True):
    """A base that no frame of a trace contradicts."""

    base: ModuleBase
    points: int
    covered: frozenset[int]


def infer_bases(
    trace: Trace,
    files: Sequence[ModuleFile],
    is_complete: bool,
    kernel_names_at: NamesAt,
    is_unexplained: Callable[[int], bool],
) -> list[ModuleBase]:
    """Return the bases that a trace proves for modules whose bases are hidden.

    ``is_unexplained`` says that no known symbol contains a run-time address, so that a module may
    be there. ``is_complete`` says that the files of all modules that may be there are among
    ``files``: only then a base can be the only one.
    """
    frames = [frame for frame in _reliable_frames(trace) if is_unexplained(frame.address)]
    candidates = [
        found for file in files for found in _candidates(trace, frames, file, kernel_names_at)
    ]
    returns = {frame.address for frame in frames if not frame.exact}
    proved: list[ModuleBase] = []
    for found in sorted(candidates, key=lambda found: found.points, reverse=True):
        rivals = [
            other for other in candidates if other is not found and other.covered & found.covered
        ]
        base = found.base
        if _outweighs(found, rivals):
            proved.append(base)
        elif is_complete and _is_only(found, rivals, returns):
            proof = f"the only place for all {len(returns)} frames of an oops"
            proved.append(ModuleBase(base.module, base.address, proof, base.init))
    allocations = Counter((base.module, base.init) for base in proved)
    return [base for base in proved if allocations[base.module, base.init] == 1]


def _outweighs(found: _Candidate, rivals: Sequence[_Candidate]) -> bool:
    """Whether the evidence for a base is enough, and twice that for any other."""
    return found.points >= MIN_POINTS and all(found.points >= 2 * other.points for other in rivals)


def _is_only(found: _Candidate, rivals: Sequence[_Candidate], returns: Collection[int]) -> bool:
    """Whether a base, and no other, explains all return addresses, and enough frames."""
    return (
        bool(returns)
        and len(found.covered) >= MIN_FRAMES_ALONE
        and found.covered.issuperset(returns)
        and not any(other.covered.issuperset(returns) for other in rivals)
    )


def contradiction(
    trace: Trace, file: ModuleFile, base: ModuleBase, kernel_names_at: NamesAt
) -> str | None:
    """Say what a later trace shows against a base that was proved; ``None`` if nothing."""
    code = file.init if base.init else file.core
    decoder = DECODERS.get(file.machine)
    if decoder is None:
        return None
    score = _score(trace, file.name, code, decoder, base.address, kernel_names_at)
    return score.contradiction if score.points < MIN_POINTS else None


def _reliable_frames(trace: Trace) -> list[Frame]:
    return [frame for frame in trace.frames[:MAX_FRAMES] if frame.reliable]


def _candidates(
    trace: Trace, frames: list[Frame], file: ModuleFile, kernel_names_at: NamesAt
) -> Iterator[_Candidate]:
    decoder = DECODERS.get(file.machine)
    for code, init in ((file.core, False), (file.init, True)):
        if decoder is None or not code.text or (init and file.name not in trace.loading):
            continue
        for address in _possible_bases(trace, frames, code, decoder):
            score = _score(trace, file.name, code, decoder, address, kernel_names_at)
            if score.contradiction is None and score.covered:
                proof = f"{len(score.covered)} frames of an oops fit its file"
                base = ModuleBase(file.name, address, proof, init)
                yield _Candidate(base, score.points, score.covered)


def _possible_bases(
    trace: Trace, frames: list[Frame], code: ModuleCode, decoder: CallDecoder
) -> set[int]:
    """Return every base at which one of the frames is behind a call, or the program counter in the
    code that was printed.

    Empty if there are more than `MAX_BASES`, as for a file that was made to have so many.
    """
    by_low_bits: dict[int, list[int]] = {}
    for at in decoder.call_ends(code.text):
        by_low_bits.setdefault(at % PAGE_BYTES, []).append(at)
    bases: set[int] = set()
    for frame in frames:
        low_bits = frame.address % PAGE_BYTES
        if frame.exact and trace.code:
            bases |= {frame.address - at for at in range(low_bits, len(code.text), PAGE_BYTES)}
        else:
            bases |= {frame.address - at for at in by_low_bits.get(low_bits, ())}
        if len(bases) > MAX_BASES:
            return set()
    return bases


def _score(
    trace: Trace,
    name: str,
    code: ModuleCode,
    decoder: CallDecoder,
    base: int,
    kernel_names_at: NamesAt,
) -> _Score:
    """Return the evidence of a trace for one base of the module ``name``."""
    points = 0
    covered: set[int] = set()
    before: Frame | None = None
    for frame in _reliable_frames(trace):
        at = frame.address - base
        if frame.module not in ("", name) and 0 <= at < len(code.text):
            stated = f"the kernel states that {frame.address:#x} is in {frame.module}"
            return _Score(contradiction=stated)
        if 0 <= at <= len(code.text) and frame.address not in covered:
            if frame.exact or _is_exception_entry(before, kernel_names_at):
                covered.add(frame.address)
            elif decoder.call_ends_at(code.text, at):
                covered.add(frame.address)
                points += 1
                if frame.called_previous and before is not None:
                    points += 2 * _calls(code, at, before, base, kernel_names_at)
            else:
                return _Score(contradiction=f"there is no call before {frame.address:#x}")
        before = frame
    compared = _compare_code(trace, code, base)
    return _Score(points + 4 * compared.is_same, frozenset(covered), compared.difference)


def _is_exception_entry(frame: Frame | None, kernel_names_at: NamesAt) -> bool:
    """Whether a frame is in the entry of an exception.

    Then the next one is where the processor was interrupted, and need not be behind a call.
    """
    return frame is not None and any(
        _EXCEPTION_ENTRY.fullmatch(name) for name in kernel_names_at(frame.address - 1)
    )


def _calls(code: ModuleCode, at: int, callee: Frame, base: int, kernel_names_at: NamesAt) -> bool:
    """Whether the direct call before an offset calls the function that contains ``callee``."""
    target = code.calls.get(at)
    if target is None:
        return False
    value = callee.address - (0 if callee.exact else 1)
    if isinstance(target, str):
        return target in kernel_names_at(value)
    number = bisect_right(code.functions, value - base, key=attrgetter("offset")) - 1
    return number >= 0 and value - base < len(code.text) and code.functions[number].offset == target


def _compare_code(trace: Trace, code: ModuleCode, base: int) -> _CodeComparison:
    """Compare the bytes of ``Code:`` with those of the file that a kernel does not patch."""
    for printed in trace.code:
        first = max(0, base - printed.start)
        at = printed.start + first - base
        if not 0 <= at < len(code.text):
            continue
        row = zip(printed.content[first:], code.text[at:], code.changed[at:], strict=False)
        same = [here == there for here, there, changed in row if not changed]
        if len(same) < MIN_COMPARED_BYTES:
            continue
        if sum(same) * 10 >= len(same) * 9:
            return _CodeComparison(is_same=True)
        difference = f"the code at {printed.start:#x} is not that of the file"
        return _CodeComparison(difference=difference)
    return _CodeComparison()
