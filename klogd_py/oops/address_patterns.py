# SPDX-License-Identifier: GPL-2.0-or-later
"""Tables of the forms in which kernels print code addresses, and how to look each one up.

The tables are indexed by the head of a line: its first word of letters, or its first character. A
form holds one group: ``hex`` is a number that the symbol replaces, together with the ``module``
that OpenWrt prints behind it; ``at`` is a number that stays, since no kernel prints anything else
there, and after which the symbol is inserted. What may
surround the forms (timestamps, callers) is known to `klogd_py.oops.address_scanner`.

A program counter is looked up as it is (`Kind.PC`). A return address is that of the next
instruction, and the caller is at the byte before (`Kind.RETURN`, `Kind.LINK`). The kernel itself
does so only on x86 (``%pB``); all others print frames and link registers with ``%pS``, and after a
call that never returns print the next function. klogd-py prints the caller on all of them.

Not in the tables, since one line alone does not show them to be code: the bare number below
``printing eip:`` (2.4; it comes again in the brackets of the EIP line), the bare columns below
``Call backtrace:`` (2.4 on PowerPC), register rows of kernels that print their symbols on lines of
their own (riscv ``epc : .. ra : .. sp : ..``, sparc ``TSTATE``, parisc ``IAOQ:``, powerpc ``NIP: ..
LR: .. CTR:``), and words of the stack that the kernel does not symbolize itself. Messages outside
of traces are in `klogd_py.oops.print_sites`.

Source of truth: lib/vsprintf.c ``%pS``, ``%pB``; the ``show_regs``, ``die`` and ``dump_backtrace``
of each architecture; kernel/panic.c, kernel/locking/lockdep.c, mm/kasan/report.c, mm/slub.c.
"""

import re
from enum import Enum

from msgspec import Struct

from klogd_py.oops.line_parts import MODULE_PLACE, MSR_ACCESS, NAME
from klogd_py.record.lazy_pattern import lazy_pattern


class Kind(Enum):
    """The kind of a code address, which decides how it is looked up."""

    # [<c010b860>]: the form of the classic klogd, looked up and printed as it did
    CLASSIC = "classic"
    # The same, where a return address is printed
    CLASSIC_RETURN = "classic return"
    # A program counter, or the first byte of a function: exact
    PC = "pc"
    # After a call: the caller is at the byte before (the kernel's %pB)
    RETURN = "return"
    # A link register: the same, but its lowest bit may say Thumb or MIPS16
    LINK = "link"


class Form(Struct, frozen=True):
    """One form of a line.

    ``pattern`` is matched where the line's own text begins; without a ``head`` it is searched for.
    ``marker`` is in every line of a form with any head (``*``) or none. ``mask`` selects the
    address bits of the number.
    """

    head: str
    pattern: re.Pattern[str]
    kind: Kind
    marker: str = ""
    mask: int = (1 << 64) - 1


# What stands behind a number that OpenWrt prints goes with it.
_MODULE = rf"(?P<module>{MODULE_PLACE})?"
_TOKEN = r"(?P<hex>0x[0-9a-f]{5,16})\b" + _MODULE
# arm64 also without 0x, before 4.15
_BARE_TOKEN = r"(?P<hex>0x[0-9a-f]{5,16}|f[0-9a-f]{15})" + _MODULE
# " (CF)" and the like: arm64
_END = r"(?=\)?(?: \(unreliable\)| \([A-Z]{1,8}\))?\s*$)"
_FRAME = r"\(?" + _TOKEN + _END
# An address in the upper half of 32 or 64 bits
_HIGH = r"(?:[89a-f][0-9a-f]{7}|[89a-f][0-9a-f]{15})\b"
# "<IRQ> ", "<<EOE>> <IRQ> "
_STACK = r"(?:<+/?[A-Z#]{2,4}>+\s{0,2}(?:\[ *\d{1,10}\.\d{6}\]\s{0,2})?){1,2}"
# A code segment that is not user space's
_KERNEL = r"(?!0033|0023|0073|001b)[0-9a-f]{4}:"
# "drivers/x.c:235 "
_SOURCE = r"(?:\S{1,300}:\d{1,6} )?"
_PC, _RETURN, _LINK = Kind.PC, Kind.RETURN, Kind.LINK

_Rows = tuple[tuple[str, str, Kind], ...]

# fmt: off
# Frames alone on their line, and what all architectures print alike.
_ALL: _Rows = (
    # " 0xffff800010a12344 (P)": where an exception was taken (arm64)
    ("0", _TOKEN + r"(?= \([A-Z]{0,4}P[A-Z]{0,4}\)\s*$)", _PC),
    # " 0xffffffff926b7cde" (%pB on x86, else %pS)
    ("0", _TOKEN + _END, _RETURN),
    # " ? 0xffffffff926cdd6b": found on the stack (x86)
    ("?", r"\? " + _FRAME, _RETURN),
    ("(", _FRAME, _RETURN),
    ("Call", r"Call [Tt]race:\s*(?:\? )?" + _FRAME, _RETURN),
    ("<", _STACK + r"(?:\? )?" + _FRAME, _RETURN),
    # "[<(____ptrval____)>] 0xffffffff926b7cde"
    ("[", r"\[<[\w()]{1,20}>\] {1,2}(?:\? )?" + _FRAME, _RETURN),
    # %pS
    ("WARNING", r"WARNING: (?:CPU: \d{1,5} PID: -?\d{1,10} )?at ?" + _SOURCE + _TOKEN + r"(?=\(\)| \[| \(|,|\s*$)", _PC),  # noqa: E501
    # Since 6.19
    ("WARNING", r"WARNING: \S{1,300}:\d{1,6} at " + _TOKEN + r"(?=, CPU#)", _PC),
    # "BUG: KASAN: use-after-free in 0x.." (%pS of _RET_IP_)
    # The first number behind " in ", so that a second run finds no other
    ("BUG", r"BUG: K[A-Z]{1,2}SAN: [\w -]{1,60}? in " + _TOKEN, _RETURN),
    ("BUG", r"BUG: KFENCE: [\w -]{1,60}? in " + _TOKEN, _RETURN),
    ("Kernel", r"Kernel BUG at " + _TOKEN, _PC),
    ("kernel", r"kernel BUG at " + _TOKEN, _PC),
    ("INFO", r"INFO: (?:Freed|Allocated) in " + _TOKEN + r"(?= age=)", _RETURN),
    # lib/smp_processor_id.c
    ("caller", r"caller is " + _TOKEN, _RETURN),
    ("random", r"random: \w{1,40} called from " + _TOKEN, _RETURN),
    ("NMI", r"NMI backtrace for cpu \d{1,5} skipped: idling at (?:pc )?" + _TOKEN, _PC),
    ("CFI", r"CFI failure at " + _TOKEN, _PC),
    # The second number of a line
    ("CFI", r"CFI failure at [^()]{1,600} \(target: " + _TOKEN + r"(?=; expected type: )", _PC),
    ("BUG", r"BUG: KCSAN: (?:data-race|assert: race) in \S{1,600}(?: \[[^]]{1,120}\])? / " + _TOKEN + r"\s*$", _RETURN),  # noqa: E501
    # initcall_debug
    ("calling", r"calling {1,2}" + _TOKEN + r"(?= @ )", _PC),
    ("initcall", r"initcall " + _TOKEN + r"(?= returned -?\d)", _PC),
    # %ps
    ("Workqueue", r"Workqueue: [\w:/.-]{1,80} " + _TOKEN, _PC),
    ("Stopper", r"Stopper: " + _TOKEN, _PC),
    ("Stopper", r"Stopper: \S{1,600}(?: \[\w+\])? <- " + _TOKEN, _RETURN),
)

_X86: _Rows = (
    # "RIP: 0010:0xffffffff926b7cde" (%pS)
    ("RIP", r"RIP: +" + _KERNEL + _TOKEN, _PC),
    # The summary of 4.10 to 4.17
    ("RIP", r"RIP: " + _TOKEN + r"(?= RSP:|\s*$)", _PC),
    ("EIP", r"EIP: (?:" + _KERNEL + ")?" + _TOKEN, _PC),
    ("EIP", r"EIP is at " + _TOKEN, _PC),
    # 4.10 to 4.18
    ("IP", r"IP: " + _TOKEN + r"(?=\s*$)", _PC),
    ("unchecked", r"unchecked MSR access error: " + MSR_ACCESS + r" at rIP: 0x[0-9a-f]{1,16} \(" + _TOKEN + r"\)", _PC),  # noqa: E501
)

_ARM: _Rows = (
    # arm; arm64 before 4.15; sh
    ("PC", r"PC is at " + _TOKEN, _PC),
    ("LR", r"LR is at " + _TOKEN, _LINK),
    # nds32, before 5.18
    ("LP", r"LP is at " + _TOKEN, _LINK),
    # sh
    ("PR", r"PR is at " + _TOKEN, _LINK),
    # arm64
    ("pc", r"pc : " + _BARE_TOKEN + r"(?=\s*$| +(?:lr|pstate|psr)\b)", _PC),
    # " 0xc0120010 from 0xc0120034" (%ps from %pS; arm since 5.17)
    ("0", _TOKEN + r"(?= from [\w.$]{2,600})", _RETURN),
)

_RISCV: _Rows = (
    ("epc", r"epc : " + _TOKEN + r"(?=\s*$)", _PC),
    ("ra", r"ra : " + _TOKEN + r"\s*$", _RETURN),
    ("[", r"\[<?f[0-9a-f]{15}>?\] " + _TOKEN + _END, _RETURN),
    # Before 5.12 there is nothing but the row of registers: "sepc: ffffffe000d3f1a2 ra :
    # ffffffe000d3f19e sp : ..".
    ("sepc", r"sepc: (?P<at>f[0-9a-f]{15})(?= ra : )", _PC),
    ("sepc", r"sepc: [0-9a-f]{16} ra : (?P<at>f[0-9a-f]{15})(?= sp : )", _RETURN),
    ("epc", r"epc: (?P<at>f[0-9a-f]{15})(?= ra : )", _PC),
    ("epc", r"epc: [0-9a-f]{16} ra : (?P<at>f[0-9a-f]{15})(?= sp : )", _RETURN),
)

_BRACKET = r"\[[0-9a-fA-F]{8,16}\]"
_POWERPC: _Rows = (
    # The stack pointer stands first: "[c0000000fea3f9d0] [c000000000012abc] 0xc000000000012abc
    # (unreliable)". Old kernels write the numbers in brackets with capitals; the function graph
    # tracer puts the true caller in parentheses behind them.
    # %pS
    ("[", _BRACKET + r" " + _BRACKET + r" " + _TOKEN + r"(?=(?: \([^()]{1,600}\)){0,2}\s*$)", _RETURN),  # noqa: E501
    ("[", _BRACKET + r" \[(?P<at>[0-9a-fA-F]{8,16})\](?= \(unreliable\)\s*$|\s*$)", _RETURN),
    ("NIP", r"NIP " + _BRACKET + r" " + _TOKEN, _PC),
    ("NIP", r"NIP \[(?P<at>[0-9a-fA-F]{8,16})\](?=\s*$)", _PC),
    ("LR", r"LR " + _BRACKET + r" " + _TOKEN, _RETURN),
    ("LR", r"LR \[(?P<at>[0-9a-fA-F]{8,16})\](?=\s*$)", _RETURN),
    ("-", r"-{3,4} (?:interrupt|Exception): {1,2}[0-9a-f]{1,4} at " + _TOKEN, _PC),
    ("LR", r"LR = " + _TOKEN, _RETURN),
    ("Faulting", r"Faulting instruction address: 0x(?P<at>[89a-f][0-9a-f]{7}|[89a-f][0-9a-f]{15})(?=\s*$)", _PC),  # noqa: E501
    # 2.4: no other line tells
    ("NIP", r"NIP: (?P<at>[0-9A-F]{8})(?= XER: )", _PC),
    ("NIP", r"NIP: [0-9A-F]{8} XER: [0-9A-F]{8} LR: (?P<at>[0-9A-F]{8})\b", _RETURN),
)

_S390: _Rows = (
    ("Krnl", r"Krnl PSW : [0-9a-f]{8,16} [0-9a-f]{8,16} \(" + _TOKEN + r"\)", _PC),
    ("Krnl", r"Krnl PSW : [0-9a-f]{16} (?P<at>[0-9a-f]{16})(?=\s*$)", _PC),
)
# Its first bit is the addressing mode
_PSW_OF_31_BITS = r"Krnl PSW : [0-9a-f]{8} (?P<at>[0-9a-f]{8})(?=\s*$)"

_MIPS: _Rows = (
    # "epc   : 8029a238 0x8029a238     Not tainted" (%pS)
    ("epc", r"epc +: [0-9a-f]{8,16} " + _TOKEN + r"(?=\s|$)", _PC),
    ("epc", r"epc +: (?P<at>" + _HIGH + r")(?=\s*$|\s+(?:Not t|T)ainted)", _PC),
    ("ra", r"ra +: [0-9a-f]{8,16} " + _TOKEN + r"\s*$", _LINK),
    ("ra", r"ra +: (?P<at>" + _HIGH + r")\s*$", _LINK),
)

# On sparc a call leaves its own address behind, not that of the next instruction: all of these are
# exact.
_SPARC: _Rows = (
    ("TPC", r"TPC: <" + _TOKEN + ">", _PC),
    ("PC", r"PC: <" + _TOKEN + ">", _PC),
    ("RPC", r"RPC: <" + _TOKEN + ">", _PC),
    ("I", r"I7: <" + _TOKEN + ">", _PC),
    ("Caller", r"Caller\[[0-9a-f]{8,16}\]: " + _TOKEN, _PC),
    ("Caller", r"Caller\[(?P<at>[0-9a-f]{8,16})\](?=\s*$)", _PC),
    # "[00000000006409f4] 0x6409f4"
    ("[", r"\[0[0-9a-f]{15}\] " + _TOKEN + _END, _PC),
    # sparc32
    ("[", r"\[f[0-9a-f]{7} : " + _TOKEN + r" \]", _PC),
)

_OTHERS: _Rows = (
    # parisc
    ("IAOQ", r"IAOQ\[[01]\]: " + _TOKEN, _PC),
    ("RP", r"RP\(r2\): " + _TOKEN, _RETURN),
    # loongarch
    # Before 6.2
    ("era", r"era +: [0-9a-f]{8,16} " + _TOKEN, _PC),
    ("ERA", r"ERA: [0-9a-f]{8,16} " + _TOKEN, _PC),
    ("ra", r"ra: [0-9a-f]{8,16} " + _TOKEN, _RETURN),
    # alpha
    ("pc", r"pc is at " + _TOKEN, _PC),
    ("ra", r"ra is at " + _TOKEN, _RETURN),
    # ia64
    ("ip", r"ip is at " + _TOKEN, _PC),
)

_SIGNED: _Rows = (
    ("lr : ", r"\blr : " + _BARE_TOKEN + r"(?=\s*$| +(?:pstate|psr)\b)", _LINK),
    # Lockdep: where the lock was taken, or the function that took it
    (", at: 0x", r"\}, at: " + _TOKEN + r"\s*$", _PC),
    # mips
    ("epc == ", r"\bepc == (?P<at>" + _HIGH + r")(?=,|\s*$)", _PC),
    # loongarch
    ("era == ", r"\bera == (?P<at>" + _HIGH + r")(?=,|\s*$)", _PC),
    (" ra == ", r"\bra == (?P<at>" + _HIGH + r")(?=\s*$)", _LINK),
)
# fmt: on

_BY_FAMILY = (_ALL, _X86, _ARM, _RISCV, _POWERPC, _S390, _MIPS, _SPARC, _OTHERS)

FORMS = (
    *(
        Form(head, lazy_pattern(pattern), kind)
        for rows in _BY_FAMILY
        for head, pattern, kind in rows
    ),
    Form("Krnl", lazy_pattern(_PSW_OF_31_BITS), Kind.PC, mask=0x7FFFFFFF),
)
# " unwind_backtrace from 0xc0120034", the other half of arm's frames since 5.17
_FROM = rf"(?:{NAME}(?: \[\w{{1,64}}\])?|0x[0-9a-f]{{5,16}}(?:{MODULE_PLACE})?) from {_TOKEN}\s*$"
# "ffffc90000a0fb88: ffffffff815c6eb0 (0xffffffff815c6eb0)": a word of the stack, which x86 prints
# with %pB when it cannot unwind (unwind_dump)
_DUMP = rf"(?:[0-9a-f]{{8,16}}|\(_{{0,4}}ptrval_{{0,4}}\)): [0-9a-f]{{8,16}} \({_TOKEN}\)\s*$"
ANYWHERE = (
    *(Form("", lazy_pattern(pattern), kind, sign) for sign, pattern, kind in _SIGNED),
    Form("*", lazy_pattern(_FROM), Kind.RETURN, " from 0x"),
    Form("*", lazy_pattern(_DUMP), Kind.RETURN, " (0x"),
)

# What stands before a bracketed address, and says what is in it.
EXACT_BRACKET = re.compile(r"(?:[RE]?IP\b|pc\b|PC\b|.{0,400}(?:\}, at:| set at) \[<)")
LINK_BRACKETS = ("lr : [", "ra = [", " from [")

# One of these stands in every line that can hold an address. None is longer than five characters,
# since Python looks for longer ones in another way, which is three times as slow.
ADDRESS_MARKERS = (
    "[<",
    "0x",
    "pc : ",
    "lr : ",
    "epc",
    "ra   ",
    "NIP",
    "LR [",
    "] [",
    "ller[",
    "PSW :",
    "era =",
)
