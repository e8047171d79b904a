# SPDX-License-Identifier: GPL-2.0-or-later
"""The function to blame is found by the recipe of each kind."""

import pytest

from klogd_py.reports.anatomy.anatomy import read_anatomy
from klogd_py.reports.blame.blame import Blame, find_blame
from tests.reports.raw_reports import raw_report, trace

REGISTERS = "RIP: 0010:{}+0x1f/0x40\nRSP: 0018:ffff8801db206738 EFLAGS: 00000206\n"


def blame_of(text: str) -> Blame:
    raw = raw_report(text)
    return find_blame(raw.kind, read_anatomy(raw))


def fault(at: str, *callers: str) -> str:
    return (
        "BUG: kernel NULL pointer dereference, address: 0000000000000008\n"
        + REGISTERS.format(at)
        + trace(*callers)
    )


TICK = (
    "dump_stack",
    "rcu_sched_clock_irq",
    "update_process_times",
    "asm_sysvec_apic_timer_interrupt",
)
SYSTEM_CALL = ("__x64_sys_ioctl", "do_syscall_64", "entry_SYSCALL_64_after_hwframe")
LOCK = "ffff88801 (&nic->lock){+.+.}-{3:3}, at: "

CASES = {
    "fault in the function itself": (fault("nic_poll", "nic_irq"), "nic_poll"),
    "fault in a service": (fault("memcpy_erms", "kfree", "nic_poll"), "nic_poll"),
    "fault at address 0": (
        "BUG: kernel NULL pointer dereference, address: 0\nRIP: 0010:0x0\n" + trace("nic_poll"),
        "nic_poll",
    ),
    "registers of a process come too late": (
        "kernel BUG at net/nic.c:12!\n" + trace("nic_poll") + "\nRIP: 0033:0x7f2a\n",
        "nic_poll",
    ),
    "KASAN names the function": (
        "BUG: KASAN: slab-use-after-free in nic_poll+0x1f/0x40\n"
        + trace("dump_stack_lvl", "kasan_report", "nic_poll", "nic_irq"),
        "nic_poll",
    ),
    "KASAN names a primitive": (
        "BUG: KASAN: slab-use-after-free in refcount_inc+0x1f/0x40\n"
        + trace("dump_stack_lvl", "kasan_report", "refcount_inc", "nic_poll"),
        "nic_poll",
    ),
    "KASAN of a wrong free": (
        "BUG: KASAN: invalid-free in nic_kfree_ring+0x1f/0x40\n"
        + trace("kasan_report_invalid_free", "kfree", "nic_kfree_ring", "nic_close"),
        "nic_close",
    ),
    "KFENCE without a call trace": (
        "BUG: KFENCE: out-of-bounds read in memcpy+0x1f/0x40\n"
        + trace(
            "memcpy",
            "nic_poll", label="Out-of-bounds read at 0xffff8c2a (in kfence-#7):",
        ),
        "nic_poll",
    ),
    "KMSAN has its stack at once": (
        "BUG: KMSAN: uninit-value in string+0x1f/0x40\n"
        + trace("string", "vsnprintf", "nic_show").removeprefix("Call Trace:\n")
        + "\n"
        + trace("nic_open", label="Uninit was created at:"),
        "nic_show",
    ),
    "KCSAN names the functions as they are": (
        "BUG: KCSAN: data-race in find_next_bit / nic_poll\n"
        + trace("find_next_bit", label="read to 0xffffffff85a7f140 of 8 bytes by task 8 on cpu 7:"),
        "find_next_bit",
    ),
    "WARN at its place": (
        "WARNING: CPU: 1 PID: 8 at net/nic.c:306 nic_poll+0x1f/0x40\n"
        + REGISTERS.format("nic_poll") + trace("nic_irq"),
        "nic_poll",
    ),
    "WARN that stops the machine": (
        "WARNING: CPU: 1 PID: 8 at lib/refcount.c:28 refcount_warn_saturate+0x1f/0x40\n"
        + trace("dump_stack", "panic", "__warn", "report_bug", "exc_invalid_op")
        + "\n" + REGISTERS.format("refcount_warn_saturate") + " nic_poll+0x1f/0x40\n",
        "nic_poll",
    ),
    "WARN of 6.19": (
        "WARNING: [queue 3] net/nic.c:306 at nic_poll+0x1f/0x40, CPU#1: nicd/8\n"
        + trace("nic_irq"),
        "nic_poll",
    ),
    "WARN about a tracked object": (
        "WARNING: CPU: 1 PID: 8 at lib/debugobjects.c:287 debug_print_object+0x1f/0x40\n"
        + trace("debug_object_init", "init_timer_key", "rcu_nic_timer_", "nic_open"),
        "nic_open",
    ),
    "BUG about a packet": (
        "kernel BUG at net/core/skbuff.c:109!\n"
        + REGISTERS.format("skb_panic") + trace("skb_put", "nic_poll"),
        "nic_poll",
    ),
    "assertion of a file system": (
        "kernel BUG at fs/btrfs/messages.c:12!\n"
        + REGISTERS.format("btrfs_assertfail") + trace("btrfs_nic_ctree"),
        "btrfs_nic_ctree",
    ),
    "RCU stall of the own processor": (
        "rcu: INFO: rcu_sched self-detected stall on CPU\n"
        + trace(*TICK) + "\n" + REGISTERS.format("memcpy")
        + " nic_copy+0x1/0x2\n nic_ioctl+0x1/0x2\n do_vfs_ioctl+0x1/0x2\n",
        "nic_ioctl",
    ),
    "RCU stall without registers": (
        "INFO: rcu_sched self-detected stall on CPU\n"
        + trace(*TICK, "nic_copy", "nic_work", "process_one_work", "worker_thread"),
        "nic_work",
    ),
    "RCU stall skips the thread of the RCU": (
        "rcu: INFO: rcu_preempt detected stalls on CPUs/tasks:\n"
        "rcu: RCU grace-period kthread stack dump:\n"
        + trace("schedule", "rcu_gp_kthread", "kthread")
        + "\nNMI backtrace for cpu 1\n" + REGISTERS.format("nic_copy")
        + trace("nic_ioctl", *SYSTEM_CALL),
        "nic_ioctl",
    ),
    "stall that waits for another processor": (
        "watchdog: BUG: soft lockup - CPU#0 stuck for 22s! [nicd:8]\n"
        + REGISTERS.format("csd_lock_wait")
        + trace("smp_call_function_many_cond", "nic_flush", *SYSTEM_CALL),
        "smp_call_function",
    ),
    "stall in a fault of a system call": (
        "watchdog: BUG: soft lockup - CPU#0 stuck for 22s! [nicd:8]\n"
        + REGISTERS.format("nic_fault")
        + trace(
            "handle_mm_fault", "exc_page_fault",
            "copy_user_generic", "nic_copy", "do_syscall_64",
        ),
        "nic_copy",
    ),
    "stall in a file of procfs": (
        "watchdog: BUG: soft lockup - CPU#0 stuck for 22s! [nicd:8]\n"
        + REGISTERS.format("nic_read") + trace("nic_show", "proc_reg_read", "vfs_read"),
        "nic_show",
    ),
    "hung behind a mutex": (
        "INFO: task nicd:8 blocked for more than 120 seconds.\n"
        + trace("__schedule", "schedule", "__mutex_lock", "nic_open", "vfs_open"),
        "nic_open",
    ),
    "hung behind the lock of all networks": (
        "INFO: task nicd:8 blocked for more than 120 seconds.\n"
        + trace("__schedule", "__mutex_lock", "rtnl_lock", "nic_open"),
        "rtnl_lock",
    ),
    "order of locks": (
        "WARNING: possible circular locking dependency detected\n"
        "nicd/8 is trying to acquire lock:\n" + LOCK + "nic_poll+0x1f/0x40\n"
        "but task is already holding lock:\n" + LOCK + "rtnl_lock+0x1f/0x40\n"
        + trace("dump_stack", "print_circular_bug", "__lock_acquire"),
        "nic_poll",
    ),
    "order of locks, the first one unnamed": (
        "WARNING: possible circular locking dependency detected\n"
        "nicd/8 is trying to acquire lock:\n" + LOCK + "lock_sock_nested+0x1f/0x40\n"
        "but task is already holding lock:\n" + LOCK + "nic_open+0x1f/0x40\n",
        "nic_open",
    ),
    "order of locks and interrupts": (
        "WARNING: HARDIRQ-safe -> HARDIRQ-unsafe lock order detected\n"
        "nicd/8 is trying to acquire:\n" + LOCK + "nic_open+0x1f/0x40\n"
        + trace(
            "lock_acquire", "_raw_spin_lock",
            "nic_irq", label="... which became HARDIRQ-irq-safe at:",
        ),
        "nic_irq",
    ),
    "lock that a process takes along": (
        "WARNING: lock held when returning to user space!\n"
        "1 lock held by nicd/8:\n #0: " + LOCK + "nic_open+0x1f/0x40\n",
        "nic_open",
    ),
    "sleeping where that is forbidden": (
        "BUG: scheduling while atomic: nicd/8/0x00000002\n"
        + trace(
            "dump_stack", "__schedule_bug", "__schedule",
            "schedule_timeout", "msleep", "nic_poll",
        ),
        "nic_poll",
    ),
    "own data of a processor": (
        "BUG: using smp_processor_id() in preemptible [00000000] code: nicd/8\n"
        "caller is nic_poll+0x1f/0x40\n"
        + trace("dump_stack", "check_preemption_disabled", "radix_tree_insert", "nic_poll"),
        "radix_tree_insert",
    ),
    "bad page": (
        "BUG: Bad page state in process nicd  pfn:ab652\n"
        + trace(
            "post_alloc_hook", "alloc_pages",
            "nic_ring", label="page last allocated via order 0, migratetype Unmovable",
        )
        + "\n" + trace("dump_stack", "bad_page", "free_unref_page", "nic_close"),
        "nic_ring",
    ),
    "leak": (
        "BUG: memory leak\nunreferenced object 0xffff88005a065340 (size 576):\n"
        + trace("kmem_cache_alloc", "nic_alloc_ring", "nic_open", label="  backtrace:"),
        "nic_open",
    ),
    "work item that keeps a lock": (
        "BUG: workqueue leaked lock or atomic: kworker/0:0/0x00000000/4\n"
        "     last function: nic_work\n" + trace("dump_stack", "process_one_work"),
        "nic_work",
    ),
    "work item that keeps a lock since 6.9": (
        "BUG: workqueue leaked atomic, lock or RCU: kworker/0:0[77]\n"
        "     preempt=0x00000000 lock=0->1 RCU=0->0 workfn=nic_work [nic]\n"
        + trace("dump_stack", "process_one_work"),
        "nic_work",
    ),
    "stack of the kernel that is used up": (
        "BUG: stack guard page was hit at ffffc9001a6e7fe8 (stack is 0..1)\n"
        + REGISTERS.format("nic_copy")
        + trace("nic_walk", "nic_walk", "nic_ioctl", "do_syscall_64"),
        "nic_ioctl",
    ),
    "stack protector": (
        "Kernel panic - not syncing: stack-protector: Kernel stack is corrupted in: "
        "nic_poll+0x1f/0x40\n"
        + trace("dump_stack", "panic", "__stack_chk_fail", "nic_irq"),
        "nic_poll",
    ),
    "suspicious RCU": (
        "WARNING: suspicious RCU usage\nnet/nic.c:12 suspicious rcu_dereference_check() usage!\n"
        + trace("dump_stack", "lockdep_rcu_suspicious", "nic_poll"),
        "nic_poll",
    ),
    "all frames doubtful": ("kernel BUG at net/nic.c:12!\nCall Trace:\n ? nic_poll+0x1/0x2\n", ""),
    "nothing known": ("kernel BUG at net/nic.c:12!", ""),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_function_to_blame_is_found(case: str) -> None:
    text, function = CASES[case]
    assert blame_of(text).function == function


def test_module_of_blamed_frame_is_named() -> None:
    found = blame_of("kernel BUG at net/nic.c:12!\nRIP: 0010:nic_poll+0x1f/0x40 [nic]\n")
    assert found == Blame("nic_poll", "nic")


def test_stall_tells_where_processor_was() -> None:
    text = "watchdog: BUG: soft lockup - CPU#0 stuck for 22s! [nicd:8]\n"
    found = blame_of(text + REGISTERS.format("nic_copy") + trace("nic_ioctl", *SYSTEM_CALL[1:]))
    assert found == Blame("nic_ioctl", at="nic_copy")


def test_stall_inside_module_is_its_own() -> None:
    text = "watchdog: BUG: soft lockup - CPU#0 stuck for 22s! [nicd:8]\n"
    registers = "RIP: 0010:nic_spin+0x1f/0x40 [nic]\n"
    assert blame_of(text + registers + trace("proc_reg_write")) == Blame("nic_spin", "nic")


def test_report_of_noise_tells_its_scene() -> None:
    found = blame_of(fault("memcpy_erms", "kfree", "do_syscall_64"))
    assert found == Blame("memcpy_erms", is_noise=True)


def test_copies_of_function_are_one() -> None:
    plain, copy = (blame_of(fault(name)).function for name in ("nic_poll", "nic_poll.isra.0.cold"))
    assert plain == copy == "nic_poll"
