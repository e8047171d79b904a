# SPDX-License-Identifier: GPL-2.0-or-later
"""Load all symbol sources and select the matching System.map.

Whatever is missing or unusable becomes a verdict or a remark, an unexpected exception included;
nothing here is fatal.
"""

from collections.abc import Callable

import msgspec

from klogd_py.record.types import LookupFailure
from klogd_py.symbols.isolation import Result, isolate_failure
from klogd_py.symbols.kallsyms import Kallsyms
from klogd_py.symbols.kaslr import architecture, vmcoreinfo
from klogd_py.symbols.kaslr.inference import KaslrInference, Slide, SlideSource
from klogd_py.symbols.kaslr.reported_slide import contradiction, reported_slide, why_fixed
from klogd_py.symbols.kaslr.vmcoreinfo import NO_VMCOREINFO
from klogd_py.symbols.map_in_use import MapInUse
from klogd_py.symbols.map_search import SearchResult, keep_map, search_maps
from klogd_py.symbols.modules.proc_modules import ModuleList, ModulePlace
from klogd_py.symbols.modules.tracker import LoadedModules, update_modules
from klogd_py.symbols.resolver import SymbolResolver
from klogd_py.symbols.symbol_line import Aliases
from klogd_py.symbols.symbol_set import SymbolSet
from klogd_py.symbols.symbol_sources import (
    NO_KALLSYMS,
    Sources,
    module_files,
    read_kallsyms,
    read_modules,
)
from klogd_py.symbols.symbol_table import SymbolTable
from klogd_py.symbols.system_map import SystemMap

NO_OOPS = "no oops has shown it"


def load_symbols(
    sources: Sources, check_all: bool = False, before: SymbolSet | None = None
) -> SymbolSet:
    """Load all symbol sources and select the matching map.

    ``check_all`` checks the candidates behind the first accepted map, too. ``before`` are the
    symbols in force, of the same boot: what oopses have shown is kept, except for the bases of
    modules that were loaded again.
    """
    remarks: list[str] = []
    listing = _read_isolated(
        sources.modules.listing, lambda: read_modules(sources, remarks), ModuleList(()), remarks
    )
    symbols = _read_isolated(
        sources.kallsyms, lambda: read_kallsyms(sources, remarks), NO_KALLSYMS, remarks
    )
    for table in (symbols.core, symbols.modules):
        if isinstance(table, SymbolTable):
            table.expect(sources.names)
    search = _select_map(sources, symbols.core, check_all, before)
    modules = _load_modules(sources, listing, symbols, before, remarks)
    hidden = symbols.core is LookupFailure.HIDDEN
    found = SymbolSet(
        SymbolResolver(),
        search.verdicts,
        tuple(remarks),
        kernel_symbols=0 if hidden else symbols.symbols,
        hidden=hidden,
        map_in_use=MapInUse(search.system_map) if search.system_map is not None else None,
        kallsyms=symbols.core,
        inferred=before.inferred if before is not None else None,
        modules=modules,
        hashes_pointers=architecture.hashes_pointers(sources.release),
    )
    return isolate_failure(lambda: _set_slide(found, sources).with_resolver(), found.refuse_map)


def module_layout(sources: Sources) -> frozenset[ModulePlace]:
    """Return the modules that are loaded now and their addresses, as `SymbolSet.module_layout`."""
    return read_modules(sources, []).layout


def _read_isolated(
    name: str | None, read: Callable[[], Result], otherwise: Result, remarks: list[str]
) -> Result:
    def remark(reason: str) -> Result:
        remarks.append(f"{name} {reason}")
        return otherwise

    return isolate_failure(read, remark)


def _select_map(
    sources: Sources,
    kallsyms: SymbolTable | LookupFailure,
    check_all: bool,
    before: SymbolSet | None,
) -> SearchResult:
    inferred = before.inferred if before is not None else None

    def known_refusal(candidate: SystemMap) -> str | None:
        return inferred.refusal if inferred is not None and inferred.is_about(candidate) else None

    found = search_maps(sources, kallsyms, check_all, known_refusal)
    if found.system_map is not None or before is None or before.map_in_use is None:
        return found
    kept = keep_map(before.in_use, before.map_in_use.system_map, found.verdicts)
    if kept is None:
        return found
    return SearchResult((*found.verdicts, kept), before.map_in_use.system_map)


def _load_modules(
    sources: Sources,
    listing: ModuleList,
    symbols: Kallsyms,
    before: SymbolSet | None,
    remarks: list[str],
) -> LoadedModules:
    past = before.modules if before is not None else None
    files = past.files.without_failures() if past is not None else module_files(sources)
    no_listing = sources.modules.listing is None
    return _read_isolated(
        "what is known of modules",
        lambda: update_modules(listing, files, symbols.modules, no_listing, past),
        LoadedModules(listing, files, symbols.modules, no_listing=no_listing),
        remarks,
    )


def _set_slide(found: SymbolSet, sources: Sources) -> SymbolSet:
    """Add the slide of the map in use, and its `KaslrInference` where oopses are of use.

    The slide comes from everything but oopses, or else from those before the last reload.
    """
    if found.map_in_use is None or found.in_use is None:
        return found
    system_map, kcore = found.map_in_use.system_map, sources.running.kcore
    table = system_map.table(str(system_map.path))
    identified = architecture.identify(table)
    kind = identified.architecture
    movable = architecture.may_be_randomised(kind, sources.release, system_map.version)
    reported = vmcoreinfo.load(kcore) if kcore is not None else NO_VMCOREINFO
    mismatch = contradiction(table, reported, found.in_use)
    if mismatch is not None:
        return found.refuse_map(mismatch)
    slide, reason = reported_slide(found.in_use, sources, movable, reported), NO_OOPS
    impossible = _why_impossible(kind, slide)
    if impossible is not None:
        slide, reason = None, "the one given is wrong"
        remarks = (*found.remarks, f"--slide is not used: {impossible}")
        found = msgspec.structs.replace(found, remarks=remarks)
    if slide is None and found.inferred is not None and found.inferred.is_about(system_map):
        slide = found.inferred.slide
    if reported.refused:
        reason += f", and {kcore} may not be read here (that takes CAP_SYS_RAWIO)"
    is_final = slide is not None and (slide.source is SlideSource.KALLSYMS or not movable)
    is_fixed = slide is not None and slide.value == 0 and why_fixed(sources, movable) is not None
    in_use = MapInUse(
        system_map,
        slide,
        unproven_reason=reason,
        inference=None
        if kind is None or is_final
        else KaslrInference(table, kind, system_map.text),
        aliases=Aliases.KERNEL if identified.is_certain else Aliases.LAST,
        is_fixed=is_fixed,
    )
    return msgspec.structs.replace(found, map_in_use=in_use)


def _why_impossible(kind: architecture.Architecture | None, slide: Slide | None) -> str | None:
    """Why the slide that the user gave cannot be; ``None`` if it can, or comes from elsewhere."""
    if slide is None or slide.source is not SlideSource.GIVEN:
        return None
    return architecture.slide_error(kind, slide.value)
