# SPDX-License-Identifier: GPL-2.0-or-later
r"""Find the function in which the processor was, in the registers of each architecture.

Forms::

    RIP: 0010:nic_poll+0x1f/0x40 [nic]                                  x86-64 since 4.10
    RIP: 0010:[<ffffffffc0123456>]  [<ffffffffc0123456>] nic_poll+0x1f/0x40            before
    EIP is at nic_poll+0x1f/0x40 [nic]        EIP: nic_poll+0x1f/0x40                  x86-32
    PC is at nic_poll+0x1f/0x40               pc : nic_poll+0x1f/0x40             arm, arm64
    NIP [c0000000000d2f50] .nic_poll+0x1f/0x40                                       powerpc
    epc : nic_poll+0x1f/0x40 [nic]            epc   : 8029a238 nic_poll+0x1f/0x40   riscv, mips
    Krnl PSW : 0704c00180000000 000003ff7ffb36d2 (nic_poll+0x1f/0x40 [nic])             s390
    TPC: <nic_poll+0x1f/0x40>                 IAOQ[0]: nic_poll+0x1f/0x40      sparc, parisc
      ERA: 9000000000224ee0 nic_poll+0x1f/0x40                                     loongarch

A program counter of user space (``RIP: 0033:0x7f2a``) is none of the kernel's.

Source of truth: ``show_regs`` of each architecture; arch/x86/include/asm/segment.h for selectors.
"""

from klogd_py.record.lazy_pattern import lazy_pattern
from klogd_py.record.report import Frame
from klogd_py.reports.anatomy.frame_lines import first_symbol

_LABEL = lazy_pattern(
    r"[ \t]{0,32}(?:(?P<x86>[RE]?IP) ?:? *(?P<selector>[0-9a-f]{4}:)?"
    r"|(?:PC|pc|EIP) is at |(?:pc|epc|PC|era|ERA|pc0|RIP is at) {0,3}: *"
    r"|NIP *(?=\[)|NIP: *|Krnl PSW : |Kernel PSW: *|T?PC: *|IAOQ\[0\]: *)"
)
# What may stand between the label and the symbol
_BETWEEN = lazy_pattern(r"(?:\[?<?(?:0x)?[0-9a-fA-F]{8,16}>?\]? *){0,2}[<(\[]?")
# "RIP  [<ffffffff811c6ed5>] nic_poll+0x1f/0x40" and "RIP: nic_poll+0x1f/0x40 RSP: ffff..": what was
# printed before, once more at the end of an oops
_SUMMARY = lazy_pattern(r"[ \t]{0,32}(?:RIP  \[|E?IP: \[.{20,400} SS:ESP |RIP: .{8,600} RSP: )")
# __USER_CS and __USER32_CS of x86-64, __USER_CS of x86-32, and their Xen forms
_USER_SELECTORS = ("0033:", "002b:", "0023:", "0073:", "e033:")
_FIRST_CHARACTERS = frozenset("REIPpeNKTr")


def read_program_counter(text: str) -> Frame | None:
    """Return the kernel function of a line with a program counter; ``None`` for other lines."""
    stripped = text.lstrip(" \t")
    if not stripped or stripped[0] not in _FIRST_CHARACTERS or "+" not in text:
        return None
    found = _LABEL.match(text)
    if found is None or found["selector"] in _USER_SELECTORS or _SUMMARY.match(text):
        return None
    between = _BETWEEN.match(text, found.end())
    start = found.end() if between is None else between.end()
    symbol = first_symbol(text, found.end())
    # The symbol stands right there: "pc : nic_poll+0x1/0x2 lr : .." names another one as well.
    if symbol is None or text.find(symbol.function, start, start + 80) not in range(
        start, start + 80
    ):
        return None
    return symbol


def is_user_register_line(text: str) -> bool:
    """Whether a line has the program counter of a process: ``RIP: 0033:0x7f2a1b2c3d4e``."""
    found = _LABEL.match(text)
    return found is not None and found["selector"] in _USER_SELECTORS
