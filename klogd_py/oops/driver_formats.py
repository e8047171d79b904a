# SPDX-License-Identifier: GPL-2.0-or-later
"""Formats of printk in drivers, the network and the architectures that name functions outside of
traces.

`klogd_py.oops.core_formats` says what the conversions mean.

Source of truth: as there.
"""

# Source file, formats
DRIVER_FORMATS: tuple[tuple[str, tuple[str, ...]], ...] = (
    (
        "net/core",
        (
            "NAPI poll function %pS returned %d, exceeding its budget of %d.",
            "%DNAPI poll function %pS returned %d, exceeding its budget of %d.",
            "repoll requested for device %s %ps but napi is not scheduled.",
            "Missing xdp_do_flush() invocation after NAPI by %ps",
            "%pS exceeded budget in poll",
            "netpoll_send_skb_on_dev(): %s enabled interrupts in poll (%pS)",
            "IPVS: %s(): request for already hashed, called from %pB",
            "IPVS: %s(): request for unhash flagged, called from %pB",
        ),
    ),
    (
        "drivers",
        (
            "ITS cmd %ps failed",
            "%pS: returned: %d",
            "%ps leaked IRQ state",
            "%DPCI PM: Device state not saved by %pS",
            "%DPCI PM: State of device not saved by %pS",
            "%Dcan't suspend (%ps returned %d)",
            "%Dcalling %pS @ %d",
            "%D%pS took %d usecs",
            "%Dunlocked secondary bus reset via: %pB",
            "%Dtimed out in resp(caller: %pB)",
            "%Dtimed out in resp(caller: %pB) - polling",
            "%Dtimed out in delayed resp(caller: %pB)",
            "%DMbox timedout in resp(caller: %pB)",
            "%Dpm_power_off already claimed for %ps",
            "[drm:%ps] %F",
            "efi: [Firmware Bug]: IRQ flags corrupted (0x%x=>0x%x) by EFI call from %pB",
            "floppy_work.func=%ps",
            "do_floppy=%ps",
        ),
    ),
    (
        "arch/x86",
        (
            "INFO: NMI handler (%ps) took too long to run: %d.%d msecs",
            "Missing ENDBR: %pS",
            "traps: Missing ENDBR: %pS",
            "active return thunk: %ps",
            "APIC: %s() replaced with %ps()",
            "Invalid padding area for %pS",
            "missing return thunk: %pS-%pS: %*ph",
            "no CFI hash found at: %pS %p %*ph",
            "kCFI preamble has wrong register at: %pS %*ph",
            "jump_label: Fatal kernel bug, unexpected op at %pS [%p] (%*ph != %*ph)) size:%d type:%d",  # noqa: E501
            "jump_label: Fatal kernel bug, unexpected op at %pS [%p] (%*ph) %d",
            "mce: MSR access error: RDMSR from 0x%x at rIP: 0x%x (%pS)",
            "mce: MSR access error: WRMSR to 0x%x (tried to write 0x%x) at rIP: 0x%x (%pS)",
            "Bad FPU state detected at %pS, reinitializing FPU registers.",
            "caller %pB mapping multiple BARs",
            "mmiotrace: faulting IP is at %pS",
            "mmiotrace: last faulting IP was at %pS",
            "call %d: op=%d result=%d caller=%pB",
            "call %d: op=%d arg=[%x] result=%d %pB",
            # unwind_orc.c
            "WARNING: bad lookup idx: idx=%d num=%d ip=%pB",
            "WARNING: bad lookup value: idx=%d num=%d start=%d stop=%d ip=%pB",
            "WARNING: missing %s value at %pB",
            "WARNING: unknown SP base reg %d at %pB",
            "WARNING: unknown BP base reg %d for ip %pB",
            "WARNING: can't access registers at %pB",
            "WARNING: can't access iret registers at %pB",
            "WARNING: unknown .orc_unwind entry type %d at %pB",
            "WARNING: stack going in the wrong direction? at %pB",
            # mce/core.c
            "mce: [Hardware Error]: RIP %x:<%x> {%pS}",
            # 5.10
            "EXECUTION ORDER INVALID! %pS should be called before %pS!",
            "Failing to patch indirect JMP in %ps",
        ),
    ),
    (
        "arch",
        (
            "x86/mm: Found insecure W+X mapping at address %pS",
            "arm/mm: Found insecure W+X mapping at address %pS",
            "s390/mm: Found insecure W+X mapping at address %pS",
            # Before 5.6
            "x86/mm: Found insecure W+X mapping at address %p/%pS",
            "arm64/mm: Found insecure W+X mapping at address %p/%pS",
            "arm64/mm: Found non-UXN mapping at address %p/%pS",
            "powerpc/mm: Found insecure W+X mapping at address %p/%pS",
            "riscv/mm: Found insecure W+X mapping at address %p/%pS",
            "virt_to_phys used for non-linear address: %p (%pS)",
            # arm, arm64
            "Misaligned patch-site %pS",
            "unexpected insn in patch-site %pS: 0x%x",
            "Kernel text patching generated an invalid instruction at %pS!",
            "BPF JIT generated an invalid instruction at %pS!",
            "ftrace: no module PLT for %ps",
            "Failed to steal %p bytes at %pB",
            "Jump label code mismatch at %pS [%p]",
            # parisc, powerpc
            "Kernel: unaligned access to %p in %pS (iir %p)",
            "EEH: [%p] %pB",
            "MCE: CPU%d: NIP: [%x] %pS",
            "mce: MCE: CPU%d: NIP: [%x] %pS",
            "mce: MCE: CPU%d: NIP: [%x] %pS %F",
            "ftrace-powerpc: Address of %ps out of range of kernel_toc.",
            "ftrace-powerpc: No ftrace trampolines reachable from %ps",
            "ftrace-powerpc: Unknown ftrace addr to patch: %ps",
            "watchdog: CPU %d self-detected hard LOCKUP @ %pS",
            "ioremap() called early from %pB. Use early_ioremap() instead",
            "__ioremap(): phys addr 0x%x is RAM lr %pB",
            # mips, loongarch, csky, m68k, nios2
            "ErrEPC: %x %pS",
            "TCRestart : %x %pS",
            "VPE%d.EPC : %x %pS",
            "PC: 0x%x (%pS)",
            "LR: 0x%x (%pB)",
            # sparc
            "Kernel unaligned access at TPC[%x] %pS",
            "TPC<%pS>",
            "TRAPLOG: TPC<%pS>",
            "SUN4V-ITLB: TPC<%pS>",
            "SUN4V-ITLB: O7<%pS>",
            "SUN4V-DTLB: TPC<%pS>",
            "SUN4V-DTLB: O7<%pS>",
            "OOPS: RPC <%pS>",
            "TPC[%pS] O7[%pS] I7[%pS] RPC[%pS]",
            # arc
            "SP: 0x%x FP: 0x%x BLK: %pB",
        ),
    ),
)
