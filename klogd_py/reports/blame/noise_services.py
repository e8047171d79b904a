# SPDX-License-Identifier: GPL-2.0-or-later
"""Families of noise: functions that lock, wait or defer work, for whoever has called them."""

from klogd_py.reports.blame.noise_family import NoiseFamily, family

SERVICES: tuple[NoiseFamily, ...] = (
    family(
        "locks",
        "take or release a lock that their caller owns: kernel/locking, include/linux/spinlock.h",
        "___preempt_schedule ___preempt_schedule_notrace __bfs __local_bh_disable_ip "
        "__local_bh_enable __local_bh_enable_ip __lock_acquire __lock_is_held __lock_release "
        "__lock_set_class __lock_sock __lock_sock_fast __pv_queued_spin_lock_slowpath "
        "__pv_spin_lock __rcu_read_lock __rcu_read_unlock __release_sock __rt_spin_lock "
        "__rtnl_unlock _local_bh_enable add_lock_to_list add_preempt_count "
        "arch_local_irq_disable arch_local_irq_enable arch_local_irq_restore "
        "arch_local_irq_save assign_lock_key check_deadlock check_irq_usage check_noncircular "
        "check_prev_add check_prevs_add check_usage check_usage_backwards "
        "check_usage_forwards check_wait_context console_trylock console_unlock "
        "cpu_hotplug_begin cpus_read_lock cpus_read_unlock debug_lockdep_rcu_enabled "
        "find_held_lock get_online_cpus local_bh_disable local_bh_enable local_irq_restore "
        "lock_acquire lock_acquired lock_contended lock_downgrade lock_is_held "
        "lock_is_held_type lock_pin_lock lock_release lock_set_class lock_sock lock_sock_fast "
        "lock_sock_nested lock_torture lockdep_init_map lockdep_init_map_type "
        "lockdep_init_map_waits lockref_get lockref_get_not_dead lockref_get_not_zero "
        "lockref_mark_dead lockref_put_not_zero lockref_put_or_lock look_up_lock_class "
        "lookup_chain_cache_add mark_held_locks mark_lock mark_lock_irq mark_usage "
        "match_held_lock native_queued_spin_lock_slowpath nested_lock netdev_run_todo "
        "osq_lock osq_unlock preempt_count_add preempt_count_sub preempt_schedule "
        "preempt_schedule_common preempt_schedule_irq preempt_schedule_notrace "
        "preempt_schedule_thunk put_online_cpus pv_wait queued_spin_lock_slowpath "
        "rcu_is_watching rcu_lock_acquire rcu_lock_release rcu_lockdep_current_cpu_online "
        "rcu_note_context_switch rcu_read_lock rcu_read_lock_bh_held rcu_read_lock_held "
        "rcu_read_lock_held_common rcu_read_lock_sched_held rcu_read_unlock "
        "rcu_read_unlock_special reacquire_held_locks register_lock_class reiserfs_write_lock "
        "reiserfs_write_lock_nested reiserfs_write_unlock release_sock rt_mutex_slowlock "
        "rt_spin_lock rt_spin_unlock rtlock_slowlock rtnl_is_locked rtnl_lock "
        "rtnl_lock_killable rtnl_net_lock rtnl_trylock rtnl_unlock rwlock_bug rwsem_mark_wake "
        "spin_bug spin_dump sub_preempt_count task_lock task_unlock ticket_spin_lock "
        "valid_state validate_chain wake_q_add ww_mutex_lock ww_mutex_unlock",
        r"_*(?:raw_)*(?:spin|read|write|seq)_(?:lock|unlock|trylock|can_lock) "
        r"_*(?:arch|do|native|queued|ticket)_(?:raw_)?(?:spin|read|write)_(?:lock|unlock|trylock|release) "  # noqa: E501
        r"do_raw_ _*mutex_(?:lock|unlock|trylock|spin|optimistic|is_locked|destroy) "
        r"_*(?:down|up)(?:_read|_write|_trylock|_interruptible|_killable|_timeout)*$ "
        r"_*(?:down|up)_(?:read|write) rwsem_ __rwsem_ percpu_(?:down|up)_ "
        r"__percpu_(?:down|up)_ __mutex_ queued_(?:read|write|spin)_ rt_mutex_ __rt_mutex "
        r"_*(?:rwlock|rwbase|rtlock)_ lockdep_ __lockdep ww_mutex call_rwsem_",
    ),
    family(
        "deferred work and timers",
        "queue, cancel or run what their caller has set up: kernel/workqueue.c, "
        "kernel/time, kernel/rcu, kernel/softirq.c",
        "__call_rcu __call_rcu_common __call_srcu __cancel_work __cancel_work_sync "
        "__cancel_work_timer __flush_work __flush_workqueue __hrtimer_init "
        "__kthread_queue_work __mod_timer __queue_delayed_work __queue_map_get __queue_work "
        "__raise_softirq_irqoff __rcu_barrier __remove_hrtimer __synchronize_srcu "
        "__tasklet_schedule __tasklet_schedule_common __timer_delete __timer_delete_sync "
        "_rcu_barrier add_timer add_timer_on async_schedule_node "
        "async_synchronize_cookie_domain calc_wheel_index call_rcu call_rcu_hurry "
        "call_rcu_sched call_srcu cancel_delayed_work cancel_delayed_work_sync "
        "cancel_work_sync del_timer del_timer_sync delayed_work_timer_fn destroy_workqueue "
        "detach_if_pending detach_timer drain_workqueue enqueue_hrtimer enqueue_timer "
        "flush_delayed_work flush_work flush_workqueue flush_workqueue_prep_pwqs "
        "get_work_pool hrtimer_active hrtimer_cancel hrtimer_init hrtimer_start "
        "hrtimer_start_range_ns hrtimer_try_to_cancel init_timer_key insert_work "
        "insert_wq_barrier internal_add_timer irq_work_queue kfree_call_rcu kfree_rcu "
        "kthread_cancel_work_sync kthread_queue_work kthread_stop kvfree_call_rcu "
        "lock_hrtimer_base lock_timer_base mod_delayed_work_on mod_timer "
        "queue_delayed_work_on queue_rcu_work queue_work_on raise_softirq rcu_barrier "
        "rcu_barrier_sched rcu_gp_fqs rcu_segcblist_enqueue remove_hrtimer "
        "schedule_delayed_work schedule_work srcu_gp_start start_flush_work synchronize_net "
        "synchronize_rcu synchronize_sched synchronize_srcu task_work_add task_work_cancel "
        "tasklet_kill tasklet_schedule timer_delete timer_delete_sync timer_init_key "
        "timer_shutdown_sync try_to_del_timer_sync try_to_grab_pending",
        r"debug_timer debug_rcu_head debug_hrtimer __?(?:try_to_)?del_timer "
        r"_*timer_(?:delete|shutdown|reduce) _*hrtimer_(?:start|cancel|init|forward) "
        r"_*(?:queue|mod)_(?:delayed_)?work rcu_cblist rcu_segcblist "
        r"__?synchronize_(?:rcu|srcu|sched|net)",
    ),
    family(
        "waking and waiting",
        "wake the task or run the chain that their caller names: kernel/sched/wait.c, "
        "kernel/notifier.c",
        "__atomic_notifier_call_chain __init_waitqueue_head __raw_notifier_call_chain "
        "__wake_up __wake_up_bit __wake_up_common __wake_up_common_lock "
        "atomic_notifier_call_chain autoremove_wake_function blocking_notifier_call_chain "
        "complete complete_all default_wake_function ep_poll_callback finish_wait "
        "init_wait_entry notifier_call_chain notifier_chain_register "
        "notifier_chain_unregister pollwake prepare_to_wait prepare_to_wait_event "
        "prepare_to_wait_exclusive raw_notifier_call_chain swake_up_locked swake_up_one "
        "try_to_wake_up ttwu_do_activate ttwu_do_wakeup wake_bit_function wake_up_bit "
        "wake_up_process wake_up_q woken_wake_function",
        r"__wake_up _*wake_up_(?:new|process|poll|locked|sync|state) _*swake_up "
        r"_*prepare_to_(?:s?wait|swait) complete_with",
    ),
    family(
        "entries",
        "begin every stack of a system call, a thread or an idle processor: arch/*/entry, "
        "kernel/kthread.c, kernel/workqueue.c",
        "__invoke_syscall cpu_startup_entry do_fast_syscall_32 do_int80_syscall_32 "
        "do_syscall_64 do_trap_ecall_u el0_svc_common entry_SYSCALL_64 handle_sys "
        "handle_sys64 invoke_syscall kernel_entry kernel_init kernel_thread "
        "kernel_thread_helper kthread rest_init secondary_start_kernel secondary_startup_64 "
        "secondary_startup_64_no_verify smpboot_thread_fn start_secondary stub_sys_read "
        "syscall_common syscall_handler sysenter_dispatch system_call system_call_common "
        "system_call_exception system_call_vectored_common tracesys worker_thread "
        "x64_sys_call x86_64_start_kernel x86_64_start_reservations",
        r"entry_(?:SYSCALL|SYSENTER|INT80) ret_from_ ret_(?:fast|slow)_ ret_to_ el0_svc "
        r"do_el0_svc el0t_64 syscall_(?:exit|return|call|trace)\w*$ interrupt_return_ "
        r"restore_all_? cpu_startup_",
    ),
    family(
        "device core and kobjects",
        "register, look up or release a device of their caller: drivers/base, "
        "lib/kobject.c, fs/sysfs, fs/kernfs",
        "__device_attach __device_attach_driver __device_release_driver __driver_attach "
        "__driver_probe_device __kobject_del bus_add_device bus_add_driver bus_for_each_dev "
        "bus_for_each_drv bus_probe_device bus_register bus_remove_device bus_remove_driver "
        "bus_unregister call_driver_probe dev_set_name dev_uevent device_add device_add_attrs "
        "device_add_groups device_attach device_create device_create_file "
        "device_create_groups_vargs device_create_vargs device_del device_destroy "
        "device_initial_probe device_initialize device_links_driver_cleanup device_pm_add "
        "device_pm_remove device_register device_release device_release_driver "
        "device_release_driver_internal device_remove_attrs device_remove_class_symlinks "
        "device_remove_file device_remove_groups device_unregister devm_action_release "
        "devm_release_action devres_release_all dpm_sysfs_add dpm_sysfs_remove driver_attach "
        "driver_detach driver_find driver_probe_device driver_register driver_sysfs_remove "
        "driver_unregister get_device hwrng_register hwrng_unregister internal_create_group "
        "internal_create_groups kobject_add kobject_add_internal kobject_add_varg "
        "kobject_cleanup kobject_create_and_add kobject_del kobject_get kobject_init "
        "kobject_init_and_add kobject_move kobject_namespace kobject_put kobject_release "
        "kobject_rename kobject_set_name_vargs kobject_uevent kobject_uevent_env "
        "kset_find_obj kset_register kset_unregister misc_deregister misc_register put_device "
        "really_probe register_netdev release_nodes remove_files sysfs_add_file_mode_ns "
        "sysfs_create_dir_ns sysfs_create_file_ns sysfs_create_group sysfs_create_groups "
        "sysfs_create_link sysfs_do_create_link_sd sysfs_remove_dir sysfs_remove_file_ns "
        "sysfs_remove_group sysfs_remove_groups sysfs_remove_link sysfs_warn_dup "
        "tty_register_device tty_register_device_attr tty_unregister_device unregister_netdev "
        "unregister_netdevice_many unregister_netdevice_queue",
        r"_*kobject_ _*kset_ "
        r"device_(?:add|del|create|remove|un?register|links|pm|initial|destroy|attach|bind|driver|platform_notify) "  # noqa: E501
        r"_*device_(?:attach|release)_driver bus_(?:add|remove|probe|for_each|rescan) "
        r"driver_(?:probe|attach|detach|un?register|bound|deferred) devres_ get_device_ "
        r"__dev_pm dev_pm_ rollback_registered unregister_netdevice_many",
    ),
    family(
        "usb requests",
        "submit or finish a request of a driver: drivers/usb/core",
        "__usb_hcd_giveback_urb usb_alloc_urb usb_anchor_urb usb_bulk_msg usb_control_msg "
        "usb_control_msg_recv usb_control_msg_send usb_deregister usb_deregister_dev "
        "usb_disable_endpoint usb_disable_interface usb_free_urb usb_get_descriptor "
        "usb_giveback_urb_bh usb_hcd_giveback_urb usb_hcd_map_urb_for_dma usb_hcd_submit_urb "
        "usb_hcd_unlink_urb usb_ifnum_to_if usb_internal_control_msg usb_interrupt_msg "
        "usb_kill_anchored_urbs usb_kill_urb usb_poison_urb usb_probe_interface "
        "usb_register_dev usb_set_intfdata usb_start_wait_urb usb_submit_urb usb_unanchor_urb "
        "usb_unbind_interface usb_unlink_urb",
        r"usb_(?:submit|kill|unlink|poison|free)_ usb_hcd_(?:submit|unlink|flush|giveback|map)",
    ),
)
