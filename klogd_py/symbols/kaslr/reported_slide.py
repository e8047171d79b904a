# SPDX-License-Identifier: GPL-2.0-or-later
"""Determine the slide of the map in use from everything but oopses.

In order of trust: kallsyms, /proc/kcore, the slide that the user gave, and signs that the kernel is
not randomised.

Source of truth: Documentation/admin-guide/kernel-parameters.txt, nokaslr;
`klogd_py.symbols.kaslr.vmcoreinfo`.
"""

from klogd_py.symbols.kaslr.inference import Slide, SlideSource
from klogd_py.symbols.kaslr.vmcoreinfo import Vmcoreinfo
from klogd_py.symbols.map_check import Proof, Verdict
from klogd_py.symbols.symbol_sources import Sources, read_small
from klogd_py.symbols.symbol_table import SymbolTable


def contradiction(table: SymbolTable, vmcoreinfo: Vmcoreinfo, verdict: Verdict) -> str | None:
    """Say what /proc/kcore shows against a map; ``None`` if nothing does."""
    offset = vmcoreinfo.offset
    if offset is None:
        return None
    if verdict.proof is Proof.KALLSYMS and verdict.slide != offset:
        return f"slide {verdict.slide:#x} by kallsyms, but {offset:#x} by kcore"
    table.expect(name.encode() for name in vmcoreinfo.symbols)
    for name, address in vmcoreinfo.symbols.items():
        found = table.addresses_of(name.encode())
        if found and address - offset not in found:
            expected = f"at {found[0] + offset:#x} by the map"
            return f"another kernel's: {name} is at {address:#x} in kcore, {expected}"
    return None


def reported_slide(
    verdict: Verdict, sources: Sources, movable: bool, vmcoreinfo: Vmcoreinfo
) -> Slide | None:
    """Return the slide as far as it is known without an oops; ``None`` if it is not.

    ``movable`` says that the kernel may be randomised.
    """
    if verdict.proof is Proof.KALLSYMS:
        return Slide(verdict.slide, SlideSource.KALLSYMS, verdict.reason)
    if vmcoreinfo.offset is not None:
        count = len(vmcoreinfo.symbols)
        proof = f"{sources.running.kcore} says so, and has {count} symbols where the map has"
        return Slide(vmcoreinfo.offset, SlideSource.KCORE, proof)
    if sources.slide is not None:
        return Slide(sources.slide, SlideSource.GIVEN, "given by hand")
    reason = why_fixed(sources, movable)
    return Slide(0, SlideSource.FIXED, reason) if reason is not None else None


def why_fixed(sources: Sources, movable: bool) -> str | None:
    """Say why the kernel is at the addresses of its map; ``None`` if it may be randomised."""
    if not movable:
        return "a kernel that cannot be randomised"
    running = sources.running
    if b"nokaslr" in (read_small(running.cmdline) or b"").split():
        return f"nokaslr in {running.cmdline}"
    if b"\n# CONFIG_RANDOMIZE_BASE is not set\n" in (read_small(running.config) or b""):
        return f"built without CONFIG_RANDOMIZE_BASE by {running.config}"
    return None
