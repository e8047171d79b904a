# SPDX-License-Identifier: GPL-2.0-or-later
"""Find the calls in machine code, and check whether a return address can be at an offset.

Offsets count from the beginning of a piece of code. A return address is the offset behind a call.

Source of truth: the Intel manual, volume 2, on CALL; the Arm manual (DDI 0487) on BL, BLR and
BLRAA; the ELF supplements on R_X86_64_PLT32 and R_AARCH64_CALL26.
"""

import re
from collections.abc import Iterator
from typing import Protocol

from msgspec import Struct

from klogd_py.symbols.elf_header import AARCH64, X86_64

_X86_CALL = re.compile(
    rb"(?:\xe8....|[\x40-\x4f]?\xff(?:[\xd0-\xd7]|[\x10-\x13\x16\x17]|\x15...."
    rb"|[\x50-\x53\x55-\x57].|\x54..|[\x90-\x93\x95-\x97]....|\x94.....|\x14.)"
    rb"|\x48\xcb)\Z",
    re.DOTALL,
)
# Where a call begins: the bytes behind the opcode say how long it is. A prefix does not change
# where it ends.
_X86_CALLS = re.compile(
    rb"\xe8(?=....)|\xff(?=([\xd0-\xd7]|[\x10-\x13\x16\x17]|\x15....|[\x50-\x53\x55-\x57]."
    rb"|\x54..|[\x90-\x93\x95-\x97]....|\x94.....|\x14.))",
    re.DOTALL,
)
_X86_DIRECT = re.compile(rb"\xe8(?=....)", re.DOTALL)
_X86_OPCODES = (b"\xe8", b"\xff")
# The highest byte of the word
_ARM64_BL = re.compile(rb"[\x94-\x97]")
_ARM64_CALLS = re.compile(rb"[\x94-\x97\xd6\xd7]")
_ARM64_OPCODES = tuple(bytes([byte]) for byte in (*range(0x94, 0x98), 0xD6, 0xD7))
_MAX_X86 = 8
_BL, _BLR, _BLRAA = 0x25, 0xD63F0000, 0xD63F0800


CodeBytes = bytes | bytearray


class DirectCall(Struct, frozen=True, gc=False):
    """A direct call: the offset behind it, and the offset that it calls."""

    end: int
    target: int


class CallDecoder(Protocol):
    """Decodes the calls of one architecture.

    ``addend`` is what the linker subtracts from the distance of a call, since the processor counts
    from the end of the instruction.
    """

    addend: int

    def call_ends_at(self, code: CodeBytes, at: int) -> bool:
        """Whether a call, direct or not, can end at an offset."""

    def call_ends(self, code: CodeBytes) -> Iterator[int]:
        """Yield all offsets at which a call can end, except for the ``lret`` of startup code."""

    def count_opcodes(self, code: CodeBytes) -> int:
        """Count the bytes that can be the opcode of a call.

        `call_ends` and `direct_calls` find no more than that.
        """

    def direct_calls(self, code: CodeBytes) -> Iterator[DirectCall]:
        """Yield the direct calls, ascending by their ends."""

    def is_direct_call(self, code: CodeBytes, at: int) -> bool:
        """Whether the four bytes at an offset, which a linker fills in, belong to a direct call."""


class _X86:
    addend = 4

    def call_ends_at(self, code: CodeBytes, at: int) -> bool:
        """Whether a call can end here, or the ``lret`` of startup code."""
        return at >= 2 and _X86_CALL.search(code[max(at - _MAX_X86, 0) : at]) is not None

    def call_ends(self, code: CodeBytes) -> Iterator[int]:
        for found in _X86_CALLS.finditer(code):
            yield found.end(1) if found[1] is not None else found.start() + 5

    def count_opcodes(self, code: CodeBytes) -> int:
        return sum(code.count(byte) for byte in _X86_OPCODES)

    def direct_calls(self, code: CodeBytes) -> Iterator[DirectCall]:
        for found in _X86_DIRECT.finditer(code):
            at = found.start() + 5
            yield DirectCall(at, at + int.from_bytes(code[at - 4 : at], "little", signed=True))

    def is_direct_call(self, code: CodeBytes, at: int) -> bool:
        return 0 < at < len(code) and code[at - 1] == 0xE8


class _Arm64:
    addend = 0

    def call_ends_at(self, code: CodeBytes, at: int) -> bool:
        word = _word(code, at - 4)
        return word >> 26 == _BL or word & 0xFFFFFC1F == _BLR or word & 0xFEFFF800 == _BLRAA

    def call_ends(self, code: CodeBytes) -> Iterator[int]:
        return (
            at
            for found in _ARM64_CALLS.finditer(code)
            if (at := found.end()) % 4 == 0 and self.call_ends_at(code, at)
        )

    def count_opcodes(self, code: CodeBytes) -> int:
        return sum(code.count(byte) for byte in _ARM64_OPCODES)

    def direct_calls(self, code: CodeBytes) -> Iterator[DirectCall]:
        for found in _ARM64_BL.finditer(code):
            at = found.end()
            if at % 4 == 0:
                word = _word(code, at - 4)
                distance = 4 * ((word & 0x3FFFFFF) - ((word & 0x2000000) << 1))
                yield DirectCall(at, at - 4 + distance)

    def is_direct_call(self, code: CodeBytes, at: int) -> bool:
        return _word(code, at) >> 26 == _BL


def _word(code: CodeBytes, at: int) -> int:
    """Return the instruction of four bytes at an offset; 0, which is none, if there is not any."""
    if at < 0 or at % 4 or at + 4 > len(code):
        return 0
    return int.from_bytes(code[at : at + 4], "little")


# By e_machine of ELF files
DECODERS: dict[int, CallDecoder] = {X86_64: _X86(), AARCH64: _Arm64()}
