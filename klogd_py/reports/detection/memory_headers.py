# SPDX-License-Identifier: GPL-2.0-or-later
"""The first lines of reports on wrong accesses to memory, and on exceptions of a processor.

Source of truth: mm/kasan/report.c, mm/kfence/report.c, mm/kmsan/report.c, kernel/kcsan/report.c,
mm/slub.c, mm/page_alloc.c, mm/memory.c, kernel/fork.c; ``die`` and ``do_page_fault`` of each
architecture.
"""

from klogd_py.record.crash_kind import CrashKind
from klogd_py.reports.detection.header import Header, header

_KIND = CrashKind
_IN_FUNCTION = r"(?P<what>[\w -]{3,60}) in \S"
# ": 0000 [#1] SMP", behind the name of an exception of x86
_DIE = r"(?:,[^\n]{0,120})?: [0-9a-f]{4} \[#\d"
_OLD_DIE = r"[0-9a-f]{4}\s{0,4}$"
_PAGING = "BUG: unable to handle kernel paging request in {function}"
_NULL = "BUG: unable to handle kernel NULL pointer dereference in {function}"
_USER = "BUG: unable to handle kernel access to user memory in {function}"
_NULL_WORDS = r"[^\n]{0,20}NULL pointer dereference"
# The kernel was asked to work with memory of a process
_USER_WORDS = r"(?:access to|execution of) user(?:space)? memory"

# fmt: off
# Among forms that fit the same line the first one counts.
MEMORY_HEADERS: tuple[Header, ...] = (
    header(_KIND.KASAN, "BUG: KASAN: ", r"(?:double-free or )?(?:invalid|double)-free", "KASAN: invalid-free in {function}"),  # noqa: E501
    header(_KIND.KASAN, "BUG: KASAN: ", _IN_FUNCTION, "KASAN: {what} {access} in {function}"),
    header(_KIND.KASAN, "BUG: KASAN: ", r"(?P<what>[a-z-]{3,60}) on address", "KASAN: {what} {access}"),  # noqa: E501
    header(_KIND.KASAN, "BUG: KASAN: ", r"(?P<what>[a-z-]{3,60})", "KASAN: {what} {access} in {function}"),  # noqa: E501
    header(_KIND.KMSAN, "BUG: KMSAN: ", _IN_FUNCTION, "KMSAN: {what} in {function}"),
    header(_KIND.KMSAN, "BUG: KMSAN: ", r"(?P<what>[a-z-]{3,60})", "KMSAN: {what} in {function}"),
    header(_KIND.KCSAN, "BUG: KCSAN: ", r"data-race in (?P<places>\S[^\n]{0,250})", "KCSAN: data-race in {places}"),  # noqa: E501
    header(_KIND.KCSAN, "BUG: KCSAN: ", r"assert: race in (?P<places>\S[^\n]{0,250})", "KCSAN: assert: race in {places}"),  # noqa: E501
    header(_KIND.KCSAN, "BUG: KCSAN: ", r"(?P<what>[a-z-]{3,60})", "KCSAN: {what} in {function}"),
    header(_KIND.KFENCE, "BUG: KFENCE: ", _IN_FUNCTION, "KFENCE: {what} in {function}"),
    header(_KIND.KFENCE, "BUG: KFENCE: ", r"(?P<what>[a-z -]{3,60})", "KFENCE: {what} in {function}"),  # noqa: E501

    header(_KIND.NULL_DEREF, "BUG: unable to handle kernel ", "NULL", _NULL),
    header(_KIND.NULL_DEREF, "BUG: Unable to handle kernel ", "NULL", _NULL),
    header(_KIND.NULL_DEREF, "BUG: kernel NULL pointer ", "dereference", _NULL),
    header(_KIND.NULL_DEREF, "BUG: Kernel NULL pointer ", "dereference", _NULL),
    header(_KIND.PAGE_FAULT, "BUG: unable to handle ", "(?:kernel|page fault)", _PAGING),
    # powerpc
    header(_KIND.PAGE_FAULT, "BUG: Unable to handle ", "(?:kernel|unknown)", _PAGING),
    header(_KIND.NULL_DEREF, "Unable to handle kernel ", "NULL", _NULL),
    header(_KIND.PAGE_FAULT, "Unable to handle kernel ", _USER_WORDS, _USER),
    header(_KIND.PAGE_FAULT, "Unable to handle ", "(?:kernel|unknown)", _PAGING),
    # mips, loongarch
    header(_KIND.PAGE_FAULT, "CPU ", r"\d{1,5} Unable to handle kernel", _PAGING),
    header(_KIND.PAGE_FAULT, "Kernel attempted to ", r"(?:read|write|access|execute) user page", _USER),  # noqa: E501
    header(_KIND.PAGE_FAULT, "kernel tried to execute ", "", _PAGING),
    header(_KIND.UNHANDLED_FAULT, "Unhandled fault: alignment ", "", "Alignment trap in {function}", joins=True),  # noqa: E501
    header(_KIND.UNHANDLED_FAULT, "Unhandled fault: ", r"[^\n]{3,200} (?:at|on) ", "Unhandled fault in {function}"),  # noqa: E501
    header(_KIND.UNHANDLED_FAULT, "Unhandled prefetch abort: ", "", "Unhandled prefetch abort in {function}"),  # noqa: E501
    header(_KIND.ALIGNMENT, "Alignment trap: ", "not handling instruction", "Alignment trap in {function}"),  # noqa: E501
    header(_KIND.ALIGNMENT, "Kernel unaligned access at TPC", "", "Alignment trap in {function}"),

    header(_KIND.GENERAL_PROTECTION, "general protection fault", r"(?:,| for|: [0-9a-f]{4} \[#)", "general protection fault in {function}"),  # noqa: E501
    header(_KIND.GENERAL_PROTECTION, "Oops: general protection fault", "", "general protection fault in {function}"),  # noqa: E501
    header(_KIND.GENERAL_PROTECTION, "segment-related general protection fault", "", "general protection fault in {function}"),  # noqa: E501
    # Before 2.6
    header(_KIND.GENERAL_PROTECTION, "general protection fault: ", _OLD_DIE, "general protection fault in {function}"),  # noqa: E501
    header(_KIND.DIVIDE_ERROR, "divide error: ", _OLD_DIE, "divide error in {function}"),
    header(_KIND.INVALID_OPCODE, "invalid operand: ", _OLD_DIE, "invalid opcode in {function}", joins=True),  # noqa: E501
    header(_KIND.STACK_SEGMENT, "stack segment", _DIE, "stack segment fault in {function}"),
    header(_KIND.STACK_SEGMENT, "Oops: stack segment", "", "stack segment fault in {function}"),
    header(_KIND.DIVIDE_ERROR, "divide", r"[ _]error" + _DIE, "divide error in {function}"),
    header(_KIND.DIVIDE_ERROR, "Oops: divide error", "", "divide error in {function}"),
    header(_KIND.INT3, "int3", _DIE, "int3 in {function}"),
    header(_KIND.INT3, "Oops: int3", "", "int3 in {function}"),
    header(_KIND.INVALID_OPCODE, "invalid opcode", _DIE, "invalid opcode in {function}", joins=True),  # noqa: E501
    header(_KIND.INVALID_OPCODE, "Oops: invalid opcode", "", "invalid opcode in {function}", joins=True),  # noqa: E501
    header(_KIND.DOUBLE_FAULT, "PANIC: double fault", "", "PANIC: double fault in {function}", joins=True),  # noqa: E501
    header(_KIND.DOUBLE_FAULT, "double fault", _DIE, "PANIC: double fault in {function}", joins=True),  # noqa: E501
    header(_KIND.DOUBLE_FAULT, "Oops: double fault", "", "PANIC: double fault in {function}", joins=True),  # noqa: E501
    header(_KIND.STACK_OVERFLOW, "BUG: ", r"(?:(?:TASK|IRQ|#\w{1,4}) )?stack guard page was hit", "BUG: stack guard page was hit in {function}"),  # noqa: E501
    header(_KIND.STACK_OVERFLOW, "kernel stack overflow", "", "kernel stack overflow in {function}", joins=True),  # noqa: E501
    header(_KIND.STACK_OVERFLOW, "Insufficient stack space to handle exception", "", "kernel stack overflow in {function}"),  # noqa: E501
    header(_KIND.STACK_OVERFLOW, "Thread overran stack, or stack corrupted", "", "kernel stack overflow in {function}", joins=True),  # noqa: E501
    header(_KIND.INTERNAL_ERROR, "Internal error: ", "", "Internal error in {function}", joins=True),  # noqa: E501

    header(_KIND.BAD_PAGE, "BUG: Bad page state", "", "BUG: Bad page state in {function}"),
    header(_KIND.BAD_PAGE, "Bad page state ", "(?:in process|at )", "BUG: Bad page state in {function}"),  # noqa: E501
    header(_KIND.BAD_PAGE, "BUG: Bad page map", "", "BUG: Bad page map in {function}"),
    header(_KIND.BAD_PAGE, "BUG: Bad page cache", "", "BUG: Bad page cache in {function}"),
    header(_KIND.RSS_COUNTER, "BUG: Bad rss-counter state", "", "BUG: Bad rss-counter state"),
    header(_KIND.RSS_COUNTER, "BUG: non-zero ", r"(?P<what>\w{2,40}) on freeing mm", "BUG: non-zero {what} on freeing mm"),  # noqa: E501
    header(_KIND.SLUB, "BUG ", r"[\w:.-]{2,64} (?:\([^()]{1,60}\)){1,2} ?: (?!kasan: )(?P<text>[^\n]{3,120})", "BUG: {text}"),  # noqa: E501
    header(_KIND.SLUB, "BUG ", r"[\w:.-]{2,64} \((?:Not t|T)ainted[^\n]{0,60}\): (?!kasan: )(?P<text>[^\n]{3,120})", "BUG: {text}"),  # noqa: E501
    header(_KIND.SLUB, "BUG ", r"[\w:.-]{2,64}: (?P<text>(?:Poison|Redzone|Object|Freepointer|Padding|Freechain|Objects)[^\n]{0,120})", "BUG: {text}"),  # noqa: E501
    header(_KIND.SLUB, "INFO: ", r"(?:Freed|Allocated) in [\w.]{1,200}[^\n]{0,80}", "BUG: slab corruption", joins=True),  # noqa: E501
    header(_KIND.SLUB, "INFO: ", r"(?:Slab|Object) 0x[^\n]{0,120}", "BUG: slab corruption", joins=True),  # noqa: E501
    # mm/slab.c, which is gone since 6.8
    header(_KIND.SLUB, "Slab corruption", "", "BUG: slab corruption"),
    header(_KIND.SLUB, "slab error in ", r"[^\n]{1,100}: cache `[^\n]{1,60}': (?P<text>[^\n]{1,100})", "BUG: slab error: {text}"),  # noqa: E501
    header(_KIND.MEMORY_LEAK, "BUG: memory leak", "", "memory leak in {function}"),
    header(_KIND.REFERENCE_LEAK, "BUG: Dentry ", r"[^\n]{3,300} still in use(?P<what>)", "BUG: Dentry still in use in {place}"),  # noqa: E501
    header(_KIND.REFERENCE_LEAK, "VFS: Busy inodes after unmount", "", "VFS: Busy inodes after unmount"),  # noqa: E501
    header(_KIND.REFERENCE_LEAK, "VFS: Close: file count is ", "(?:0|zero)", "VFS: Close: file count is zero (use-after-free)"),  # noqa: E501
    header(_KIND.REFERENCE_LEAK, "unregister_netdevice: waiting for ", "", "unregister_netdevice: waiting for DEV to become free"),  # noqa: E501
)
# fmt: on
