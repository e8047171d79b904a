# SPDX-License-Identifier: GPL-2.0-or-later
"""Check that return addresses are behind calls in the file of a module, on MIPS and 32-bit ARM.

A file of another build has other code at most of them. Where kernels state the base of a module in
their traces, this is all that shows it: `klogd_py.symbols.call_decoder` has the architectures on
which a base can be inferred.

Source of truth: MIPS32 architecture, volume II, on JAL, JALR and BAL; Arm manual (DDI 0406) on BL,
BLX and on writes to the PC.
"""

from collections.abc import Collection
from typing import Literal

from klogd_py.symbols.modules.module_elf import ModuleFile

MIPS, ARM = 8, 40
_WORD_BYTES = 4
# Behind a call of MIPS is one instruction more, the delay slot
_CALL_BYTES = {MIPS: 8, ARM: 4}


def are_return_addresses(offsets: Collection[int], file: ModuleFile) -> bool:
    """Whether at least half of the offsets in a module's code are behind calls.

    Also true on other architectures, and without offsets.
    """
    distance = _CALL_BYTES.get(file.machine)
    text = file.core.text
    inside = [at for at in offsets if distance is not None and distance <= at <= len(text)]
    order: Literal["big", "little"] = "big" if file.is_big_endian else "little"
    calls = 0
    for at in inside:
        start = at - _CALL_BYTES[file.machine]
        word = int.from_bytes(text[start : start + _WORD_BYTES], order)
        calls += _is_mips_call(word) if file.machine == MIPS else _is_arm_call(word)
    return calls * 2 >= len(inside)


def _is_mips_call(word: int) -> bool:
    is_jal = word >> 26 == 3
    is_jalr = word >> 26 == 0 and word & 0x3F == 9
    # BLTZAL, BGEZAL and their likely forms
    is_bal = word >> 26 == 1 and word >> 16 & 0x1F in (0x10, 0x11, 0x12, 0x13)
    return is_jal or is_jalr or is_bal


def _is_arm_call(word: int) -> bool:
    is_bl = word & 0x0F000000 == 0x0B000000
    # BX and BLX of a register, but not "bx lr", which returns
    is_register = word & 0x0FFFFFD0 == 0x012FFF10 and word & 0xF != 14
    # MOV and LDR to the PC, behind "mov lr, pc"
    is_write = word & 0x0FFFFFF0 == 0x01A0F000 or word & 0x0C10F000 == 0x0410F000
    return is_bl or is_register or is_write
