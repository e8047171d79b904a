# SPDX-License-Identifier: GPL-2.0-or-later
"""Search the configured places for the map of the running kernel, and take the first that fits.

A map that was accepted stays in use when its file has been replaced by one that does not fit: the
running kernel stays the same, whatever an upgrade has put into /boot.
"""

from collections.abc import Callable, Sequence
from pathlib import Path

import msgspec
from msgspec import Struct

from klogd_py.record.types import LookupFailure
from klogd_py.symbols import elf_header, map_check, packed_files, system_map, vmlinux
from klogd_py.symbols.isolation import isolate_failure
from klogd_py.symbols.map_check import KernelIdentity, MapStatus, Verdict
from klogd_py.symbols.symbol_sources import MapCandidate, Sources, read_small
from klogd_py.symbols.symbol_table import SymbolTable
from klogd_py.symbols.system_map import SystemMap

KEPT = "kept as it was read, since what is there now is refused"


class CheckedFile(Struct, frozen=True):
    """The verdict on the file of a candidate, and the map itself if it could be read."""

    verdict: Verdict
    system_map: SystemMap | None = None


class SearchResult(Struct, frozen=True):
    """The verdict on each candidate map in order, and the first map that was accepted."""

    verdicts: tuple[Verdict, ...]
    system_map: SystemMap | None


def search_maps(
    sources: Sources,
    kallsyms: SymbolTable | LookupFailure,
    check_all: bool,
    known_refusal: Callable[[SystemMap], str | None],
) -> SearchResult:
    """Check each candidate map in order, up to the first that is accepted unless ``check_all``.

    ``known_refusal`` says why a map was refused earlier; ``None`` if it was not.
    """
    verdicts: list[Verdict] = []
    chosen = None
    build_id = elf_header.build_id(read_small(sources.running.notes) or b"")
    kernel = KernelIdentity(sources.release, kallsyms, build_id)
    for candidate in sources.map_candidates():

        def check(candidate: MapCandidate = candidate) -> CheckedFile:
            return _check_file(candidate, kernel, sources.names, known_refusal)

        def refuse(reason: str, path: Path = candidate.path) -> CheckedFile:
            return CheckedFile(Verdict(path, MapStatus.REFUSED, reason))

        checked = isolate_failure(check, refuse)
        verdicts.append(checked.verdict)
        if chosen is None and checked.verdict.status is MapStatus.ACCEPTED:
            chosen = checked.system_map
            if not check_all:
                break
    return SearchResult(tuple(verdicts), chosen)


def _check_file(
    candidate: MapCandidate,
    kernel: KernelIdentity,
    names: frozenset[bytes],
    known_refusal: Callable[[SystemMap], str | None],
) -> CheckedFile:
    path = candidate.path
    try:
        found = vmlinux.load(path) if _is_elf(path) else system_map.load(path)
    except FileNotFoundError:
        return CheckedFile(Verdict(path, MapStatus.MISSING, "no such file"))
    except system_map.NotAMap as error:
        return CheckedFile(Verdict(path, MapStatus.REFUSED, error.reason))
    refusal = known_refusal(found)
    if refusal is not None:
        return CheckedFile(Verdict(path, MapStatus.REFUSED, refusal))
    found.places.expect(names)
    verdict = map_check.check(found, kernel, candidate.states_release, candidate.is_given)
    return CheckedFile(verdict, found)


def _is_elf(path: Path) -> bool:
    """Whether a file is a kernel image rather than a map."""
    try:
        return packed_files.read_head(path, 4) == system_map.ELF
    except (OSError, packed_files.NotUnpacked):
        return False


def keep_map(
    used: Verdict | None, candidate: SystemMap | None, verdicts: Sequence[Verdict]
) -> Verdict | None:
    """Return the verdict under which the map in use stays in use; ``None`` if it does not.

    ``verdicts`` are those on the files that are there now, none of them accepted. The map stays if
    it is in memory as a whole, its file was not removed, and a file was refused instead.
    """
    if (
        used is None
        or candidate is None
        or candidate.text is not None
        or not isinstance(candidate.lines, bytes)
    ):
        return None
    statuses = {verdict.path: verdict.status for verdict in verdicts}
    if MapStatus.REFUSED not in statuses.values() or statuses.get(used.path) is MapStatus.MISSING:
        return None
    reason = used.reason if used.reason.endswith(KEPT) else f"{used.reason}; {KEPT}"
    return msgspec.structs.replace(used, reason=reason)
