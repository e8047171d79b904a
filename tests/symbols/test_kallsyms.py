# SPDX-License-Identifier: GPL-2.0-or-later
from pathlib import Path

import pytest

from klogd_py.record.types import LookupFailure, SymbolAddress
from klogd_py.symbols import kallsyms
from klogd_py.symbols.kallsyms import Kallsyms, NotKallsyms

CORE = b"""\
0000000000000000 A fixed_percpu_data
ffffffff81000000 T srso_alias
ffffffff81000000 T _stext
ffffffff81078650 t worker_thread
ffffffff81078a00 T kthread
ffffffff81500000 T _etext
"""
MODULES = b"""\
ffffffffa0010000 t nic_probe\t[nic]
ffffffffa0010200 t nic_xmit\t[nic]
ffffffffa0000120 T ext_lookup\t[extfs]
ffffffffa0000000 t ext_init\t[extfs]
ffffffffa0000400 t ext_exit\t[extfs]
ffffffffa0020000 d ext_data\t[extfs]
ffffffffc0201000 t ftrace_trampoline\t[__builtin__ftrace]
ffffffffc0300000 t bpf_prog_6deef7357e7b4530_x\t[bpf]
ffffffffc0390000 t bpf_prog_1111111111111111_y\t[bpf]
"""


def named(symbols: Kallsyms, address: int) -> str:
    for table in (symbols.core, symbols.modules):
        if not isinstance(table, LookupFailure):
            place = table.resolve(address)
            if isinstance(place, SymbolAddress):
                return place.kernel_form
    return "unknown"


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        (0x10, "unknown"),
        (
            0xFFFFFFFF81000004,
            "srso_alias+0x4/0x78650",
            # The kernel's own choice among equals is the first
        ),
        (0xFFFFFFFF81078690, "worker_thread+0x40/0x3b0"),
        (0xFFFFFFFF81500010, "unknown"),
        (0xFFFFFFFFA0000130, "ext_lookup+0x10/0x2e0 [extfs]"),
        (
            0xFFFFFFFFA0000410,
            "ext_exit+0x10/0xc00 [extfs]",
            # The last of its text: up to the end of the page
        ),
        (0xFFFFFFFFA0000FFF, "ext_exit+0xbff/0xc00 [extfs]"),
        (0xFFFFFFFFA0001000, "unknown"),
        (0xFFFFFFFFA0010210, "nic_xmit+0x10/0xe00 [nic]"),
        (0xFFFFFFFFA0020010, "ext_data+0x10/0x1000 [extfs]"),
        # Pseudo-modules are not tagged
        (0xFFFFFFFFC0201010, "ftrace_trampoline+0x10/0x1000"),
        (0xFFFFFFFFC0300010, "bpf_prog_6deef7357e7b4530_x+0x10/0x1000"),
        # Each program is an allocation of its own
        (0xFFFFFFFFC0301000, "unknown"),
        (0xFFFFFFFFC0390010, "bpf_prog_1111111111111111_y+0x10/0x1000"),
    ],
)
def test_the_kernels_symbols_and_its_modules(address: int, expected: str) -> None:
    assert named(kallsyms.parse(CORE + MODULES), address) == expected


def test_a_modules_last_symbol_ends_with_its_page() -> None:
    symbols = kallsyms.parse(CORE + MODULES)
    assert named(symbols, 0xFFFFFFFFA0000FFF) == "ext_exit+0xbff/0xc00 [extfs]"
    assert named(symbols, 0xFFFFFFFFA0001000) == "unknown"


def test_masked_kallsyms_answers_hidden_but_counts_symbols() -> None:
    masked = b"".join(
        b"0000000000000000" + line[16:] for line in (CORE + MODULES).splitlines(keepends=True)
    )
    symbols = kallsyms.parse(masked)
    assert (symbols.core, symbols.modules, symbols.symbols) == (
        LookupFailure.HIDDEN,
        LookupFailure.HIDDEN,
        15,
    )


def test_an_empty_file_has_no_symbols() -> None:
    assert kallsyms.parse(b"\n").core is LookupFailure.NO_SYMBOLS


def test_kallsyms_of_modules_alone_names_their_symbols() -> None:
    symbols = kallsyms.parse(MODULES)
    assert symbols.core is LookupFailure.NO_SYMBOLS
    assert named(symbols, 0xFFFFFFFFA0000130) == "ext_lookup+0x10/0x2e0 [extfs]"


def test_an_unsorted_core_is_sorted() -> None:
    shuffled = b"".join(reversed(CORE.splitlines(keepends=True)))
    assert named(kallsyms.parse(shuffled), 0xFFFFFFFF81078690) == "worker_thread+0x40/0x3b0"


@pytest.mark.parametrize("raw", [b"hello\n", b"\x7fELF\0\0", b"c010 T x\n", b" U x\n"])
def test_another_file_is_not_taken_for_kallsyms(raw: bytes) -> None:
    with pytest.raises(NotKallsyms):
        kallsyms.parse(raw)


@pytest.mark.skipif(
    not Path("/proc/kallsyms").exists(), reason="needs a kernel with /proc/kallsyms"
)
def test_every_thousandth_symbol_resolves_at_its_address() -> None:
    symbols = kallsyms.parse(Path("/proc/kallsyms").read_bytes())
    if symbols.core is LookupFailure.HIDDEN:
        pytest.skip("needs a /proc/kallsyms that shows addresses")
    assert not isinstance(symbols.core, LookupFailure)
    lines = [line.split() for line in Path("/proc/kallsyms").read_text().splitlines()]
    for address, _, name, *module in lines[:: len(lines) // 1000 or 1]:
        if not module:
            assert name.encode() in symbols.core.names_at(int(address, 16))
