# SPDX-License-Identifier: GPL-2.0-or-later
"""Opens and judges the maps that may belong to the kernel, and takes the first that does."""

from collections.abc import Callable
from pathlib import Path

from klogd_py.record.types import LookupFailure
from klogd_py.symbols import elf, readings, search, system_map, vmlinux
from klogd_py.symbols.attempt import attempt
from klogd_py.symbols.map_check import MapStatus, Verdict, judge
from klogd_py.symbols.symbol_sources import Sources, content
from klogd_py.symbols.symbol_table import SymbolTable
from klogd_py.symbols.system_map import SystemMap

Judged = tuple[Verdict, SystemMap | None]


def weighed(
    sources: Sources,
    core: SymbolTable | LookupFailure,
    check_all: bool,
    refusal_of: Callable[[SystemMap], str],
) -> tuple[list[Verdict], SystemMap | None]:
    """The verdict on each candidate in order, and the first that was accepted.

    Those behind it are left out unless ``check_all``. ``refusal_of`` says what is known against a
    map from before; it is empty if nothing is.
    """
    verdicts: list[Verdict] = []
    chosen = None
    build_id = elf.build_id(content(sources.notes))
    listed = [(Path(sources.given_map), False)] if sources.given_map else []
    if not sources.given_map:
        listed = list(search.candidates(sources.places, sources.release, sources.root))
    for path, named in listed:

        def judged(path: Path = path, named: bool = named) -> Judged:
            return _judged(sources, path, named, core, build_id, refusal_of)

        def refused(reason: str, path: Path = path) -> Judged:
            return Verdict(path, MapStatus.REFUSED, reason), None

        verdict, candidate = attempt(judged, refused)
        verdicts.append(verdict)
        if chosen is None and verdict.status is MapStatus.ACCEPTED:
            chosen = candidate
            if not check_all:
                break
    return verdicts, chosen


def _judged(
    sources: Sources,
    path: Path,
    named: bool,
    core: SymbolTable | LookupFailure,
    build_id: str,
    refusal_of: Callable[[SystemMap], str],
) -> Judged:
    try:
        candidate = vmlinux.load(path) if readings.is_elf(path) else system_map.load(path)
    except FileNotFoundError:
        return Verdict(path, MapStatus.MISSING, "no such file"), None
    except system_map.NotAMap as error:
        return Verdict(path, MapStatus.REFUSED, error.reason), None
    refusal = refusal_of(candidate)
    if refusal:
        return Verdict(path, MapStatus.REFUSED, refusal), None
    return judge(
        candidate, sources.release, named, bool(sources.given_map), core, build_id
    ), candidate
