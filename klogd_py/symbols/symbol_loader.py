# SPDX-License-Identifier: GPL-2.0-or-later
"""Load all symbol sources and select the matching System.map.

Whatever is missing or unusable becomes a verdict or a remark, an unexpected exception included;
nothing here is fatal.
"""

from collections.abc import Callable
from pathlib import Path

import msgspec

from klogd_py.record.types import LookupFailure
from klogd_py.symbols.isolation import Result, isolate_failure
from klogd_py.symbols.kallsyms import Kallsyms
from klogd_py.symbols.kaslr import architecture, vmcoreinfo
from klogd_py.symbols.kaslr.inference import KaslrInference, Slide, SlideSource
from klogd_py.symbols.kaslr.reported_slide import contradiction, reported_slide, why_fixed
from klogd_py.symbols.kaslr.vmcoreinfo import Vmcoreinfo
from klogd_py.symbols.map_check import Verdict
from klogd_py.symbols.map_search import keep_map, search_maps
from klogd_py.symbols.modules.proc_modules import ModuleList
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
        sources.modules, lambda: read_modules(sources, remarks), ModuleList(()), remarks
    )
    symbols = _read_isolated(
        sources.kallsyms, lambda: read_kallsyms(sources, remarks), NO_KALLSYMS, remarks
    )
    verdicts, system_map = _select_map(sources, symbols.core, check_all, before)
    modules = _load_modules(sources, listing, symbols, before, remarks)
    hidden = symbols.core is LookupFailure.HIDDEN
    found = SymbolSet(
        SymbolResolver(),
        tuple(verdicts),
        tuple(remarks),
        kernel_symbols=0 if hidden else symbols.symbols,
        hidden=hidden,
        system_map=system_map,
        kallsyms=symbols.core,
        inferred=before.inferred if before is not None else None,
        modules=modules,
        hashes_pointers=architecture.hashes_pointers(sources.release),
    )
    return isolate_failure(lambda: _set_slide(found, sources).with_resolver(), found.refuse_map)


def module_layout(sources: Sources) -> frozenset[tuple[str, int, int]]:
    """Return the modules that are loaded now and their addresses, as `SymbolSet.module_layout`."""
    return read_modules(sources, []).layout


def _read_isolated(
    name: str, read: Callable[[], Result], otherwise: Result, remarks: list[str]
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
) -> tuple[list[Verdict], SystemMap | None]:
    inferred = before.inferred if before is not None else None

    def known_refusal(candidate: SystemMap) -> str:
        return inferred.refusal if inferred is not None and inferred.is_about(candidate) else ""

    verdicts, system_map = search_maps(sources, kallsyms, check_all, known_refusal)
    if system_map is not None or before is None:
        return verdicts, system_map
    kept = keep_map(before.in_use, before.system_map, verdicts)
    return ([*verdicts, kept], before.system_map) if kept is not None else (verdicts, None)


def _load_modules(
    sources: Sources,
    listing: ModuleList,
    symbols: Kallsyms,
    before: SymbolSet | None,
    remarks: list[str],
) -> LoadedModules:
    past = before.modules if before is not None else None
    files = past.files.without_failures() if past is not None else module_files(sources)
    no_listing = not sources.modules
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
    system_map, verdict = found.system_map, found.in_use
    if system_map is None or verdict is None:
        return found
    table = SymbolTable(system_map.lines, str(system_map.path))
    kind, is_recognised = architecture.identify(table)
    movable = architecture.may_be_randomised(kind, sources.release, system_map.version)
    kcore = vmcoreinfo.load(Path(sources.kcore)) if sources.kcore else Vmcoreinfo()
    mismatch = contradiction(table, kcore, verdict)
    if mismatch:
        return found.refuse_map(mismatch)
    slide, reason = reported_slide(verdict, sources, movable, kcore), "no oops has shown it"
    impossible = _why_impossible(kind, slide)
    if impossible:
        slide, reason = None, f"the one given is impossible: {impossible}"
        remarks = (*found.remarks, f"--slide is not used: {impossible}")
        found = msgspec.structs.replace(found, remarks=remarks)
    if slide is None and found.inferred is not None and found.inferred.is_about(system_map):
        slide = found.inferred.slide
    if kcore.refused:
        reason += f", and {sources.kcore} may not be read here (that takes CAP_SYS_RAWIO)"
    is_final = slide is not None and (slide.source is SlideSource.KALLSYMS or not movable)
    return msgspec.structs.replace(
        found,
        slide=slide,
        inference=None
        if kind is None or is_final
        else KaslrInference(table, kind, system_map.text),
        unproven_reason=reason,
        aliases=Aliases.KERNEL if is_recognised else Aliases.LAST,
        is_fixed=slide is not None and slide.value == 0 and bool(why_fixed(sources, movable)),
    )


def _why_impossible(kind: architecture.Architecture | None, slide: Slide | None) -> str:
    """Why the slide that the user gave cannot be; empty if it can, or comes from elsewhere."""
    if slide is None or slide.source is not SlideSource.GIVEN:
        return ""
    return architecture.slide_error(kind, slide.value)
