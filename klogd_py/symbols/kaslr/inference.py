# SPDX-License-Identifier: GPL-2.0-or-later
"""How far does the running kernel lie from its map, judged by its own oopses?

Every distance that randomisation allows is tried. One in question must put all frames of the trace
into code; what then speaks for it is counted in points: pairs of frames that call one another on
every kernel, a last frame in an entry function, calls in the ``Code:`` bytes that lead exactly to
the beginning of a function, names that the kernel printed itself, and, where the kernel's text is
at hand, its bytes. A slide is proved by `ENOUGH` points if no other one has half as many. One call
into the middle of a function, one frame outside of all code, or an entry function that calls what
it never calls, refutes.

So a wrong map proves nothing. A map that is right but for some functions is refuted by a trace that
leads through those, and by nothing else: without the kernel's text (a vmlinux) a function that was
moved a little looks like any other.
"""

from collections.abc import Iterator, Sequence
from enum import Enum

from msgspec import Struct

from klogd_py.oops.trace_parser import Trace
from klogd_py.symbols.kaslr.architecture import Architecture, impossible
from klogd_py.symbols.kaslr.scoring import ENOUGH, MASK, MAX_FRAMES_WEIGHED, Score, SlideScorer
from klogd_py.symbols.symbol_table import SymbolTable
from klogd_py.symbols.system_map import Text

# A slide with fewer is no answer at all
RIVAL = 2
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
    """What the running kernel adds to the addresses of its map, how that is known, and the proof in
    words.
    """

    value: int
    source: SlideSource
    proof: str

    @property
    def confidence(self) -> str:
        """How far it can be relied upon, in words."""
        return _CONFIDENCE[self.source]


class NotProven(Struct, frozen=True):
    """Why a trace proves no slide.

    ``refutes`` is set where it shows that the map is not this kernel's.
    """

    reason: str
    refutes: bool = False


class KaslrInference:
    """A map to stand on while a slide is looked for.

    Its table at slide 0, and the kernel's text if it is at hand.
    """

    def __init__(
        self, table: SymbolTable, architecture: Architecture, text: Text | None = None
    ) -> None:
        self.architecture = architecture
        self._table = table
        self._first, self._end = table.kernel_range
        self._evidence = SlideScorer(table, architecture, text)

    def infer(self, trace: Trace, earlier: Sequence[Trace] = ()) -> Slide | NotProven:
        """The one slide that a trace proves, or why it proves none.

        ``earlier`` ones of the same boot proved none.
        """
        if trace.offset is not None:
            return self._stated(trace.offset, trace.link_base, (trace, *earlier))
        paired = self._paired(trace)
        if paired is not None:
            return paired
        marks: dict[int, Score] = {}
        against = unsure = ""
        for slide in self._candidates(trace):
            found = self._evidence.score(trace, slide)
            if found.against:
                against = against if found.points < ENOUGH else found.against
            elif found.unsure:
                unsure = unsure if found.points < ENOUGH else found.unsure
            elif found.points >= RIVAL:
                marks[slide] = found
        proved = [
            slide
            for slide, found in marks.items()
            if found.points >= ENOUGH and found.frames >= MIN_FRAMES
        ]
        rivals = sorted(found.points for found in marks.values())[-2:-1]
        if len(proved) == 1 and all(marks[proved[0]].points >= 2 * points for points in rivals):
            found = marks[proved[0]]
            return Slide(
                proved[0],
                SlideSource.OOPS,
                f"{found.frames} frames of an oops: {', '.join(found.reasons)}",
            )
        if rivals:
            return NotProven(f"{len(marks)} slides are possible by this oops")
        if against:
            return NotProven(f"the map is not this kernel's: {against}", refutes=True)
        if unsure:
            return NotProven(f"this oops, or several that are mixed up, does not fit: {unsure}")
        return NotProven("this oops says too little of where the kernel lies")

    def check(self, trace: Trace, slide: int) -> str:
        """What a later trace says against a slide that was proved; empty if nothing.

        One line cannot take back what a whole trace has proved. So the slide that a trace states
        counts only beside as many frames as it takes to prove one, none of which contradicts it.
        """
        if sum(frame.reliable for frame in trace.frames) < MIN_FRAMES:
            return ""
        found = self._evidence.score(trace, slide)
        if found.against and found.points < ENOUGH:
            return found.against
        if trace.offset is None or trace.offset == slide or not self._is_our_base(trace.link_base):
            return ""
        if impossible(self.architecture, trace.offset):
            # The line is damaged
            return ""
        stated = self._evidence.score(trace, trace.offset)
        if stated.against or stated.unsure or stated.frames < MIN_FRAMES:
            return ""
        return f"the kernel states the slide {trace.offset:#x}"

    def _is_our_base(self, link_base: int) -> bool:
        return abs(link_base - self._first) < self.architecture.align_bytes

    def _stated(self, offset: int, link_base: int, traces: Sequence[Trace]) -> Slide | NotProven:
        """The slide is told.

        That the map is this kernel's must be seen all the same, in this trace or in an earlier one.
        """
        if link_base and not self._is_our_base(link_base):
            return NotProven(
                f"the map begins at {self._first:#x}, the kernel at {link_base:#x}", refutes=True
            )
        damaged = impossible(self.architecture, offset)
        if damaged:
            return NotProven(f"the slide that the kernel states is impossible: {damaged}")
        marks = [self._evidence.score(trace, offset) for trace in traces]
        against = next((found.against for found in marks if found.against), "")
        if against:
            return NotProven(f"at the slide that the kernel states, {against}", refutes=True)
        best = max(
            (found for found in marks if not found.unsure),
            key=lambda found: found.points,
            default=Score(),
        )
        if best.points < RIVAL:
            return NotProven(
                f"the kernel states the slide {offset:#x}, but nothing shows that the map is this kernel's"
            )
        return Slide(
            offset, SlideSource.STATED, f"the kernel's own line, {', '.join(best.reasons)}"
        )

    def _paired(self, trace: Trace) -> Slide | NotProven | None:
        """The slide by addresses that the kernel has named itself, if at least two of them are in
        the map.
        """
        votes: dict[int, set[str]] = {}
        known: set[str] = set()
        for pair in trace.symbolized:
            if pair.module or not self.architecture.holds(pair.address):
                continue
            for address in self._table.addresses_of(pair.name.encode("utf-8", "replace")):
                known.add(pair.name)
                slide = pair.address - pair.offset - address
                if not impossible(self.architecture, slide):
                    votes.setdefault(slide, set()).add(pair.name)
        if len(known) < 2:
            return None
        best = max(votes, key=lambda slide: len(votes[slide]), default=None)
        if best is None or votes[best] != known:
            agreed = len(votes[best]) if best is not None else 0
            return NotProven(
                f"only {agreed} of {len(known)} names in this oops are where the map has them",
                refutes=True,
            )
        return Slide(
            best,
            SlideSource.PAIRS,
            f"{len(known)} names that the kernel printed beside their addresses",
        )

    def _candidates(self, trace: Trace) -> Iterator[int]:
        """Every slide at which the frames can lie in the kernel's image, and that of a kernel that
        is not randomised.
        """
        yield 0
        returns = [
            frame.address
            for frame in trace.frames[:MAX_FRAMES_WEIGHED]
            if frame.reliable and not frame.exact
        ]
        inside = [address for address in returns if self.architecture.holds(address)]
        if not inside:
            return
        apart = (
            self.architecture.highest < MASK
            # Modules lie elsewhere, so that all of these are the kernel's
        )
        lowest, highest = (min(inside), max(inside)) if apart else (inside[-1], inside[-1])
        step = self.architecture.align_bytes
        first = max(step, -(-(highest - self._end) // step) * step)
        last = min(lowest - self._first, self.architecture.reach_bytes - 1)
        yield from range(first, min(last + 1, first + step * MAX_CANDIDATES), step)
