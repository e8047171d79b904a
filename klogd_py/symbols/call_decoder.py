# SPDX-License-Identifier: GPL-2.0-or-later
"""Where does machine code call, and can a return address stand here?

Offsets count from the beginning of a piece of code. A return address is the offset behind a call.

Source of truth: the Intel manual, volume 2, on CALL; the Arm manual (DDI 0487) on BL, BLR and
BLRAA; the ELF supplements on R_X86_64_PLT32 and R_AARCH64_CALL26.
"""

import re
from collections.abc import Iterator
from typing import Protocol

from klogd_py.symbols.elf_header import AARCH64, X86_64

_X86_CALL = re.compile(
    rb"(?:\xe8....|[\x40-\x4f]?\xff(?:[\xd0-\xd7]|[\x10-\x13\x16\x17]|\x15....|[\x50-\x53\x55-\x57].|\x54..|[\x90-\x93\x95-\x97]....|\x94.....|\x14.)"
    rb"|\x48\xcb)\Z",
    re.DOTALL,
)
# From where a call begins: what stands behind its first byte says how long it is. A prefix does not
# change where it ends.
_X86_CALLS = re.compile(
    rb"\xe8(?=....)|\xff(?=([\xd0-\xd7]|[\x10-\x13\x16\x17]|\x15....|[\x50-\x53\x55-\x57].|\x54..|[\x90-\x93\x95-\x97]....|\x94.....|\x14.))",
    re.DOTALL,
)
_X86_DIRECT = re.compile(rb"\xe8(?=....)", re.DOTALL)
_X86_SIGNS = (b"\xe8", b"\xff")
# The highest byte of the word
_ARM64_BL = re.compile(rb"[\x94-\x97]")
_ARM64_CALLS = re.compile(rb"[\x94-\x97\xd6\xd7]")
_ARM64_SIGNS = tuple(bytes([sign]) for sign in (*range(0x94, 0x98), 0xD6, 0xD7))
_MAX_X86 = 8
_BL, _BLR, _BLRAA = 0x25, 0xD63F0000, 0xD63F0800


Code = bytes | bytearray


class Calls(Protocol):
    """How one architecture calls.

    ``addend`` is what the linker takes off a call's distance for the processor's sake.
    """

    addend: int

    def ends_at(self, code: Code, at: int) -> bool:
        """Whether a call can end at an offset, direct or not."""

    def ends(self, code: Code) -> Iterator[int]:
        """All offsets at which one can, but for those in start-ups."""

    def signs(self, code: Code) -> int:
        """How many bytes there are by which a call is known.

        `ends` and `direct` find no more than that.
        """

    def direct(self, code: Code) -> Iterator[tuple[int, int]]:
        """For each direct call the offset behind it and the one that it leads to."""

    def is_direct(self, code: Code, at: int) -> bool:
        """Whether the four bytes from an offset on, which a linker fills in, are those of a direct
        call.
        """


class _X86:
    addend = 4

    def ends_at(self, code: Code, at: int) -> bool:
        """Or in the ``lret`` of a start-up."""
        return at >= 2 and _X86_CALL.search(code[max(at - _MAX_X86, 0) : at]) is not None

    def ends(self, code: Code) -> Iterator[int]:
        for found in _X86_CALLS.finditer(code):
            yield found.end(1) if found[1] is not None else found.start() + 5

    def signs(self, code: Code) -> int:
        return sum(code.count(sign) for sign in _X86_SIGNS)

    def direct(self, code: Code) -> Iterator[tuple[int, int]]:
        for found in _X86_DIRECT.finditer(code):
            at = found.start() + 5
            yield at, at + int.from_bytes(code[at - 4 : at], "little", signed=True)

    def is_direct(self, code: Code, at: int) -> bool:
        return 0 < at < len(code) and code[at - 1] == 0xE8


class _Arm64:
    addend = 0

    def ends_at(self, code: Code, at: int) -> bool:
        word = _word(code, at - 4)
        return word >> 26 == _BL or word & 0xFFFFFC1F == _BLR or word & 0xFEFFF800 == _BLRAA

    def ends(self, code: Code) -> Iterator[int]:
        return (
            at
            for found in _ARM64_CALLS.finditer(code)
            if (at := found.end()) % 4 == 0 and self.ends_at(code, at)
        )

    def signs(self, code: Code) -> int:
        return sum(code.count(sign) for sign in _ARM64_SIGNS)

    def direct(self, code: Code) -> Iterator[tuple[int, int]]:
        for found in _ARM64_BL.finditer(code):
            at = found.end()
            if at % 4 == 0:
                word = _word(code, at - 4)
                yield at, at - 4 + 4 * ((word & 0x3FFFFFF) - ((word & 0x2000000) << 1))

    def is_direct(self, code: Code, at: int) -> bool:
        return _word(code, at) >> 26 == _BL


def _word(code: Code, at: int) -> int:
    """An instruction of four bytes; 0, which is none, where there are not so many."""
    return (
        int.from_bytes(code[at : at + 4], "little")
        if at >= 0 and at % 4 == 0 and at + 4 <= len(code)
        else 0
    )


OF_MACHINE: dict[int, Calls] = {X86_64: _X86(), AARCH64: _Arm64()}
