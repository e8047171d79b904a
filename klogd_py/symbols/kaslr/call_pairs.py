# SPDX-License-Identifier: GPL-2.0-or-later
"""Know which functions of the kernel call one another, and which never do.

Two frames of a trace, one directly below the other, are recognised by these pairs.

Source of truth: arch/*/entry*.S; init/main.c; kernel/fork.c; fs/read_write.c; lib/dump_stack.c.
"""

import re
from functools import lru_cache

from klogd_py.record.lazy_pattern import lazy_pattern

# (caller, callee) that call one another on every kernel. The pattern of the callee may refer to
# groups of the caller's.
KNOWN_CALL_PAIRS = tuple(
    (lazy_pattern(caller), callee)
    for caller, callee in (
        (r"entry_SYSCALL_64_after_hwframe|entry_SYSCALL64_slow_path", r"do_syscall_64"),
        (r"entry_SYSCALL_64_fastpath", r"[sS]yS?_\w+"),
        (
            r"entry_SYS(?:CALL|ENTER)_compat(?:_after_hwframe)?",
            r"do_(?:fast_)?(?:syscall_32|SYSENTER_32)\w*",
        ),
        (r"entry_INT80_(?:compat|32)|asm_int80_emulation", r"do_int80_\w+|int80_emulation"),
        (r"system_call_fastpath", r"[sS]yS?_\w+"),
        (r"do_syscall_64", r"x64_sys_call|__(?:x64|ia32|se|do)_\w+|ksys_\w+|[sS]yS?_\w+"),
        (r"x64_sys_call|ia32_sys_call", r"__(?:x64|ia32|se|do)_\w+"),
        (
            r"__(?:x64|ia32|se|arm64|riscv|s390x?|do)_(?:compat_)?sys_(?P<call>\w+)",
            r"(?:__se_|__do_|__|k)?sys_(?P=call)|do_(?P=call)\w*",
        ),
        (r"ksys_(?:p?(?P<call>read|write))(?:64)?", r"vfs_(?P=call)"),
        (r"ret_from_fork_asm", r"ret_from_fork"),
        (
            r"ret_from_fork",
            r"kthread|kernel_init|call_usermodehelper_exec_async|kernel_thread_helper|io_w\w+"
            r"|create_io_thread",
        ),
        (
            r"kthread",
            r"(?:\w+_)?(?:k?thread|threadfn|daemon|kworker)(?:_\w+)?|smpboot_thread_fn|kswapd"
            r"|kcompactd|ksm\w+|k\w+d|rcu_\w+",
        ),
        (r"worker_thread", r"process_(?:one_work|scheduled_works)"),
        (
            r"kernel_init",
            r"kernel_init_freeable|do_one_initcall|run_init_process|try_to_run_init_process|panic",
        ),
        (r"kernel_init_freeable", r"do_basic_setup|do_initcalls|do_one_initcall|prepare_namespace"),
        (r"asm_(?P<handler>\w+)", r"(?:__)?(?P=handler)"),
        (r"(?:secondary|common)_startup_64\w*", r"start_secondary|x86_64_start_kernel"),
        (r"x86_64_start_kernel", r"x86_64_start_reservations|start_kernel"),
        (r"x86_64_start_reservations", r"start_kernel"),
        (r"start_secondary|rest_init|secondary_start_kernel", r"cpu_startup_entry"),
        (r"cpu_startup_entry", r"do_idle|cpu_idle_loop"),
        (r"(?P<vector>el[01][th]_(?:64|32)_(?:sync|irq|fiq|error))", r"(?P=vector)_handler"),
        (r"el0t_64_sync_handler", r"el0_\w+"),
        (r"el1h_64_(?P<what>sync|irq)_handler", r"el1_\w+"),
        (r"el0_svc|el0_svc_handler", r"do_el0_svc|el0_svc_common\w*"),
        (r"do_el0_svc", r"el0_svc_common\w*|invoke_syscall"),
        (r"el0_svc_common\w*", r"invoke_syscall|__arm64_sys_\w+"),
        (r"invoke_syscall", r"__arm64_sys_\w+"),
        (r"ret_from_exception|handle_exception|handle_sys\w*|system_call", r"do_\w+"),
        (r"entry_INT80_32", r"do_int80_syscall_32"),
    )
)
# (caller, callee) that never do: such a caller calls such a callee only for the same thing, which
# is the group ``what`` of both.
IMPOSSIBLE_CALL_PAIRS = tuple(
    (lazy_pattern(caller), lazy_pattern(callee))
    for caller, callee in (
        (r"ksys_p?(?P<what>read|write)(?:64)?", r"vfs_(?P<what>read|write)"),
        (r"__(?:x64|ia32|arm64|riscv)_sys_(?P<what>read|write)", r"ksys_(?P<what>\w+)"),
        (r"__(?:x64|ia32|arm64|riscv)_sys_(?P<what>\w+)", r"__(?:se|do)_sys_(?P<what>\w+)"),
        (r"asm_(?P<what>(?:exc|sysvec)_\w+)", r"(?P<what>(?:exc|sysvec)_\w+)"),
        (r"vfs_(?P<what>read|write)", r"new_sync_(?P<what>read|write)"),
        # The other operations of a file
        (r"vfs_(?P<what>read|write)", r"\w+_(?P<what>ioctl|llseek|mmap|open|poll)"),
    )
)
# Functions in assembly that call one other function and no more.
ONLY_CALLEE = {
    "entry_SYSCALL_64_after_hwframe": "do_syscall_64",
    "ret_from_fork_asm": "ret_from_fork",
    "el0t_64_sync": "el0t_64_sync_handler",
}
# Functions that only assembly calls, or the dispatcher of FRED (since 6.9).
ONLY_CALLER = {
    "do_syscall_64": lazy_pattern(r"(?:xen_)?(?:entry_SYSCALL_?64\w*|system_call\w*)|fred_\w+")
}
# Through which the kernel is entered.
ENTRY_FUNCTIONS = lazy_pattern(
    r"entry_SYSCALL_?64_\w+|entry_SYS(?:CALL|ENTER)_compat\w*|entry_(?:SYSENTER|INT80)_\w+"
    r"|system_call\w*|ret_from_(?:fork|exception|syscall)\w*|asm_\w+"
    r"|(?:secondary|common)_startup_64\w*"
    r"|el[01][th]?_\w+|handle_(?:exception|sys\w*)|ret_to_(?:user|kernel)|__primary_switched"
    r"|pgm_check_handler"
)
# Larger sets of names are not remembered
_MAX_REMEMBERED_NAMES = 16
# The first frame of a trace of x86-64 that shows no registers (lib/dump_stack.c).
STACK_DUMPERS = lazy_pattern(r"(?:__)?dump_stack(?:_lvl)?|show_(?:stack|trace)\w*")


def without_suffix(name: str) -> str:
    """Return a function's name without what a compiler added: ``do_syscall_64.isra.0``."""
    return name.partition(".")[0]


def has_impossible_pair(callers: frozenset[str], callees: frozenset[str]) -> bool:
    """Whether one of the callers never calls one of the callees.

    ``ksys_read`` does not call ``vfs_write``: it calls the function that does the same thing.
    """
    if len(callers) + len(callees) > _MAX_REMEMBERED_NAMES:
        return _search_impossible(callers, callees)
    return _remembered_impossible(callers, callees)


def are_exclusive_to_others(callers: frozenset[str], callees: frozenset[str]) -> bool:
    """Whether the caller calls one other function only, or the callee is called by another only."""
    only_callees = [ONLY_CALLEE[name] for name in callers if name in ONLY_CALLEE]
    only_callers = [ONLY_CALLER[name] for name in callees if name in ONLY_CALLER]
    return any(callee not in callees for callee in only_callees) or any(
        not any(pattern.fullmatch(name) for name in callers) for pattern in only_callers
    )


def has_known_pair(callers: frozenset[str], callees: frozenset[str]) -> bool:
    """Whether one of the callers calls one of the callees on every kernel."""
    if len(callers) + len(callees) > _MAX_REMEMBERED_NAMES:
        return _search_known(callers, callees)
    return _remembered_known(callers, callees)


def _search_impossible(callers: frozenset[str], callees: frozenset[str]) -> bool:
    for caller_pattern, callee_pattern in IMPOSSIBLE_CALL_PAIRS:
        called_for = {
            found["what"] for name in callers if (found := caller_pattern.fullmatch(name))
        }
        done = {found["what"] for name in callees if (found := callee_pattern.fullmatch(name))}
        if called_for and done and len(called_for | done) > 1:
            return True
    return False


def _search_known(callers: frozenset[str], callees: frozenset[str]) -> bool:
    """Look at each name by itself: functions at one address may have thousands of names."""
    for caller_pattern, callee_pattern in KNOWN_CALL_PAIRS:
        matches = [found for name in callers if (found := caller_pattern.fullmatch(name))]
        # A pattern has one group at most
        for group in matches[0].groupdict() if matches else ():
            values = sorted({re.escape(found[group] or "") for found in matches})
            callee_pattern = callee_pattern.replace(f"(?P={group})", f"(?:{'|'.join(values)})")
        if matches and any(re.fullmatch(callee_pattern, name) for name in callees):
            return True
    return False


# Every slide asks for the same functions
_remembered_impossible = lru_cache(1 << 12)(_search_impossible)
_remembered_known = lru_cache(1 << 12)(_search_known)
