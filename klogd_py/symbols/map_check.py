# SPDX-License-Identifier: GPL-2.0-or-later
"""Check whether a map belongs to the running kernel, and at which slide.

Four kinds of proof, the strongest first: /proc/kallsyms (many symbols, one constant distance), the
build id of a vmlinux compared with /sys/kernel/notes, the ``Version_N`` symbol that kernels without
kallsyms carried until 5.12, and the release in the file's name. All but the last can also refute a
map, and so does a layout that no linker makes.

Source of truth: init/version.c; the search of sysklogd's ksym.c; Documentation/x86/x86_64 on KASLR.
"""

import re
from enum import Enum
from pathlib import Path

import msgspec
from msgspec import Struct

from klogd_py.record.quantity import quantity
from klogd_py.record.types import LookupFailure
from klogd_py.symbols.kaslr import architecture
from klogd_py.symbols.symbol_line import SymbolLine
from klogd_py.symbols.symbol_table import SymbolTable
from klogd_py.symbols.system_map import SystemMap

SAMPLES = 512
_ANCHORS = (b"_stext", b"_text", b"stext", b"startup_64", b"_sinittext")
# With more nothing is proved
_MAX_ABSENT = 64
_NAMED_FOR = re.compile(r"(?:System\.map|vmlinux)-(\d+\.\d+.*)")
_NUMBERS = re.compile(
    r"([0-9]{1,9})(?![0-9])(?:\.([0-9]{1,9})(?![0-9]))?(?:\.([0-9]{1,9})(?![0-9]))?"
)


class MapStatus(Enum):
    """The result of checking a candidate map."""

    ACCEPTED = "accepted"
    REFUSED = "refused"
    MISSING = "missing"


class Proof(Enum):
    """The proof on which a map was accepted."""

    KALLSYMS = "kallsyms"
    BUILD_ID = "build-id"
    VERSION = "version"
    NAME = "name"
    GIVEN = "given"


class Verdict(Struct, frozen=True):
    """The result for one candidate and the reason in words; ``proof`` is set on accepted ones.

    ``slide`` is what the running kernel adds to the addresses of the map. It is measured only
    against kallsyms, and 0 otherwise.
    """

    path: Path
    status: MapStatus
    reason: str
    proof: Proof | None = None
    slide: int = 0


class Comparison(Struct, frozen=True):
    """How the samples of a map compare with kallsyms.

    ``agree`` counts those at the expected address, ``absent`` those that kallsyms does not have;
    ``contradiction`` is the first one at another address, in words.
    """

    agree: int
    absent: int
    slide: int
    contradiction: str | None = None

    @property
    def proves(self) -> bool:
        """Whether the samples prove that the map is the running kernel's."""
        return (
            self.contradiction is None
            and self.agree >= 2
            and self.agree > self.absent
            and self.absent < _MAX_ABSENT
        )


class KernelIdentity(Struct, frozen=True):
    """What is known of the running kernel; ``None`` for what is not."""

    release: str | None
    kallsyms: SymbolTable | LookupFailure
    build_id: str | None = None


def check(
    candidate: SystemMap, kernel: KernelIdentity, states_release: bool, is_given: bool
) -> Verdict:
    """Check whether a map is that of the running kernel.

    ``states_release`` says that its path states the kernel's release, ``is_given`` that the user
    named it.
    """
    verdict = _check(candidate, kernel, states_release, is_given)
    if candidate.remark is None:
        return verdict
    return msgspec.structs.replace(verdict, reason=f"{verdict.reason}; {candidate.remark}")


def _check(
    candidate: SystemMap, kernel: KernelIdentity, states_release: bool, is_given: bool
) -> Verdict:
    mismatch = _metadata_mismatch(candidate, kernel)
    if mismatch is not None:
        return _refused(candidate, mismatch)
    table = candidate.table()
    table.expect(_ANCHORS)
    identified = architecture.identify(table)
    kind = identified.architecture if identified.is_certain else None
    misplaced = architecture.layout_error(table, kind) if kind is not None else None
    if misplaced is not None:
        return _refused(candidate, f"no kernel's: {misplaced}")
    found = compare(table, kernel.kallsyms) if isinstance(kernel.kallsyms, SymbolTable) else None
    if found is not None:
        mismatch = _kallsyms_mismatch(found, kind)
        if mismatch is not None:
            return _refused(candidate, mismatch)
        if found.proves:
            slide = f", slide {found.slide:#x}" if found.slide else ""
            reason = f"agrees with kallsyms in {quantity(found.agree, 'symbol')}{slide}"
            return _accepted(candidate, reason, Proof.KALLSYMS, found.slide)
    if candidate.build_id is not None and candidate.build_id == kernel.build_id:
        reason = f"its build id is the kernel's, {kernel.build_id}"
        return _accepted(candidate, reason, Proof.BUILD_ID)
    if found is not None and not is_given:
        share = f"{found.agree} of {found.agree + found.absent} symbols"
        return _refused(candidate, f"not this kernel's: kallsyms knows {share}")
    return _check_by_name(candidate, kernel, states_release, is_given)


def _metadata_mismatch(candidate: SystemMap, kernel: KernelIdentity) -> str | None:
    """Say why the build id or the version symbol is another kernel's; ``None`` if neither is."""
    ours, theirs = candidate.build_id, kernel.build_id
    if ours is not None and theirs is not None and ours != theirs:
        return f"another build: its build id is {ours}, the kernel's {theirs}"
    version, release = candidate.version, kernel.release
    if version is not None and release is not None and version not in version_codes(release):
        return f"made for Linux {dotted(version)}, the kernel is {release}"
    return None


def _kallsyms_mismatch(found: Comparison, kind: architecture.Architecture | None) -> str | None:
    """Say what a comparison with kallsyms shows against the map; ``None`` if nothing."""
    if found.contradiction is not None:
        return f"another kernel's: {found.contradiction}"
    if kind is not None and found.slide % kind.align_bytes:
        step = f"no multiple of {kind.align_bytes:#x}"
        return f"the slide against kallsyms would be {found.slide:#x}, {step}"
    return None


def _check_by_name(
    candidate: SystemMap, kernel: KernelIdentity, states_release: bool, is_given: bool
) -> Verdict:
    """Check a map of which neither kallsyms nor a build id says anything."""
    if candidate.version is not None:
        reason = f"its version symbol says {dotted(candidate.version)}"
        return _accepted(candidate, reason, Proof.VERSION)
    if is_given:
        return _accepted(candidate, "as given, unverified", Proof.GIVEN)
    if states_release:
        return _accepted(candidate, "by its name alone, unverified", Proof.NAME)
    missing = "no version symbol, no kallsyms, no release in its name"
    return _refused(candidate, f"nothing ties it to {kernel.release or 'the kernel'}: {missing}")


def _refused(candidate: SystemMap, reason: str) -> Verdict:
    return Verdict(candidate.path, MapStatus.REFUSED, reason)


def _accepted(candidate: SystemMap, reason: str, proof: Proof, slide: int = 0) -> Verdict:
    return Verdict(candidate.path, MapStatus.ACCEPTED, reason, proof, slide)


def compare(candidate: SymbolTable, kallsyms: SymbolTable) -> Comparison:
    """Look up samples of the map's code symbols in kallsyms.

    The slide is the distance of the first symbol of `_ANCHORS` that both have.
    """
    slide = _slide(candidate, kallsyms)
    lines = _sample_code(candidate)
    agrees = [line.name in kallsyms.names_at(line.address + slide) for line in lines]
    strangers = [line.name for line, has in zip(lines, agrees, strict=True) if not has]
    agree = absent = 0
    for line, has in zip(lines, agrees, strict=True):
        if has:
            agree += 1
            continue
        if absent == 1:
            # The first one of another kernel's map is most often found at once
            kallsyms.expect(strangers[1:_MAX_ABSENT])
        address = kallsyms.address_of(line.name)
        if address is not None:
            name = line.name.decode("utf-8", "replace")
            expected = f"at {line.address + slide:#x} by the map"
            expected += f" (slide {slide:#x})" if slide else ""
            contradiction = f"{name} is at {address:#x} in kallsyms, {expected}"
            return Comparison(agree, absent, slide, contradiction)
        absent += 1
        if absent == _MAX_ABSENT:
            break
    return Comparison(agree, absent, slide)


def contradicted_by(release: str, candidate: SystemMap) -> str | None:
    """Say for which other release a map was made; ``None`` if it may be for this one."""
    if candidate.version is not None:
        if candidate.version in version_codes(release):
            return None
        return f"made for Linux {dotted(candidate.version)}"
    named = _NAMED_FOR.fullmatch(candidate.path.name)
    if named is None or named[1] == release:
        return None
    return f"made for Linux {named[1]} by its name"


def version_codes(release: str) -> set[int]:
    """Return the numbers N that a ``Version_N`` symbol of this release may have.

    ``2.6.21`` has 132629; empty if the release does not begin with a number. Missing parts count
    as 0. A sublevel above 255 is clamped as the kernel does since 4.14.222, or folded in with OR,
    as the classic klogd computed it.
    """
    found = _NUMBERS.match(release)
    if found is None:
        return set()
    major, minor, sublevel = (int(part or 0) for part in found.groups())
    base = major << 16 | minor << 8
    return {base + min(sublevel, 255), base | sublevel}


def dotted(version: int) -> str:
    """Return the release of a version number: ``2.6.21`` for 132629."""
    return f"{version >> 16}.{version >> 8 & 255}.{version & 255}"


def _slide(candidate: SymbolTable, kallsyms: SymbolTable) -> int:
    for anchor in _ANCHORS:
        here, there = candidate.address_of(anchor), kallsyms.address_of(anchor)
        if here is not None and there is not None:
            return there - here
    return 0


def _sample_code(candidate: SymbolTable) -> list[SymbolLine]:
    return [
        line for line in candidate.sample(SAMPLES) if line.kind in (b"t", b"T") and line.can_name
    ]
