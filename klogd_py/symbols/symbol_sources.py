# SPDX-License-Identifier: GPL-2.0-or-later
"""Where is there something to look at, and what do the kernel's own files say of the slide?

Source of truth: Documentation/admin-guide/kernel-parameters.txt, nokaslr;
`klogd_py.symbols.kaslr.vmcoreinfo`.
"""

from collections.abc import Callable
from pathlib import Path

from msgspec import Struct

from klogd_py.symbols.kaslr.inference import Slide, SlideSource
from klogd_py.symbols.kaslr.vmcoreinfo import Vmcoreinfo
from klogd_py.symbols.map_check import Proof, Verdict
from klogd_py.symbols.symbol_table import SymbolTable
from klogd_py.system.regular_file import read_regular

# Of symbols or modules
MAX_LIST_BYTES = 64 << 20
# A kernel's whole configuration has 300 KiB
SMALL_BYTES = 1 << 20


def _read(path: str) -> bytes:
    return read_regular(path, MAX_LIST_BYTES)


class Sources(Struct, frozen=True):
    """Where to look. Empty paths are not looked at; ``places`` are below ``root`` and may hold
    ``{release}``.

    ``slide`` is what somebody says the kernel adds to the map's addresses. ``cmdline`` and
    ``config`` can tell that it is not randomised. ``module_files`` is a folder such as
    /lib/modules/6.1.0, ``sys_modules`` is /sys/module, ``notes`` is /sys/kernel/notes, ``kcore`` is
    /proc/kcore. ``read`` reads ``kallsyms`` and ``modules``, and raises OSError.
    """

    release: str = ""
    root: Path = Path("/")
    given_map: str = ""
    places: tuple[str, ...] = ()
    kallsyms: str = ""
    modules: str = ""
    slide: int | None = None
    cmdline: str = ""
    config: str = ""
    module_files: str = ""
    sys_modules: str = ""
    notes: str = ""
    kcore: str = ""
    read: Callable[[str], bytes] = _read


def contradicted(table: SymbolTable, told: Vmcoreinfo, verdict: Verdict) -> str:
    """What the kernel says in its core file against a map; empty if nothing."""
    if told.offset is None:
        return ""
    if verdict.proof is Proof.KALLSYMS and verdict.slide != told.offset:
        return f"slide {verdict.slide:#x} by kallsyms, but {told.offset:#x} by kcore"
    for name, address in told.symbols.items():
        places = table.addresses_of(name.encode())
        if places and address - told.offset not in places:
            return f"another kernel's: {name} is at {address:#x} in kcore, at {places[0] + told.offset:#x} by the map"
    return ""


def reported_slide(
    verdict: Verdict, sources: Sources, movable: bool, told: Vmcoreinfo
) -> Slide | None:
    """The slide by everything but the log; ``movable`` says that the kernel may be randomised."""
    if verdict.proof is Proof.KALLSYMS:
        return Slide(verdict.slide, SlideSource.KALLSYMS, verdict.reason)
    if told.offset is not None:
        return Slide(
            told.offset,
            SlideSource.KCORE,
            f"{sources.kcore} says so, and has {len(told.symbols)} symbols where the map has",
        )
    if sources.slide is not None:
        return Slide(sources.slide, SlideSource.GIVEN, "given by hand")
    reason = why_fixed(sources, movable)
    return Slide(0, SlideSource.FIXED, reason) if reason else None


def why_fixed(sources: Sources, movable: bool) -> str:
    """Why the kernel lies where its map has it; empty if it may be randomised."""
    if not movable:
        return "a kernel that cannot be randomised"
    if b"nokaslr" in content(sources.cmdline).split():
        return f"nokaslr in {sources.cmdline}"
    if b"\n# CONFIG_RANDOMIZE_BASE is not set\n" in content(sources.config):
        return f"built without CONFIG_RANDOMIZE_BASE by {sources.config}"
    return ""


def content(path: str) -> bytes:
    """A small file's content.

    Empty where there is none, since it can only tell more than is known.
    """
    try:
        return read_regular(path, SMALL_BYTES) if path else b""
    except OSError:
        return b""
