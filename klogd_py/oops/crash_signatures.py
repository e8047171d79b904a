# SPDX-License-Identifier: GPL-2.0-or-later
r"""The table of crash signatures: each whole line that begins a crash report, and its kind.

One row serves the counters of the status, the traces that are held back, and whatever reads a
crash. ``BUG: KASAN: slab-use-after-free in nic_read+0x1/0x2`` is found by the text ``BUG: ``,
recognised by a pattern of the whole line, and of the kind `CrashKind.KASAN`.

`klogd_py.oops.crash_patterns` says why only whole lines prove anything.
`klogd_py.oops.provenance.identify` decides whether the kernel wrote such a line.

Source of truth: kernel/panic.c, kernel/hung_task.c, kernel/watchdog.c, kernel/workqueue.c,
kernel/rcu/tree_stall.h, kernel/locking/lockdep.c, lib/ubsan.c, mm/kasan/report.c, mm/slub.c and
``die`` of each architecture.
"""

import re
from enum import Enum

from msgspec import Struct

from klogd_py.oops.line_parts import (
    COMM,
    DECODED,
    MODULE,
    NUMBER,
    SOURCE,
    SYMBOL,
    any_of,
)
from klogd_py.record.crash_kind import CrashKind
from klogd_py.record.lazy_pattern import lazy_pattern


class CrashClass(Enum):
    """How the kernel goes on after a report."""

    # It has killed a process, has stopped, or works with data that may be wrong.
    OOPS = "oops"
    # It goes on, or waits for something that has not ended yet.
    WARNING = "warning"


class Signature(Struct, frozen=True):
    """One form of the first line of a report.

    ``marker`` is a text in each such line, by which it is found among others. ``kind`` is ``None``
    for a line that announces the header of a report, or explains it. ``continues``: within the
    report of an oops the line is a part of it, not another crash. ``has_address``: it may hold a
    code address. ``opens_trace``: lines are held back from here on, since they may show where the
    kernel was loaded.
    """

    kind: CrashKind | None
    crash_class: CrashClass
    marker: str
    pattern: str
    continues: bool = False
    has_address: bool = False
    opens_trace: bool = True


def _oops(kind: CrashKind, marker: str, pattern: str, **flags: bool) -> Signature:
    return Signature(kind, CrashClass.OOPS, marker, pattern, **flags)


def _warning(kind: CrashKind | None, marker: str, pattern: str, **flags: bool) -> Signature:
    return Signature(kind, CrashClass.WARNING, marker, pattern, **flags)


# " PREEMPT(full) SMP KASAN"
_OPTIONS = r"(?: [A-Z][A-Z0-9_()a-z]{1,24}){0,12}"
_COUNT = r"\[#\d{1,5}\]"
# ": 0000 [#1] SMP", behind the name of an exception of x86
_DIE = rf": [0-9a-f]{{4}} {_COUNT}{_OPTIONS}"
_IN = rf"[\w -]{{3,60}} in {SYMBOL}(?: at addr {NUMBER})?"
_TASK = rf"{COMM}/\d{{1,10}}"
_CACHE = r"BUG [\w:.-]{2,64} \((?:Not t|T)ainted[^()]{0,40}\): "
_STALL = r"(?:rcu: )?INFO: rcu_\w{1,20} (?:self-)?detected"
_HUNG_TASK = rf"INFO: task {COMM}:\d{{1,10}} (?:<\w{{1,20}}> )?blocked"
_LOCKING = r"possible (?:circular|recursive|irq) \w.{4,80}|inconsistent lock state"
# Behind "Oops: " since 6.10: "general protection fault, probably for .. 0000 [#1] SMP"
_NAMED_DIE = (
    rf"(?:[\w ,:.-]{{3,120}} {_COUNT}{_OPTIONS}"
    rf"|[a-z ]{{4,40}}: [0-9a-f]{{4}}(?: {_COUNT}{_OPTIONS})?)"
)
# Other messages begin with so few bytes of their own: lib/dump_stack.c, drivers/char/ttyprintk.c.
_PROCESS = rf"(?!Hardware name: |\[U\] ){COMM}\(\d{{1,10}}\): "
_KIND = CrashKind

# fmt: off
# Among forms that fit the same line the first one counts.
_OOPSES = (
    _oops(_KIND.KASAN, "BUG: ", rf"BUG: KASAN: {_IN}", has_address=True),
    _oops(_KIND.KMSAN, "BUG: ", rf"BUG: KMSAN: {_IN}", has_address=True),
    _oops(_KIND.KCSAN, "BUG: ", rf"BUG: KCSAN: {_IN}", has_address=True),
    _oops(_KIND.KCSAN, "BUG: ", rf"BUG: KCSAN: (?:data-race|assert: race) in {SYMBOL}(?: / {SYMBOL})?", has_address=True, opens_trace=False),  # noqa: E501
    _oops(_KIND.KFENCE, "BUG: ", rf"BUG: KFENCE: {_IN}", has_address=True),
    _oops(_KIND.BUG, "BUG: ", rf"BUG: K[A-Z]{{1,5}}: {_IN}", has_address=True),
    _oops(_KIND.BUG, "BUG ", rf"[kK]ernel BUG at {SYMBOL}!?(?: \[verbose debug info unavailable\])?", has_address=True),  # noqa: E501
    _oops(_KIND.BUG, "BUG ", rf"[kK]ernel BUG at {SOURCE}!", has_address=True),
    _oops(_KIND.NULL_DEREF, "BUG: ", r"BUG: (?:[Uu]nable to handle k|[kK])ernel NULL pointer dereference.{0,120}"),  # noqa: E501
    _oops(_KIND.PAGE_FAULT, "BUG: ", r"BUG: (?:[Uu]nable to handle kernel|unable to handle page fault) .{0,200}"),  # noqa: E501
    _oops(_KIND.ATOMIC_SLEEP, "BUG: ", r"BUG: sleeping function called from invalid context.{0,300}"),  # noqa: E501
    _oops(_KIND.ATOMIC_SLEEP, "BUG: ", rf"BUG: scheduling while atomic: {_TASK}/0x[0-9a-f]{{1,16}}"),  # noqa: E501
    _oops(_KIND.PREEMPTIBLE, "BUG: ", rf"BUG: using \w{{1,40}}(?:\(\))? in preemptible \[[0-9a-f]{{1,16}}\] code: {_TASK}"),  # noqa: E501
    _oops(_KIND.WORKQUEUE_LOCKUP, "BUG: ", r"BUG: workqueue lockup - pool.{0,200}"),
    _oops(_KIND.SOFT_LOCKUP, "BUG: ", rf"(?:(?:NMI )?watchdog: )?BUG: soft lockup - CPU#\d{{1,5}} stuck for \d{{1,10}}s! \[{COMM}:\d{{1,10}}\]"),  # noqa: E501
    _oops(_KIND.SPINLOCK, "BUG: ", rf"BUG: (?:spinlock|rwlock) [a-z -]{{4,40}} on CPU#\d{{1,5}}, {_TASK}(?:, [0-9a-f]{{8,16}})?"),  # noqa: E501
    _oops(_KIND.BAD_PAGE, "BUG: ", rf"BUG: Bad page (?:state|map) in process {COMM} {{1,2}}(?:pfn|pte):[0-9a-f]{{1,16}}(?: pmd:[0-9a-f]{{1,16}})?"),  # noqa: E501
    _oops(_KIND.RSS_COUNTER, "BUG: ", rf"BUG: Bad rss-counter state mm:(?:0x)?[0-9a-f]{{1,16}} (?:type|idx):\w{{1,20}} val:-?\d{{1,20}}(?: Comm:{COMM} Pid:\d{{1,10}})?"),  # noqa: E501
    _oops(_KIND.STACK_OVERFLOW, "BUG: ", r"BUG: (?:TASK |IRQ )?stack guard page was hit at .{0,200}"),  # noqa: E501
    _oops(_KIND.SLUB, "BUG: ", r"BUG: \w{1,64}(?: \([^()]{1,40}\))?: (?:Poison|Redzone|Object|Freepointer|Padding).{0,200}"),  # noqa: E501
    # The last lines of a KASAN report before 5.8
    _oops(_KIND.KASAN, "BUG ", _CACHE + r"(?=kasan: ).{0,200}", opens_trace=False),
    _oops(_KIND.SLUB, "BUG ", _CACHE + ".{0,200}", opens_trace=False),
    _oops(_KIND.MEMORY_LEAK, "BUG: ", r"BUG: memory leak"),
    _oops(_KIND.BUG, "BUG: ", r"BUG: recent printk recursion!"),
    _oops(_KIND.LOCKDEP, "BUG: ", r"BUG: (?:MAX_LOCKDEP_\w{1,40}|MAX_STACK_TRACE_ENTRIES) too low!"),  # noqa: E501
    _oops(_KIND.LOCKDEP, "BUG: ", r"\[ BUG: [\w !'-]{3,80} \]"),
    _oops(_KIND.LOCKDEP, "BUG: ", rf"\[ BUG: {_TASK} still has locks held! \]", opens_trace=False),
    _oops(_KIND.GENERAL_PROTECTION, "Oops", rf"Oops: (?=general protection ){_NAMED_DIE}"),
    _oops(_KIND.INVALID_OPCODE, "Oops", rf"Oops: (?=invalid opcode){_NAMED_DIE}", continues=True),
    _oops(_KIND.DIVIDE_ERROR, "Oops", rf"Oops: (?=divide error){_NAMED_DIE}"),
    _oops(_KIND.STACK_SEGMENT, "Oops", rf"Oops: (?=stack segment){_NAMED_DIE}"),
    _oops(_KIND.DOUBLE_FAULT, "Oops", rf"Oops: (?=double fault){_NAMED_DIE}"),
    _oops(_KIND.OOPS, "Oops", rf"Oops: (?:{_NAMED_DIE}|[0-9a-f]{{1,16}}(?: {_COUNT}{_OPTIONS})?)", continues=True),  # noqa: E501
    _oops(_KIND.OOPS, "Oops", rf"Oops(?: - [\w ]{{1,40}}: [0-9a-f]{{1,8}} )?{_COUNT}(?::|{_OPTIONS})", continues=True),  # noqa: E501
    _oops(_KIND.OOPS, "Oops", r"Oops in fault\.c::?\w{1,40}, line \d{1,6}:", continues=True),
    _oops(_KIND.OOPS, "Oops", rf"{_PROCESS}Oops(?: {_COUNT}| -?\d{{1,10}})", continues=True),
    _oops(_KIND.OOPS, "sw trap", rf"{_PROCESS}Kernel bad sw trap \d{{1,4}}(?: {_COUNT}| -?\d{{1,10}})", opens_trace=False),  # noqa: E501
    _oops(_KIND.INTERNAL_ERROR, "Internal error", r"Internal error: .{0,200}", continues=True),
    _oops(_KIND.GENERAL_PROTECTION, "eneral protection", r"general protection (?:fault|error).{0,200}"),  # noqa: E501
    _oops(_KIND.GENERAL_PROTECTION, "eneral protection", rf"segment-related general protection fault{_DIE}"),  # noqa: E501
    _oops(_KIND.INVALID_OPCODE, "[#", rf"invalid opcode{_DIE}", continues=True),
    _oops(_KIND.DIVIDE_ERROR, "[#", rf"divide[ _]error{_DIE}"),
    _oops(_KIND.STACK_SEGMENT, "[#", rf"stack segment{_DIE}"),
    _oops(_KIND.DOUBLE_FAULT, "[#", rf"double fault{_DIE}"),
    _oops(_KIND.OOPS, "[#", rf"[a-z][a-z0-9 _-]{{2,40}}{_DIE}", continues=True),
    _oops(_KIND.DOUBLE_FAULT, "ouble fault", r"PANIC: double fault(?:, error_code: 0x[0-9a-f]{1,8}|.{0,40} at .{0,80})"),  # noqa: E501
    _oops(_KIND.NULL_DEREF, "nable to handle", r"(?:CPU \d{1,4} )?Unable to handle kernel NULL pointer dereference.{0,170}"),  # noqa: E501
    _oops(_KIND.PAGE_FAULT, "nable to handle", r"(?:(?:CPU \d{1,4} )?Unable to handle kernel|Unable to handle unknown) .{0,200}"),  # noqa: E501
    _oops(_KIND.UNHANDLED_FAULT, "nhandled fault", r"Unhandled fault: .{0,200}"),
    # mips
    _oops(_KIND.BUG, "[#", rf"Kernel bug detected{_COUNT}:?", opens_trace=False),
    _oops(_KIND.PANIC, "ernel panic", r"Kernel panic - not syncing: .{0,900}"),
    _oops(_KIND.PANIC, "ernel panic", r"Kernel panic: (?:Aiee, |Attempted to |VFS: Unable |No init found|Fatal exception|Out of memory|Kernel ).{0,200}"),  # noqa: E501
)

_WARNINGS = (
    _warning(_KIND.WARNING, "WARNING: ", rf"WARNING: (?:CPU: \d{{1,5}} PID: -?\d{{1,10}} )?at ?(?:{SOURCE} )?{SYMBOL}(?:\(\))?(?:{MODULE})?{DECODED}", has_address=True),  # noqa: E501
    _warning(_KIND.WARNING, "WARNING: ", rf"WARNING: (?:CPU: \d{{1,5}} PID: -?\d{{1,10}} )?at {SOURCE}", has_address=True),  # noqa: E501
    _warning(_KIND.WARNING, "WARNING: ", rf"WARNING: (?:{SOURCE} )?at {SYMBOL}, CPU#\d{{1,5}}: {_TASK}", has_address=True),  # noqa: E501
    _warning(None, "cut here", r"-{8,32}\[ cut here \]-{8,32}"),
    _warning(None, "cut here", r"8<--- cut here ---", opens_trace=False),
    _warning(_KIND.SUSPICIOUS_RCU, "WARNING: ", r"WARNING: suspicious RCU usage\.?"),
    _warning(_KIND.LOCKDEP, "WARNING: ", rf"WARNING: (?:{_LOCKING}|bad unlock balance detected!|held lock freed!|lock held when returning to user space!|Nested lock was not taken"  # noqa: E501
             r"|(?:HARD|SOFT)IRQ-safe -> (?:HARD|SOFT)IRQ-unsafe .{0,80})"),
    _warning(_KIND.LOCKDEP, "WARNING: ", rf"WARNING: {_TASK} still has locks held!", opens_trace=False),  # noqa: E501
    _warning(_KIND.SUSPICIOUS_RCU, "INFO: ", r"INFO: suspicious RCU usage\.?", opens_trace=False),
    _warning(_KIND.LOCKDEP, "INFO: ", rf"INFO: (?:{_LOCKING}|trying to register non-static key\.?)", opens_trace=False),  # noqa: E501
    # Before 4.14
    _warning(_KIND.SUSPICIOUS_RCU, "INFO: ", r"\[ INFO: suspicious RCU usage\.? \]", opens_trace=False),  # noqa: E501
    _warning(_KIND.LOCKDEP, "INFO: ", rf"\[ INFO: (?:{_LOCKING}|(?:HARD|SOFT)IRQ-safe -> (?:HARD|SOFT)IRQ-unsafe .{{0,80}}) \]", opens_trace=False),  # noqa: E501
    _warning(_KIND.UBSAN, "SAN: ", r"UBSAN: [\w' -]{3,60} in [\w./+~-]{1,300}(?::\d{1,6}){1,2}"),
    # What KASAN makes of another fault
    _warning(None, "SAN: ", r"KASAN: (?:null-ptr-deref|maybe wild-memory-access|probably user-memory-access) in range \[0x[0-9a-f]{1,16}-0x[0-9a-f]{1,16}\]"),  # noqa: E501
    _warning(None, "kasan: ", r"kasan: CONFIG_KASAN_INLINE enabled.{0,100}"),
    _warning(None, "kasan: ", r"kasan: GPF could be caused by.{0,100}", opens_trace=False),
    _warning(_KIND.HARD_LOCKUP, "LOCKUP", r"(?:NMI )?watchdog: Watchdog detected hard LOCKUP on cpu ?\d{1,5}"),  # noqa: E501
    _warning(_KIND.RCU_STALL, "INFO: ", _STALL + r" stalls? on CPU.{0,300}"),
    _warning(_KIND.RCU_STALL, "INFO: ", _STALL + r" expedited stalls? on CPU.{0,300}", opens_trace=False),  # noqa: E501
    _warning(_KIND.HUNG_TASK, "INFO: ", _HUNG_TASK + r" for more than \d{1,10} seconds\."),
    _warning(_KIND.HUNG_TASK, "INFO: ", _HUNG_TASK + r" in I/O wait for more than \d{1,10} seconds\.", opens_trace=False),  # noqa: E501
    _warning(_KIND.HUNG_TASK, "INFO: ", rf"INFO: task {COMM}:\d{{1,10}} can't die for more than \d{{1,10}} seconds\.", opens_trace=False),  # noqa: E501
    _warning(None, "Backtrace:", r"Backtrace:.{0,60}"),
)
# fmt: on

SIGNATURES = (*_OOPSES, *_WARNINGS)
# In the headers of `klogd_py.reports.detection.headers` that have none of these
_REPORT_MARKERS = (
    *("tried to execute", "ttempted to", "Alignment trap", "naligned", "prefetch abort", "stack"),
    *("Bad", "Busy inodes", "file count is", "unregister_netdev", "while atomic", "bus error"),
    *("sleeping function", "instr", "panicked at", "Fault: Code=", "lab ", "Machine check"),
    *("invalid operand", "divide error", ": Vector: ", "Kernel bug"),
    *("nobody cared", "allocation failure", "Hardware Error", "ut of memory: "),
)
# One of these is in every line that begins a report, or states the KASLR offset.
CRASH_MARKERS: tuple[str, ...] = (
    *dict.fromkeys((*(row.marker for row in SIGNATURES), *_REPORT_MARKERS)),
    "Kernel Offset:",
)


def _header_text(rows: tuple[Signature, ...]) -> str:
    """Return the text of an expression whose group says which of the rows a line is."""
    return any_of(f"(?P<row_{SIGNATURES.index(row)}>{row.pattern})" for row in rows)


OOPS_HEADER = lazy_pattern(_header_text(_OOPSES), re.ASCII)
WARNING_HEADER = lazy_pattern(_header_text(_WARNINGS), re.ASCII)


def signature_of(header: re.Match[str]) -> Signature:
    """Return the signature of a line that one of the two expressions has matched."""
    # The group of the whole line, since it ends after those within it
    assert header.lastgroup is not None
    return SIGNATURES[int(header.lastgroup.removeprefix("row_"))]
