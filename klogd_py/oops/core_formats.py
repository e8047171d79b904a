# SPDX-License-Identifier: GPL-2.0-or-later
"""Formats of printk in the core of Linux that name functions outside of traces.

`klogd_py.oops.print_sites` compiles them. They are those of the sources, but for a few conversions:

* ``%pB`` stands wherever the number is a return address
* ``%p`` is a number that is not one of code, though the kernel may try to name it (``%ps`` of a
  structure), or that may be a hash
* ``%x`` and ``%d`` have no widths, ``%s`` is one word, ``%W`` some words of letters, ``%F``
  other text
* ``%D`` is the driver and the device that dev_info() prints
* ``%L`` is a list of functions, as of the work of a pool

A prefix by pr_fmt is written out. Before ``%F`` there are more than 15 bytes, since a process name
can be the beginning of a message of which somebody else chooses the end. Left out are self-tests,
and debug options of one driver.

Source of truth: Linux 5.10, 6.1, 6.12 and 7.2 (Debian's source packages). A row that 6.12 does not
have says where it is.
"""

# Source file, formats
CORE_FORMATS: tuple[tuple[str, tuple[str, ...]], ...] = (
    (
        "kernel/workqueue.c",
        (
            # 6.4
            "workqueue: %ps hogged CPU for >%dus %d times, consider switching to WQ_%s",
            # 6.4 to 6.6
            "workqueue: %ps hogged CPU for >%dus, consider switching to WQ_%s",
            "workqueue: PF_MEMALLOC task %d(%F) is flushing !WQ_MEM_RECLAIM %s:%ps",
            "workqueue: WQ_MEM_RECLAIM %s:%ps is flushing !WQ_MEM_RECLAIM %s:%ps",
            # 7.2
            "workqueue: cannot queue %ps on wq %s",
            "workqueue: work func %ps enqueued on deprecated workqueue. Use system_{percpu|dfl}_wq instead.",  # noqa: E501
            "preempt=0x%x lock=%d->%d RCU=%d->%d workfn=%ps",
            # Before 6.8
            "last function: %ps",
            # SysRq-t and stalls
            "in-flight:%L",
            "pending:%L",
            "inactive:%L",
            # Before 5.16
            "delayed:%L",
        ),
    ),
    (
        "kernel/smp.c",
        (
            "smp: csd: %s non-responsive CSD lock (#%d) on CPU#%d, waiting %d ns for CPU#%d %ps(%p).",  # noqa: E501
            "smp: csd: CSD lock (#%d) handling prior %ps(%p) request.",
            "smp: IPI callback %pS sent to offline CPU",
            # Before 6.1
            "csd: %s non-responsive CSD lock (#%d) on CPU#%d, waiting %d ns for CPU#%d %ps(%p).",
            "csd: CSD lock (#%d) handling prior %ps(%p) request.",
            "IPI callback %pS sent to offline CPU",
        ),
    ),
    (
        "kernel/time/timer.c",
        ("timer: %pS preempt leak: %x -> %x",),
    ),
    (
        "kernel/time/timer_list.c",
        (
            "#%d: <%p>, %ps, S:%x",
            # Before 4.10 with who started it
            "#%d: <%p>, %ps, S:%x, %ps, %F",
            ".get_time: %ps",
            "set_next_event: %ps",
            "shutdown: %ps",
            "periodic: %ps",
            "oneshot: %ps",
            "oneshot stopped: %ps",
            "resume: %ps",
            "event_handler: %ps",
        ),
    ),
    (
        "kernel/rcu/tree.c, tiny.c",
        (
            "rcu: call_rcu(): Double-freed CB %p->%pS()!!! %F",
            "rcu: __call_rcu_common(): Double-freed CB %p->%pS()!!! %F",
            "call_rcu(): Double-freed CB %p->%pS()!!! %F",
            # 5.10
            "__call_rcu(): Double-freed CB %p->%pS()!!!",
        ),
    ),
    (
        "kernel/rcu/tree_stall.h",
        (
            "Adding %pS() to RCU stall notifier list (possibly suppressing RCU CPU stall warnings).",  # noqa: E501
            "Adding %pS() to RCU stall notifier list (failed, so all is well).",
        ),
    ),
    (
        "kernel/irq",
        (
            "irq %d handler %pS enabled interrupts",
            "genirq: Setting trigger mode %d for irq %d failed (%pS)",
            "->handle_irq(): %p, %pS",
            "->action->handler(): %p, %pS",
            # 7.2
            "[CPU%d] long duration of IRQ[%d:%ps], took: %d us",
        ),
    ),
    ("arch/arm64/kernel/irq.c", ("Root IRQ handler: %ps", "Root FIQ handler: %ps")),
    (
        "kernel/softirq.c",
        ("tasklet SCHED state not set: %s %pS",),
    ),
    ("kernel/notifier.c", ("notifier callback %ps already registered",)),
    (
        "kernel/sched/clock, kernel/time/sched_clock.c",
        ("sched_clock: Registered %pS as sched_clock source",),
    ),
    (
        "kernel/kprobes.c",
        (
            "kprobes: Failed to arm kprobe-ftrace at %pS (error %d)",
            "kprobes: Failed to disarm kprobe-ftrace at %pS (error %d)",
            "Failed to disarm kprobe-ftrace at %pS (error %d)",
            # 5.10
            "kprobes: Failed to arm kprobe-ftrace at %pS (%d)",
            "Failed to disarm kprobe-ftrace at %pS (%d)",
            "%ps must be blacklisted because of incorrect kretprobe order",
            "kprobes: %ps must be blacklisted because of incorrect kretprobe order",
            ".symbol_name = %s, .offset = %x, .addr = %pS",
            "Address: %pS",
        ),
    ),
    (
        "kernel/trace",
        (
            "from func %ps return to %x",
            "ftrace ops had %pS for function",
            "Bad trampoline accounting at: %p (%pS)",
            "Bad trampoline accounting at: %p (%pS) (%x)",
            "%pS flags:%x",
            "tramp: %pS (%pS)",
            "[%d] %pS at %x is not sorted with %pS at %x",
            "trace_kprobe: Could not probe notrace function %ps",
            "RCU not on for: %pS",
            # 7.2
            "Probe %d : %pS",
        ),
    ),
    (
        "kernel/jump_label.c, static_call_inline.c, static_call.c",
        (
            "can't patch jump_label at %pS",
            "can't patch static call site at %pS",
            "Failed to fixup __raw_static_call() usage at: %ps",
            "unexpected static_call insn opcode 0x%x at %pS",
        ),
    ),
    (
        "kernel/kcsan/report.c",
        ("Cannot find frame for %pS in stack trace", "+-> reordered to: %pS"),
    ),
    ("kernel/events/uprobes.c", ("bad rc=0x%x from %ps()",)),
    ("kernel/stop_machine.c", ("cpu_stop: %ps(%p) leaked preempt count",)),
    (
        "kernel/panic.c",
        (
            "Kernel panic - not syncing: stack-protector: Kernel stack is corrupted in: %pB",
            "---[ end Kernel panic - not syncing: stack-protector: Kernel stack is corrupted in: %pB ]---",  # noqa: E501
        ),
    ),
    (
        "init/main.c",
        (
            "initcall %pS returned with preemption imbalance",
            "initcall %pS returned with disabled interrupts",
            "initcall %pS returned with preemption imbalance disabled interrupts",
        ),
    ),
    (
        "kernel/async.c",
        (
            "calling %d_%pS @ %d",
            "initcall %d_%pS returned after %d usecs",
            # 5.10
            "initcall %d_%pS returned 0 after %d usecs",
        ),
    ),
    (
        "lib/debugobjects.c",
        (
            "ODEBUG: %s %s (active state %d) object: %p object type: %s hint: %pS",
            # 6.1
            "ODEBUG: %s %s (active state %d) object type: %s hint: %pS",
        ),
    ),
    (
        "lib/percpu-refcount.c",
        (
            "percpu ref (%ps) <= 0 (%d) after switching to atomic",
            "percpu_ref_switch_to_atomic_rcu: percpu ref (%ps) <= 0 (%d) after switching to atomic",
            "percpu_ref_kill_and_confirm called more than once on %ps!",
        ),
    ),
    (
        "mm/memblock.c",
        (
            "memblock_%s: [%p-%p] %pB",
            "memblock_%s: [%p-%p] nid=%d flags=%x %pB",
            "memblock_%s: %d bytes align=0x%x from=%p max_addr=%p %pB",
            "memblock_%s: %d bytes align=0x%x nid=%d from=%p max_addr=%p %pB",
            # Before 5.8
            "memblock_%s: [%p-%p] flags 0x%x %pB",
            "memblock_%s: [%p-%p] %s flags 0x%x %pB",
        ),
    ),
    (
        "mm",
        (
            # slab_common.c
            "kmem_cache_destroy %s: Slab cache still has objects when called from %pB",
            # slub.c: before 5.12 with INFO: in front
            "Allocated in %pB age=%d cpu=%d pid=%d",
            "Freed in %pB age=%d cpu=%d pid=%d",
            # slab.c, before 6.8
            "Last user: (%pB)",
            # memory.c
            "file:%s fault:%ps mmap:%ps read_folio:%ps",
            "file:%s fault:%ps mmap:%ps readpage:%ps",
            "file:%s fault:%ps mmap:%ps mmap_prepare: %ps read_folio:%ps",
            "%pS callback failed with %d in blockable context.",
            "%pS callback failed with %d in non-blockable context.",
            # vmscan.c, before 6.0
            "shrink_slab: %pS negative objects to delete nr=%d",
            # mempool.c, 7.2
            "forcing mempool usage for %pB",
            # vmalloc.c, slab_common.c: mem_dump_obj() for arm's registers
            "Register %s information: %F allocated at %pB",
        ),
    ),
    (
        "drivers/base",
        (
            "%DPM: calling %ps @ %d, parent: %s",
            "%DPM: %ps returned %d after %d usecs",
            "%DPM: %s(): %ps returns %d",
            "PM: %s(): %ps returns %d",
            "dpm_run_callback(): %ps returns %d",
            "legacy_suspend(): %ps returns %d",
            "pci_%s(): %ps returns %d",
            "pnp_bus_suspend(): %ps returns %d",
            "%Dcalling %ps @ %d, parent: %s",
            "%Dcalling %ps @ %d",
            "%D%ps returned %d after %d usecs",
            "PM: Calling %pS",
            "PM: System core suspend callback %pS failed.",
            "Interrupts enabled after %pS",
            "dev_attr_show: %pS returned bad count",
            # 7.2
            "dev_attr_show: %pS/%pS returned bad count",
        ),
    ),
)
