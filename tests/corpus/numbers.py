# SPDX-License-Identifier: GPL-2.0-or-later
r"""Recognise rows of a kernel log whose numbers are no code addresses, whatever they look like.

Recognised by how each row begins, per architecture, without `klogd_py.oops.address_scanner`:
registers, words of the stack, bytes of code, page tables, what is at fault, lists of modules. A row
that holds the place of the processor or a return address under its name (``epc :``, ``NIP [``, ``PC
is at``) is none of these.
"""

import re

from klogd_py.line_prefix.grammar import ANY_PREFIX

_ROWS = (
    # x86
    r"R(?:AX|BX|CX|DX|SI|DI|BP|SP|08|09|1[0-5]): ",
    r"RSP: ",
    r"E(?:AX|SI|FLAGS): ",
    r"e(?:ax|si)(?:: ?|=)[0-9a-f]{8}",
    r"(?:FS|CS|DS|x?ds|CR[0234]|DR[0-7]): ?",
    r"\*p[dgtm]",
    r"P[GUM4]D ",
    r"BUG: unable to handle (?:kernel )?(?:page|paging|NULL)",
    r"BUG: kernel NULL pointer dereference, address: ",
    r"#PF: |Oops: |general protection fault",
    # arm, arm64
    r"(?:sp|r[0-9]|r10|ip|fp)\s*: ?[0-9a-f]{8}\b",
    r"x\d{1,2} ?: ?[0-9a-f]{16}",
    r"sp : [0-9a-f]{16}$",
    r"r\d{1,2}:[0-9a-f]{8}",
    r"Flags: |Control: |pgd = |\[[0-9a-f]{8,16}\] \*?pgd",
    r"Exception stack\(|Stack: ?\(0x",
    r"[0-9a-f]{3,4}:  ?(?:[ 0-9a-f]{8} ?){2}",
    r"Register r\d{1,2} information:",
    r"ESR = |FAR = |CM = |ISV = |swapper pgtable|user pgtable|Mem abort|Data abort",
    # riscv
    r"(?:gp|tp|t[0-6]|s\d{1,2}|a[0-7])\s*: [0-9a-f]{8,16}",
    r"s?status: |badaddr: ",
    # powerpc
    r"GPR\d\d: ",
    r"(?:REGS|MSR|CFAR|DAR): ",
    r"Instruction (?:dump|DUMP): ?",
    r"(?:[0-9a-f]{8} ){3,15}(?:<[0-9a-f]{8}>|[0-9a-f]{8})",
    r"TASK(?:: | = )",
    # s390
    r"Krnl (?:GPRS|ACRS|Code):",
    r"(?:[0-9a-f]{16} ){1,3}[0-9a-f]{16}\s*$",
    r"Failing address: |R:\d T:\d |User (?:PSW|GPRS|Code)",
    r"[#>* ]?[0-9a-f]{16}: [0-9a-f]{4,12}\s",
    # mips, loongarch
    r"\$ ?\d{1,2} *(?:: |\()",
    r"(?:Hi|Lo|Status|Cause|BadVA|PrId|Cr|Acx|Config)\s*: ",
    r"(?:CRMD|PRMD|EUEN|ECFG|ESTAT|BADV|PRID): ",
    r"(?:pc|a0|a4|t0|t4|t8|s1|s5) [0-9a-f]{16} (?:ra|a1|a5|t1|t5|u0|s2|s6) ",
    r"Stack ?: ?",
    # sparc, parisc, alpha
    r"[goli][0-7]: ",
    r"TSTATE: |PSR: ",
    r"(?:r|fr|sr)\d\d-\d\d ",
    r"PSW: |IASQ: |IIR: |YZrv|IIR",
    r"(?:v0|t0|t3|t6|s[036]|a[0-9]|t8|t11|pv|gp) ?= [0-9a-f]{16}",
    # all
    r"Code: ",
    r"Modules linked in:|BTF|\[last unloaded",
    r"Unable to handle kernel .* at virtual address [0-9a-f]{8,16}$",
    r"Unable to handle kernel paging request at virtual address",
    r"BIOS-e820: |e820: |PM: |ACPI: |pci \d|PCI",
    r"Read of size |Write of size |Freed by|Allocated by|The buggy address|page:[0-9a-f]|raw: ",
    r"Object [0-9a-f]{8,16}: |Redzone |Padding |Bytes b4 ",
    r">?[0-9a-f]{16}: (?:[0-9a-f]{2} ){4}",
    r"[0-9a-f]{16}: [0-9a-f]{16} \(",
    r"general-protection|traps: ",
)
_ROW = re.compile(r"\s*(?:" + "|".join(_ROWS) + ")")
_STAYS = re.compile(
    r"(?:epc|era|ra) == [0-9a-f]"
    # MIPS says in one line what is at fault, and where the processor stood
)
# What the unwinder of x86 prints by %pB, behind the word of the stack itself
_PRINTED_TWICE = re.compile(r"(.*[0-9a-f]{16}: [0-9a-f]{16} \()0x[0-9a-f]{1,16}\)\s*$")
# What is next to zero is not hashed
_HASH = re.compile(r"\b0{8}(?!0{4})[0-9a-f]{8}\b")


def is_row_of_numbers(line: str) -> bool:
    """Whether no number in a line of a capture is a code address."""
    return bool(_ROW.match(line, ANY_PREFIX.text_span(line).start)) and not _STAYS.search(line)


def hashes(line: str) -> list[str]:
    """The words of 16 digits whose upper half is zero: hashed pointers, not code."""
    return _HASH.findall(line)


def numbers_of_row(row: str) -> str:
    """The part of a row that no name may change: all of it, but for a number by ``%pB`` at its
    end.
    """
    found = _PRINTED_TWICE.match(row)
    return found[1] if found else row
