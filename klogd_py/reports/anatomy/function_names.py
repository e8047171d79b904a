# SPDX-License-Identifier: GPL-2.0-or-later
"""Bring the names that one function has into one form.

Source of truth: include/linux/syscalls.h and the ``syscall_wrapper.h`` of each architecture for the
names of system calls; gcc for ``.isra.0``, ``.constprop.0``, ``.part.0``, ``.cold``.
"""

from klogd_py.record.lazy_pattern import lazy_pattern

# "__x64_sys_read", "__se_sys_read", "__do_sys_read", "SyS_read", "SYSC_read": what the macros
# SYSCALL_DEFINEn make of one function
_SYSTEM_CALL = lazy_pattern(
    r"(?:__(?:x64|x32|ia32|ia32_compat|x64_compat|arm64|arm64_compat|riscv|riscv_compat|s390x|s390|loongarch|powerpc)_(?:compat_)?sys"
    r"|__(?:se|do)_(?:compat_)?sys|SyS|SYSC|[cC]ompat_SyS|[cC]ompat_SYSC|C_SYSC|compat_sys)_(?=\w)"
)


def plain_name(name: str) -> str:
    """Return a name without what the compiler has put behind it, or ppc64 in front of it.

    ``nic_poll.isra.0.cold`` -> ``nic_poll``, ``.rtas_read`` -> ``rtas_read``.
    """
    return name.lstrip(".").partition(".")[0] or name


def function_name(name: str) -> str:
    """Return the name by which a function is known, whatever copy of it ran.

    ``__x64_sys_read`` -> ``sys_read``, ``nic_poll.cold`` -> ``nic_poll``.
    """
    plain = plain_name(name)
    found = _SYSTEM_CALL.match(plain) if "_" in plain else None
    return f"sys_{plain[found.end() :]}" if found is not None else plain
