# SPDX-License-Identifier: GPL-2.0-or-later
"""Recognise the lines of which the body of a report consists.

Loosely: a line that looks like none of them ends no report alone, and one that only looks like one
prolongs it by itself.

Source of truth: kernel/panic.c, lib/dump_stack.c; ``show_regs`` and ``show_stack`` of each
architecture.
"""

import re

# A place in the code: "vfs_read+0x1f/0x40", "[<ffffffff8100>]", or a whole address
_PLACES = ("+0x", "[<", "0x")
_PART_PATTERN = re.compile(
    # A stack, or words below a title
    r"[ \t]|$"
    r"|(?:Call Trace|[Cc]all trace|Call Backtrace|Backtrace|Trace|Stack|stack backtrace|Process|task|Modules linked in|Code|Hardware name|Workqueue"  # noqa: E501
    r"|CPU|cpu|PID|Comm|Tainted|Instruction dump|Kernel Offset|Kernel Code|Krnl|User|Dumping|Rebooting|ABI|Allocated by|Freed by|Last|The buggy|which belongs|Memory state"  # noqa: E501
    r"|Read of|Write of|Uninit|Local variable|Bytes |Memory access|value changed|read |write |read-write|Reported by|Register|Exception|Unwind|Call|Showing|Sending NMI"  # noqa: E501
    r"|NMI backtrace|INFO: |BUG|WARNING|Kernel panic|Internal error|Oops|irq event|hardirqs|softirqs|other info|but task|which lock|the existing|the dependencies|the code|stack|and |or |locks? held"  # noqa: E501
    r"|page|raw|head|flags|Object|Redzone|Padding|Disabling|FIX |SLUB|prev|next|show_|kasan|KASAN|general protection|invalid opcode|preempt|in_atomic|caller|rcu|watchdog|NMI)\b"  # noqa: E501
    # Registers: "RIP: ", "r0 : ", "x29: ", "GPR00: ", "$ 0   :", "PSW: ", "[00000000] *pgd="
    r"|[A-Za-z*#$<>(\[-][\w ]{0,11}[.\])]?\s{0,4}[:=] {0,4}[(\[<]?[0-9a-fA-F]{4,16}\b"
    # Words of memory, rules
    r"|(?:[<(]?[0-9a-f]{4,16}[>)]?:? ){2}|[=*-]{8}|[#?>-]|\*\*|---\[|</?[A-Z#]{2,10}>",
)
_FRAME_PATTERN = re.compile(
    r"[^\n]{0,80}?(?:\[<[0-9a-f]{8,16}>\]|[\w.$:]{1,200}\+0x[0-9a-f]{1,6}/0x[0-9a-f]{1,6})"
)
_COUNTER_PATTERN = re.compile(
    r"\s{0,8}(?:[RE]?IP|PC is at|LR is at|pc|lr|NIP|LR|epc|ra|EPC|ERA|RA|TPC|PSW|IAOQ|Last|BUG|WARNING|kernel|Kernel)\b"  # noqa: E501
)
_END_PATTERN = re.compile(r"-{2,4}\[ end |={8,}\s*$")
_MAX_CHARS = 400


def is_part(text: str) -> bool:
    """Whether a line looks like one of a report."""
    text = text[:_MAX_CHARS]
    return any(place in text for place in _PLACES) or _PART_PATTERN.match(text) is not None


def is_frame(text: str) -> bool:
    """Whether a line names a place in the code, as those of a stack do."""
    text = text[:_MAX_CHARS]
    has_place = "+0x" in text or "[<" in text
    return has_place and _FRAME_PATTERN.match(text) is not None


def is_stack_frame(text: str) -> bool:
    """Whether a line is one of a stack, and not the place where the processor was."""
    return is_frame(text) and _COUNTER_PATTERN.match(text[:_MAX_CHARS]) is None


def is_end(text: str) -> bool:
    """Whether a line is printed at the end of reports: ``---[ end trace 0000 ]---``, ``=====``."""
    return _END_PATTERN.match(text.lstrip()[:_MAX_CHARS]) is not None
