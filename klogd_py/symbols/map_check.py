# SPDX-License-Identifier: GPL-2.0-or-later
"""Does this map belong to the running kernel, and at which slide?

Four witnesses, the strongest first: /proc/kallsyms (many symbols, one constant distance), the build
id of a vmlinux beside that in /sys/kernel/notes, the ``Version_N`` symbol that kernels without
kallsyms carried until 5.12, and the release in the file's name. All but the last can also refute,
and so does a map that no linker makes.

Source of truth: init/version.c; the search of sysklogd's ksym.c; Documentation/x86/x86_64 on KASLR.
"""

import re
from enum import Enum
from pathlib import Path

from msgspec import Struct

from klogd_py.record.types import LookupFailure
from klogd_py.symbols.kaslr import architecture
from klogd_py.symbols.symbol_line import SymbolLine
from klogd_py.symbols.symbol_table import SymbolTable
from klogd_py.symbols.system_map import SystemMap

SAMPLES = 512
_ANCHORS = (b"_stext", b"_text", b"stext", b"startup_64", b"_sinittext")
_MAX_ABSENT = (
    # Each is searched for by reading the whole of kallsyms; with more nothing is proved
    64
)
_NAMED_FOR = re.compile(r"(?:System\.map|vmlinux)-(\d+\.\d+.*)")
_NUMBERS = re.compile(
    r"([0-9]{1,9})(?![0-9])(?:\.([0-9]{1,9})(?![0-9]))?(?:\.([0-9]{1,9})(?![0-9]))?"
)


class MapStatus(Enum):
    """How a candidate map came out."""

    ACCEPTED = "accepted"
    REFUSED = "refused"
    MISSING = "missing"


class Proof(Enum):
    """What a map was accepted on."""

    KALLSYMS = "kallsyms"
    BUILD_ID = "build-id"
    VERSION = "version"
    NAME = "name"
    GIVEN = "given"


class Verdict(Struct, frozen=True):
    """One candidate's status and the reason in words; ``proof`` is set on accepted ones.

    ``slide`` is what the running kernel adds to the addresses of the map. It is measured only
    against kallsyms and taken for 0 otherwise.
    """

    path: Path
    status: MapStatus
    reason: str
    proof: Proof | None = None
    slide: int = 0


class Comparison(Struct, frozen=True):
    """What kallsyms says of a map.

    Symbols that agree, that are unknown to it, and one example that contradicts.
    """

    agree: int
    absent: int
    slide: int
    contradiction: str = ""

    @property
    def proves(self) -> bool:
        """Whether this is enough to accept the map on."""
        return (
            not self.contradiction
            and self.agree >= 2
            and self.agree > self.absent
            and self.absent < _MAX_ABSENT
        )


def check(
    candidate: SystemMap,
    release: str,
    named_for_release: bool,
    given: bool,
    kallsyms: SymbolTable | LookupFailure,
    build_id: str = "",
) -> Verdict:
    """Weigh a map that could be opened against everything that is known of the running kernel, such
    as its build id.
    """
    tail = f"; {candidate.remark}" if candidate.remark else ""

    def refused(reason: str) -> Verdict:
        return Verdict(candidate.path, MapStatus.REFUSED, reason + tail)

    def accepted(reason: str, proof: Proof, slide: int = 0) -> Verdict:
        return Verdict(candidate.path, MapStatus.ACCEPTED, reason + tail, proof, slide)

    if candidate.build_id and build_id and candidate.build_id != build_id:
        return refused(
            f"another build: its build id is {candidate.build_id}, the kernel's {build_id}"
        )
    version = candidate.version
    if version is not None and release and version not in version_codes(release):
        return refused(f"made for Linux {dotted(version)}, the kernel is {release}")
    table = SymbolTable(candidate.lines, "")
    kind, signed = architecture.identify(table)
    wrong = architecture.layout_error(table, kind) if kind is not None and signed else ""
    if wrong:
        return refused(f"no kernel's: {wrong}")
    compared = compare(table, kallsyms) if isinstance(kallsyms, SymbolTable) else None
    if compared is not None and compared.contradiction:
        return refused(f"another kernel's: {compared.contradiction}")
    if compared is not None and kind is not None and signed and compared.slide % kind.align_bytes:
        return refused(
            f"the slide against kallsyms would be {compared.slide:#x}, no multiple of {kind.align_bytes:#x}"
        )
    if compared is not None and compared.proves:
        slide = f", slide {compared.slide:#x}" if compared.slide else ""
        return accepted(
            f"agrees with kallsyms in {compared.agree} symbols{slide}",
            Proof.KALLSYMS,
            compared.slide,
        )
    if candidate.build_id and candidate.build_id == build_id:
        return accepted(f"its build id is the kernel's, {build_id}", Proof.BUILD_ID)
    if compared is not None and not given:
        return refused(
            f"not this kernel's: kallsyms knows {compared.agree} of {compared.agree + compared.absent} symbols"
        )
    if version is not None:
        return accepted(f"its version symbol says {dotted(version)}", Proof.VERSION)
    if given:
        return accepted("as given, unverified", Proof.GIVEN)
    if named_for_release:
        return accepted("by its name alone, unverified", Proof.NAME)
    return refused(
        f"nothing ties it to {release or 'the kernel'}: no version symbol, no kallsyms, no release in its name"
    )


def compare(candidate: SymbolTable, kallsyms: SymbolTable) -> Comparison:
    """Look up a spread of the map's code symbols in kallsyms, at the distance that a common anchor
    shows.
    """
    slide = _slide(candidate, kallsyms)
    agree = absent = 0
    for line in _code(candidate):
        if line.name in kallsyms.names_at(line.address + slide):
            agree += 1
            continue
        elsewhere = kallsyms.address_of(line.name)
        if elsewhere is not None:
            name = line.name.decode("utf-8", "replace")
            told = (
                f"{name} is at {elsewhere:#x} in kallsyms, at {line.address + slide:#x} by the map"
            )
            return Comparison(
                agree, absent, slide, told + (f" (slide {slide:#x})" if slide else "")
            )
        absent += 1
        if absent == _MAX_ABSENT:
            break
    return Comparison(agree, absent, slide)


def contradicted_by(release: str, candidate: SystemMap) -> str:
    """What a kernel's own words about its release say against a map; empty if nothing."""
    if candidate.version is not None:
        return (
            ""
            if candidate.version in version_codes(release)
            else f"made for Linux {dotted(candidate.version)}"
        )
    named = _NAMED_FOR.fullmatch(candidate.path.name)
    return f"made for Linux {named[1]} by its name" if named and named[1] != release else ""


def version_codes(release: str) -> set[int]:
    """The numbers N that a ``Version_N`` symbol of this release may have; empty if the release has
    no number.

    Missing parts count as 0. A sublevel above 255 is clamped as the kernel does since 4.14.222, or
    folded in with OR, as the classic klogd computed it.
    """
    found = _NUMBERS.match(release)
    if found is None:
        return set()
    major, minor, sublevel = (int(part or 0) for part in found.groups())
    base = major << 16 | minor << 8
    return {base + min(sublevel, 255), base | sublevel}


def dotted(version: int) -> str:
    """``132629`` as ``2.6.21``."""
    return f"{version >> 16}.{version >> 8 & 255}.{version & 255}"


def _slide(candidate: SymbolTable, kallsyms: SymbolTable) -> int:
    for anchor in _ANCHORS:
        here, there = candidate.address_of(anchor), kallsyms.address_of(anchor)
        if here is not None and there is not None:
            return there - here
    return 0


def _code(candidate: SymbolTable) -> list[SymbolLine]:
    return [
        line for line in candidate.sample(SAMPLES) if line.kind in (b"t", b"T") and line.can_name
    ]
