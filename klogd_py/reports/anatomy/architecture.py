# SPDX-License-Identifier: GPL-2.0-or-later
"""Tell the architecture of a machine by the lines that its kernel prints.

Source of truth: ``show_regs`` of each architecture.
"""

from collections.abc import Sequence

from msgspec import structs

from klogd_py.record.lazy_pattern import lazy_pattern
from klogd_py.record.report import Kernel
from klogd_py.reports.anatomy.stacks import TracedStack

# The first form that a line matches decides.
_FORMS: tuple[tuple[str, str], ...] = (
    ("x86_64", r"RIP: 00|RSP: 00|RAX: [0-9a-f]{16}|RIP  \[<|CS:  0010 DS"),
    ("i386", r"EIP: 00|EIP is at|EAX: [0-9a-f]{8}\b|eax: [0-9a-f]{8}|EIP:    0"),
    ("arm64", r"x\d\d ?: [0-9a-f]{16}|.{0,80}pstate: ?[0-9a-f]{8}|  ESR = 0x|Mem abort info"),
    ("arm", r"PC is at |.{0,80}psr ?: ?[0-9a-f]{8}|r10: ?[0-9a-f]{8} |Control: [0-9a-f]{8}"),
    (
        "riscv",
        r"epc ?: \S.{0,80} ra ?: |.{0,8}gp ?: [0-9a-f]{8,16} tp ?: |status: [0-9a-f]{16} badaddr",
    ),
    ("ppc64", r"NIP: {1,2}[0-9a-fA-F]{16}|NIP \[[0-9a-f]{16}\]|GPR00: [0-9a-fA-F]{16}"),
    ("ppc", r"NIP: {1,2}[0-9a-fA-F]{8} |NIP \[[0-9a-f]{8}\]|GPR00: [0-9a-fA-F]{8} "),
    ("s390x", r"Krnl (?:PSW|GPRS|Code)|Last Breaking-Event"),
    ("mips", r"\$ ?0 {1,3}: [0-9a-f]{8,16}|BadVA ?: |Cause ?: [0-9a-f]{8}|PrId ?: "),
    ("sparc64", r"TSTATE: |TPC: <"),
    ("sparc", r"PSR: [0-9a-f]{8} PC: "),
    ("parisc", r"IAOQ\[0\]|IASQ: |sr00-03|r00-03"),
    ("loongarch64", r"  ?ERA: [0-9a-f]{16}| CRMD: |.{0,100} era == "),
    ("alpha", r"pc = \[<|v0 = [0-9a-f]{16}"),
)
_LINES = lazy_pattern(
    "[ \t]{0,16}(?:" + "|".join(f"(?P<{name}>{form})" for name, form in _FORMS) + ")"
)
# What only one architecture calls its functions
_FUNCTIONS = {
    "__x64_sys_": "x86_64", "entry_SYSCALL_64": "x86_64", "__ia32_sys_": "x86_64",
    "asm_exc_": "x86_64", "__arm64_sys_": "arm64", "el0_svc": "arm64", "el0t_64_": "arm64",
    "el1h_64_": "arm64", "__riscv_sys_": "riscv", "do_trap_ecall_u": "riscv",
    "__s390x_sys_": "s390x", "ret_fast_syscall": "arm", "entry_SYSENTER_32": "i386",
    "sysenter_": "i386",
}  # fmt: skip
_FUNCTION = lazy_pattern("|".join(_FUNCTIONS))
# What distributions put at the end of a release
_RELEASE_ENDS = {
    "amd64": "x86_64", "x86_64": "x86_64", "arm64": "arm64", "aarch64": "arm64", "i686": "i386",
    "ppc64le": "ppc64", "ppc64": "ppc64", "s390x": "s390x", "riscv64": "riscv",
}  # fmt: skip
_RELEASE_END = lazy_pattern(rf".{{1,128}}?[.-](?P<end>{'|'.join(_RELEASE_ENDS)})(?:\+.{{0,32}})?$")


def architecture_of(kernel: Kernel, texts: Sequence[str], stacks: Sequence[TracedStack]) -> Kernel:
    """Return the kernel with its architecture; that is empty where nothing tells it."""
    for text in texts:
        found = _LINES.match(text)
        if found is not None and found.lastgroup is not None:
            return structs.replace(kernel, arch=found.lastgroup)
    for stack in stacks:
        for frame in reversed(stack.frames):
            found = _FUNCTION.match(frame.function)
            if found is not None:
                return structs.replace(kernel, arch=_FUNCTIONS[found[0]])
    told = _RELEASE_END.match(kernel.release)
    return kernel if told is None else structs.replace(kernel, arch=_RELEASE_ENDS[told["end"]])
