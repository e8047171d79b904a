# SPDX-License-Identifier: GPL-2.0-or-later
"""What each crash that can be provoked must be reported as, and which kernels print nothing of it.

A kernel prints a crash if its configuration has the option that the crash needs. The table says so
by guest; a test compares it with the configurations.
"""

from functools import lru_cache

from msgspec import Struct

from klogd_py.record.crash_kind import CrashKind
from tests.vm.lab.guests import Guest

WARNINGS_EACH_CPU = 20
WARNINGS_EACH_TIME = 25


class Crash(Struct, frozen=True):
    """A crash: its name, the kind of its report, and the function to blame.

    ``needs`` is the option without which a kernel prints nothing. ``kind_with`` is the kind on a
    kernel with an option. ``then`` is the function of a warning that follows on a kernel with an
    option, since its architecture leaves something undone. ``caller`` is blamed on a kernel without
    kallsyms: the function is gone before anybody can name it.
    """

    name: str
    kind: CrashKind
    function: str
    needs: str = "CONFIG_PRINTK"
    kind_with: tuple[str, CrashKind] = ("", CrashKind.OOPS)
    then: tuple[str, str] = ("", "")
    caller: str = ""

    def reports(self, options: frozenset[str]) -> list[tuple[str, str]]:
        """Return kind and function of each report on a kernel with these options."""
        if self.needs not in options:
            return []
        kind = self.kind_with[1] if self.kind_with[0] in options else self.kind
        is_named = "CONFIG_KALLSYMS" in options or not self.caller
        found = [(kind.value, self.function if is_named else self.caller)]
        if self.then[0] in options:
            found.append((CrashKind.WARNING.value, self.then[1]))
        return found


# In this order: an oops ends the search for locks and for hung tasks until the next boot. On a
# kernel without kallsyms the warnings before them show where the kernel lies.
CRASHES = (
    Crash("once", CrashKind.WARNING, "complain_once"),
    Crash("warn", CrashKind.WARNING, "warn"),
    Crash("irq", CrashKind.WARNING, "timer_function"),
    Crash("refcount", CrashKind.WARNING, "take_dead_reference"),
    Crash("recursion", CrashKind.SPINLOCK, "take_lock_twice", "CONFIG_DEBUG_SPINLOCK"),
    Crash("hung", CrashKind.HUNG_TASK, "hang_on_nobody", "CONFIG_DETECT_HUNG_TASK"),
    Crash("atomic", CrashKind.ATOMIC_SLEEP, "nap_while_atomic"),
    Crash(
        "sleeping",
        CrashKind.ATOMIC_SLEEP,
        "take_mutex_while_atomic",
        "CONFIG_DEBUG_ATOMIC_SLEEP",
    ),
    Crash("load_fail", CrashKind.WARNING, "complain_at_load", caller="do_one_initcall"),
    Crash("lockup", CrashKind.SOFT_LOCKUP, "spin_too_long", "CONFIG_SOFTLOCKUP_DETECTOR"),
    Crash("stall", CrashKind.RCU_STALL, "hold_up_rcu", "CONFIG_RCU_STALL_COMMON"),
    Crash("null", CrashKind.NULL_DEREF, "touch_null_pointer"),
    Crash("wild", CrashKind.PAGE_FAULT, "touch_wild_pointer"),
    # arm64 has no exception of its own for such an address
    Crash(
        "gpf",
        CrashKind.GENERAL_PROTECTION,
        "touch_noncanonical",
        kind_with=("CONFIG_ARM64", CrashKind.PAGE_FAULT),
    ),
    # On arm64 the quotient is 0
    Crash("divide", CrashKind.DIVIDE_ERROR, "divide_by_nothing", "CONFIG_X86"),
    # The first thread that ends so on arm64 leaves the count of the idle processor unbalanced
    Crash("bugon", CrashKind.BUG, "hit_a_bug", then=("CONFIG_ARM64", "ct_kernel_exit")),
    Crash(
        "list",
        CrashKind.WARNING,
        "corrupt_a_list",
        "CONFIG_DEBUG_LIST",
        kind_with=("CONFIG_BUG_ON_DATA_CORRUPTION", CrashKind.BUG),
    ),
    Crash("slub", CrashKind.SLUB, "write_after_free", "CONFIG_SLUB_DEBUG"),
    Crash("load_oops", CrashKind.NULL_DEREF, "touch_null_at_load"),
)

# Which crashes a guest's kernel prints nothing of, and the option that it lacks.
SILENT = {
    "bare": {},
    "debian12": {
        "recursion": "CONFIG_DEBUG_SPINLOCK",
        "sleeping": "CONFIG_DEBUG_ATOMIC_SLEEP",
    },
    "debian13": {
        "recursion": "CONFIG_DEBUG_SPINLOCK",
        "sleeping": "CONFIG_DEBUG_ATOMIC_SLEEP",
    },
    "arm64": {
        "recursion": "CONFIG_DEBUG_SPINLOCK",
        "sleeping": "CONFIG_DEBUG_ATOMIC_SLEEP",
        "divide": "CONFIG_X86",
    },
}

# Stacks on request, and what a process writes: neither is a crash.
NO_CRASHES = {
    **{f"sysrq-{key}": f"echo {key} >/proc/sysrq-trigger" for key in "tlwmq"},
    "forged": "echo '<0>BUG: kernel NULL pointer dereference, address: 0000000000000040'"
    " >/dev/kmsg; echo '<0>kernel BUG at mm/slub.c:17!' >/dev/kmsg",
}

# What lets the kernel find out within seconds, by crash.
_WATCHDOG = "/proc/sys/kernel/watchdog_thresh"
_HUNG = "/proc/sys/kernel/hung_task"
_STALL = "/sys/module/rcupdate/parameters/rcu_cpu_stall_timeout"
# Another module makes klogd-py load the symbols again. Emulated, that takes seconds, in which the
# reports before it should not fall.
_LATER = "sleep 2.5"
BEFORE = {
    "load_fail": _LATER,
    "load_oops": _LATER,
    "hung": f"echo 1 >{_HUNG}_check_interval_secs; echo 1 >{_HUNG}_warnings; "
    f"echo 5 >{_HUNG}_timeout_secs",
    "lockup": f"echo 2 >{_WATCHDOG}",
    "stall": f"echo 10 >{_WATCHDOG}; echo 3 >{_STALL}",
}
AFTER = {
    "hung": f"echo 120 >{_HUNG}_timeout_secs",
    "lockup": f"echo 10 >{_WATCHDOG}",
    "stall": f"echo 21 >{_STALL}",
}


@lru_cache(8)
def options_of(guest: Guest) -> frozenset[str]:
    """Return the options that are set in the configuration of a guest's kernel."""
    kernel = guest.kernel()
    (path,) = [*kernel.glob("boot/config-*"), *kernel.glob(".config")]
    lines = path.read_text().splitlines()
    return frozenset(line.removesuffix("=y") for line in lines if line.endswith("=y"))
