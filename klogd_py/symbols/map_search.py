# SPDX-License-Identifier: GPL-2.0-or-later
"""Search the configured places for the map of the running kernel, and take the first that fits.

A map that was accepted stays in use when its file has been replaced by one that does not fit: the
running kernel stays the same, whatever an upgrade has put into /boot.
"""

from collections.abc import Callable, Sequence
from pathlib import Path

import msgspec

from klogd_py.record.types import LookupFailure
from klogd_py.symbols import elf_header, file_bytes, map_check, system_map, vmlinux
from klogd_py.symbols.isolation import isolate_failure
from klogd_py.symbols.map_check import KernelIdentity, MapStatus, Verdict
from klogd_py.symbols.symbol_sources import Sources, read_small
from klogd_py.symbols.symbol_table import SymbolTable
from klogd_py.symbols.system_map import SystemMap

KEPT = "kept as it was read, since what is there now is refused"

Checked = tuple[Verdict, SystemMap | None]


def search_maps(
    sources: Sources,
    kallsyms: SymbolTable | LookupFailure,
    check_all: bool,
    known_refusal: Callable[[SystemMap], str],
) -> tuple[list[Verdict], SystemMap | None]:
    """Return the verdict on each candidate map in order, and the first map that was accepted.

    The search ends at that one unless ``check_all``. ``known_refusal`` says why a map was refused
    earlier; empty if it was not.
    """
    verdicts: list[Verdict] = []
    chosen = None
    build_id = elf_header.build_id(read_small(sources.notes))
    kernel = KernelIdentity(sources.release, kallsyms, build_id)
    paths = [(Path(sources.given_map), False)] if sources.given_map else sources.map_paths()
    for path, states_release in paths:

        def check(path: Path = path, states_release: bool = states_release) -> Checked:
            return _check_file(path, kernel, states_release, bool(sources.given_map), known_refusal)

        def refuse(reason: str, path: Path = path) -> Checked:
            return Verdict(path, MapStatus.REFUSED, reason), None

        verdict, candidate = isolate_failure(check, refuse)
        verdicts.append(verdict)
        if chosen is None and verdict.status is MapStatus.ACCEPTED:
            chosen = candidate
            if not check_all:
                break
    return verdicts, chosen


def _check_file(
    path: Path,
    kernel: KernelIdentity,
    states_release: bool,
    is_given: bool,
    known_refusal: Callable[[SystemMap], str],
) -> Checked:
    try:
        candidate = vmlinux.load(path) if _is_elf(path) else system_map.load(path)
    except FileNotFoundError:
        return Verdict(path, MapStatus.MISSING, "no such file"), None
    except system_map.NotAMap as error:
        return Verdict(path, MapStatus.REFUSED, error.reason), None
    refusal = known_refusal(candidate)
    if refusal:
        return Verdict(path, MapStatus.REFUSED, refusal), None
    return map_check.check(candidate, kernel, states_release, is_given), candidate


def _is_elf(path: Path) -> bool:
    """Whether a file is a kernel image rather than a map."""
    try:
        return file_bytes.open_file(path)[:4] == system_map.ELF
    except OSError:
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
