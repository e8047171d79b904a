# SPDX-License-Identifier: GPL-2.0-or-later
"""Told where to look, which names are there to be had?

The door of this room: it looks at every candidate map, at kallsyms and at the modules, judges them,
and draws the atlas. Whatever is missing or unusable becomes a verdict or a remark, also where it
fails as nobody foresaw; nothing here is fatal.
"""

from collections.abc import Callable
from pathlib import Path

import msgspec
from msgspec import Struct

from klogd_py.oops.trace_parser import Trace
from klogd_py.record.types import LookupFailure, SymbolAddress
from klogd_py.symbols import map_search, readings
from klogd_py.symbols.attempt import Found, attempt
from klogd_py.symbols.kaslr import architecture, vmcoreinfo
from klogd_py.symbols.kaslr.architecture import is_movable
from klogd_py.symbols.kaslr.inference import KaslrInference, NotProven, Slide, SlideSource
from klogd_py.symbols.kaslr.vmcoreinfo import Vmcoreinfo
from klogd_py.symbols.keeping import KEPT, keep
from klogd_py.symbols.map_check import MapStatus, Verdict, contradicted_by
from klogd_py.symbols.modules.proc_modules import Modules
from klogd_py.symbols.modules.tracker import LoadedModules, loaded
from klogd_py.symbols.resolver import CrossCheckedTable, SymbolResolver, SymbolSource
from klogd_py.symbols.symbol_sources import Sources, contradicted, reported_slide, why_fixed
from klogd_py.symbols.symbol_table import Aliases, SymbolTable
from klogd_py.symbols.system_map import SystemMap

_MAX_HEARD = 8


class Learnt(Struct, frozen=True):
    """What the kernel's own messages have shown of a map: its slide, or why it is refused."""

    path: Path
    stamp: tuple[int, int]
    slide: Slide | None = None
    refusal: str = ""

    def is_about(self, candidate: SystemMap) -> bool:
        """Whether it was learnt of this very file."""
        return (candidate.path, candidate.stamp) == (self.path, self.stamp)


class SymbolSet(Struct, frozen=True):
    """What was found: the atlas, a verdict on each candidate in order, the one in use, remarks for
    the operator.

    ``hidden`` says that a source exists but shows its addresses to nobody here. ``ground`` is there
    while traces are of use: the map's slide is wanted, or was proved by a trace and may be
    contradicted by another; ``unproven_reason`` says why it is not known yet. ``kernel`` is the kernel's
    own part of kallsyms. ``heard`` are the last traces that proved nothing. ``aliases`` says whose
    choice it is which of several names counts. ``is_fixed`` says that there is a map, of a kernel
    that is known not to be randomised: where it lies is no secret. ``hashes_pointers`` says that a
    number in brackets may be a hash, by the kernel's release. ``layout`` is that of the loaded
    modules.
    """

    resolver: SymbolResolver
    verdicts: tuple[Verdict, ...] = ()
    remarks: tuple[str, ...] = ()
    kernel_symbols: int = 0
    hidden: bool = False
    candidate: SystemMap | None = None
    ground: KaslrInference | None = None
    slide: Slide | None = None
    unproven_reason: str = ""
    kernel: SymbolTable | LookupFailure = LookupFailure.NO_SYMBOLS
    learnt: Learnt | None = None
    loaded: LoadedModules = LoadedModules()
    heard: tuple[Trace, ...] = ()
    aliases: Aliases = Aliases.LAST
    is_fixed: bool = False
    hashes_pointers: bool = False
    layout: frozenset[tuple[str, int, int]] = frozenset()

    @property
    def in_use(self) -> Verdict | None:
        """The map that names come from, if one was accepted."""
        return next(
            (verdict for verdict in self.verdicts if verdict.status is MapStatus.ACCEPTED), None
        )

    @property
    def refusal(self) -> str:
        """Why what lies in the place of the map in use is not taken instead.

        Empty where it is the one in use.
        """
        if self.in_use is None or not self.in_use.reason.endswith(KEPT):
            return ""
        return next(
            f"{one.path} refused: {one.reason}"
            for one in self.verdicts
            if one.status is MapStatus.REFUSED
        )

    @property
    def lacks_slide(self) -> bool:
        """Whether there is a map that could be used if only its slide were known."""
        return self.ground is not None and self.slide is None

    @property
    def reads_traces(self) -> bool:
        """Whether traces can show something, or contradict what others have shown.

        Then their ends are waited for.
        """
        return self.ground is not None or self.loaded.lacks_bases or bool(self.loaded.bases)

    @property
    def modules(self) -> int:
        """How many modules are loaded."""
        return self.loaded.listing.count

    @property
    def headline(self) -> str:
        """Where names come from, in one phrase."""
        used = self.in_use
        parts = [str(used.path)] if used else []
        parts += [f"{self.kernel_symbols} symbols of kallsyms"] if self.kernel_symbols else []
        return "names from " + " and ".join(parts) if parts else "no symbols"

    @property
    def slide_line(self) -> str:
        """What is known of the slide, in one phrase; empty without a map."""
        if self.slide is not None:
            return f"slide {self.slide.value:#x}, {self.slide.confidence}: {self.slide.proof}"
        return (
            f"slide not known, the map names nothing yet: {self.unproven_reason}"
            if self.lacks_slide
            else ""
        )

    @property
    def summary(self) -> tuple[str, ...]:
        """What an operator should know, a line each.

        The map in use and why, what was refused and why, the slide.
        """
        lines = [self.headline]
        for verdict in self.verdicts:
            if verdict.status is not MapStatus.MISSING:
                lines.append(f"map {verdict.path} {verdict.status.value}: {verdict.reason}")
        lines += [self.slide_line] if self.slide_line else []
        return (*lines, *self.loaded.summary)

    def for_release(self, release: str) -> "SymbolSet":
        """The same for a log whose kernel says that it is of this release: without a map that is
        another one's.

        A release that is older than randomisation says where the kernel lies.
        """
        if not release or self.candidate is None:
            return self
        against = contradicted_by(release, self.candidate)
        if against:
            return self._refused(f"{against}, the log is of Linux {release}")
        if (
            self.slide is None
            and self.ground is not None
            and not is_movable(self.ground.architecture, release, None)
        ):
            fixed = Slide(0, SlideSource.FIXED, f"Linux {release} cannot be randomised")
            return _drawn(
                msgspec.structs.replace(
                    self, slide=fixed, ground=None, unproven_reason="", is_fixed=True
                )
            )
        return self

    def update_from_trace(self, trace: Trace) -> "SymbolSet":
        """What is to be had once a trace has been read.

        It may prove slide and bases, or refute them or the map.
        """
        return attempt(
            lambda: self._updated(trace), lambda reason: self._remarked(f"an oops {reason}")
        )

    def _remarked(self, remark: str) -> "SymbolSet":
        return (
            self
            if remark in self.remarks
            else msgspec.structs.replace(self, remarks=(*self.remarks, remark))
        )

    def _updated(self, trace: Trace) -> "SymbolSet":
        found = self._slide_after(trace)
        if found.lacks_slide:
            # Which frames are the kernel's own is not known
            return found
        told = found.loaded.update_from_trace(trace, found._kernel_names_at, found.resolver.resolve)
        if told is found.loaded:
            return found
        remarks = (*found.remarks, *told.remarks[len(found.loaded.remarks) :])
        return _drawn(msgspec.structs.replace(found, loaded=told, remarks=remarks))

    def _kernel_names_at(self, address: int) -> set[str]:
        place = self.resolver.resolve(address)
        return {place.name} if isinstance(place, SymbolAddress) and not place.module else set()

    def _slide_after(self, trace: Trace) -> "SymbolSet":
        if self.ground is None or self.candidate is None or not trace.says_something:
            return self
        if self.slide is not None:
            doubt = self.ground.doubt(trace, self.slide.value)
            return self._refused(f"slide {self.slide.value:#x} revoked: {doubt}") if doubt else self
        found = self.ground.prove(trace, self.heard)
        if isinstance(found, NotProven):
            if found.refutes:
                return self._refused(found.reason)
            return msgspec.structs.replace(
                self, unproven_reason=found.reason, heard=(trace, *self.heard)[:_MAX_HEARD]
            )
        learnt = Learnt(self.candidate.path, self.candidate.stamp, found)
        return _drawn(msgspec.structs.replace(self, slide=found, unproven_reason="", learnt=learnt))

    def _refused(self, reason: str) -> "SymbolSet":
        assert self.candidate is not None
        learnt = Learnt(self.candidate.path, self.candidate.stamp, refusal=reason)
        verdicts = tuple(
            Verdict(verdict.path, MapStatus.REFUSED, reason) if verdict is self.in_use else verdict
            for verdict in self.verdicts
        )
        remarks = (*self.remarks, f"{self.candidate.path} names nothing any more: {reason}")
        refused = msgspec.structs.replace(self, verdicts=verdicts, remarks=remarks, learnt=learnt)
        return _drawn(
            msgspec.structs.replace(
                refused, candidate=None, ground=None, slide=None, is_fixed=False
            )
        )


def load_symbols(
    sources: Sources, check_all: bool = False, before: SymbolSet | None = None
) -> SymbolSet:
    """Look at everything once. ``check_all`` goes on judging candidates after the first accepted
    one.

    ``before`` is an earlier survey of the same boot: what it came to know by traces is kept, but
    for the bases of modules that have been loaded anew.
    """
    remarks: list[str] = []
    learnt = before.learnt if before is not None else None

    def noted(what: str, otherwise: Found) -> Callable[[str], Found]:
        def instead(reason: str) -> Found:
            remarks.append(f"{what} {reason}")
            return otherwise

        return instead

    listing = attempt(
        lambda: readings.modules_of(sources, remarks), noted(sources.modules, Modules(()))
    )
    symbols = attempt(
        lambda: readings.kallsyms_of(sources, remarks),
        noted(sources.kallsyms, readings.NO_KALLSYMS),
    )
    against = (
        (lambda one: learnt.refusal if learnt.is_about(one) else "")
        if learnt is not None
        else (lambda one: "")
    )
    verdicts, candidate = map_search.weighed(sources, symbols.core, check_all, against)
    kept = (
        keep(before.in_use, before.candidate, verdicts)
        if before is not None and candidate is None
        else None
    )
    if kept is not None and before is not None:
        verdicts.append(kept)
        candidate = before.candidate
    elsewhere = not sources.modules
    hashes = architecture.hashes_pointers(sources.release)
    files = before.loaded.files.anew() if before is not None else readings.module_files_of(sources)
    past = before.loaded if before is not None else None
    known = attempt(
        lambda: loaded(listing, files, symbols.modules, elsewhere, past),
        noted(
            "what is known of modules",
            LoadedModules(listing, files, symbols.modules, elsewhere=elsewhere),
        ),
    )
    hidden = symbols.core is LookupFailure.HIDDEN
    count = 0 if hidden else symbols.symbols
    found = SymbolSet(
        SymbolResolver(),
        tuple(verdicts),
        tuple(remarks),
        count,
        hidden,
        candidate,
        learnt=learnt,
        loaded=known,
        hashes_pointers=hashes,
        layout=listing.layout,
    )
    found = msgspec.structs.replace(found, kernel=symbols.core)
    return attempt(lambda: _drawn(_with_slide(found, sources)), found._refused)


def module_layout(sources: Sources) -> frozenset[tuple[str, int, int]]:
    """The loaded modules and their addresses just now, to be compared with a survey's."""
    return readings.modules_of(sources, []).layout


def _with_slide(found: SymbolSet, sources: Sources) -> SymbolSet:
    """The slide of the map in use by everything but traces, and the ground for those."""
    candidate, verdict = found.candidate, found.in_use
    if candidate is None or verdict is None:
        return found
    table = SymbolTable(candidate.lines, str(candidate.path))
    kind, signed = architecture.of_map(table)
    movable = is_movable(kind, sources.release, candidate.version)
    told = vmcoreinfo.load(Path(sources.kcore)) if sources.kcore else Vmcoreinfo()
    against = contradicted(table, told, verdict)
    if against:
        return found._refused(against)
    slide, unproven_reason = reported_slide(verdict, sources, movable, told), "no oops has shown it"
    impossible = (
        architecture.impossible(kind, slide.value)
        if slide is not None and slide.source is SlideSource.GIVEN
        else ""
    )
    if impossible:
        slide, unproven_reason = None, f"the one given is impossible: {impossible}"
        found = msgspec.structs.replace(
            found, remarks=(*found.remarks, f"--slide is not used: {impossible}")
        )
    if slide is None and found.learnt is not None and found.learnt.is_about(candidate):
        slide = found.learnt.slide
    settled = slide is not None and (slide.source is SlideSource.KALLSYMS or not movable)
    ground = (
        KaslrInference(table, kind, candidate.text) if kind is not None and not settled else None
    )
    aliases = Aliases.KERNEL if signed else Aliases.LAST
    if told.refused:
        unproven_reason += f", and {sources.kcore} may not be read here (that takes CAP_SYS_RAWIO)"
    fixed = slide is not None and slide.value == 0 and bool(why_fixed(sources, movable))
    return msgspec.structs.replace(
        found,
        slide=slide,
        ground=ground,
        unproven_reason=unproven_reason,
        aliases=aliases,
        is_fixed=fixed,
    )


def _drawn(found: SymbolSet) -> SymbolSet:
    """The survey with the atlas that belongs to it."""
    charts: list[SymbolSource] = [
        chart for chart in (found.kernel, found.loaded.table) if isinstance(chart, SymbolTable)
    ]
    charts += found.loaded.charts
    if found.candidate is not None and found.slide is not None:
        source = str(found.candidate.path)
        chart = SymbolTable(
            found.candidate.lines, source, slide=found.slide.value, aliases=found.aliases
        )
        if found.slide.source is SlideSource.KALLSYMS and isinstance(found.kernel, SymbolTable):
            charts.insert(0, CrossCheckedTable(chart, found.kernel))
        else:
            charts.insert(0, chart)
    usable = bool(charts) and not (found.hidden and found.slide is None)
    if found.lacks_slide:
        blank = LookupFailure.KASLR_UNKNOWN
    elif usable:
        blank = LookupFailure.OUTSIDE
    else:
        refused = any(verdict.status is MapStatus.REFUSED for verdict in found.verdicts)
        blank = (
            LookupFailure.HIDDEN
            if found.hidden
            else LookupFailure.WRONG_MAP
            if refused
            else LookupFailure.NO_SYMBOLS
        )
    return msgspec.structs.replace(found, resolver=SymbolResolver(charts, blank))
