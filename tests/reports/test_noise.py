# SPDX-License-Identifier: GPL-2.0-or-later
"""Functions that serve others are never to blame; each family says why."""

import re

import pytest

from klogd_py.reports.blame.noise import FAMILIES, is_noise, noise_family

# Of each family a whole name, and one that only a stem fits
SAMPLES = {
    "reporters": ("panic", "warn_slowpath_fmt_taint"),
    "traps": ("no_context", "asm_exc_page_fault"),
    "sanitizers": ("print_report", "__asan_load8"),
    "debug checks": ("work_is_static_object", "debug_object_activate"),
    "printing": ("number", "vsnprintf"),
    "tracing": ("ftrace_call", "perf_trace_sched_switch"),
    "aborts of arm": ("vector_swi", "el0_irq"),
    "assertions": ("assertfail", "reiserfs_error"),
    "compiler helpers": ("__fentry__", "__x86_indirect_thunk_rax"),
    "allocators": ("krealloc", "kmalloc_trace"),
    "page cache": ("unlock_page", "folio_wait_stable"),
    "primitives": ("kref_put", "raw_atomic_inc"),
    "memory and string functions": ("strscpy", "__memcpy"),
    "inodes and dentries": ("iput", "inode_sb_list_add"),
    "ciphers": ("aes_encrypt", "crypto_shash_update"),
    "locks": ("lock_sock_nested", "_raw_spin_lock_irqsave"),
    "deferred work and timers": ("flush_work", "hrtimer_start_range_ns"),
    "waking and waiting": ("complete", "__wake_up_common"),
    "entries": ("do_syscall_64", "ret_from_fork_asm"),
    "device core and kobjects": ("device_add", "kobject_put"),
    "usb requests": ("usb_submit_urb", "usb_kill_urb"),
}


def test_each_family_has_sample_and_reason() -> None:
    assert {family.name for family in FAMILIES} == set(SAMPLES)
    assert [family.name for family in FAMILIES if len(family.reason.split()) < 5] == []


@pytest.mark.parametrize("name", SAMPLES)
def test_names_and_stems_are_of_family(name: str) -> None:
    whole, stem = SAMPLES[name]
    (family,) = (family for family in FAMILIES if family.name == name)
    assert whole in family.names
    assert any(re.match(one, stem) for one in family.stems)
    assert is_noise(whole)
    assert is_noise(stem)


BLAMED = [
    "nic_poll",
    "remove_wait_queue",
    "__run_timers",
    "process_one_work",
    "ext4_writepages",
    "tcp_sendmsg",
    "do_exit",
    "vfs_write",
    "kernfs_get",
    "skb_put",
    "panic_button",
    "",
]


@pytest.mark.parametrize("name", BLAMED)
def test_functions_that_may_be_blamed(name: str) -> None:
    assert noise_family(name) == ""


def test_copy_of_noise_is_noise() -> None:
    assert is_noise("kasan_report.cold")
    assert is_noise(".panic")


def test_no_name_is_of_two_families() -> None:
    names = [name for family in FAMILIES for name in family.names]
    assert len(names) > 500
    assert sorted(names) == sorted(set(names))
