# SPDX-License-Identifier: GPL-2.0-or-later
"""Hold all symbols in force for one kernel, and update them from its oopses.

A `SymbolSet` is immutable. `SymbolSet.for_release` and `SymbolSet.update_from_trace` return another
one when a log states a release, or when an oops proves or contradicts a slide, a module's base or
the map itself. `klogd_py.symbols.symbol_loader` makes the first one.
"""

import msgspec
from msgspec import Struct

from klogd_py.oops.trace_parser import Trace
from klogd_py.record.types import LookupFailure, SymbolAddress
from klogd_py.symbols.isolation import isolate_failure
from klogd_py.symbols.kaslr.inference import Slide
from klogd_py.symbols.map_check import MapStatus, Verdict
from klogd_py.symbols.map_in_use import InferredState, MapInUse, MapRefusal
from klogd_py.symbols.map_search import KEPT
from klogd_py.symbols.modules.proc_modules import ModulePlace
from klogd_py.symbols.modules.tracker import LoadedModules
from klogd_py.symbols.resolver import SymbolResolver, SymbolSource
from klogd_py.symbols.symbol_table import SymbolTable


class SymbolSet(Struct, frozen=True):
    """The symbols in force, the verdict on each candidate map in order, remarks for the operator.

    ``kernel_symbols`` counts the symbols of kallsyms, ``kallsyms`` is the table of those of the
    kernel itself. ``hidden`` says that kallsyms exists but shows its addresses to nobody here.
    ``inferred`` outlives a reload. ``hashes_pointers`` says that a number in brackets may be a
    hash, by the kernel's release.
    """

    resolver: SymbolResolver
    verdicts: tuple[Verdict, ...] = ()
    remarks: tuple[str, ...] = ()
    kernel_symbols: int = 0
    hidden: bool = False
    map_in_use: MapInUse | None = None
    kallsyms: SymbolTable | LookupFailure = LookupFailure.NO_SYMBOLS
    inferred: InferredState | None = None
    modules: LoadedModules = LoadedModules()
    hashes_pointers: bool = False

    @property
    def in_use(self) -> Verdict | None:
        """The verdict on the map in use; ``None`` if no map was accepted."""
        return next(
            (verdict for verdict in self.verdicts if verdict.status is MapStatus.ACCEPTED), None
        )

    @property
    def replacement_refusal(self) -> str | None:
        """Why the file that has replaced the map in use was refused; ``None`` if none has."""
        if self.in_use is None or not self.in_use.reason.endswith(KEPT):
            return None
        return next(
            f"{verdict.path} refused: {verdict.reason}"
            for verdict in self.verdicts
            if verdict.status is MapStatus.REFUSED
        )

    @property
    def slide(self) -> Slide | None:
        """The slide of the map in use; ``None`` without a map, or while it is not known."""
        return self.map_in_use.slide if self.map_in_use is not None else None

    @property
    def lacks_slide(self) -> bool:
        """Whether there is a map that only lacks its slide."""
        return self.map_in_use is not None and self.map_in_use.lacks_slide

    @property
    def unproven_reason(self) -> str | None:
        """`MapInUse.unproven_reason` of the map in use; ``None`` without a map."""
        return self.map_in_use.unproven_reason if self.map_in_use is not None else None

    @property
    def is_fixed(self) -> bool:
        """Whether there is a map, and its kernel is known not to be randomised."""
        return self.map_in_use is not None and self.map_in_use.is_fixed

    @property
    def reads_traces(self) -> bool:
        """Whether an oops can prove or contradict something, so that its end is waited for."""
        is_inferred = self.map_in_use is not None and self.map_in_use.inference is not None
        return is_inferred or self.modules.lacks_bases or bool(self.modules.bases)

    @property
    def module_layout(self) -> frozenset[ModulePlace]:
        """The loaded modules and their addresses, to be compared with those at another time."""
        return self.modules.listing.layout

    def for_release(self, release: str | None) -> "SymbolSet":
        """Return the symbols for a log whose kernel states this release, or states none.

        A map of another release is refused. A release without KASLR fixes the slide at 0.
        """
        if not release or self.map_in_use is None:
            return self
        return self._with_map(self.map_in_use.for_release(release))

    def update_from_trace(self, trace: Trace) -> "SymbolSet":
        """Return the symbols after one more oops of this boot.

        The trace may prove the slide or bases of modules, or contradict them or the map.
        """
        return isolate_failure(
            lambda: self._update_from_trace(trace), lambda reason: self._remark(f"an oops {reason}")
        )

    def _update_from_trace(self, trace: Trace) -> "SymbolSet":
        found = self
        if self.map_in_use is not None:
            found = self._with_map(self.map_in_use.update_from_trace(trace))
            if found.slide is not None and found.slide is not self.slide:
                found = msgspec.structs.replace(
                    found, inferred=_inferred(self.map_in_use, found.slide)
                )
        # Without the slide it is not known which frames are the kernel's own
        modules = (
            found.modules.update_from_stated(trace)
            if found.lacks_slide
            else found.modules.update_from_trace(
                trace,
                lambda address: _kernel_names_at(found.resolver, address),
                found.resolver.resolve,
            )
        )
        if modules is found.modules:
            return found
        remarks = (*found.remarks, *modules.remarks[len(found.modules.remarks) :])
        return msgspec.structs.replace(found, modules=modules, remarks=remarks).with_resolver()

    def _with_map(self, updated: MapInUse | MapRefusal) -> "SymbolSet":
        if isinstance(updated, MapRefusal):
            return self.refuse_map(updated.reason)
        if updated is self.map_in_use:
            return self
        found = msgspec.structs.replace(self, map_in_use=updated)
        return found if updated.slide is self.slide else found.with_resolver()

    def _remark(self, remark: str) -> "SymbolSet":
        if remark in self.remarks:
            return self
        return msgspec.structs.replace(self, remarks=(*self.remarks, remark))

    def refuse_map(self, reason: str) -> "SymbolSet":
        """Return the symbols without the map that was in use."""
        assert self.map_in_use is not None
        path = self.map_in_use.system_map.path
        verdicts = tuple(
            Verdict(verdict.path, MapStatus.REFUSED, reason) if verdict is self.in_use else verdict
            for verdict in self.verdicts
        )
        return msgspec.structs.replace(
            self,
            verdicts=verdicts,
            remarks=(*self.remarks, f"{path} names nothing any more: {reason}"),
            inferred=_inferred(self.map_in_use, MapRefusal(reason)),
            map_in_use=None,
        ).with_resolver()

    def with_resolver(self) -> "SymbolSet":
        """Return the same symbols with the resolver that belongs to them."""
        kallsyms = self.kallsyms if isinstance(self.kallsyms, SymbolTable) else None
        by_map = self.map_in_use.source(kallsyms) if self.map_in_use is not None else None
        sources: list[SymbolSource] = [
            source for source in (by_map, kallsyms) if source is not None
        ]
        sources += [self.modules.table] if isinstance(self.modules.table, SymbolTable) else []
        sources += self.modules.sources
        default = _lookup_failure(self, bool(sources))
        return msgspec.structs.replace(self, resolver=SymbolResolver(sources, default))


def _inferred(system_map: MapInUse, finding: Slide | MapRefusal) -> InferredState:
    return InferredState(system_map.system_map.path, system_map.system_map.stamp, finding)


def _kernel_names_at(resolver: SymbolResolver, address: int) -> set[str]:
    place = resolver.resolve(address)
    return {place.name} if isinstance(place, SymbolAddress) and not place.module else set()


def _lookup_failure(symbols: SymbolSet, has_sources: bool) -> LookupFailure:
    """Return the answer for an address that no source has."""
    if symbols.lacks_slide:
        return LookupFailure.KASLR_UNKNOWN
    if has_sources and not (symbols.hidden and symbols.slide is None):
        return LookupFailure.OUTSIDE
    if symbols.hidden:
        return LookupFailure.HIDDEN
    refused = any(verdict.status is MapStatus.REFUSED for verdict in symbols.verdicts)
    return LookupFailure.WRONG_MAP if refused else LookupFailure.NO_SYMBOLS
