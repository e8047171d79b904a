# SPDX-License-Identifier: GPL-2.0-or-later
import subprocess
from pathlib import Path

import pytest

from klogd_py.oops.trace_parser import parse_trace
from klogd_py.symbols import vmlinux
from klogd_py.symbols.kaslr.architecture import X86_64
from klogd_py.symbols.kaslr.inference import KaslrInference, NotProven, Slide
from klogd_py.symbols.map_check import MapStatus, Proof
from klogd_py.symbols.symbol_loader import load_symbols
from klogd_py.symbols.symbol_sources import RunningKernel, Sources
from klogd_py.symbols.symbol_table import SymbolTable
from klogd_py.symbols.system_map import NotAMap, SystemMap
from tests.symbols.module_builder import needs_gcc

pytestmark = needs_gcc

SOURCE = """
    .text
    .globl _stext, entry_SYSCALL_64_after_hwframe, do_syscall_64, ksys_write
_stext:
    .fill 64, 1, 0x90
    .type ksys_write, @function
ksys_write:
    push %rbx
    mov %rdi, %rbx
    call fault
    pop %rbx
    ret
    .type fault, @function
fault:
    mov $0x12345678, %eax
    mov $0x13572468, %ecx
    xor %edx, %edx
    mov %eax, (%rdx)
    lea 0x11223344(%rax), %rdi
    ret
    .type do_syscall_64, @function
do_syscall_64:
    sub $8, %rsp
    call ksys_write
    add $8, %rsp
    ret
    .globl entry_SYSCALL_64
entry_SYSCALL_64:
    swapgs
    .type entry_SYSCALL_64_after_hwframe, @function
entry_SYSCALL_64_after_hwframe:
    push %rax
    call do_syscall_64
    pop %rax
    sysretq
    .globl _etext
_etext:
    .data
    .globl some_data
some_data: .fill 4096
    .bss
    .globl _end
    .skip 64
_end:
"""
SLIDE = 0x5400000


def link(folder: Path, source: str = SOURCE, name: str = "vmlinux") -> Path:
    """Link a very small kernel image at the addresses of kernels."""
    (folder / f"{name}.s").write_text(source)
    image = folder / name
    options = [
        "-nostdlib",
        "-static",
        "-Wl,-Ttext=0xffffffff81000000,--build-id=sha1,-e,_stext",
        "-Wa,--noexecstack",
    ]
    subprocess.run(
        ["gcc", *options, "-o", str(image), str(folder / f"{name}.s")],
        check=True,
        capture_output=True,
    )
    return image


def at(image: SystemMap, name: bytes) -> int:
    address = SymbolTable(image.lines, "").address_of(name)
    assert address is not None
    return address + SLIDE


def oops_of(image: SystemMap) -> list[str]:
    pc = at(image, b"fault") + 12
    assert image.text is not None
    code = image.text.bytes_at(pc - SLIDE - 12, 24)
    words = [f"{byte:02x}" for byte in code]
    words[12] = f"<{words[12]}>"
    frames = [
        at(image, b"ksys_write") + 9,
        at(image, b"do_syscall_64") + 9,
        at(image, b"entry_SYSCALL_64_after_hwframe") + 6,
    ]
    return [
        f"RIP: 0010:{pc:#x}",
        "Code: " + " ".join(words),
        "Call Trace:",
        *(f" {frame:#x}" for frame in frames),
    ]


def test_vmlinux_symbols_are_those_of_nm(tmp_path: Path) -> None:
    image = link(tmp_path)
    lines = vmlinux.load(image).lines[:].decode().splitlines()
    output = subprocess.run(
        ["nm", "-n", str(image)], capture_output=True, text=True, check=True
    ).stdout.splitlines()
    assert set(lines) == set(output)
    assert [line[:16] for line in lines] == sorted(line[:16] for line in lines)


def test_its_build_id_is_that_of_the_linker(tmp_path: Path) -> None:
    image = link(tmp_path)
    output = subprocess.run(
        ["readelf", "-n", str(image)], capture_output=True, text=True, check=True
    ).stdout
    assert f"Build ID: {vmlinux.load(image).build_id}" in output


def sources(image: Path, folder: Path, build_id: str) -> Sources:
    path = folder / "notes"
    path.write_bytes(b"\x04\0\0\0\x14\0\0\0\x03\0\0\0GNU\0" + bytes.fromhex(build_id))
    return Sources("6.1.0", given_map=image, running=RunningKernel(notes=path))


def test_the_build_id_decides_about_an_image(
    tmp_path: Path,
) -> None:
    image = link(tmp_path)
    build_id = vmlinux.load(image).build_id
    assert build_id is not None
    right = load_symbols(sources(image, tmp_path, build_id))
    assert (right.verdicts[0].status, right.verdicts[0].proof) == (
        MapStatus.ACCEPTED,
        Proof.BUILD_ID,
    )
    assert right.lacks_slide
    wrong = load_symbols(sources(image, tmp_path, "ab" * 20))
    assert wrong.verdicts[0].status is MapStatus.REFUSED
    assert f"another build: its build id is {build_id}" in wrong.verdicts[0].reason


def test_vmlinux_code_and_calls_prove_the_slide(
    tmp_path: Path,
) -> None:
    image = vmlinux.load(link(tmp_path))
    found = KaslrInference(SymbolTable(image.lines, ""), X86_64, image.text).infer(
        parse_trace(oops_of(image))
    )
    assert isinstance(found, Slide)
    assert found.value == SLIDE
    assert "bytes of its code are those of the text" in found.proof
    assert "3 calls before its return addresses" in found.proof


@pytest.mark.parametrize(
    "instead", ["mov $0x12345679, %ebx\n    nop", "mov $0x12345678, %eax\n    .fill 16, 1, 0x90"]
)
def test_code_bytes_refute_another_builds_image(instead: str, tmp_path: Path) -> None:
    running = vmlinux.load(link(tmp_path))
    other = vmlinux.load(link(tmp_path, SOURCE.replace("mov $0x12345678, %eax", instead), "other"))
    found = KaslrInference(SymbolTable(other.lines, ""), X86_64, other.text).infer(
        parse_trace(oops_of(running))
    )
    assert isinstance(found, NotProven)


def test_a_file_that_is_no_image_is_refused(tmp_path: Path) -> None:
    stripped = link(tmp_path)
    subprocess.run(["strip", str(stripped)], check=True)
    damaged = tmp_path / "damaged"
    damaged.write_bytes(b"\x7fELF\2\1" + bytes(100))
    for path, reason in ((stripped, "stripped"), (damaged, "not a kernel image")):
        with pytest.raises(NotAMap, match=reason):
            vmlinux.load(path)
