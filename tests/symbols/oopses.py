# SPDX-License-Identifier: GPL-2.0-or-later
"""Generate random kernels, and the oopses that they print.

Unlike a map, a `Kernel` knows its slide.
"""

from dataclasses import dataclass, field
from random import Random

BASE = 0xFFFFFFFF81000000
ALIGN = 0x200000
ENTRY = "entry_SYSCALL_64_after_hwframe"
# Each calls the next
CHAIN = (ENTRY, "do_syscall_64", "ksys_write", "vfs_write")
THREAD = ("ret_from_fork", "kthread", "worker_thread", "process_one_work")


@dataclass
class Kernel:
    """Functions in their order: (name, size in bytes). ``slide`` is the KASLR slide."""

    functions: list[tuple[str, int]]
    slide: int
    starts: dict[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        at = BASE
        for name, size in self.functions:
            self.starts[name] = at
            at += size
        self.end = at

    @property
    def map(self) -> bytes:
        """Its System.map."""
        rows = [(0, "D", "__per_cpu_start"), (BASE, "T", "_stext"), (BASE, "T", "_text")]
        rows += [(self.starts[name], "T", name) for name, _ in self.functions]
        rows += [
            (self.end, "T", "_etext"),
            (self.end + 0x1000, "D", "some_data"),
            (self.end + 0x200000, "B", "_end"),
        ]
        return b"".join(
            b"%016x %s %s\n" % (address, kind.encode(), name.encode())
            for address, kind, name in rows
        )

    def inside(self, name: str, random: Random) -> int:
        """Return a run-time return address in a function."""
        size = dict(self.functions)[name]
        return self.starts[name] + self.slide + random.randrange(6, size)

    def name_at(self, address: int) -> str:
        """Return the function at a run-time address, by trying all."""
        value = address - self.slide
        return next(
            (
                name
                for name, size in self.functions
                if self.starts[name] <= value < self.starts[name] + size
            ),
            "",
        )


def kernel(random: Random, count: int = 400, slide: int | None = None) -> Kernel:
    """Return a kernel with ``count`` functions besides those that every kernel has."""
    names = [f"function_{i}" for i in range(count)] + [*CHAIN[1:], *THREAD]
    random.shuffle(names)
    functions = [(name, random.randrange(16, 0x6000, 16)) for name in names]
    functions += [("entry_SYSCALL_64", 0x40), (ENTRY, 0xB0)]
    return Kernel(functions, random.randrange(0, 496) * ALIGN if slide is None else slide)


def longer(right: Kernel, at: int, by: int = 0x10) -> Kernel:
    """Return the same kernel with one function longer."""
    functions = list(right.functions)
    functions[at] = (functions[at][0], functions[at][1] + by)
    return Kernel(functions, right.slide)


def oops(
    running: Kernel, random: Random, depth: int = 4, garbage: int = 0, code: bool = True
) -> list[str]:
    """Return the lines of an oops in a system call.

    ``garbage`` uncertain frames among the certain ones.
    """
    middle = [
        f"function_{random.randrange(len(running.functions) - len(CHAIN) - len(THREAD) - 2)}"
        for _ in range(depth)
    ]
    stack = [*middle, *reversed(CHAIN)]
    pc = running.inside(stack[0], random)
    lines = [
        "BUG: kernel NULL pointer dereference, address: 0000000000000000",
        "Oops: 0002 [#1] SMP",
        f"RIP: 0010:{pc:#x}",
    ]
    if code:
        lines.append(f"Code: {code_line(running, random, pc)}")
    lines += [
        "RAX: ffffffff81000010 RBX: ff37cee6004c9000 RCX: c0000000ffffdfff",
        "Call Trace:",
        " <TASK>",
    ]
    for name in stack[1:]:
        for _ in range(random.randrange(garbage + 1)):
            lines.append(f" ? {running.inside(random.choice(running.functions)[0], random):#x}")
        lines.append(f" {running.inside(name, random):#x}")
    lines += [
        "RIP: 0033:0x47b7a0",
        "Code: 40 00 48 c7 c2 e0 ff ff ff <48> 3d 00 f0",
        " </TASK>",
        "Modules linked in:",
    ]
    return [*lines, "---[ end trace 0000000000000000 ]---"]


def code_line(running: Kernel, random: Random, pc: int) -> str:
    """Return the words of a ``Code:`` line: 64 bytes around the pc with two calls among them."""
    code = bytearray([0x90] * 64)
    for at in (10, 50):
        target = running.starts[random.choice(running.functions)[0]] + running.slide
        code[at : at + 5] = b"\xe8" + (target - (pc - 42 + at + 5)).to_bytes(
            4, "little", signed=True
        )
    words = [f"{byte:02x}" for byte in code]
    words[42] = f"<{words[42]}>"
    return " ".join(words)
