# SPDX-License-Identifier: GPL-2.0-or-later
"""First lines of reports, written by hand, with their kind and title; and lines that are none."""

# fmt: off
SAMPLES = (
    ("kasan", "BUG: KASAN: slab-use-after-free in nic_poll+0x5d/0x140 [nic]", "KASAN: slab-use-after-free in F"),  # noqa: E501
    ("kasan", "BUG: KASAN: double-free or invalid-free in kvfree+0x36/0x60", "KASAN: invalid-free in F"),  # noqa: E501
    ("kasan", "BUG: KASAN: double-free in nic_free+0x36/0x60", "KASAN: invalid-free in F"),
    ("kasan", "BUG: KASAN: null-ptr-deref on address           (null)", "KASAN: null-ptr-deref"),
    ("kasan", "BUG: KASAN: stack-out-of-bounds at", "KASAN: stack-out-of-bounds in F"),
    ("kmsan", "BUG: KMSAN: uninit-value in nic_send+0x1/0x20", "KMSAN: uninit-value in F"),
    ("kmsan", "BUG: KMSAN: uninit-value ...", "KMSAN: uninit-value in F"),
    ("kcsan", "BUG: KCSAN: data-race in nic_read / nic_write", "KCSAN: data-race in nic_read / nic_write"),  # noqa: E501
    ("kcsan", "BUG: KCSAN: assert: race in nic_read / nic_write", "KCSAN: assert: race in nic_read / nic_write"),  # noqa: E501
    ("kcsan", "BUG: KCSAN: unknown-origin", "KCSAN: unknown-origin in F"),
    ("kfence", "BUG: KFENCE: use-after-free read in nic_read+0x10/0x30", "KFENCE: use-after-free read in F"),  # noqa: E501
    ("kfence", "BUG: KFENCE: memory corruption", "KFENCE: memory corruption in F"),
    ("null-deref", "BUG: kernel NULL pointer dereference, address: 0000000000000010", "BUG: unable to handle kernel NULL pointer dereference in F"),  # noqa: E501
    ("null-deref", "BUG: Kernel NULL pointer dereference on read at 0x00000010", "BUG: unable to handle kernel NULL pointer dereference in F"),  # noqa: E501
    ("null-deref", "BUG: unable to handle kernel NULL pointer dereference at 00000010", "BUG: unable to handle kernel NULL pointer dereference in F"),  # noqa: E501
    ("null-deref", "BUG: Unable to handle kernel NULL pointer dereference on read at 0x0", "BUG: unable to handle kernel NULL pointer dereference in F"),  # noqa: E501
    ("null-deref", "Unable to handle kernel NULL pointer dereference at virtual address 00000010", "BUG: unable to handle kernel NULL pointer dereference in F"),  # noqa: E501
    ("page-fault", "BUG: unable to handle page fault for address: ffff9c5e42f1a000", "BUG: unable to handle kernel paging request in F"),  # noqa: E501
    ("page-fault", "BUG: Unable to handle kernel data access on read at 0xc00000000badc0de", "BUG: unable to handle kernel paging request in F"),  # noqa: E501
    ("page-fault", "Unable to handle kernel paging request at virtual address dead000000000100", "BUG: unable to handle kernel paging request in F"),  # noqa: E501
    ("page-fault", "Unable to handle kernel access to user memory without uaccess routines at virtual address 0010", "BUG: unable to handle kernel access to user memory in F"),  # noqa: E501
    ("page-fault", "Kernel attempted to read user page (10) - exploit attempt? (uid: 0)", "BUG: unable to handle kernel access to user memory in F"),  # noqa: E501
    ("page-fault", "kernel tried to execute NX-protected page - exploit attempt? (uid: 0)", "BUG: unable to handle kernel paging request in F"),  # noqa: E501
    ("page-fault", "CPU 3 Unable to handle kernel paging request at virtual address 00000010, epc == 80123450", "BUG: unable to handle kernel paging request in F"),  # noqa: E501
    ("unhandled-fault", "Unhandled fault: page domain fault (0x81b) at 0x00001044", "Unhandled fault in F"),  # noqa: E501
    ("unhandled-fault", "Unhandled fault: alignment exception (0x001) at 0x000008ad", "Alignment trap in F"),  # noqa: E501
    ("unhandled-fault", "Unhandled prefetch abort: breakpoint debug exception (0x002) at 0x00000000", "Unhandled prefetch abort in F"),  # noqa: E501
    ("alignment", "Alignment trap: not handling instruction e1932f9f at [<c0123456>]", "Alignment trap in F"),  # noqa: E501
    ("alignment", "Kernel unaligned access at TPC[4a5b6c] nic_read+0x1c/0x80", "Alignment trap in F"),  # noqa: E501
    ("general-protection", "general protection fault, probably for non-canonical address 0xdead: 0000 [#1] SMP", "general protection fault in F"),  # noqa: E501
    ("general-protection", "general protection fault: 0000 [#1] SMP", "general protection fault in F"),  # noqa: E501
    ("general-protection", "Oops: general protection fault, kernel NULL pointer dereference 0x0: 0000 [#1] SMP", "general protection fault in F"),  # noqa: E501
    ("general-protection", "segment-related general protection fault: 206c [#2] PTI", "general protection fault in F"),  # noqa: E501
    ("general-protection", "general protection fault: 0000", "general protection fault in F"),
    ("divide-error", "divide error: 0000", "divide error in F"),
    ("invalid-opcode", "invalid operand: 0000", "invalid opcode in F"),
    ("warning", "WARNING: can't access registers at entry_SYSCALL_64+0x0/0x9", "WARNING: can't access registers"),  # noqa: E501
    ("oops", "cpu 0x1: Vector: 300 (Data Access) at [c0000000fffb7a30]", "Oops in F"),
    ("oops", "Break instruction in kernel code in traps.c::do_bp, line 531:", "Oops in F"),
    ("oops", "Oops: kernel access of bad area, sig: 11", "Oops in F"),
    ("bug", "Kernel bug at mm/slab.c:311", "kernel BUG in F"),
    ("rss-counter", "BUG: non-zero nr_ptes on freeing mm: 2", "BUG: non-zero nr_ptes on freeing mm"),  # noqa: E501
    ("stack-segment", "stack segment: 0000 [#1] SMP", "stack segment fault in F"),
    ("stack-segment", "Oops: stack segment: 0000 [#1] SMP", "stack segment fault in F"),
    ("divide-error", "divide error: 0000 [#1] SMP", "divide error in F"),
    ("divide-error", "divide_error: 0000 [#1] SMP", "divide error in F"),
    ("divide-error", "Oops: divide error: 0000 [#1] SMP", "divide error in F"),
    ("int3", "int3: 0000 [#1] SMP", "int3 in F"),
    ("int3", "Oops: int3: 0000 [#1] SMP", "int3 in F"),
    ("invalid-opcode", "invalid opcode: 0000 [#1] SMP", "invalid opcode in F"),
    ("invalid-opcode", "Oops: invalid opcode: 0000 [#1] SMP", "invalid opcode in F"),
    ("double-fault", "traps: PANIC: double fault, error_code: 0x0", "PANIC: double fault in F"),
    ("double-fault", "double fault: 0000 [#1] SMP", "PANIC: double fault in F"),
    ("double-fault", "Oops: double fault: 0000 [#1] SMP", "PANIC: double fault in F"),
    ("stack-overflow", "BUG: TASK stack guard page was hit at ffffc90000abfff8", "BUG: stack guard page was hit in F"),  # noqa: E501
    ("stack-overflow", "kernel stack overflow (double-fault): 0000 [#1] SMP", "kernel stack overflow in F"),  # noqa: E501
    ("stack-overflow", "Insufficient stack space to handle exception!", "kernel stack overflow in F"),  # noqa: E501
    ("stack-overflow", "Thread overran stack, or stack corrupted", "kernel stack overflow in F"),
    ("stack-overflow", "Kernel panic - not syncing: corrupted stack end detected inside scheduler", "kernel panic: corrupted stack end in F"),  # noqa: E501
    ("internal-error", "Internal error: Oops: 96000004 [#1] SMP", "Internal error in F"),
    ("oops", "Oops: 0002 [#1] SMP", "Oops in F"),
    ("oops", "Oops: Oops: 0002 [#1] SMP NOPTI", "Oops in F"),
    ("oops", "Oops: Kernel access of bad area, sig: 11 [#1]", "Oops in F"),
    ("oops", "Oops: Machine check, sig: 7", "Oops in F"),
    ("oops", "Oops[#1]:", "Oops in F"),
    ("oops", "Oops - load access fault [#1]", "Oops in F"),
    ("oops", "Oops in fault.c::do_page_fault, line 41:", "Oops in F"),
    ("oops", "Bad mode in Error handler detected on CPU0, code 0xbf000000 -- SError", "kernel panic: bad mode"),  # noqa: E501
    ("oops", "Kernel Fault: Code=15 (Data TLB miss fault) at addr 0000000000000010", "Oops in F"),
    ("oops", "insmod(311): Kernel bad sw trap 5 [#1]", "Oops in F"),
    ("oops", "(udev-worker)(88): Kernel illegal instruction [#1]", "Oops in F"),
    ("oops", "insmod(311): Oops 0", "Oops in F"),
    ("oops", "Kernel unaligned instruction access[#1]:", "Oops in F"),
    ("oops", "Reserved instruction in kernel code[#1]:", "Oops in F"),
    ("oops", "Data bus error, epc == 80123450, ra == 80123400", "Oops in F"),
    ("oops", "Instruction bus error, epc == 80123450, ra == 80123400", "Oops in F"),
    ("oops", "Machine check in kernel mode.", "Oops in F"),
    ("oops", "illegal operation: 0001 ilc:1 [#1] SMP", "Oops in F"),
    ("oops", "Unhandled kernel unaligned access[#1]:", "Oops in F"),
    ("bug", "kernel BUG at drivers/net/nic.c:311!", "kernel BUG in F"),
    ("bug", "Kernel BUG at nic_stop+0x12/0x30 [verbose debug info unavailable]", "kernel BUG in F"),
    ("bug", "kernel BUG at mm/usercopy.c:99!", "BUG: bad usercopy in F"),
    ("bug", "kernel BUG at /build/linux/lib/list_debug.c:26!", "BUG: corrupted list in F"),
    ("bug", "Kernel bug detected[#1]:", "kernel BUG in F"),
    ("bug", "BUG: recent printk recursion!", "BUG: recent printk recursion"),
    ("bug", "BUG: nic: ring 12 is broken", "BUG: nic: ring NUM is broken"),
    ("warning", "WARNING: CPU: 0 PID: 77 at drivers/net/nic.c:311 nic_stop+0x44/0x90 [nic]", "WARNING in F"),  # noqa: E501
    ("warning", "WARNING: at drivers/net/nic.c:311 nic_stop+0x44/0x90()", "WARNING in F"),
    ("warning", "WARNING: CPU: 0 PID: 77 at nic_stop+0x44/0x90 [nic]", "WARNING in F"),
    ("warning", "WARNING: CPU: 0 PID: 77 at", "WARNING in F"),
    ("warning", "WARNING: [nic->busy] drivers/net/nic.c:311 at nic_stop+0x44/0x90, CPU#0: ip/77", "WARNING in F"),  # noqa: E501
    ("warning", "WARNING: nic_stop+0x44/0x90 at nic_stop+0x44/0x90, CPU#0: ip/77", "WARNING in F"),
    ("warning", "WARNING: CPU: 1 PID: 9 at lib/refcount.c:28 refcount_warn_saturate+0xc1/0x110", "WARNING: refcount bug in F"),  # noqa: E501
    ("warning", "WARNING: CPU: 1 PID: 9 at lib/debugobjects.c:514 debug_print_object+0x16a/0x210", "WARNING: ODEBUG bug in F"),  # noqa: E501
    ("warning", "WARNING: CPU: 1 PID: 9 at mm/slab_common.c:935 kmalloc_slab+0x5d/0x70", "WARNING: kmalloc bug in F"),  # noqa: E501
    ("warning", "WARNING: CPU: 1 PID: 9 at mm/memory.c:935 handle_mm_fault+0x5d/0x70", "WARNING in F"),  # noqa: E501
    ("warning", "WARNING: CPU: 1 PID: 9 at drivers/usb/core/urb.c:503 usb_submit_urb+0x5d/0x70", "WARNING in F/usb_submit_urb"),  # noqa: E501
    ("warning", "WARNING: kernel stack regs at ffff8801d100fea8 in ip:77 has bad 'bp' value 00000000", "WARNING: kernel stack regs has bad 'bp' value"),  # noqa: E501
    ("warning", "Badness in nic_stop at drivers/net/nic.c:311", "WARNING in F"),
    ("warning", "Badness at drivers/net/nic.c:311", "WARNING in F"),
    ("lockdep", "WARNING: possible circular locking dependency detected", "possible deadlock in F"),
    ("lockdep", "[ INFO: possible recursive locking detected ]", "possible deadlock in F"),
    ("lockdep", "BUG: MAX_LOCKDEP_ENTRIES too low!", "BUG: MAX_LOCKDEP_ENTRIES too low!"),
    ("inconsistent-lock", "WARNING: inconsistent lock state", "inconsistent lock state in F"),
    ("inconsistent-lock", "[ INFO: inconsistent lock state ]", "inconsistent lock state in F"),
    ("suspicious-rcu", "WARNING: suspicious RCU usage", "WARNING: suspicious RCU usage in F"),
    ("suspicious-rcu", "[ INFO: suspicious RCU usage. ]", "INFO: suspicious RCU usage in F"),
    ("lock-state", "WARNING: bad unlock balance detected!", "WARNING: bad unlock balance in F"),
    ("lock-state", "[ BUG: bad unlock balance detected! ]", "BUG: bad unlock balance in F"),
    ("lock-state", "WARNING: bad contention detected!", "WARNING: bad contention in F"),
    ("lock-state", "[ BUG: bad contention detected! ]", "BUG: bad contention in F"),
    ("lock-state", "WARNING: held lock freed!", "WARNING: held lock freed in F"),
    ("lock-state", "[ BUG: held lock freed! ]", "BUG: held lock freed in F"),
    ("lock-state", "WARNING: lock held when returning to user space!", "WARNING: lock held when returning to user space in F"),  # noqa: E501
    ("lock-state", "[ BUG: lock held when returning to user space! ]", "BUG: lock held when returning to user space in F"),  # noqa: E501
    ("lock-state", "WARNING: Nested lock was not taken", "WARNING: nested lock was not taken in F"),
    ("lock-state", "[ BUG: Nested lock was not taken ]", "BUG: nested lock was not taken in F"),
    ("lock-state", "[ BUG: Invalid wait context ]", "BUG: invalid wait context in F"),
    ("lock-state", "WARNING: Invalid wait context", "WARNING: invalid wait context in F"),
    ("lock-state", "WARNING: ip/77 still has locks held!", "WARNING: still has locks held in F"),
    ("lock-state", "[ BUG: ip/77 still has locks held! ]", "BUG: still has locks held in F"),
    ("lock-state", "BUG: lock held at task exit time!", "BUG: still has locks held in F"),
    ("lock-key", "INFO: trying to register non-static key.", "INFO: trying to register non-static key in F"),  # noqa: E501
    ("lock-key", "BUG: key ffff9c5e42f1a000 has not been registered!", "BUG: lock key not registered in F"),  # noqa: E501
    ("atomic-sleep", "BUG: sleeping function called from invalid context at mm/slab.h:420", "BUG: sleeping function called from invalid context in F"),  # noqa: E501
    ("atomic-sleep", "Debug: sleeping function called from invalid context at mm/slab.c:42", "BUG: sleeping function called from invalid context in F"),  # noqa: E501
    ("atomic-sleep", "BUG: scheduling while atomic: ip/77/0x00000002", "BUG: scheduling while atomic in F"),  # noqa: E501
    ("atomic-sleep", "scheduling while atomic: ip/0x00000002/77", "BUG: scheduling while atomic in F"),  # noqa: E501
    ("atomic-sleep", "bad: scheduling while atomic!", "BUG: scheduling while atomic in F"),
    ("atomic-sleep", "BUG: scheduling with irqs disabled: ip/0x00000000/77", "BUG: scheduling with irqs disabled in F"),  # noqa: E501
    ("preemptible", "BUG: using smp_processor_id() in preemptible [00000000] code: ip/77", "BUG: using smp_processor_id() in preemptible code in F"),  # noqa: E501
    ("spinlock", "BUG: spinlock bad magic on CPU#1, ip/77", "BUG: spinlock bad magic in F"),
    ("spinlock", "BUG: rwlock-release-bug", "BUG: rwlock-release-bug in F"),
    ("workqueue-leak", "BUG: workqueue leaked lock or atomic: kworker/0:1/0x00000001/9", "BUG: workqueue leaked lock or atomic in F"),  # noqa: E501
    ("bad-page", "BUG: Bad page state in process ip  pfn:1a2b3", "BUG: Bad page state in F"),
    ("bad-page", "Bad page state in process 'ip'", "BUG: Bad page state in F"),
    ("bad-page", "BUG: Bad page map in process ip  pte:00000010 pmd:1a2b3067", "BUG: Bad page map in F"),  # noqa: E501
    ("bad-page", "BUG: Bad page cache in process ip  pfn:1a2b3", "BUG: Bad page cache in F"),
    ("rss-counter", "BUG: Bad rss-counter state mm:ffff9c5e42f1a000 type:MM_ANONPAGES val:2", "BUG: Bad rss-counter state"),  # noqa: E501
    ("rss-counter", "BUG: non-zero pgtables_bytes on freeing mm: 4096", "BUG: non-zero pgtables_bytes on freeing mm"),  # noqa: E501
    ("slub", "BUG kmalloc-64 (Not tainted): Poison overwritten", "BUG: Poison overwritten"),
    ("slub", "BUG kmalloc-64 (Tainted: G    B   (E)): Object already free", "BUG: Object already free"),  # noqa: E501
    ("slub", "BUG kmalloc-64: Redzone overwritten", "BUG: Redzone overwritten"),
    ("slub", "INFO: Freed in nic_free+0x14/0x20 age=6 cpu=0 pid=3", "BUG: slab corruption"),
    ("slub", "INFO: Object 0xffff8800b903e960 @offset=2400 fp=0xdead4ead00000000", "BUG: slab corruption"),  # noqa: E501
    ("slub", "Slab corruption (Not tainted): kmalloc-64 start=c96b2000, len=64", "BUG: slab corruption"),  # noqa: E501
    ("slub", "slab error in check_poison(): cache `kmalloc-64': memory outside object", "BUG: slab error: memory outside object"),  # noqa: E501
    ("memory-leak", "BUG: memory leak", "memory leak in F"),
    ("reference-leak", "BUG: Dentry ffff9c5e42f1a000{i=4f,n=tmp}  still in use (1) [unmount of ramfs ramfs]", "BUG: Dentry still in use in unmount"),  # noqa: E501
    ("reference-leak", "VFS: Busy inodes after unmount of sda1. Self-destruct in 5 seconds.", "VFS: Busy inodes after unmount"),  # noqa: E501
    ("reference-leak", "VFS: Close: file count is 0", "VFS: Close: file count is zero (use-after-free)"),  # noqa: E501
    ("reference-leak", "unregister_netdevice: waiting for eth7 to become free. Usage count = 2", "unregister_netdevice: waiting for DEV to become free"),  # noqa: E501
    ("ubsan", "UBSAN: Undefined behaviour in drivers/net/nic.c:311:7", "UBSAN: undefined-behaviour in F"),  # noqa: E501
    ("ubsan", "UBSAN: shift-out-of-bounds in drivers/net/nic.c:311:7", "UBSAN: shift-out-of-bounds in F"),  # noqa: E501
    ("soft-lockup", "watchdog: BUG: soft lockup - CPU#1 stuck for 23s! [ip:77]", "BUG: soft lockup in F"),  # noqa: E501
    ("soft-lockup", "NMI watchdog: BUG: soft lockup - CPU#1 stuck for 23s! [ip:77]", "BUG: soft lockup in F"),  # noqa: E501
    ("hard-lockup", "NMI watchdog: Watchdog detected hard LOCKUP on cpu 3", "BUG: hard lockup in F"),  # noqa: E501
    ("hard-lockup", "BUG: NMI Watchdog detected LOCKUP on CPU3, ip 80123450, registers:", "BUG: hard lockup in F"),  # noqa: E501
    ("hard-lockup", "NMI Watchdog detected LOCKUP on CPU 3", "BUG: hard lockup in F"),
    ("hard-lockup", "watchdog: CPU 3 self-detected hard LOCKUP @ nic_spin+0x4/0x10", "BUG: hard lockup in F"),  # noqa: E501
    ("workqueue-lockup", "BUG: workqueue lockup - pool cpus=1 node=0 flags=0x0 nice=0 stuck for 31s!", "BUG: workqueue lockup"),  # noqa: E501
    ("rcu-stall", "rcu: INFO: rcu_preempt self-detected stall on CPU", "INFO: rcu detected stall in F"),  # noqa: E501
    ("rcu-stall", "INFO: rcu_sched detected expedited stalls on CPUs/tasks: { 2-... }", "INFO: rcu detected stall in F"),  # noqa: E501
    ("rcu-stall", "INFO: RCU detected CPU 1 stall (t=9)", "INFO: rcu detected stall in F"),
    ("hung-task", "INFO: task ip:77 blocked for more than 120 seconds.", "INFO: task hung in F"),
    ("hung-task", "INFO: task ip:77 <writer> blocked on a mutex likely owned by task ip:78.", "INFO: task hung in F"),  # noqa: E501
    ("hung-task", "INFO: task ip:77 can't die for more than 143 seconds.", "INFO: task can't die in F"),  # noqa: E501
    ("hung-task", "INFO: task \x01\x02", "INFO: task hung in F"),
    ("hung-task", "INFO: task ip:77", "INFO: task hung in F"),
    ("panic", "Kernel panic - not syncing: VFS: Unable to mount root fs on unknown-block(0,0)", "kernel panic: VFS: Unable to mount root fs on unknown-block(NUM,NUM)"),  # noqa: E501
    ("panic", "Kernel panic - not syncing: stack-protector: Kernel stack is corrupted in: nic_read+0x3f2/0x400", "kernel panic: stack is corrupted in F"),  # noqa: E501
    ("panic", "Kernel panic - not syncing: Attempted to kill init! exitcode=0x0000000b", "kernel panic: Attempted to kill init!"),  # noqa: E501
    ("panic", "Kernel panic - not syncing: Fatal exception in interrupt", "kernel panic: Fatal exception"),  # noqa: E501
    ("panic", "Kernel panic - not syncing: Kernel stack overflow", "kernel stack overflow in F"),
    ("panic", "Kernel panic", "kernel panic"),
    ("rust-panic", "rust_kernel: panicked at rust/kernel/nic.rs:60:5:", "panicked in F"),
    ("irq-ignored", 'irq 16: nobody cared (try booting with the "irqpoll" option)', "irq: nobody cared"),  # noqa: E501
    ("allocation-failure", "ip: page allocation failure: order:4, mode:0xcc0(GFP_KERNEL)", "page allocation failure in F"),  # noqa: E501
    ("machine-check", "mce: [Hardware Error]: Machine check events logged", "machine check"),
    ("machine-check", "[Hardware Error]: Corrected error, no action required.", "machine check"),
    ("oom-kill", "Out of memory: Killed process 77 (ip) total-vm:1000kB", "out of memory: a process was killed"),  # noqa: E501
    ("oom-kill", "Memory cgroup out of memory: Killed process 77 (ip) total-vm:1000kB", "out of memory: a process was killed"),  # noqa: E501
)
NO_HEADERS = (
    "WARNING: mand mount option not supported",
    "WARNING: Spectre v2 mitigation leaves CPU vulnerable to RETBleed attacks, data leaks possible!",  # noqa: E501
    "WARNING: /etc/ssh/moduli does not exist, using fixed modulus",
    "XFS (sda1): WARNING: Reset corrupted AGFL on AG 3",
    "INFO: NMI handler (perf_event_nmi_handler) took too long to run: 2.811 msecs",
    "INFO: lockdep is turned off.",
    "INFO: Stall ended before state dump start",
    "EXT4-fs (sda1): INFO: recovery required on readonly filesystem",
    "traps: ip[77] general protection fault ip:7f10a2b3c4d5 sp:7ffd10203040 error:0 in libc.so[7f10a2b00000+1c0000]",  # noqa: E501
    "general protection ip:7f10a2b3c4d5 sp:7ffd10203040 error:0",
    "ip[77]: segfault at 10 ip 00007f10a2b3c4d5 sp 00007ffd10203040 error 4 in libc.so",
    "traps: ip[77] trap divide error ip:4005a0 sp:7ffd10203040 error:0",
    "Kernel panic invoked oom-killer: gfp_mask=0xcc0(GFP_KERNEL), order=0, oom_score_adj=0",
    "BUG: ip (77): Using mlock ulimits for SHM_HUGETLB is obsolete",
    "BUG: ip: vmalloc error: size 4096, mode:0xcc0(GFP_KERNEL), nodemask=(null),cpuset=/",
    "BUG: ip[77]: segfault at 10 ip 00007f10a2b3c4d5 sp 00007ffd10203040 error 4 in libc.so",
    "traps: BUG: ip[77] trap divide error ip:4005a0 sp:7ffd10203040 error:0",
    "traps: BUG: long name[77] trap divide error ip:4005a0 sp:7ffd10203040 error:0",
    "Kernel panic[12] misaligned vsyscall (exploit attempt or buggy program)",
    "Kernel panic(12): Attempt to set a LOCK_MAND lock via flock(2).",
    "BUG: soft locku[12] vsyscall with bad stack (exploit attempt?)",
    "Kernel panic\nip invoked oom-killer: gfp_mask=0xcc0(GFP_KERNEL), order=0, oom_score_adj=0",
    "BUG kmalloc-64 (Not tainted): kasan: bad access detected",
    "nic 0000:01:00.0: DEBUG: BUG: ring 1",
    "nic: kernel BUG at drivers/net/nic.c:311!",
    "login: BUG: soft lockup - CPU#1 stuck for 23s! [ip:77]",
    "** replaying previous printk message ** BUG: KASAN: slab-use-after-free in nic_poll",
    "report 1:0123456789abcdef kind=kasan title=\"KASAN: slab-use-after-free in nic_poll\"",
    "KASAN: slab-use-after-free Read in nic_poll",
    "WARNING in nic_stop",
    "kernel BUG in nic_stop",
    "possible deadlock in nic_stop",
    "watchdog: rcu: INFO: rcu_preempt self-detected stall on CPU",
    "task:ip              state:R  running task     stack:0     pid:77    ppid:1",
    "Call Trace:",
    " schedule+0x5e/0xd0",
    "sysrq: Show State",
    "sysrq: Trigger a crash",
    "panic: nic is broken",
    "",
)
# fmt: on
