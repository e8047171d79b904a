# SPDX-License-Identifier: GPL-2.0-or-later
"""What would a module look like in memory, according to its own file?

The kernel lays the code sections of a module out one behind the other in the order of their
headers, each at its alignment, from a page boundary on; sections whose names begin with ``.init``
make an allocation of their own that is freed when the module is ready. So a base address is all
that is missing to name every function of it.

Source of truth: kernel/module/main.c ``layout_sections``, ``__layout_sections`` (6.4: one
allocation for each module_memory type, code first as before); kernel/module/kallsyms.c
``find_kallsyms_symbol``.
"""

import os
import re
from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path

from msgspec import Struct

from klogd_py.symbols import elf, file_bytes
from klogd_py.symbols.call_decoder import DECODERS, CallDecoder
from klogd_py.symbols.elf import Elf, Raw
from klogd_py.symbols.elf_header import NotElf
from klogd_py.symbols.modules import unpacking
from klogd_py.symbols.modules.unpacking import NotUnpacked
from klogd_py.symbols.symbol_line import HOLE, is_name
from klogd_py.system.regular_file import read_regular

# In the largest module of Linux 6.1, amdgpu, 4.8 MiB are code with 98,000 calls.
# Of one allocation, laid out
MAX_CODE_BYTES = 32 << 20
MAX_CALLS = 1_000_000
# Bytes that can be part of a call: one in fifteen
MAX_CALL_SIGNS = 3_000_000
MAX_SYMBOLS = 400_000
MAX_MODINFO_BYTES = 1 << 20
# modules.dep of a distribution has 700 KiB
MAX_LIST_BYTES = 16 << 20
# Files below a folder; a distribution has 4,000 modules
MAX_WALKED = 200_000
_MAX_ALIGN = 1 << 21
_FILE = re.compile(r"(?P<name>[^/]+)\.ko(?P<packed>\.xz|\.zst|\.gz)?")
_PATCHED = (
    ".rela.altinstructions",
    ".rela__jump_table",
    ".rela__mcount_loc",
    ".rela__patchable_function_entries",
    ".rela.return_sites",
    ".rela.retpoline_sites",
)
# What is replaced at such a place is longer only in rare cases
_PATCHED_BYTES = 12
_NO_NAME = re.compile(rb"\$[a-z](?:\..*)?|\.L.*|L0\x01.*|")


class NoModuleFile(ValueError):
    """A file that cannot be read as a module; says why."""


class Code(Struct, frozen=True):
    """One allocation of code: ``changed`` marks the bytes that differ in memory, ``calls`` leads
    from the offset behind a direct call to what is called: a name outside of the module, or an
    offset inside.
    """

    text: bytes
    changed: bytes
    functions: tuple[tuple[int, bytes, bytes], ...]
    calls: dict[int, str | int]


class ModuleFile(Struct, frozen=True):
    """A module as its file has it. ``core`` is what stays, ``init`` what is freed."""

    name: str
    path: Path
    core: Code
    init: Code
    build_id: str
    vermagic: str
    srcversion: str
    machine: int


def listed(folder: Path) -> dict[str, Path]:
    """The file of every module that depmod(8) found below a folder such as ``/lib/modules/6.1.0``,
    by its name in the kernel.
    """
    try:
        raw = read_regular(folder / "modules.dep", MAX_LIST_BYTES)
    except OSError:
        return {}
    return _by_name(
        folder / line.partition(":")[0] for line in raw.decode("utf-8", "replace").splitlines()
    )


def walked(folder: Path) -> dict[str, Path]:
    """The file of every module that lies below a folder, by its name in the kernel.

    Of a folder that holds the world, only those among its first `MAX_WALKED` files.
    """
    lying = (Path(here) / file for here, _, files in os.walk(folder) for file in files)
    return _by_name(path for path in islice(lying, MAX_WALKED) if ".ko" in path.name)


def _by_name(paths: Iterable[Path]) -> dict[str, Path]:
    found: dict[str, Path] = {}
    for path in paths:
        file = _FILE.fullmatch(path.name)
        if file is not None:
            found.setdefault(kernel_name(file["name"]), path)
    return found


def kernel_name(name: str) -> str:
    """As the kernel calls a module whose file may have dashes in its name."""
    return name.replace("-", "_")


def load(path: Path, name: str) -> ModuleFile:
    """Read a module's file, packed or not; raises NoModuleFile."""
    try:
        file = file_bytes.open_file(path)
        return parse(unpacking.unpacked(file) if unpacking.is_packed(file) else file, name, path)
    except OSError as error:
        raise NoModuleFile(f"{path}: cannot be read: {error.strerror}") from error
    except (NotElf, NotUnpacked) as error:
        raise NoModuleFile(f"{path}: {error}") from error


def parse(raw: Raw, name: str, path: Path = Path()) -> ModuleFile:
    """Read the bytes of a module; raises NotElf."""
    file = Elf(raw)
    if file.kind != elf.RELOCATABLE:
        raise NotElf("not a module: an ELF file of another type")
    info = file.section(".modinfo")
    told = dict(_modinfo(file.bytes_of(info, MAX_MODINFO_BYTES))) if info is not None else {}
    symbols = list(file.iter_symbols(MAX_SYMBOLS))
    return ModuleFile(
        name,
        path,
        _code(file, symbols, init=False),
        _code(file, symbols, init=True),
        file.build_id,
        told.get("vermagic", ""),
        told.get("srcversion", ""),
        file.machine,
    )


def rows(code: Code, name: str, base: int, digits: int = 16) -> list[bytes]:
    """The functions of an allocation at its place in memory, as lines of a table, and the line that
    ends it.
    """
    tag = name.encode("utf-8", "replace")
    lines = [
        b"%0*x %s %s\t[%s]" % (digits, base + at, kind, function, tag)
        for at, kind, function in code.functions
    ]
    return [*lines, b"%0*x %s end" % (digits, base + len(code.text), HOLE)]


def _modinfo(raw: bytes) -> Iterator[tuple[str, str]]:
    for entry in raw.split(b"\0"):
        key, equals, value = entry.decode("utf-8", "replace").partition("=")
        if equals:
            yield key, value


def _code(file: Elf, symbols: list[elf.Symbol], init: bool) -> Code:
    """The code sections of one allocation, laid out, with what the file says of their bytes.

    Raises NotElf.
    """
    offsets: dict[int, int] = {}
    pieces: list[bytes] = []
    size = 0
    for section in file.sections:
        wanted = elf.ALLOC | elf.EXEC
        if (
            section.flags & (wanted | elf.WRITE) != wanted
            or section.name.startswith(".init") is not init
        ):
            continue
        if section.align > _MAX_ALIGN:
            raise NotElf(
                f"section {section.name!r} wants to lie at a multiple of {section.align:#x}"
            )
        padding = -size % max(section.align, 1)
        left = MAX_CODE_BYTES - size - padding
        content = file.bytes_of(section, left) if left > 0 else b""
        if left <= 0:
            raise NotElf(f"more than {MAX_CODE_BYTES} bytes of code with its alignment")
        offsets[section.index] = size + padding
        pieces += [bytes(padding), content]
        size += padding + len(content)
    text = b"".join(pieces)
    pieces.clear()
    decoder = DECODERS.get(file.machine)
    if decoder is not None and decoder.count_opcodes(text) > MAX_CALL_SIGNS:
        raise NotElf(f"more than {MAX_CALL_SIGNS} places in its code that could be calls")
    changed, calls = _relocated(file, symbols, offsets, text)
    return Code(text, changed, _functions(file, symbols, offsets), calls)


def _functions(
    file: Elf, symbols: list[elf.Symbol], offsets: dict[int, int]
) -> tuple[tuple[int, bytes, bytes], ...]:
    """(offset, letter of nm, name), ascending; the first of several at one place counts for the
    kernel, and stays first.

    What cannot be a name leaves a hole: nothing is named by it, nor by what stands before it.
    """
    found = [
        (offsets[symbol.section] + symbol.value, *_named(symbol))
        for symbol in symbols
        if symbol.section in offsets
        and symbol.value <= file.sections[symbol.section].size
        and symbol.kind <= 2
        and not _NO_NAME.fullmatch(symbol.name)
    ]
    return tuple(sorted(found, key=lambda function: function[0]))


def _named(symbol: elf.Symbol) -> tuple[bytes, bytes]:
    if not is_name(symbol.name):
        return HOLE, b"nameless"
    return b"t" if symbol.is_local else b"T", symbol.name


def _relocated(
    file: Elf, symbols: list[elf.Symbol], offsets: dict[int, int], text: bytes
) -> tuple[bytes, dict[int, str | int]]:
    changed = bytearray(len(text))
    decoder = DECODERS.get(file.machine)
    # within one section the assembler may have filled the distance in itself
    direct = islice(decoder.direct_calls(text), MAX_CALLS + 1) if decoder is not None else ()
    calls: dict[int, str | int] = dict(direct)
    if len(calls) > MAX_CALLS:
        raise NotElf(f"more than {MAX_CALLS} calls in its code")
    for section in file.sections:
        if section.kind != elf.RELA or not (section.info in offsets or section.name in _PATCHED):
            continue
        for relocation in file.relocations(section):
            if section.info in offsets:
                at = offsets[section.info] + relocation.offset
                _mark(changed, at, 4)
                if decoder is not None:
                    _call(symbols, offsets, relocation, decoder, at, text, calls)
            elif relocation.symbol < len(symbols):
                symbol = symbols[relocation.symbol]
                if symbol.section in offsets:
                    _mark(
                        changed,
                        offsets[symbol.section] + symbol.value + relocation.addend,
                        _PATCHED_BYTES,
                    )
    return bytes(changed), calls


def _mark(changed: bytearray, at: int, count: int) -> None:
    """Mark bytes from an offset on, as far as there are any."""
    if 0 <= at < len(changed):
        count = min(count, len(changed) - at)
        changed[at : at + count] = b"\1" * count


def _call(
    symbols: list[elf.Symbol],
    offsets: dict[int, int],
    relocation: elf.Relocation,
    decoder: CallDecoder,
    at: int,
    text: bytes,
    calls: dict[int, str | int],
) -> None:
    """Note what a call leads to whose distance is relocated."""
    if not decoder.is_direct_call(text, at) or relocation.symbol >= len(symbols):
        calls.pop(at + 4, None)
        return
    symbol = symbols[relocation.symbol]
    if symbol.section in offsets:
        calls[at + 4] = offsets[symbol.section] + symbol.value + relocation.addend + decoder.addend
    else:
        calls[at + 4] = symbol.name.decode("utf-8", "replace")
