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
    INVALID_OPCODE = "invalid-opcode"
    DOUBLE_FAULT = "double-fault"
    STACK_OVERFLOW = "stack-overflow"
    # arm, arm64
    INTERNAL_ERROR = "internal-error"
    UNHANDLED_FAULT = "unhandled-fault"
    # Any other exception of an architecture
    OOPS = "oops"
    # "kernel BUG at", and a "BUG: " without a kind of its own
    BUG = "bug"
    WARNING = "warning"
    LOCKDEP = "lockdep"
    SUSPICIOUS_RCU = "suspicious-rcu"
    SPINLOCK = "spinlock"
    ATOMIC_SLEEP = "atomic-sleep"
    PREEMPTIBLE = "preemptible"
    BAD_PAGE = "bad-page"
    RSS_COUNTER = "rss-counter"
    SLUB = "slub"
    MEMORY_LEAK = "memory-leak"
    SOFT_LOCKUP = "soft-lockup"
    HARD_LOCKUP = "hard-lockup"
    WORKQUEUE_LOCKUP = "workqueue-lockup"
    RCU_STALL = "rcu-stall"
    HUNG_TASK = "hung-task"
    PANIC = "panic"
