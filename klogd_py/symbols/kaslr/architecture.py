# SPDX-License-Identifier: GPL-2.0-or-later
"""On which architectures can a kernel be moved, by how much, and what do its traces end in?

A kernel with CONFIG_RANDOMIZE_BASE adds one multiple of ``align_bytes`` below ``reach_bytes`` to
all its link-time addresses. `KNOWN_CALL_PAIRS` holds which function calls which on every kernel: pairs that
two frames of a trace, one directly below the other, can be recognised by; `IMPOSSIBLE_CALL_PAIRS` those that look
alike and never do.

Source of truth: arch/x86/boot/compressed/kaslr.c ``find_random_virt_addr``;
arch/arm64/kernel/kaslr.c (later pi/kaslr_early.c) and drivers/firmware/efi/libstub;
arch/powerpc/mm/nohash/kaslr_booke.c; arch/*/entry*.S; scripts/kallsyms.c.
"""

import re

from msgspec import Struct

from klogd_py.symbols import elf_header
from klogd_py.symbols.symbol_table import KERNEL_HALF, PAGE_BYTES, SymbolTable

MIB = 1 << 20
GIB = 1 << 30


class Architecture(Struct, frozen=True):
    """How an architecture randomises. The kernel's image lies from ``lowest`` up to and without
    ``highest``.

    ``since`` is the first release that could do it; ``signs`` are names that only maps of this
    architecture hold.
    """

    name: str
    since: tuple[int, int]
    align_bytes: int
    reach_bytes: int
    lowest: int
    highest: int
    signs: tuple[bytes, ...]
    # Of ELF files, where what calls look like is known
    machine: int = 0

    def holds(self, address: int) -> bool:
        """Whether the kernel's own image can lie here.

        Modules may, too, where the two are not kept apart.
        """
        return self.lowest <= address < self.highest


X86_64 = Architecture(
    "x86-64",
    (3, 14),
    2 * MIB,
    GIB,
    0xFFFFFFFF80000000,
    0xFFFFFFFFC0000000,
    (b"entry_SYSCALL_64", b"entry_SYSCALL_64_after_hwframe", b"system_call_after_swapgs"),
    elf_header.X86_64,
)
ARM64 = Architecture(
    "arm64",
    (4, 6),
    64 << 10,
    1 << 47,
    0xFFFF000000000000,
    1 << 64,
    (b"el0t_64_sync", b"el0_sync", b"__primary_switched"),
    elf_header.AARCH64,
)
ARCHITECTURES = (
    X86_64,
    ARM64,
    Architecture(
        "x86-32",
        (3, 14),
        2 * MIB,
        GIB // 2,
        0x40000000,
        1 << 32,
        (b"entry_INT80_32", b"startup_32_smp"),
    ),
    Architecture(
        "riscv64",
        (6, 6),
        2 * MIB,
        GIB,
        0xFFFFFFFF80000000,
        1 << 64,
        (b"ret_from_exception", b"handle_exception"),
    ),
    Architecture(
        "loongarch64",
        (6, 3),
        64 << 10,
        GIB // 4,
        0x9000000000000000,
        0xA000000000000000,
        (b"handle_syscall",),
    ),
    Architecture("s390", (5, 2), 16 << 10, 1 << 47, 0x10000, 1 << 53, (b"pgm_check_handler",)),
    Architecture(
        "powerpc e500", (5, 5), 16 << 10, GIB // 2, 0xC0000000, 1 << 32, (b"kaslr_early_init",)
    ),
    Architecture("mips", (4, 7), 64 << 10, GIB, 0x80000000, 1 << 64, (b"handle_sys",)),
)

# (caller, callee): the callee's pattern may refer to groups of the caller's.
KNOWN_CALL_PAIRS = tuple(
    (re.compile(caller), callee)
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
            r"kthread|kernel_init|call_usermodehelper_exec_async|kernel_thread_helper|io_w\w+|create_io_thread",
        ),
        (
            r"kthread",
            r"(?:\w+_)?(?:k?thread|threadfn|daemon|kworker)(?:_\w+)?|smpboot_thread_fn|kswapd|kcompactd|ksm\w+|k\w+d|rcu_\w+",
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
# (caller, callee): what such callers hand on such callees do, but for the same thing alone.
IMPOSSIBLE_CALL_PAIRS = tuple(
    (re.compile(caller), re.compile(callee))
    for caller, callee in (
        (r"ksys_p?(?P<what>read|write)(?:64)?", r"vfs_(?P<what>read|write)"),
        (r"__(?:x64|ia32|arm64|riscv)_sys_(?P<what>read|write)", r"ksys_(?P<what>\w+)"),
        (r"__(?:x64|ia32|arm64|riscv)_sys_(?P<what>\w+)", r"__(?:se|do)_sys_(?P<what>\w+)"),
        (r"asm_(?P<what>(?:exc|sysvec)_\w+)", r"(?P<what>(?:exc|sysvec)_\w+)"),
        (r"vfs_(?P<what>read|write)", r"new_sync_(?P<what>read|write)"),
        (
            r"vfs_(?P<what>read|write)",
            r"\w+_(?P<what>ioctl|llseek|mmap|open|poll)",
            # A file's other operations
        ),
    )
)
# Functions of assembly that call one other and no more.
ONLY_CALLEE = {
    "entry_SYSCALL_64_after_hwframe": "do_syscall_64",
    "ret_from_fork_asm": "ret_from_fork",
    "el0t_64_sync": "el0t_64_sync_handler",
}
# Functions that are called by assembly alone, or by the dispatcher of FRED (since 6.9).
ONLY_CALLER = {
    "do_syscall_64": re.compile(r"(?:xen_)?(?:entry_SYSCALL_?64\w*|system_call\w*)|fred_\w+")
}
ENTRY_FUNCTIONS = re.compile(
    r"entry_SYSCALL_?64_\w+|entry_SYS(?:CALL|ENTER)_compat\w*|entry_(?:SYSENTER|INT80)_\w+|system_call\w*|ret_from_(?:fork|exception|syscall)\w*|asm_\w+|(?:secondary|common)_startup_64\w*"
    r"|el[01][th]?_\w+|handle_(?:exception|sys\w*)|ret_to_(?:user|kernel)|__primary_switched|pgm_check_handler"
)
# Where a trace of x86-64 begins that shows no registers (lib/dump_stack.c).
STACK_DUMPERS = re.compile(r"(?:__)?dump_stack(?:_lvl)?|show_(?:stack|trace)\w*")
# Where the linker begins a section or a page table: multiples of a page on every 64-bit kernel.
_AT_PAGES = (
    b"__start_rodata",
    b"_sdata",
    b"__init_begin",
    b"_sinittext",
    b"__bss_start",
    b"init_thread_union",
    b"swapper_pg_dir",
)
_RELEASE = re.compile(r"([0-9]{1,9})\.([0-9]{1,9})(?![0-9])")


def of_map(table: SymbolTable) -> tuple[Architecture | None, bool]:
    """The architecture that a map shows, and whether a name in it says so rather than its addresses
    alone.

    By its addresses any kernel in the upper half of 64 bits is taken for one that can be moved.
    """
    image = table.kernel_range
    for architecture in ARCHITECTURES:
        if architecture.holds(image[0]) and any(
            table.address_of(sign) is not None for sign in architecture.signs
        ):
            return architecture, True
    upper = (architecture for architecture in ARCHITECTURES if architecture.lowest >= KERNEL_HALF)
    return next(
        (architecture for architecture in upper if architecture.holds(image[0])), None
    ), False


def layout_error(table: SymbolTable, architecture: Architecture) -> str:
    """What is in a map where the linker would not have put it; empty if nothing is.

    So a map is found out in which one function is longer and all that follows was moved, or which
    was moved as a whole.
    """
    steps = [(b"_text", architecture.align_bytes), *((name, PAGE_BYTES) for name in _AT_PAGES)]
    for name, step in steps if architecture.lowest >= KERNEL_HALF else ():
        address = table.address_of(name)
        if address is not None and address % step:
            return f"{name.decode()} is at {address:#x}, where no linker puts it"
    return ""


def impossible(architecture: Architecture | None, slide: int) -> str:
    """Why no kernel of this architecture lies so far from its map; empty if one can."""
    if architecture is None:
        return "" if 0 <= slide < 1 << 64 else f"{slide:#x} is no distance of 64 bits"
    if slide % architecture.align_bytes:
        return f"{slide:#x} is no multiple of {architecture.align_bytes:#x}, as on {architecture.name} it must be"
    if not 0 <= slide < architecture.reach_bytes:
        return f"{slide:#x} is further than the {architecture.reach_bytes:#x} bytes that {architecture.name} allows"
    return ""


def is_movable(architecture: Architecture | None, release: str, version: int | None) -> bool:
    """Whether a kernel may lie elsewhere than its map says.

    ``version`` is the number of the map's ``Version_N`` symbol, if it has one. Where neither tells
    the release it may: that nothing is known of a kernel is no reason to believe it where its map
    says.
    """
    if architecture is None:
        return False
    found = _RELEASE.match(release)
    if found is not None:
        return (int(found[1]), int(found[2])) >= architecture.since
    if version is not None:
        return (version >> 16, version >> 8 & 255) >= architecture.since
    return True


def hashes_pointers(release: str) -> bool:
    """Whether a kernel prints a hash for ``%p``, as Linux does since 4.15 (ad67b74d2469, "printk:
    hash addresses").
    """
    found = _RELEASE.match(release)
    return found is not None and (int(found[1]), int(found[2])) >= (4, 15)
