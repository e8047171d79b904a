# SPDX-License-Identifier: GPL-2.0-or-later
"""Hold all symbols in force for one kernel, and update them from its oopses.

A `SymbolSet` is immutable. `SymbolSet.for_release` and `SymbolSet.update_from_trace` return another
one when a log states a release, or when an oops proves or contradicts a slide, a module's base or
the map itself. `klogd_py.symbols.symbol_loader` makes the first one.
"""

from pathlib import Path

import msgspec
from msgspec import Struct

from klogd_py.oops.trace_parser import Trace
from klogd_py.record.types import LookupFailure, SymbolAddress
from klogd_py.symbols.isolation import isolate_failure
from klogd_py.symbols.kaslr.architecture import may_be_randomised
from klogd_py.symbols.kaslr.inference import KaslrInference, NotProven, Slide, SlideSource
from klogd_py.symbols.map_check import MapStatus, Verdict, contradicted_by
from klogd_py.symbols.map_search import KEPT
from klogd_py.symbols.modules.tracker import LoadedModules
from klogd_py.symbols.resolver import CrossCheckedTable, SymbolResolver, SymbolSource
from klogd_py.symbols.symbol_line import Aliases
from klogd_py.symbols.symbol_table import SymbolTable
from klogd_py.symbols.system_map import SystemMap

_MAX_UNPROVEN_TRACES = 8


class InferredState(Struct, frozen=True):
    """What oopses have shown about one map file: its slide, or why it was refused."""

    path: Path
    stamp: tuple[int, int]
    slide: Slide | None = None
    refusal: str = ""

    def is_about(self, system_map: SystemMap) -> bool:
        """Whether it was inferred for this very file, unchanged since."""
        return (system_map.path, system_map.stamp) == (self.path, self.stamp)


class SymbolSet(Struct, frozen=True):
    """The symbols in force, the verdict on each candidate map in order, remarks for the operator.

    ``kernel_symbols`` counts the symbols of kallsyms, ``kallsyms`` is the table of those of the
    kernel itself. ``hidden`` says that kallsyms exists but shows its addresses to nobody here.

    ``system_map`` is the map in use and ``slide`` its slide; ``unproven_reason`` says why the slide
    is not known yet. ``inference`` is there while oopses are of use: the slide is not known, or an
    oops has proved it and a later one may contradict it. ``unproven_traces`` are the last traces
    that proved nothing, the newest first. ``inferred`` outlives a reload. ``aliases`` says which of
    several names at one address of the map counts. ``is_fixed`` says that the kernel is known not
    to be randomised. ``hashes_pointers`` says that a number in brackets may be a hash, by the
    kernel's release.
    """

    resolver: SymbolResolver
    verdicts: tuple[Verdict, ...] = ()
    remarks: tuple[str, ...] = ()
    kernel_symbols: int = 0
    hidden: bool = False
    system_map: SystemMap | None = None
    inference: KaslrInference | None = None
    slide: Slide | None = None
    unproven_reason: str = ""
    kallsyms: SymbolTable | LookupFailure = LookupFailure.NO_SYMBOLS
    inferred: InferredState | None = None
    modules: LoadedModules = LoadedModules()
    unproven_traces: tuple[Trace, ...] = ()
    aliases: Aliases = Aliases.LAST
    is_fixed: bool = False
    hashes_pointers: bool = False

    @property
    def in_use(self) -> Verdict | None:
        """The verdict on the map in use; ``None`` if no map was accepted."""
        return next(
            (verdict for verdict in self.verdicts if verdict.status is MapStatus.ACCEPTED), None
        )

    @property
    def replacement_refusal(self) -> str:
        """Why the file that has replaced the map in use was refused; empty if none has."""
        if self.in_use is None or not self.in_use.reason.endswith(KEPT):
            return ""
        return next(
            f"{verdict.path} refused: {verdict.reason}"
            for verdict in self.verdicts
            if verdict.status is MapStatus.REFUSED
        )

    @property
    def lacks_slide(self) -> bool:
        """Whether there is a map that only lacks its slide."""
        return self.inference is not None and self.slide is None

    @property
    def reads_traces(self) -> bool:
        """Whether an oops can prove or contradict something, so that its end is waited for."""
        return self.inference is not None or self.modules.lacks_bases or bool(self.modules.bases)

    @property
    def module_count(self) -> int:
        """How many modules are loaded."""
        return self.modules.listing.count

    @property
    def module_layout(self) -> frozenset[tuple[str, int, int]]:
        """The loaded modules and their addresses, to be compared with those at another time."""
        return self.modules.listing.layout

    def for_release(self, release: str) -> "SymbolSet":
        """Return the symbols for a log whose kernel states this release.

        A map of another release is refused. A release without KASLR fixes the slide at 0.
        """
        if not release or self.system_map is None:
            return self
        mismatch = contradicted_by(release, self.system_map)
        if mismatch:
            return self.refuse_map(f"{mismatch}, the log is of Linux {release}")
        if (
            self.slide is None
            and self.inference is not None
            and not may_be_randomised(self.inference.architecture, release, None)
        ):
            slide = Slide(0, SlideSource.FIXED, f"Linux {release} cannot be randomised")
            return msgspec.structs.replace(
                self, slide=slide, inference=None, unproven_reason="", is_fixed=True
            ).with_resolver()
        return self

    def update_from_trace(self, trace: Trace) -> "SymbolSet":
        """Return the symbols after one more oops of this boot.

        The trace may prove the slide or bases of modules, or contradict them or the map.
        """
        return isolate_failure(
            lambda: self._update_from_trace(trace), lambda reason: self._remark(f"an oops {reason}")
        )

    def _update_from_trace(self, trace: Trace) -> "SymbolSet":
        found = self._update_slide(trace)
        if found.lacks_slide:
            # Which frames are the kernel's own is not known
            return found
        modules = found.modules.update_from_trace(
            trace, found._kernel_names_at, found.resolver.resolve
        )
        if modules is found.modules:
            return found
        remarks = (*found.remarks, *modules.remarks[len(found.modules.remarks) :])
        return msgspec.structs.replace(found, modules=modules, remarks=remarks).with_resolver()

    def _update_slide(self, trace: Trace) -> "SymbolSet":
        if self.inference is None or self.system_map is None or not trace.has_evidence:
            return self
        if self.slide is not None:
            reason = self.inference.check(trace, self.slide.value)
            if not reason:
                return self
            return self.refuse_map(f"slide {self.slide.value:#x} revoked: {reason}")
        slide = self.inference.infer(trace, self.unproven_traces)
        if isinstance(slide, NotProven):
            if slide.refutes:
                return self.refuse_map(slide.reason)
            traces = (trace, *self.unproven_traces)[:_MAX_UNPROVEN_TRACES]
            return msgspec.structs.replace(
                self, unproven_reason=slide.reason, unproven_traces=traces
            )
        inferred = InferredState(self.system_map.path, self.system_map.stamp, slide)
        return msgspec.structs.replace(
            self, slide=slide, unproven_reason="", inferred=inferred
        ).with_resolver()

    def _kernel_names_at(self, address: int) -> set[str]:
        place = self.resolver.resolve(address)
        return {place.name} if isinstance(place, SymbolAddress) and not place.module else set()

    def _remark(self, remark: str) -> "SymbolSet":
        if remark in self.remarks:
            return self
        return msgspec.structs.replace(self, remarks=(*self.remarks, remark))

    def refuse_map(self, reason: str) -> "SymbolSet":
        """Return the symbols without the map that was in use."""
        assert self.system_map is not None
        path = self.system_map.path
        verdicts = tuple(
            Verdict(verdict.path, MapStatus.REFUSED, reason) if verdict is self.in_use else verdict
            for verdict in self.verdicts
        )
        return msgspec.structs.replace(
            self,
            verdicts=verdicts,
            remarks=(*self.remarks, f"{path} names nothing any more: {reason}"),
            inferred=InferredState(path, self.system_map.stamp, refusal=reason),
            system_map=None,
            inference=None,
            slide=None,
            is_fixed=False,
        ).with_resolver()

    def with_resolver(self) -> "SymbolSet":
        """Return the same symbols with the resolver that belongs to them."""
        sources: list[SymbolSource] = [
            table for table in (self.kallsyms, self.modules.table) if isinstance(table, SymbolTable)
        ]
        sources += self.modules.sources
        if self.system_map is not None and self.slide is not None:
            sources.insert(0, self._map_table(self.system_map, self.slide))
        default = self._lookup_failure(bool(sources))
        return msgspec.structs.replace(self, resolver=SymbolResolver(sources, default))

    def _map_table(self, system_map: SystemMap, slide: Slide) -> SymbolSource:
        table = SymbolTable(
            system_map.lines, str(system_map.path), slide=slide.value, aliases=self.aliases
        )
        if slide.source is SlideSource.KALLSYMS and isinstance(self.kallsyms, SymbolTable):
            return CrossCheckedTable(table, self.kallsyms)
        return table

    def _lookup_failure(self, has_sources: bool) -> LookupFailure:
        """The answer for an address that no source has."""
        if self.lacks_slide:
            return LookupFailure.KASLR_UNKNOWN
        if has_sources and not (self.hidden and self.slide is None):
            return LookupFailure.OUTSIDE
        if self.hidden:
            return LookupFailure.HIDDEN
        refused = any(verdict.status is MapStatus.REFUSED for verdict in self.verdicts)
        return LookupFailure.WRONG_MAP if refused else LookupFailure.NO_SYMBOLS
