# SPDX-License-Identifier: GPL-2.0-or-later
"""Read sources with names that no symbol can have: they name nothing, and harm no other symbol."""

from collections.abc import Callable
from pathlib import Path

import pytest

from klogd_py.record.types import LookupFailure, SymbolAddress
from klogd_py.symbols import elf, kallsyms, system_map, vmlinux
from klogd_py.symbols.kaslr import vmcoreinfo
from klogd_py.symbols.modules import module_elf, proc_modules
from klogd_py.symbols.modules.base_inference import ModuleBase
from klogd_py.symbols.modules.module_index import lay_out
from klogd_py.symbols.symbol_line import MAX_NAME_BYTES
from klogd_py.symbols.symbol_table import SymbolTable
from klogd_py.symbols.system_map import MAX_COPIED_BYTES
from tests.symbols.hostile import EXECUTABLE, TEXT_AT, symbol, with_symbols
from tests.symbols.kaslr.test_vmcoreinfo import note

MODULE_AT = 0xFFFFFFFFC0000000
PLACES = Callable[[int], SymbolAddress | LookupFailure]
EVIL = {
    "line feed": b"evil\nffffffff81000018 T forged",
    "carriage return": b"evil\rname",
    "blank": b"evil name",
    "tab": b"evil\tname",
    "escape": b"b\x1b[31m",
    "delete": b"evil\x7f",
    "no ASCII": "b\u202eevil".encode(),
    "no UTF-8": b"evil\xff",
    "too long": b"e" * (MAX_NAME_BYTES + 1),
    "empty": b"",
}
GOOD_AT, EVIL_AT, NEXT_AT = 0, 16, 32


def rows(name: bytes, at: int = TEXT_AT, tag: bytes = b"") -> bytes:
    """Return a map with a good symbol, an evil one, and two good ones."""
    named = ((GOOD_AT, b"good"), (EVIL_AT, name), (NEXT_AT, b"next"), (NEXT_AT + 16, b"last"))
    return b"".join(b"%016x T %s%s\n" % (at + offset, word, tag) for offset, word in named)


def of_elf(name: bytes, kind: int) -> bytes:
    at = TEXT_AT if kind == EXECUTABLE else 0
    symbols = [(b"good", GOOD_AT), (name, EVIL_AT), (b"next", NEXT_AT), (b"last", NEXT_AT + 16)]
    names, entries = b"\0", b""
    for word, offset in symbols:
        entries += symbol(len(names), at + offset)
        names += word + b"\0"
    return with_symbols(entries, names, kind)


def by_map(name: bytes, folder: Path) -> tuple[PLACES, int]:
    path = folder / "System.map"
    path.write_bytes(rows(name))
    return SymbolTable(system_map.load(path).lines, "").resolve, TEXT_AT


def by_large_map(name: bytes, folder: Path) -> tuple[PLACES, int]:
    """Return a map so large that it is searched in its file."""
    path = folder / "System.map"
    filling = [
        b"%016x T %s\n" % (TEXT_AT + 64 + 64 * i, b"f" * 200)
        for i in range(MAX_COPIED_BYTES // 200)
    ]
    path.write_bytes(rows(name) + b"".join(filling))
    lines = system_map.load(path).lines
    assert not isinstance(lines, bytes)
    return SymbolTable(lines, "").resolve, TEXT_AT


def by_kallsyms(name: bytes, folder: Path) -> tuple[PLACES, int]:
    core = kallsyms.parse(rows(name)).core
    assert isinstance(core, SymbolTable)
    return core.resolve, TEXT_AT


def by_kallsyms_of_modules(name: bytes, folder: Path) -> tuple[PLACES, int]:
    found = kallsyms.parse(rows(b"kernel") + rows(name, MODULE_AT, b"\t[nic]")).modules
    assert isinstance(found, SymbolTable)
    return found.resolve, MODULE_AT


def by_vmlinux(name: bytes, folder: Path) -> tuple[PLACES, int]:
    path = folder / "vmlinux"
    path.write_bytes(of_elf(name, EXECUTABLE))
    return SymbolTable(vmlinux.load(path).lines, "").resolve, TEXT_AT


def by_module_file(name: bytes, folder: Path) -> tuple[PLACES, int]:
    path = folder / "nic.ko"
    path.write_bytes(of_elf(name, elf.RELOCATABLE))
    layout = lay_out(module_elf.load(path, "nic"), ModuleBase("nic", MODULE_AT, "given"))
    assert layout is not None
    return layout.resolve, MODULE_AT


OF_TEXT = (by_map, by_large_map, by_kallsyms, by_kallsyms_of_modules)
SOURCES = (by_map, by_large_map, by_kallsyms, by_kallsyms_of_modules, by_vmlinux, by_module_file)
# In a text a line feed ends the line, and what follows is a line of its own.
CASES = [
    (source, evil)
    for source in SOURCES
    for evil in EVIL
    if source not in OF_TEXT or evil != "line feed"
]
REFUSALS = (system_map.NotAMap, module_elf.NoModuleFile, kallsyms.NotKallsyms)


@pytest.mark.parametrize(("source", "evil"), CASES)
def test_what_is_no_name_names_nothing(
    source: Callable[[bytes, Path], tuple[PLACES, int]], evil: str, tmp_path: Path
) -> None:
    try:
        place_of, base = source(EVIL[evil], tmp_path)
    # A whole file may be refused for such a name
    except REFUSALS:
        return
    for offset in (EVIL_AT, EVIL_AT + 8, EVIL_AT + 15):
        place = place_of(base + offset)
        named_before = isinstance(place, SymbolAddress) and place.name == "good"
        assert isinstance(place, LookupFailure) or (evil == "empty" and named_before), place
    after = place_of(base + NEXT_AT)
    assert isinstance(after, SymbolAddress)
    assert after.name == "next"


@pytest.mark.parametrize("source", SOURCES)
def test_a_plain_name_is_a_name(
    source: Callable[[bytes, Path], tuple[PLACES, int]], tmp_path: Path
) -> None:
    place_of, base = source(b"fine.isra.0", tmp_path)
    place = place_of(base + EVIL_AT + 8)
    assert isinstance(place, SymbolAddress)
    assert (place.name, place.offset, place.size) == ("fine.isra.0", 8, 16)


@pytest.mark.parametrize("evil", ["\x1b[31m", "../../etc", "..", "n\u202eic", "nic" * 400])
def test_what_cannot_be_a_module_is_none(evil: str) -> None:
    found = proc_modules.parse(
        f"{evil} 4096 0 - Live 0xffffffffc0a00000\nnic 4096 0 - Live 0xffffffffc0b00000\n"
    )
    assert list(found.bases) == ["nic"]


@pytest.mark.parametrize("evil", [b"\x1b[31m", b"n ic", b"nic" * 400])
def test_a_symbol_of_an_odd_module_names_nothing(evil: bytes) -> None:
    found = kallsyms.parse(
        rows(b"kernel") + rows(b"probe", MODULE_AT, b"\t[" + evil + b"]")
    ).modules
    assert isinstance(found, SymbolTable)
    assert all(
        found.resolve(MODULE_AT + offset) is LookupFailure.OUTSIDE for offset in range(0, 64, 8)
    )


@pytest.mark.parametrize("digits", ["9" * 5000, "f" * 5000, "-5", "0x5", "1_0", "1" + "0" * 16])
def test_a_number_of_no_64_bits_is_none(digits: str) -> None:
    found = vmcoreinfo.parse(
        note(b"VMCOREINFO", 0, f"KERNELOFFSET={digits}\nSYMBOL(_stext)={digits}\n".encode())
    )
    assert (found.offset, found.symbols) == (None, {})
    listed = proc_modules.parse(
        f"nic {digits} 0 - Live 0x{digits}\nok 1 0 - Live 0xffffffffc0b00000\n"
    )
    assert list(listed.bases) == ["ok"]
