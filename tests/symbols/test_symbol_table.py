# SPDX-License-Identifier: GPL-2.0-or-later
import pytest

from klogd_py.record.types import LookupFailure, SymbolAddress
from klogd_py.symbols.symbol_line import Aliases
from klogd_py.symbols.symbol_table import SymbolTable

TEXT32 = b"""\
c0100000 T _text
c010b800 T do_fork
c010b900 T sys_fork
c0120000 T schedule
c0120400 T wake_up
c0200000 A _end
"""

TEXT64 = b"""\
0000000000000000 D per_cpu_start
0000000000001000 d per_cpu_tail
ffffffff81000000 T _text
ffffffff81078650 t worker_thread
ffffffff81078a00 T kthread
ffffffff81500000 T _etext
ffffffff81c00000 D init_task
ffffffff81e00000 A _end
ffffffffff600000 T vgettimeofday
ffffffffff601000 T vsys_end
"""


def named(table: SymbolTable, address: int) -> str:
    place = table.resolve(address)
    return place.classic_form if isinstance(place, SymbolAddress) else place.name


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        (0xC00FFFFF, "OUTSIDE"),
        (0xC0100000, "_text+0x0/0xb800"),
        (0xC010B7FF, "_text+0xb7ff/0xb800"),
        (0xC010B800, "do_fork+0x0/0x100"),
        (0xC010B8FF, "do_fork+0xff/0x100"),
        (0xC010B900, "sys_fork+0x0/0x14700"),
        (0xC01FFFFF, "wake_up+0xdfbff/0xdfc00"),
        (0xC0200000, "OUTSIDE"),
        (0xFFFFFFFF, "OUTSIDE"),
        (0xFFFFFFFFC010B860, "OUTSIDE"),
        (0, "OUTSIDE"),
    ],
)
def test_an_address_resolves_to_its_containing_symbol(address: int, expected: str) -> None:
    assert named(SymbolTable(TEXT32, "map"), address) == expected


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        # A per-cpu offset is no address
        (0x10, "OUTSIDE"),
        (0x1010, "OUTSIDE"),
        # User space
        (0x7FFF12345678, "OUTSIDE"),
        (0xFFFFFFFF81078690, "worker_thread+0x40/0x3b0"),
        # Behind _etext
        (0xFFFFFFFF81500010, "OUTSIDE"),
        (0xFFFFFFFF81C00008, "init_task+0x8/0x200000"),
        # Behind _end, where modules are
        (0xFFFFFFFFA0000010, "OUTSIDE"),
        (0xFFFFFFFFFF600010, "vgettimeofday+0x10/0x1000"),
    ],
)
def test_holes_between_the_kernels_sections_name_nothing(address: int, expected: str) -> None:
    assert named(SymbolTable(TEXT64, "map"), address) == expected


def test_the_table_decides_which_alias_counts() -> None:
    lines = b"c0100000 T first\nc0100000 t second\nc0100000 W last\nc0200000 T next\n"
    assert named(SymbolTable(lines, "", aliases=Aliases.FIRST), 0xC0100004) == "first+0x4/0x100000"
    assert named(SymbolTable(lines, "", aliases=Aliases.LAST), 0xC0100004) == "last+0x4/0x100000"


def test_an_absolute_symbol_ends_another_without_naming() -> None:
    table = SymbolTable(
        b"c0100000 T f\nc0100100 A Version_132629\nc0100200 T g\nc0100300 T h\n", ""
    )
    assert named(table, 0xC01000FF) == "f+0xff/0x100"
    assert named(table, 0xC0100100) == "OUTSIDE"


def test_an_absolute_symbol_hides_no_function() -> None:
    table = SymbolTable(
        b"c0100000 T f\nc0100000 A marker\nc0100100 T g\n", "", aliases=Aliases.LAST
    )
    assert named(table, 0xC0100010) == "f+0x10/0x100"


def test_a_hole_ends_symbols_at_its_address() -> None:
    table = SymbolTable(b"c0100000 T f\nc0100000 ! damaged\nc0100100 T g\nc0100200 T h\n", "")
    assert named(table, 0xC0100010) == "OUTSIDE"
    assert named(table, 0xC0100110) == "g+0x10/0x100"


def test_a_distance_of_256_mib_is_no_function() -> None:
    table = SymbolTable(b"c0100000 T f\nd0100000 T g\ne0100001 T h\n", "")
    assert named(table, 0xD00FFFFF) == "f+0xfffffff/0x10000000"
    assert named(table, 0xD0100000) == "OUTSIDE"


def test_the_slide_is_what_the_running_kernel_adds() -> None:
    table = SymbolTable(TEXT64, "map", slide=0x1A00000)
    assert named(table, 0xFFFFFFFF82A78690) == "worker_thread+0x40/0x3b0"
    assert table.names_at(0xFFFFFFFF82A78650) == {b"worker_thread"}


def test_only_the_part_before_the_end_is_searched() -> None:
    table = SymbolTable(TEXT32, "", end=TEXT32.index(b"c0120000"))
    assert named(table, 0xC010B810) == "do_fork+0x10/0x100"
    assert named(table, 0xC010B910) == "OUTSIDE"


def test_a_module_column_becomes_the_places_module() -> None:
    place = SymbolTable(
        b"ffffffffa0000000 t ext_init\t[extfs]\nffffffffa0000120 T x\t[extfs]\n", "kallsyms"
    ).resolve(0xFFFFFFFFA0000010)
    assert place == SymbolAddress("ext_init", 0x10, 0x120, "extfs", "t", "kallsyms")


@pytest.mark.parametrize("address", [0xC0100010, 0xC010B860, 0xC0120010])
def test_a_damaged_neighbour_line_leaves_no_wrong_name(address: int) -> None:
    table = SymbolTable(TEXT32.replace(b"c010b900 T sys_fork", b"?!garbage here at all"), "")
    assert named(table, address) in ("OUTSIDE", "_text+0x10/0xb800", "schedule+0x10/0x400")


def test_a_symbol_is_found_by_whole_name() -> None:
    table = SymbolTable(TEXT32, "")
    assert table.address_of(b"fork") is None
    assert table.address_of(b"do_fork") == 0xC010B800
    assert table.resolve(0) is LookupFailure.OUTSIDE


def test_a_buffer_without_an_address_is_no_table() -> None:
    with pytest.raises(ValueError, match="address"):
        SymbolTable(b"\n", "")


@pytest.mark.parametrize(
    ("names", "chosen"),
    [
        (["W weak", "T strong"], "strong"),
        (["T _text", "T _stext", "T startup_64"], "startup_64"),
        (["T __entry_text_start", "T __do_it"], "__do_it"),
        (["T __start_rodata", "T _x"], "_x"),
        (["T _b", "T _a"], "_b"),
        (["W __weak", "W weak"], "weak"),
    ],
)
def test_the_kernels_choice_among_names_of_one_address(names: list[str], chosen: str) -> None:
    rows = (
        b"".join(b"ffffffff81000000 %s\n" % name.encode() for name in names)
        + b"ffffffff81000100 T next\n"
    )
    rows += b"ffffffff81000200 T end_of_it\n"
    place = SymbolTable(rows, "", aliases=Aliases.KERNEL).resolve(0xFFFFFFFF81000010)
    assert isinstance(place, SymbolAddress)
    assert place.name == chosen


@pytest.mark.parametrize(
    "marker",
    ["__kprobes_text_end", "__entry_text_end", "__noinstr_text_start", "__start_rodata", "__x_end"],
)
def test_a_linker_marker_names_nothing_behind_it(marker: str) -> None:
    table = SymbolTable(
        f"ffffffff81000000 T f\nffffffff81001000 T {marker}\n".encode()
        + b"ffffffff81200000 T g\nffffffff81300000 B _end\n",
        "",
    )
    assert table.resolve(0xFFFFFFFF81001008) is LookupFailure.OUTSIDE
    assert isinstance(table.resolve(0xFFFFFFFF81000FFF), SymbolAddress)


@pytest.mark.parametrize("name", ["__unwind_start", "rcu_seq_end", "__do_once_start"])
def test_functions_that_are_called_like_marks_are_named(name: str) -> None:
    table = SymbolTable(f"ffffffff81000000 T {name}\nffffffff81001000 B _end\n".encode(), "")
    assert isinstance(table.resolve(0xFFFFFFFF81000008), SymbolAddress)


def test_the_last_trampoline_ends_after_16_bytes() -> None:
    table = SymbolTable(
        b"ffffffff81000000 t __SCT__might_resched\nffffffff81200000 T g\nffffffff81300000 B _end\n",
        "",
    )
    assert isinstance(table.resolve(0xFFFFFFFF81000005), SymbolAddress)
    assert table.resolve(0xFFFFFFFF81000010) is LookupFailure.OUTSIDE
