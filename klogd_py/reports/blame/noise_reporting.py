# SPDX-License-Identifier: GPL-2.0-or-later
"""Families of noise: functions that report, check, print or trace, for whoever has called them."""

from klogd_py.reports.blame.noise_family import NoiseFamily, family

REPORTING: tuple[NoiseFamily, ...] = (
    family(
        "reporters",
        "print the report itself: lib/dump_stack.c, kernel/panic.c, lib/bug.c",
        "__crash_kexec __die __fortify_panic __fortify_report __panic __schedule_bug "
        "__show_regs __stack_chk_fail add_taint bug_handler bust_spinlocks c_backtrace "
        "check_panic_on_warn crash_kexec crash_save_cpu ct_warn die fixup_bug fortify_panic "
        "handle_bug handle_stack_overflow is_valid_bugaddr lockdep_rcu_suspicious "
        "machine_kexec nmi_panic notify_die oops_begin oops_end oops_exit panic "
        "panic_bad_stack print_modules printk_trigger_flush report_bug report_usercopy "
        "schedule_debug show_regs show_regs_print_info show_trace_log_lvl "
        "stack_overflow_check trace_hardirqs_off trace_hardirqs_off_caller trace_hardirqs_on "
        "trace_hardirqs_on_caller try_crash_dump usercopy_abort usercopy_warn vpanic "
        "warn_bogus_irq_restore",
        r"dump_stack __dump_stack show_stack show_trace dump_trace dump_backtrace "
        r"unwind_backtrace print_trace __?warn(?:_printk|_slowpath\w*|_on\w*)?$ warn_slowpath "
        r"print_(?:unlock|bad|usage|deadlock|circular|irq|lock|freed|held|noncircular)\w* die_ "
        r"refcount_warn __bad_area bad_area bug_at "
        r"watchdog_(?:hardlockup|overflow|timer|check) lkdtm_BUG$",
    ),
    family(
        "traps",
        "the way from a fault or an interrupt to the report: arch/*/mm/fault.c, traps.c, "
        "entry code",
        "__do_kernel_fault __do_page_fault __no_context async_page_fault bad_page_fault "
        "bad_trap brk_handler call_break_hook call_undef_hook data_exception die_if_kernel "
        "divide_error do_alignment do_alignment_fault do_async_page_fault do_bad "
        "do_divide_error do_double_fault do_el1_undef do_entArith do_entIF do_entUna "
        "do_error_trap do_general_protection do_int3 do_invalid_op do_kern_addr_fault "
        "do_page_fault do_privact do_program_check do_sea do_serror do_sp_abort "
        "do_sp_pc_abort do_sparc64_fault do_tag_check_fault do_translation_fault do_trap "
        "do_trap_break do_trap_insn_illegal do_trap_no_signal do_trap_or_bp do_undef "
        "do_undefinstr do_user_addr_fault double_fault emulate_math entArith entIF entMM "
        "entUna error_code error_entry exc_double_fault exc_general_protection exc_page_fault "
        "fault_in_kernel_space general_protection handle_bp handle_bp_int handle_exception "
        "handle_interruption handle_page_fault illegal_op int3 interrupt_return "
        "intr_check_sig invalid_op is_spurious_el1_translation_fault kernel_bad_stack "
        "kernel_unaligned_trap kernelmode_fixup_or_oops mem_address_unaligned mm_fault_error "
        "monitor_event_exception no_context page_fault page_fault_kernel page_fault_oops "
        "parisc_terminate pgtable_bad program_check_common program_check_exception "
        "reg_file_write restore_args restore_regs_and_iret ret_from_exception ret_from_intr "
        "ret_from_irq retint_kernel stack_segment sun4v_do_mna undefined_instruction "
        "unhandled_fault",
        r"asm_exc_ exc_ el1_ el1h_ el1t_ __(?:dabt|pabt|und|irq|fiq)_(?:svc|usr|invalid)$ "
        r"do_(?:Data|Prefetch)Abort do_mem_abort do_bad_area __do_pgm_check pgm_check_handler "
        r"__do_(?:kernel|user)_fault data_access_ instruction_access_ xen_(?:asm_)?exc_ "
        r"die_kernel_fault handle_(?:tlb|reserved|ade|sys|bp|tr|ri)\w*_int "
        r"do_(?:be|bp|tr|ri|ade|cpu|fpe|tlb\w*)$ do_debug_exception do_el1 do_el0_brk "
        r"tlb_do_page_fault",
    ),
    family(
        "sanitizers",
        "check the access of their caller: mm/kasan, mm/kmsan, mm/kfence, kernel/kcsan, "
        "lib/ubsan.c, kernel/kcov.c",
        "__kernel_poison_pages __stack_depot_save __ubsan_epilogue addr_has_metadata "
        "arch_stack_walk bytes_is_nonzero check_canary check_kcov_mode check_object "
        "check_poison_mem check_poison_obj check_region_inline check_slab depot_fetch_stack "
        "end_report find_val_stack get_kfence_pool get_signed_val get_unsigned_val "
        "handle_error handle_misaligned_access handle_null_ptr_deref "
        "handle_object_size_mismatch handle_overflow is_inline_int kernel_poison_pages "
        "memory_is_poisoned object_err print_address_description print_report "
        "qlist_move_cache set_track set_track_prepare slab_err stack_depot_fetch "
        "stack_depot_save stack_depot_save_flags start_report ubsan_epilogue unwind_frame "
        "val_to_string walk_stackframe write_comp_data",
        r"_*(?:kasan|asan|kmsan|msan|kcsan|tsan|ubsan|hwasan|kfence|kcov|sanitizer)_ kcsan_ "
        r"check_memory_region memory_is_ save_stack stack_trace_save kernel_stack_trace "
        r"instrument_ kernel_text_address __kernel_text_address is_module_text_address kmsan "
        r"sanitizer check_(?:bytes|inline) quarantine_ kasan",
    ),
    family(
        "debug checks",
        "check an object that their caller has given: lib/debugobjects.c, lib/list_debug.c, "
        "lib/ref_tracker.c, include/linux/mm.h",
        "___might_sleep __cant_migrate __cant_sleep __check_heap_object __check_object_size "
        "__cond_resched __might_fault __might_resched __might_sleep __phys_addr "
        "__phys_addr_nodebug __phys_addr_symbol __reset_page_owner __set_page_owner "
        "__split_page_owner __this_cpu_preempt_check __virt_to_phys __virt_to_phys_symbol "
        "_assert_held _cond_resched cant_migrate cant_sleep check_heap_object "
        "check_kernel_text_object check_object_size check_page_span check_preemption_disabled "
        "check_stack_object cond_resched debug_kmap_atomic debug_print_object "
        "debug_smp_processor_id dma_debug_add hrtimer_is_static_object kobject_debug "
        "lookup_object_or_alloc might_fault might_resched might_sleep print_unreferenced "
        "rcuhead_is_static_object smp_processor_id timer_is_static_object virt_to_head_page "
        "work_is_static_object",
        r"_*debug_ debug_object __debug_object ref_tracker_ "
        r"__?list_(?:add|del)(?:_entry)?(?:_valid|_valid_or_report)? timer_fixup "
        r"check_flush_dependency debug_dma_ check_(?:unmap|sync) vm_(?:warn|bug)_on "
        r"_*(?:set|reset)_page_owner",
    ),
    family(
        "printing",
        "format what their caller prints: kernel/printk, lib/vsprintf.c, fs/seq_file.c, "
        "drivers/tty/vt output",
        "___ratelimit __dev_printk __dynamic_dev_dbg __dynamic_pr_debug __netdev_printk "
        "__printk __ratelimit __trace_printk __wake_up_klogd _dev_err _dev_info _dev_notice "
        "_dev_printk _dev_warn _printk _printk_deferred audit_log_format audit_log_vformat "
        "call_console_drivers console_emit_next_record console_flush_all crashlog_printf "
        "dev_printk_emit dev_vprintk_emit early_printk format_decode hex_dump_to_buffer "
        "ip4_string ip6_string kernfs_path_from_node kobject_get_path "
        "legacy_printk_kthread_func nbcon_emit_next_record netdev_err netdev_info "
        "netdev_printk netdev_warn number pointer print_hex_dump print_hex_dump_debug printk "
        "printk_deferred printk_get_console_flush_type ptr_to_hashval put_dec scnprintf "
        "seq_printf seq_put_decimal_ull seq_putc seq_puts seq_vprintf seq_write "
        "simple_strtoull snprintf sprintf sscanf string string_nocheck symbol_string "
        "sysfs_emit sysfs_emit_at trace_printk va_format vprintk vprintk_default "
        "vprintk_deferred vprintk_emit vprintk_func vprintk_store vscnprintf vsnprintf "
        "vsprintf vsscanf wake_up_klogd widen_string",
        r"_*(?:v|sn|s|vsn|vsc|sc)n?printf _*printk_(?:safe|store|get|sprint|parse) __printk_ "
        r"_*prb_ console_(?:flush|unlock|emit) serial8250_console uart_console_write "
        r"univ8250_console _*(?:dev|netdev)_(?:printk|err|warn|info|emerg|crit|alert|notice)$ "
        r"wait_for_(?:lsr|xmitr) vt_console_print",
    ),
    family(
        "tracing",
        "run the hooks at a function of their caller: kernel/trace, "
        "include/linux/tracepoint.h, kernel/bpf dispatch",
        "__perf_event_task_sched_out ftrace_call ftrace_caller ftrace_graph_caller "
        "ftrace_ops_assist_func ftrace_ops_list_func ftrace_regs_call perf_tp_event "
        "perf_trace_buf_alloc return_to_handler trace_event_buffer_reserve "
        "trace_event_raw_event trampoline_handler",
        r"_*trace_(?:event|raw|call|sched|kmem|lock|irq|hardirqs|buffer) __traceiter_ "
        r"perf_trace_ ftrace_ trace_event_ __bpf_trace_ bpf_trampoline_ trace_hardirqs_",
    ),
    family(
        "aborts of arm",
        "stand between a fault and the function that caused it: arch/arm64/kernel/entry.S, "
        "arch/arm/kernel/entry-armv.S",
        "el0_sync el1_da el1_dbg el1_error el1_ia el1_inv el1_irq el1_sync el1_sync_handler "
        "el1_undef vector_swi",
        r"el1_ el1h_64 el1t_64 el0_(?:sync|irq|da|ia|undef)",
    ),
    family(
        "assertions",
        "raise the BUG of a check that their caller makes: fs/reiserfs/prints.c, "
        "fs/btrfs/messages.c, fs/xfs/xfs_message.c",
        "__reiserfs_panic assertfail assfail asswarn btrfs_assertfail core_panicking "
        "reiserfs_panic rust_begin_unwind rust_helper_BUG rust_panic",
        r"_R\w*(?:panic|unwrap_failed|begin_unwind)\w* _*reiserfs_(?:panic|error)$",
    ),
    family(
        "compiler helpers",
        "stand in the place of an instruction of their caller: arch/x86/lib/retpoline.S, "
        "arch/*/lib",
        "__fentry__ __stack_chk_fail_local mcount",
        r"__x86_(?:indirect|return)_ srso_ retbleed_ __indirect_ __llvm_ "
        r"__(?:u|s)?(?:div|mod)(?:di|si)3 __aeabi_",
    ),
)
