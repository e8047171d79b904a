# SPDX-License-Identifier: GPL-2.0-or-later
"""Build a small kernel module, real ELF, with the compiler of this machine."""

import shutil
import subprocess
from pathlib import Path

import pytest

needs_gcc = pytest.mark.skipif(
    shutil.which("gcc") is None
    or b"x86_64" not in subprocess.run(["gcc", "-dumpmachine"], capture_output=True).stdout,
    reason="needs a compiler for x86-64",
)

SOURCE = """
    .section .modinfo, "a"
    .asciz "vermagic=6.1.0 SMP mod_unload "
    .asciz "name=probe_it"
    .section .note.gnu.build-id, "a", @note
    .long 4, 4, 3
    .asciz "GNU"
    .byte 0xaa, 0xbb, 0xcc, 0xdd
    .section .init.text, "ax"
    .globl init_module
init_module:
    push %rbx
    call helper
    call _printk
    pop %rbx
    ret
    .section .rodata, "a"
    .quad 1
    .text
    .type helper, @function
helper:
    mov $0x1234, %eax
    xor %ebx, %ebx
    lea 0x40(%rax), %rcx
    mov $0x77665544, %edx
    imul %edx, %eax
    ud2
    .p2align 4
    .globl outer
    .type outer, @function
outer:
    sub $0x18, %rsp
    mov %rdi, (%rsp)
    call helper
    mov 8(%rsp), %rax
    call *%rax
    add $0x18, %rsp
    ret
    .p2align 4
    .globl logs
logs:
    push %rbp
    call _printk
    pop %rbp
    ret
    .fill 4096, 1, 0x90
far_away:
    push %rbp
    mov %rsp, %rbp
    call *%rdx
    pop %rbp
    ret
    .section .text.unlikely, "ax"
    .globl cold
cold:
    call outer
    ud2
    .section .exit.text, "ax"
    .globl cleanup_module
cleanup_module:
    ret
"""


def build(folder: Path, name: str = "probe-it") -> Path:
    """Assemble `SOURCE` to a file with the name of a module."""
    source, module = folder / "module.s", folder / f"{name}.ko"
    source.write_text(SOURCE)
    subprocess.run(["gcc", "-c", "-o", str(module), str(source)], check=True)
    return module
