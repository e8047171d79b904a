# SPDX-License-Identifier: GPL-2.0-or-later
"""Define the kinds of crashes that a kernel reports."""

from enum import Enum


class CrashKind(Enum):
    """What a kernel reports; the value is its name in the status and in the metrics."""

    KASAN = "kasan"
    KMSAN = "kmsan"
    KCSAN = "kcsan"
    KFENCE = "kfence"
    UBSAN = "ubsan"
    NULL_DEREF = "null-deref"
    PAGE_FAULT = "page-fault"
    GENERAL_PROTECTION = "general-protection"
    STACK_SEGMENT = "stack-segment"
    DIVIDE_ERROR = "divide-error"
    # A breakpoint where none was set
    INT3 = "int3"
    INVALID_OPCODE = "invalid-opcode"
    DOUBLE_FAULT = "double-fault"
    STACK_OVERFLOW = "stack-overflow"
    # arm, arm64
    INTERNAL_ERROR = "internal-error"
    UNHANDLED_FAULT = "unhandled-fault"
    ALIGNMENT = "alignment"
    # Any other exception of an architecture
    OOPS = "oops"
    # "kernel BUG at", and a "BUG: " without a kind of its own
    BUG = "bug"
    WARNING = "warning"
    # An order of locks in which they may wait for each other
    LOCKDEP = "lockdep"
    # A lock is taken in interrupts, and elsewhere with interrupts on
    INCONSISTENT_LOCK = "inconsistent-lock"
    # Unlocked by another, held where none may be, freed while held, taken where it may not be
    LOCK_STATE = "lock-state"
    # Not initialised, or its key is not static
    LOCK_KEY = "lock-key"
    SUSPICIOUS_RCU = "suspicious-rcu"
    SPINLOCK = "spinlock"
    ATOMIC_SLEEP = "atomic-sleep"
    PREEMPTIBLE = "preemptible"
    BAD_PAGE = "bad-page"
    RSS_COUNTER = "rss-counter"
    SLUB = "slub"
    MEMORY_LEAK = "memory-leak"
    # A dentry, an inode or a network device is still in use
    REFERENCE_LEAK = "reference-leak"
    # A work item returned with a lock, or in atomic context
    WORKQUEUE_LEAK = "workqueue-leak"
    SOFT_LOCKUP = "soft-lockup"
    HARD_LOCKUP = "hard-lockup"
    WORKQUEUE_LOCKUP = "workqueue-lockup"
    RCU_STALL = "rcu-stall"
    HUNG_TASK = "hung-task"
    PANIC = "panic"
    RUST_PANIC = "rust-panic"
    # Worth a note, and no crash
    IRQ_IGNORED = "irq-ignored"
    ALLOCATION_FAILURE = "allocation-failure"
    MACHINE_CHECK = "machine-check"
    OOM_KILL = "oom-kill"


# No reports are made of these unless the configuration asks for them.
NOTES = frozenset(
    (
        CrashKind.IRQ_IGNORED,
        CrashKind.ALLOCATION_FAILURE,
        CrashKind.MACHINE_CHECK,
        CrashKind.OOM_KILL,
    )
)
