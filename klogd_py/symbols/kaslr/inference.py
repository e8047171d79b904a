# SPDX-License-Identifier: GPL-2.0-or-later
"""Infer the KASLR slide of the running kernel from an oops and its map.

Every slide that randomisation allows is tried. At a candidate, all frames of the trace must be in
code. The evidence for it is then counted in points (`klogd_py.symbols.kaslr.scoring`): pairs of
frames that call one another on every kernel, a last frame in an entry function, calls in the
``Code:`` bytes that lead exactly to the beginning of a function, names that the kernel printed
itself, and, where the kernel's text is at hand, its bytes. A slide is proved by `MIN_POINTS` points
if no other one has half as many. One call into the middle of a function, one frame outside of all
code, or an entry function that calls what it never calls, refutes.

So a wrong map proves nothing. An oops cannot check every symbol of a map: one that is right but for
some functions is refuted only by a trace that leads through those. Without the kernel's text (a
vmlinux) a function that was moved a little looks like any other.
"""

from collections.abc import Iterator, Sequence
from enum import Enum

from msgspec import Struct

from klogd_py.oops.trace_parser import Trace
from klogd_py.symbols.kaslr.architecture import Architecture, slide_error
from klogd_py.symbols.kaslr.scoring import (
    ADDRESS_MASK,
    MIN_POINTS,
    Score,
    SlideScorer,
)
from klogd_py.symbols.symbol_table import SymbolTable
from klogd_py.symbols.system_map import KernelText
from klogd_py.symbols.trace_limits import MAX_FRAMES

# A slide with fewer does not compete with another one
MIN_RIVAL_POINTS = 2
# Of the kernel's code, in a trace that proves a slide
MIN_FRAMES = 3
MAX_CANDIDATES = 1 << 13


class SlideSource(Enum):
    """Where a slide is known from."""

    KALLSYMS = "kallsyms"
    KCORE = "kcore"
    STATED = "Kernel Offset"
    PAIRS = "pairs"
    OOPS = "oops"
    GIVEN = "given"
    FIXED = "fixed"


_CONFIDENCE = {
    SlideSource.KALLSYMS: "proved",
    SlideSource.KCORE: "proved",
    SlideSource.STATED: "stated by the kernel",
    SlideSource.PAIRS: "proved",
    SlideSource.OOPS: "proved",
    SlideSource.GIVEN: "taken on trust",
    SlideSource.FIXED: "not randomised",
}


class Slide(Struct, frozen=True):
    """What the running kernel adds to the addresses of its map; how that is known, and the proof
    in words.
    """

    value: int
    source: SlideSource
    proof: str

    @property
    def confidence(self) -> str:
        """How reliable it is, in words."""
        return _CONFIDENCE[self.source]


class NotProven(Struct, frozen=True):
    """Why a trace proves no slide.

    ``refutes`` says that the trace shows that the map is not this kernel's.
    """

    reason: str
    refutes: bool = False


class KaslrInference:
    """Infers slides of one map: its table at slide 0, and the kernel's text if it is at hand."""

    def __init__(
        self, table: SymbolTable, architecture: Architecture, text: KernelText | None = None
    ) -> None:
        self.architecture = architecture
        self._table = table
        self._kernel = table.kernel_range
        self._scorer = SlideScorer(table, architecture, text)

    def infer(self, trace: Trace, earlier: Sequence[Trace] = ()) -> Slide | NotProven:
        """Return the one slide that a trace proves, or why it proves none.

        ``earlier`` are traces of the same boot that proved none.
        """
        if trace.offset is not None:
            return self._from_stated(trace.offset, trace.link_base, (trace, *earlier))
        by_names = self._from_symbolized(trace)
        if by_names is not None:
            return by_names
        return self._from_scores(trace)

    def _from_scores(self, trace: Trace) -> Slide | NotProven:
        scores: dict[int, Score] = {}
        contradiction: str | None = None
        weak: str | None = None
        for slide in self._candidates(trace):
            score = self._scorer.score(trace, slide)
            if score.contradiction:
                contradiction = score.contradiction if score.points >= MIN_POINTS else contradiction
            elif score.weak_contradiction:
                weak = score.weak_contradiction if score.points >= MIN_POINTS else weak
            elif score.points >= MIN_RIVAL_POINTS:
                scores[slide] = score
        proved = [
            slide
            for slide, score in scores.items()
            if score.points >= MIN_POINTS and score.frames >= MIN_FRAMES
        ]
        rivals = sorted(score.points for score in scores.values())[-2:-1]
        if len(proved) == 1 and all(scores[proved[0]].points >= 2 * points for points in rivals):
            score = scores[proved[0]]
            proof = f"{score.frames} frames of an oops: {', '.join(score.reasons)}"
            return Slide(proved[0], SlideSource.OOPS, proof)
        if rivals:
            return NotProven(f"{len(scores)} slides are possible by this oops")
        if contradiction:
            return NotProven(f"the map is not this kernel's: {contradiction}", refutes=True)
        if weak:
            return NotProven(f"this oops, or several that are mixed up, does not fit: {weak}")
        return NotProven("this oops does not show where the kernel is")

    def check(self, trace: Trace, slide: int) -> str | None:
        """Say what a later trace shows against a slide that was proved; ``None`` if nothing.

        One line cannot revoke what a whole trace has proved. So the slide that a trace states
        counts only with as many frames as it takes to prove one, none of which contradicts it.
        """
        if sum(frame.reliable for frame in trace.frames) < MIN_FRAMES:
            return None
        score = self._scorer.score(trace, slide)
        if score.contradiction and score.points < MIN_POINTS:
            return score.contradiction
        if trace.offset is None or trace.offset == slide or not self._is_our_base(trace.link_base):
            return None
        if slide_error(self.architecture, trace.offset) is not None:
            # The line is damaged
            return None
        stated = self._scorer.score(trace, trace.offset)
        if stated.contradiction or stated.weak_contradiction or stated.frames < MIN_FRAMES:
            return None
        return f"the kernel states the slide {trace.offset:#x}"

    def _is_our_base(self, link_base: int) -> bool:
        return abs(link_base - self._kernel.start) < self.architecture.align_bytes

    def _from_stated(
        self, offset: int, link_base: int, traces: Sequence[Trace]
    ) -> Slide | NotProven:
        """Check the slide that the kernel states in a line ``Kernel Offset: 0x.. from 0x..``.

        One of the traces must show that the map is this kernel's.
        """
        if link_base and not self._is_our_base(link_base):
            return NotProven(
                f"the map begins at {self._kernel.start:#x}, the kernel at {link_base:#x}",
                refutes=True,
            )
        damaged = slide_error(self.architecture, offset)
        if damaged is not None:
            return NotProven(f"the slide that the kernel states is impossible: {damaged}")
        scores = [self._scorer.score(trace, offset) for trace in traces]
        contradiction = next((score.contradiction for score in scores if score.contradiction), None)
        if contradiction:
            return NotProven(f"at the slide that the kernel states, {contradiction}", refutes=True)
        best = max(
            (score for score in scores if not score.weak_contradiction),
            key=lambda score: score.points,
            default=Score(),
        )
        if best.points < MIN_RIVAL_POINTS:
            stated = f"the kernel states the slide {offset:#x}"
            return NotProven(f"{stated}, but nothing shows that the map is this kernel's")
        proof = f"the kernel's own line, {', '.join(best.reasons)}"
        return Slide(offset, SlideSource.STATED, proof)

    def _from_symbolized(self, trace: Trace) -> Slide | NotProven | None:
        """Compare addresses that the kernel symbolized itself with the map.

        ``None`` if the map has fewer than two of the names.
        """
        names_by_slide: dict[int, set[str]] = {}
        known: set[str] = set()
        pairs = [
            (pair, pair.name.encode("utf-8", "replace"))
            for pair in trace.symbolized
            if not pair.module and self.architecture.contains(pair.address)
        ]
        self._table.expect(name for _, name in pairs)
        for pair, name in pairs:
            for address in self._table.addresses_of(name):
                known.add(pair.name)
                slide = pair.address - pair.offset - address
                if slide_error(self.architecture, slide) is None:
                    names_by_slide.setdefault(slide, set()).add(pair.name)
        if len(known) < 2:
            return None
        best = max(names_by_slide, key=lambda slide: len(names_by_slide[slide]), default=None)
        if best is None or names_by_slide[best] != known:
            agreed = len(names_by_slide[best]) if best is not None else 0
            return NotProven(
                f"only {agreed} of {len(known)} names in this oops are where the map has them",
                refutes=True,
            )
        proof = f"{len(known)} names that the kernel printed beside their addresses"
        return Slide(best, SlideSource.PAIRS, proof)

    def _candidates(self, trace: Trace) -> Iterator[int]:
        """Yield every slide at which the frames can be in the kernel's image, 0 first."""
        yield 0
        returns = [
            frame.address
            for frame in trace.frames[:MAX_FRAMES]
            if frame.reliable and not frame.exact and not frame.module
        ]
        inside = [address for address in returns if self.architecture.contains(address)]
        if not inside:
            return
        # Where modules are kept apart, all of these are the kernel's
        apart = self.architecture.highest < ADDRESS_MASK
        lowest, highest = (min(inside), max(inside)) if apart else (inside[-1], inside[-1])
        step = self.architecture.align_bytes
        first = max(step, -(-(highest - self._kernel.stop) // step) * step)
        last = min(lowest - self._kernel.start, self.architecture.reach_bytes - 1)
        yield from range(first, min(last + 1, first + step * MAX_CANDIDATES), step)
