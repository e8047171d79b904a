# SPDX-License-Identifier: GPL-2.0-or-later
"""Functions that are noise in reports of some kinds, and the anchors of a stalled stack.

Each expression is compared with the beginning of the plain name of a function.

Source of truth: the kernel's sources, in the directories that the comments name.
"""

from klogd_py.record.lazy_pattern import lazy_pattern

# Sleeping is what an atomic context must not do; the one who asked for it is to blame.
# kernel/sched, kernel/time, kernel/locking, lib/usercopy.c
SLEEPERS = lazy_pattern(
    r"__?schedule(?:$|_)|schedule(?:$|_)|io_schedule|preempt_schedule|do_sched_yield|yield$|msleep|usleep_range|ssleep|fsleep|do_nanosleep|hrtimer_nanosleep"
    r"|(?:__)?wait_(?:for|on|event)|do_wait_for_common|__wait_rcu_gp|mutex_|__mutex|down|rt_mutex|rtlock|kthread_park|percpu_down"
    r"|clk_(?:prepare|unprepare|core_prepare)|regulator_|synchronize_|flush_(?:work|workqueue)|disable_irq$|synchronize_irq|free_irq|vfree|vmap|vunmap"
    r"|might_|__might|__cond_resched|_cond_resched|unmap_kernel_range|kmap$|schedule_debug|in_atomic"
)
# The scheduler, locks and waits under which a hung task sleeps; kernel/sched, kernel/locking,
# kernel/futex, mm/filemap.c, block/, fs/fs-writeback.c waiting for a bit
WAITERS = lazy_pattern(
    r"\w*_wait(?:_|$)|__?schedule|schedule|context_switch|io_schedule|__switch_to|preempt_schedule|rwsem_|__rwsem|_*down|_*up_|__mutex|mutex_|rt_mutex|__rt_mutex|percpu_|__percpu|ww_mutex"
    r"|do_wait_for_common|__?wait_|wait_(?:for|on|event)|_?_?wait$|do_wait_intr|bit_wait|out_of_line_wait|__wait|wait_rcu_gp|folio_wait|__lock_|lock_|__folio_lock|folio_lock|bit_wait_io|__bit_wait"
    r"|kthread_stop|kthread_flush|flush_work|__flush|flush_workqueue|cancel_|__cancel|drain_workqueue|destroy_workqueue"
    r"|completion|crypto_wait_req|wait_for_completion|synchronize_|rcu_barrier|inode_wait|inode_sleep|prepare_to_wait|rcu_sync|do_raw|hrtimer_nanosleep|msleep|usleep"
    r"|read_extent|do_read_cache_|fdatawait|__filemap|filemap_|wait_transaction|blk_mq_freeze|blk_mq_get_tag|get_request|jbd2_log_wait|congestion_wait|__cond_resched|futex_wait|__refrigerator"
)
# Locks that serialise so much that whoever waits for them says nothing
HUNG_BUCKETS = lazy_pattern(
    r"rtnl_lock(?:_killable)?$|rtnl_net_lock|_*synchronize_(?:net|srcu)|_?rcu_barrier|exp_funnel_lock"
)
# One wait for a grace period of RCU, whichever the version and the settings make of it
GRACE_PERIODS = lazy_pattern(r"_*synchronize_(?:rcu|sched)(?:_bh)?(?:_expedited)?$")
# Where the kernel dispatches to what a task or an interrupt has to do. The function that is called
# there is what stalls: the top of its stack changes with each moment.
ANCHORS = lazy_pattern(
    # System calls: arch/*/entry
    r"do_syscall_|__do_fast_syscall|do_fast_syscall|do_int80|entry_SYS|entry_INT80|sysenter_|ia32_sys|tracesys|system_call|syscall_handler|x64_sys_call|ia32_sys_call|x32_sys_call"
    r"|el0_svc|el0t_64|el0t_32|_*invoke_syscall|ret_fast_syscall|do_trap_ecall|handle_sys|ret_from_sys|do_el0_svc|__do_syscall|do_syscall|__sys_trace|ret_to_user|ret_to_usermode|handle_syscall|syscall_common|system_call_exception"
    # Work, threads, boot: kernel/workqueue.c, kernel/kthread.c, init/main.c
    r"|process_(?:one_work|scheduled_works)|worker_thread|kthread(?:$|_worker_fn)|ret_from_(?:fork|kernel)|kernel_thread|smpboot_thread|do_one_initcall|do_initcall|kernel_init|start_(?:kernel|secondary)|cpu_startup_entry|do_idle|cpu_idle|rest_init|secondary_start|task_work_run|async_run_entry|run_ksoftirqd|irq_thread|vhost_task_fn"
    # Interrupts and timers: kernel/softirq.c, kernel/time, kernel/irq, kernel/smp.c
    r"|_*do_softirq|handle_softirqs|invoke_softirq|_?_?irq_exit|net_rx_action|run_timer_|_*run_timers?|call_timer_fn|expire_timers|_*hrtimer_run|hrtimer_(?:interrupt|run)|tasklet_action|rcu_(?:do_batch|core|process_callbacks)|blk_done_softirq"
    r"|handle_irq_event|_*handle_irq|generic_handle|_*handle_domain_irq|do_IRQ|common_interrupt|asm_common|_*flush_smp_call|generic_smp_call|on_each_cpu|irq_work_run"
    # Files: fs/read_write.c, fs/ioctl.c, fs/file_table.c, fs/exec.c
    r"|_*vfs_(?:read|write|readv|writev|iter|ioctl|fsync|splice|fallocate|readdir)|ksys_(?:read|write|p|ioctl)|_*new_sync_|call_(?:read|write)_iter|do_(?:readv|writev|iter|loop|vfs_ioctl|preadv|pwritev)|do_splice|splice_(?:direct|file)|\w*_compat_(?:sys_)?ioctl|_*compat_(?:sys_)?ioctl|(?:__\w{3,8}_)?(?:ksys|sys|SyS)_ioctl$|blkdev_ioctl|blkdev_driver_ioctl|do_sendfile|iterate_dir|do_dentry_open|vfs_open|kernel_(?:read|write)|_*fput$|_*fput_sync|exit_files|filp_close|do_mmap|mmap_region|mmap_pgoff|vm_mmap|call_mmap|do_filp_open|path_openat|do_sys_open"
    # The files that show or set values: fs/proc, fs/sysfs, fs/kernfs, fs/seq_file.c, fs/debugfs
    r"|proc_(?:reg_|sys_call|sys_read|sys_write|single)|kernfs_(?:fop_(?:read|write|mmap|readdir)|seq)|sysfs_kf|dev_attr_(?:show|store)|kobj_attr_|seq_read|traverse$|debugfs_(?:attr|u8|u32|file)|full_proxy|simple_attr|param_attr|module_attr|drv_attr|class_attr|configfs_(?:write|read)"
    # Network: net/socket.c, net/core/dev.c, net/netlink
    r"|_*sock_(?:sendmsg|recvmsg|write_iter|read_iter|do_ioctl|ioctl|release|close|common_setsockopt|common_getsockopt)|do_sock_|_*netif_receive|netif_rx|process_backlog|napi_(?:poll|complete)|__napi_poll|nfnetlink_rcv|netlink_(?:rcv|sendmsg|dump)|rtnetlink_rcv|genl_|xfrm_netlink_rcv|xfrm_user_rcv|nfnetlink_rcv|crypto_netlink|inet_(?:ioctl|release|create)$|__sock_release"
    # Exit and signals: kernel/exit.c, kernel/signal.c, entry code
    r"|do_group_exit|get_signal|do_signal|exit_to_user|syscall_exit_to|prepare_exit_to|syscall_return_slowpath|do_notify_resume|__syscall_exit|irqentry_exit"
)
# A fault of user memory: an anchor only where a process itself has caused it, and not a system call
# that copies. mm/memory.c, arch/*/mm/fault.c
FAULT_ANCHORS = lazy_pattern(
    r"_*do_page_fault|exc_page_fault|do_user_addr_fault|asm_exc_page_fault|_*handle_mm_fault|do_DataAbort|do_mem_abort|el0_da|do_translation_fault|page_fault$|async_page_fault"
)
# Waits for another processor, which is what stalls; one function under several names
CROSS_CALLS = lazy_pattern(r"_*smp_call_function|on_each_cpu|csd_lock_wait|_*csd_lock")
# The tick that finds a stall; behind it, an interrupt entry; behind that, what was interrupted.
# kernel/rcu/tree_stall.h, kernel/time/timer.c, kernel/watchdog.c
TICK = lazy_pattern(
    r"print_(?:other_)?cpu_stall|watchdog_overflow_callback|check_cpu_stall|rcu_(?:check_callbacks|sched_clock_irq|pending|dump_cpu_stacks)|update_process_times|tick_(?:sched|periodic|nohz)|watchdog_timer_fn|scheduler_tick|_*sched_show_task|hrtimer_(?:run|interrupt)|__hrtimer_run|nmi_(?:trigger|cpu_backtrace)|arch_trigger|timekeeping|tick_handle|softlockup_tick|run_local_timers|trigger_(?:single|all)"
)
# What finds a stall of the processor that it runs on
STALL_CHECK = lazy_pattern(
    r"print_(?:other_)?cpu_stall|check_cpu_stall|rcu_(?:check_callbacks|sched_clock_irq|dump_cpu_stacks)"
)
INTERRUPT_ENTRY = lazy_pattern(
    r"(?:smp_|asm_sysvec_|sysvec_|__sysvec_|local_|__)?(?:apic_timer_interrupt|kvm_guest_apic|hyperv_stimer)|smp_apic_timer_interrupt\w*|local_apic_timer|asm_|sysvec_|arch_timer_handler|handle_(?:percpu_devid|irq|fasteoi|domain)|generic_handle|_*handle_domain_irq|gic_handle_irq|call_on_irq_stack|do_interrupt_handler|el1_(?:irq|interrupt)|el1h_64_irq\w*|el0_irq|__irq_svc|timer_interrupt|__timer_interrupt|decrementer_common|tick_receive|riscv_(?:timer|intc)\w*|handle_arch_irq|do_irq|ret_from_exception|handle_exception|twd_handler|(?:__)?common_interrupt|ret_from_intr|retint_|irq_exit|reschedule|nmi$|end_repeat_nmi|asm_exc_nmi|exc_nmi|default_do_nmi|nmi_handle|do_nmi|error_|xen_hvm|run_sysvec"
)
# What allocates, in reports of what was never freed
ALLOCATING = lazy_pattern(
    r".*(?:alloc|kmem|dup)|new_inode|get_empty_filp|create_object|radix_tree|idr_|kmemleak"
)
# The buffer of a packet, in reports of kernel BUG: skb_panic() reports what its caller did.
PACKET_BUFFERS = lazy_pattern(r"_*p?skb_")
# What frees, in reports of a free that is wrong
FREEING = lazy_pattern(r".*(?:slab_|kv?free|kmem)|kmem_cache_free")
# Objects that lib/debugobjects.c follows: timers, work, RCU
TRACKED_OBJECTS = lazy_pattern(
    r"_*debug_|.*rcu|.*timer_|work_|init_work|__init_work|kfree|destroy_"
)
# fs/proc/generic.c: registers for its caller
PROC_ENTRIES = lazy_pattern(r"_*proc_|remove_proc|proc_register")
