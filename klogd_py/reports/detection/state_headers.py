# SPDX-License-Identifier: GPL-2.0-or-later
"""The first lines of reports on locks, stalls, wrong states and panics, and on other exceptions.

Source of truth: kernel/panic.c, kernel/hung_task.c, kernel/watchdog.c, kernel/workqueue.c,
kernel/rcu/tree_stall.h, kernel/locking/lockdep.c, kernel/locking/spinlock_debug.c,
kernel/sched/core.c, lib/bug.c, lib/ubsan.c, lib/smp_processor_id.c, rust/kernel/print.rs; ``die``
of each architecture.
"""

from klogd_py.record.crash_kind import CrashKind
from klogd_py.reports.detection.header import Header, header

_KIND = CrashKind
_CPU = r"(?:CPU: \d{1,5} PID: -?\d{1,20} )?"
_SOURCE = r"(?P<file>[\w./+~-]{1,300}\.[a-zA-Z]{1,3}):(?P<line>\d{1,6})"
_DEADLOCK = "possible deadlock in {function}"
_ORDER = r"(?:possible (?:circular|recursive|irq) |(?:HARD|SOFT)IRQ-safe -> (?:HARD|SOFT)IRQ-unsafe |\w{1,40}-safe -> \w{1,40}-unsafe lock)"  # noqa: E501
_COUNT = r"\[#\d{1,5}\]"
_TASK = r"[^\n]{0,80}"

# fmt: off
# Among forms that fit the same line the first one counts.
STATE_HEADERS: tuple[Header, ...] = (
    # Before 4.14 in brackets, whose first one is taken off
    header(_KIND.LOCKDEP, "WARNING: ", _ORDER, _DEADLOCK),
    header(_KIND.LOCKDEP, "INFO: ", _ORDER, _DEADLOCK),
    header(_KIND.INCONSISTENT_LOCK, "WARNING: inconsistent lock state", "", "inconsistent lock state in {function}"),  # noqa: E501
    header(_KIND.INCONSISTENT_LOCK, "INFO: inconsistent lock state", "", "inconsistent lock state in {function}"),  # noqa: E501
    header(_KIND.SUSPICIOUS_RCU, "WARNING: suspicious RCU usage", "", "WARNING: suspicious RCU usage in {function}"),  # noqa: E501
    header(_KIND.SUSPICIOUS_RCU, "INFO: suspicious RCU usage", "", "INFO: suspicious RCU usage in {function}"),  # noqa: E501
    header(_KIND.LOCK_STATE, "WARNING: bad unlock balance detected", "", "WARNING: bad unlock balance in {function}"),  # noqa: E501
    header(_KIND.LOCK_STATE, "BUG: bad unlock balance detected", "", "BUG: bad unlock balance in {function}"),  # noqa: E501
    header(_KIND.LOCK_STATE, "WARNING: bad contention detected", "", "WARNING: bad contention in {function}"),  # noqa: E501
    header(_KIND.LOCK_STATE, "BUG: bad contention detected", "", "BUG: bad contention in {function}"),  # noqa: E501
    header(_KIND.LOCK_STATE, "WARNING: held lock freed", "", "WARNING: held lock freed in {function}"),  # noqa: E501
    header(_KIND.LOCK_STATE, "BUG: held lock freed", "", "BUG: held lock freed in {function}"),
    header(_KIND.LOCK_STATE, "WARNING: lock held when returning to user space", "", "WARNING: lock held when returning to user space in {function}"),  # noqa: E501
    header(_KIND.LOCK_STATE, "BUG: lock held when returning to user space", "", "BUG: lock held when returning to user space in {function}"),  # noqa: E501
    header(_KIND.LOCK_STATE, "WARNING: Nested lock was not taken", "", "WARNING: nested lock was not taken in {function}"),  # noqa: E501
    header(_KIND.LOCK_STATE, "BUG: Nested lock was not taken", "", "BUG: nested lock was not taken in {function}"),  # noqa: E501
    header(_KIND.LOCK_STATE, "BUG: Invalid wait context", "", "BUG: invalid wait context in {function}"),  # noqa: E501
    header(_KIND.LOCK_STATE, "WARNING: Invalid wait context", "", "WARNING: invalid wait context in {function}"),  # noqa: E501
    header(_KIND.LOCK_STATE, "WARNING: ", r"[^\n]{1,60} still has locks held!", "WARNING: still has locks held in {function}"),  # noqa: E501
    header(_KIND.LOCK_STATE, "BUG: ", r"(?:[^\n]{1,60} )?still has locks held!", "BUG: still has locks held in {function}"),  # noqa: E501
    header(_KIND.LOCK_STATE, "BUG: lock held at task exit time", "", "BUG: still has locks held in {function}"),  # noqa: E501
    header(_KIND.LOCK_KEY, "INFO: trying to register non-static key", "", "INFO: trying to register non-static key in {function}"),  # noqa: E501
    header(_KIND.LOCKDEP, "BUG: ", r"(?P<what>MAX_[A-Z_]{3,40}) too low!", "BUG: {what} too low!"),
    header(_KIND.LOCK_KEY, "BUG: key ", r"[^\n]{1,80} (?:not in|has not been registered)", "BUG: lock key not registered in {function}"),  # noqa: E501

    header(_KIND.ATOMIC_SLEEP, "BUG: sleeping function called from invalid context", "", "BUG: sleeping function called from invalid context in {function}"),  # noqa: E501
    header(_KIND.ATOMIC_SLEEP, "Debug: sleeping function called from ", "(?:invalid|illegal) context", "BUG: sleeping function called from invalid context in {function}"),  # noqa: E501
    header(_KIND.ATOMIC_SLEEP, "BUG: scheduling while atomic", "", "BUG: scheduling while atomic in {function}"),  # noqa: E501
    header(_KIND.ATOMIC_SLEEP, "scheduling while atomic: ", "", "BUG: scheduling while atomic in {function}"),  # noqa: E501
    header(_KIND.ATOMIC_SLEEP, "bad: scheduling while atomic", "", "BUG: scheduling while atomic in {function}"),  # noqa: E501
    header(_KIND.ATOMIC_SLEEP, "BUG: scheduling with irqs disabled", "", "BUG: scheduling with irqs disabled in {function}"),  # noqa: E501
    header(_KIND.PREEMPTIBLE, "BUG: using ", r"(?P<what>[\w()]{1,60}) in preemptible", "BUG: using {what} in preemptible code in {function}"),  # noqa: E501
    header(_KIND.SPINLOCK, "BUG: ", r"(?P<what>(?:spinlock|rwlock|mutex|rtmutex) [a-z /-]{4,40}) on CPU", "BUG: {what} in {function}"),  # noqa: E501
    header(_KIND.SPINLOCK, "BUG: ", r"(?P<what>(?:spinlock|rwlock|write-lock|rtmutex)[ -][a-z /-]{4,40})", "BUG: {what} in {function}"),  # noqa: E501
    header(_KIND.WORKQUEUE_LEAK, "BUG: workqueue leaked ", "(?:lock|atomic)", "BUG: workqueue leaked lock or atomic in {function}"),  # noqa: E501

    header(_KIND.SOFT_LOCKUP, "BUG: soft lockup", r" (?:- CPU#|detected on CPU)", "BUG: soft lockup in {function}"),  # noqa: E501
    header(_KIND.HARD_LOCKUP, "BUG: NMI Watchdog detected LOCKUP", "", "BUG: hard lockup in {function}"),  # noqa: E501
    header(_KIND.HARD_LOCKUP, "NMI Watchdog detected LOCKUP", "", "BUG: hard lockup in {function}"),
    header(_KIND.HARD_LOCKUP, "Watchdog detected hard LOCKUP", "", "BUG: hard lockup in {function}", joins=True),  # noqa: E501
    header(_KIND.HARD_LOCKUP, "CPU ", r"\d{1,5} (?:self-detected hard LOCKUP|detected hard LOCKUP)", "BUG: hard lockup in {function}", joins=True),  # noqa: E501
    header(_KIND.WORKQUEUE_LOCKUP, "BUG: workqueue lockup", "", "BUG: workqueue lockup"),
    header(_KIND.RCU_STALL, "INFO: rcu", r"_\w{1,20} (?:self-)?detected (?:expedited )?stalls?\b", "INFO: rcu detected stall in {function}"),  # noqa: E501
    header(_KIND.RCU_STALL, "INFO: ", r"RCU detected CPU \d{1,5} stall", "INFO: rcu detected stall in {function}"),  # noqa: E501
    header(_KIND.HUNG_TASK, "INFO: task ", r"[^\n]{0,80}(?::| )[^\n]{0,80} blocked ", "INFO: task hung in {function}"),  # noqa: E501
    header(_KIND.HUNG_TASK, "INFO: task ", r"[^\n]{1,80} can't die for more than ", "INFO: task can't die in {function}"),  # noqa: E501
    header(_KIND.HUNG_TASK, "INFO: task ", r"[^\x20-\x7e]", "INFO: task hung in {function}"),
    header(_KIND.HUNG_TASK, "INFO: task ", r"\S{1,60}:\d{1,10}$", "INFO: task hung in {function}"),

    header(_KIND.BUG, "kernel BUG at ", r"(?:" + _SOURCE + r")?", "kernel BUG in {function}"),
    header(_KIND.BUG, "Kernel BUG at ", r"(?:" + _SOURCE + r")?", "kernel BUG in {function}"),
    header(_KIND.BUG, "Kernel bug detected", _COUNT, "kernel BUG in {function}"),
    header(_KIND.WARNING, "WARNING: ", _CPU + r"at ?" + _SOURCE, "WARNING in {function}"),
    header(_KIND.WARNING, "WARNING: ", _CPU + r"at \S{1,200}\+0x", "WARNING in {function}"),
    # Cut where a mail program wraps lines
    header(_KIND.WARNING, "WARNING: ", r"(?:CPU: \d{1,5} PID: -?\d{1,20}|" + _SOURCE + r") at\s{0,4}$", "WARNING in {function}"),  # noqa: E501
    # 6.19
    header(_KIND.WARNING, "WARNING: ", r"(?:[^\n]{1,300} )?" + _SOURCE + r" at [^\n]{1,200}, CPU#\d", "WARNING in {function}"),  # noqa: E501
    header(_KIND.WARNING, "WARNING: ", r"[^\n]{0,300}\bat [^\n]{1,200}, CPU#\d{1,5}: ", "WARNING in {function}"),  # noqa: E501
    header(_KIND.WARNING, "WARNING: kernel stack ", r"(?P<what>regs|frame pointer) (?:at [^\n]{1,120} )?has bad (?P<value>'\w{1,4}' )?value", "WARNING: kernel stack {what} has bad {value} value", joins=True),  # noqa: E501
    # arch/x86/kernel/unwind_orc.c: while the stack of another report is printed
    header(_KIND.WARNING, "WARNING: can't ", r"(?P<what>(?:access|dereference) (?:iret )?registers) at", "WARNING: can't {what}", joins=True),  # noqa: E501
    header(_KIND.WARNING, "Badness in ", r"\S{1,80} at ", "WARNING in {function}"),
    header(_KIND.WARNING, "Badness at ", _SOURCE + "?", "WARNING in {function}"),
    header(_KIND.UBSAN, "UBSAN: Undefined behaviour in ", "", "UBSAN: undefined-behaviour in {function}"),  # noqa: E501
    header(_KIND.UBSAN, "UBSAN: ", r"(?P<what>[\w' -]{3,60}) in ", "UBSAN: {what} in {function}"),
    header(_KIND.RUST_PANIC, "rust_kernel: panicked at ", "", "{message} in {function}"),

    header(_KIND.PANIC, "Kernel panic", r" - not syncing: stack-protector: Kernel stack is corrupted in", "kernel panic: stack is corrupted in {function}"),  # noqa: E501
    header(_KIND.STACK_OVERFLOW, "Kernel panic", r" - not syncing: corrupted stack end detected", "kernel panic: corrupted stack end in {function}"),  # noqa: E501
    header(_KIND.PANIC, "Kernel panic", r"(?: - not syncing)?: (?:Kernel |kernel )?[Ss]tack overflow", "kernel stack overflow in {function}"),  # noqa: E501
    header(_KIND.PANIC, "Kernel panic", r"(?: - not syncing)?: (?P<text>Fatal exception|Attempted to kill init!|[Bb]ad mode|hung_task: blocked tasks)", "kernel panic: {text}"),  # noqa: E501
    header(_KIND.PANIC, "Kernel panic", r"(?: - not syncing)?: (?P<text>[^\n]{1,200})", "kernel panic: {text}"),  # noqa: E501
    header(_KIND.PANIC, "Kernel panic", "", "kernel panic"),

    # "Oops: 0000 [#1] SMP", "Oops: Oops: 0002 [#1] SMP" since 6.10
    header(_KIND.OOPS, "Oops: ", r"(?:Oops: )?[0-9a-f]{1,16}\b", "Oops in {function}", joins=True),
    header(_KIND.OOPS, "Oops: ", r"[^\n]{3,120}" + _COUNT, "Oops in {function}", joins=True),
    header(_KIND.OOPS, "Oops: ", r"(?:Machine check|Exception in kernel mode|[Kk]ernel access of bad area|unrecoverable|Weird page fault|System Reset|Unrecoverable)", "Oops in {function}", joins=True),  # noqa: E501
    header(_KIND.OOPS, "Oops", r"(?: - [^\n]{1,60}: [0-9a-f]{1,8} )?" + _COUNT, "Oops in {function}", joins=True),  # noqa: E501
    header(_KIND.OOPS, "Oops in ", r"\S{1,60}:\S{1,60}, line", "Oops in {function}", joins=True),
    header(_KIND.OOPS, "Bad mode in ", r"[^\n]{1,60} handler", "kernel panic: bad mode"),
    header(_KIND.OOPS, "Kernel Fault: Code=", "", "Oops in {function}", joins=True),
    header(_KIND.OOPS, "Kernel ", r"(?:illegal instruction|unaligned instruction|bad sw trap)[^\n]{0,60}", "Oops in {function}", joins=True),  # noqa: E501
    header(_KIND.OOPS, "Reserved instruction in kernel", "", "Oops in {function}", joins=True),
    header(_KIND.OOPS, "Break instruction in kernel", "", "Oops in {function}", joins=True),
    # The debugger of powerpc: arch/powerpc/xmon/xmon.c
    header(_KIND.OOPS, "cpu 0x", r"[0-9a-f]{1,4}: Vector: [0-9a-f]{3,4} +\(", "Oops in {function}", joins=True),  # noqa: E501
    header(_KIND.BUG, "Kernel bug at ", r"(?:" + _SOURCE + r")?", "kernel BUG in {function}"),
    header(_KIND.OOPS, "Data bus error, ", r"epc == ", "Oops in {function}", joins=True),
    header(_KIND.OOPS, "Instruction bus error, ", r"epc == ", "Oops in {function}", joins=True),
    header(_KIND.OOPS, "Machine check in kernel mode", "", "Oops in {function}", joins=True),
    header(_KIND.OOPS, "", r"[a-zA-Z][\w ,()'-]{2,60}: [0-9a-f]{4} (?:ilc:\d )?" + _COUNT, "Oops in {function}", joins=True),  # noqa: E501
    header(_KIND.OOPS, "", r"[A-Za-z][\w ,()'-]{2,60}" + _COUNT + "(?::|$| )", "Oops in {function}", joins=True),  # noqa: E501
    header(_KIND.OOPS, "", r"(?!Hardware name)\S[^\n]{0,40}?\(\d{1,10}\): (?:Oops -?\d{1,10}|[\w ]{3,40} " + _COUNT + r")\s{0,4}$", "Oops in {function}", joins=True),  # noqa: E501
    header(_KIND.BUG, "BUG: recent printk recursion!", "", "BUG: recent printk recursion"),
)

NOTE_HEADERS: tuple[Header, ...] = (
    header(_KIND.IRQ_IGNORED, "irq ", r"\d{1,5}: nobody cared", "irq: nobody cared"),
    header(_KIND.ALLOCATION_FAILURE, "", r"[^\n]{1,60}: page allocation failure", "page allocation failure in {function}"),  # noqa: E501
    header(_KIND.MACHINE_CHECK, "mce: [Hardware Error]: ", "", "machine check"),
    header(_KIND.MACHINE_CHECK, "[Hardware Error]: ", "", "machine check"),
    header(_KIND.OOM_KILL, "Out of memory: ", "Kill", "out of memory: a process was killed"),
    header(_KIND.OOM_KILL, "Memory cgroup out of memory: ", "Kill", "out of memory: a process was killed"),  # noqa: E501
)
# fmt: on
