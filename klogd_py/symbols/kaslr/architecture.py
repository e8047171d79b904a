# SPDX-License-Identifier: GPL-2.0-or-later
"""Know which architectures randomise the kernel's address, and by how much.

A kernel with CONFIG_RANDOMIZE_BASE adds one multiple of ``align_bytes`` below ``reach_bytes`` to
all its link-time addresses.

Source of truth: arch/x86/boot/compressed/kaslr.c ``find_random_virt_addr``;
arch/arm64/kernel/kaslr.c (later pi/kaslr_early.c) and drivers/firmware/efi/libstub;
arch/powerpc/mm/nohash/kaslr_booke.c; scripts/kallsyms.c.
"""

import re

from msgspec import Struct

from klogd_py.symbols import elf_header
from klogd_py.symbols.symbol_table import KERNEL_HALF, PAGE_BYTES, SymbolTable

MIB = 1 << 20
GIB = 1 << 30


class Release(Struct, frozen=True, order=True):
    """The first two numbers of a kernel's release, in the order of the releases."""

    major: int
    minor: int


class Architecture(Struct, frozen=True):
    """How an architecture randomises the kernel's address.

    ``since`` is the first release that does. The image is at ``lowest`` or above and below
    ``highest``. ``marker_names`` are symbols that only maps of this architecture have. ``machine``
    is e_machine of ELF files, 0 where `klogd_py.symbols.call_decoder` does not know the calls.
    """

    name: str
    since: Release
    align_bytes: int
    reach_bytes: int
    lowest: int
    highest: int
    marker_names: tuple[bytes, ...]
    machine: int = 0

    def contains(self, address: int) -> bool:
        """Whether the kernel's own image can be at this address.

        Modules can be, too, on architectures that do not keep the two apart.
        """
        return self.lowest <= address < self.highest


class MapArchitecture(Struct, frozen=True):
    """The architecture of a map, ``None`` for one whose kernel cannot be randomised.

    ``is_certain`` says that one of its symbols proves it.
    """

    architecture: Architecture | None
    is_certain: bool


X86_64 = Architecture(
    "x86-64",
    Release(3, 14),
    2 * MIB,
    GIB,
    0xFFFFFFFF80000000,
    0xFFFFFFFFC0000000,
    (b"entry_SYSCALL_64", b"entry_SYSCALL_64_after_hwframe", b"system_call_after_swapgs"),
    elf_header.X86_64,
)
ARM64 = Architecture(
    "arm64",
    Release(4, 6),
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
        Release(3, 14),
        2 * MIB,
        GIB // 2,
        0x40000000,
        1 << 32,
        (b"entry_INT80_32", b"startup_32_smp"),
    ),
    Architecture(
        "riscv64",
        Release(6, 6),
        2 * MIB,
        GIB,
        0xFFFFFFFF80000000,
        1 << 64,
        (b"ret_from_exception", b"handle_exception"),
    ),
    Architecture(
        "loongarch64",
        Release(6, 3),
        64 << 10,
        GIB // 4,
        0x9000000000000000,
        0xA000000000000000,
        (b"handle_syscall",),
    ),
    Architecture(
        "s390", Release(5, 2), 16 << 10, 1 << 47, 0x10000, 1 << 53, (b"pgm_check_handler",)
    ),
    Architecture(
        "powerpc e500",
        Release(5, 5),
        16 << 10,
        GIB // 2,
        0xC0000000,
        1 << 32,
        (b"kaslr_early_init",),
    ),
    Architecture("mips", Release(4, 7), 64 << 10, GIB, 0x80000000, 1 << 64, (b"handle_sys",)),
)

# Symbols at which the linker begins a section or a page table: at a multiple of a page on every
# 64-bit kernel.
_AT_PAGES = (
    b"__start_rodata",
    b"_sdata",
    b"__init_begin",
    b"_sinittext",
    b"__bss_start",
    b"init_thread_union",
    b"swapper_pg_dir",
)
# All that are asked for in a map whose architecture is not known yet
_NAMES = (
    *(b"_text", b"_end", b"_etext"),
    *_AT_PAGES,
    *(name for architecture in ARCHITECTURES for name in architecture.marker_names),
)
_RELEASE = re.compile(r"([0-9]{1,9})\.([0-9]{1,9})(?![0-9])")


def identify(table: SymbolTable) -> MapArchitecture:
    """Return the architecture of a map.

    Without a symbol that proves it, it is guessed by the addresses, so that any kernel in the upper
    half of 64 bits counts as one that may be randomised.
    """
    table.expect(_NAMES)
    first = table.kernel_range.start
    for architecture in ARCHITECTURES:
        if architecture.contains(first) and any(
            table.address_of(name) is not None for name in architecture.marker_names
        ):
            return MapArchitecture(architecture, is_certain=True)
    for architecture in ARCHITECTURES:
        if architecture.lowest >= KERNEL_HALF and architecture.contains(first):
            return MapArchitecture(architecture, is_certain=False)
    return MapArchitecture(None, is_certain=False)


def layout_error(table: SymbolTable, architecture: Architecture) -> str | None:
    """Say which symbol of a map is at an address that no linker gives it; ``None`` if none is.

    This finds maps that were moved as a whole, or from one function on.
    """
    steps = [(b"_text", architecture.align_bytes), *((name, PAGE_BYTES) for name in _AT_PAGES)]
    for name, step in steps if architecture.lowest >= KERNEL_HALF else ():
        address = table.address_of(name)
        if address is not None and address % step:
            return f"{name.decode()} is at {address:#x}, where no linker puts it"
    return None


def slide_error(architecture: Architecture | None, slide: int) -> str | None:
    """Say why no kernel of this architecture has this slide; ``None`` if one can have it."""
    if architecture is None:
        if slide % PAGE_BYTES:
            return f"{slide:#x} is no multiple of {PAGE_BYTES:#x} (a page)"
        return None if 0 <= slide < 1 << 64 else f"{slide:#x} is no distance of 64 bits"
    if slide % architecture.align_bytes:
        step = f"{architecture.align_bytes:#x} ({architecture.name})"
        return f"{slide:#x} is no multiple of {step}"
    if not 0 <= slide < architecture.reach_bytes:
        limit = f"{architecture.reach_bytes:#x} ({architecture.name})"
        return f"{slide:#x} is not below {limit}"
    return None


def may_be_randomised(
    architecture: Architecture | None, release: str | None, version: int | None
) -> bool:
    """Whether a kernel may be at other addresses than its map says.

    ``version`` is the number of the map's ``Version_N`` symbol, if it has one. A kernel of unknown
    release may be.
    """
    if architecture is None:
        return False
    known = _parse_release(release) if release is not None else None
    if known is None and version is not None:
        known = Release(version >> 16, version >> 8 & 255)
    return known is None or known >= architecture.since


def hashes_pointers(release: str | None) -> bool:
    """Whether a kernel prints a hash for ``%p``.

    Linux does since 4.15 (ad67b74d2469, "printk: hash addresses").
    """
    known = _parse_release(release) if release is not None else None
    return known is not None and known >= Release(4, 15)


def _parse_release(release: str) -> Release | None:
    """Return the first two numbers of a release; ``None`` if it does not begin with them."""
    found = _RELEASE.match(release)
    return Release(int(found[1]), int(found[2])) if found is not None else None
