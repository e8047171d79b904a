# SPDX-License-Identifier: GPL-2.0-or-later
"""Lay out the code of a module as in memory, by its file.

The kernel puts the code sections of a module one behind the other in the order of their headers,
each at its alignment, from a page boundary on. Sections whose names begin with ``.init`` make an
allocation of their own, which is freed when the module is ready. So only the base address is
missing to resolve every address in it.

Source of truth: kernel/module/main.c ``layout_sections``, ``__layout_sections`` (6.4: one
allocation for each module_memory type, code first as before); kernel/module/kallsyms.c
``find_kallsyms_symbol``.
"""

import re
from itertools import islice
from operator import attrgetter
from pathlib import Path

from msgspec import Struct

from klogd_py.symbols import elf, file_bytes, packed_files
from klogd_py.symbols.call_decoder import DECODERS, CallDecoder
from klogd_py.symbols.elf import ByteSource, Elf
from klogd_py.symbols.elf_header import AARCH64, NotElf
from klogd_py.symbols.errors import SymbolsError
from klogd_py.symbols.symbol_line import HOLE, is_name

# Of one allocation. The largest module of Linux 6.1, amdgpu, has 4.8 MiB of code with 98,000 calls.
MAX_CODE_BYTES = 32 << 20
MAX_CALLS = 1_000_000
# Bytes that can be the opcode of a call: one in fifteen
MAX_CALL_OPCODES = 3_000_000
MAX_SYMBOLS = 400_000
MAX_MODINFO_BYTES = 1 << 20
_MAX_ALIGN = 1 << 21
_PATCHED = (
    ".rela.altinstructions",
    ".rela__jump_table",
    ".rela__mcount_loc",
    ".rela__patchable_function_entries",
    ".rela.return_sites",
    ".rela.retpoline_sites",
)
# What the kernel patches is longer only in rare cases
_PATCHED_BYTES = 12
_NO_NAME = re.compile(rb"\$[a-z](?:\..*)?|\.L.*|L0\x01.*|")


class NoModuleFile(SymbolsError):
    """The file cannot be read as a module; says why."""


class ModuleFunction(Struct, frozen=True, gc=False):
    """A function: its offset in the code, its letter of nm(1), its name."""

    offset: int
    letter: bytes
    name: bytes


class ModuleCode(Struct, frozen=True):
    """One allocation of code. Offsets count from its beginning.

    ``changed`` has a 1 for each byte that differs in memory. ``functions`` ascend by their offsets.
    ``calls`` maps the offset behind a direct call to what is called: a name outside
    of the module, or an offset inside.
    """

    text: bytes
    changed: bytes
    functions: tuple[ModuleFunction, ...]
    calls: dict[int, str | int]


class _Relocated(Struct, frozen=True):
    """What relocations show of code: which bytes differ in memory, and what is called where."""

    changed: bytes
    calls: dict[int, str | int]


class ModuleFile(Struct, frozen=True):
    """The content of a module's file.

    ``core`` is the code that stays, ``init`` the code that is freed when the module is ready.
    ``build_id``, ``vermagic`` and ``srcversion`` are ``None`` if the file has none. ``machine`` is
    e_machine.
    """

    name: str
    path: Path
    core: ModuleCode
    init: ModuleCode
    build_id: str | None
    vermagic: str | None
    srcversion: str | None
    machine: int
    is_big_endian: bool = False


def load(path: Path, name: str) -> ModuleFile:
    """Read a module's file, packed or not.

    Raises:
        NoModuleFile: it is no module, damaged, too large, or cannot be read.
    """
    try:
        file = file_bytes.open_file(path)
        is_packed = packed_files.is_packed(file)
        return parse(packed_files.unpack(file) if is_packed else file, name, path)
    except OSError as error:
        raise NoModuleFile(f"{path}: cannot be read: {error.strerror}") from error
    except SymbolsError as error:
        raise NoModuleFile(f"{path}: {error}") from error


def parse(raw: ByteSource, name: str, path: Path = Path()) -> ModuleFile:
    """Parse the bytes of a module.

    Raises:
        NotElf: it is no module, damaged, or too large.
    """
    file = Elf(raw)
    if file.kind != elf.RELOCATABLE:
        raise NotElf("not a module: an ELF file of another type")
    info = file.section(".modinfo")
    values = _modinfo(file.bytes_of(info, MAX_MODINFO_BYTES)) if info is not None else {}
    symbols = list(file.iter_symbols(MAX_SYMBOLS))
    return ModuleFile(
        name,
        path,
        _lay_out(file, symbols, init=False),
        _lay_out(file, symbols, init=True),
        file.build_id,
        values.get("vermagic"),
        values.get("srcversion"),
        file.machine,
        file.is_big_endian,
    )


def table_lines(code: ModuleCode, name: str, base: int, digits: int = 16) -> list[bytes]:
    """Return the functions of an allocation at its base, as lines of a symbol table.

    The last line ends the allocation and names nothing.
    """
    tag = name.encode("utf-8", "replace")
    lines = [
        b"%0*x %s %s\t[%s]" % (digits, base + found.offset, found.letter, found.name, tag)
        for found in code.functions
    ]
    return [*lines, b"%0*x %s end" % (digits, base + len(code.text), HOLE)]


def _modinfo(raw: bytes) -> dict[str, str]:
    """Return the values of a .modinfo section by their keys; of several the last."""
    entries = (entry.decode("utf-8", "replace") for entry in raw.split(b"\0"))
    return {
        key: value for key, equals, value in (entry.partition("=") for entry in entries) if equals
    }


def _lay_out(file: Elf, symbols: list[elf.Symbol], init: bool) -> ModuleCode:
    """Lay out the code sections of one allocation."""
    offsets: dict[int, int] = {}
    pieces: list[bytes] = []
    size = 0
    is_behind_plt = False
    for section in file.sections:
        wanted = elf.ALLOC | elf.EXEC
        if (
            section.flags & (wanted | elf.WRITE) != wanted
            or section.name.startswith(".init") is not init
        ):
            continue
        if section.align > _MAX_ALIGN:
            raise NotElf(f"section {section.name!r} is aligned to {section.align:#x} bytes")
        if is_behind_plt and section.size > 1:
            raise NotElf(f"{section.name} stands behind .plt, whose size only the kernel knows")
        # arch/arm64/kernel/module-plts.c makes room in it for the calls that it finds too far away.
        is_behind_plt |= section.name == ".plt" and file.machine == AARCH64
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
    if decoder is not None and decoder.count_opcodes(text) > MAX_CALL_OPCODES:
        raise NotElf(f"more than {MAX_CALL_OPCODES} places in its code that could be calls")
    relocated = _relocate(file, symbols, offsets, text)
    functions = _functions(file, symbols, offsets)
    return ModuleCode(text, relocated.changed, functions, relocated.calls)


def _functions(
    file: Elf, symbols: list[elf.Symbol], offsets: dict[int, int]
) -> tuple[ModuleFunction, ...]:
    """Return the functions, ascending by offset; of several at one offset, the kernel uses the
    first, which stays first.

    A symbol whose name is none becomes a `HOLE`, so that the function before it still ends there.
    """
    found = [
        _function(symbol, offsets[symbol.section] + symbol.value)
        for symbol in symbols
        if symbol.section in offsets
        and symbol.value <= file.sections[symbol.section].size
        and symbol.kind <= 2
        and not _NO_NAME.fullmatch(symbol.name)
    ]
    return tuple(sorted(found, key=attrgetter("offset")))


def _function(symbol: elf.Symbol, offset: int) -> ModuleFunction:
    if not is_name(symbol.name):
        return ModuleFunction(offset, HOLE, b"nameless")
    return ModuleFunction(offset, b"t" if symbol.is_local else b"T", symbol.name)


def _relocate(
    file: Elf, symbols: list[elf.Symbol], offsets: dict[int, int], text: bytes
) -> _Relocated:
    """Return what the relocations show of the code of one allocation."""
    changed = bytearray(len(text))
    decoder = DECODERS.get(file.machine)
    # Within one section the assembler may have filled in the distance itself.
    direct = islice(decoder.direct_calls(text), MAX_CALLS + 1) if decoder is not None else ()
    calls: dict[int, str | int] = {call.end: call.target for call in direct}
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
                    _add_call(symbols, offsets, relocation, decoder, at, text, calls)
            elif relocation.symbol < len(symbols):
                symbol = symbols[relocation.symbol]
                if symbol.section in offsets:
                    _mark(
                        changed,
                        offsets[symbol.section] + symbol.value + relocation.addend,
                        _PATCHED_BYTES,
                    )
    return _Relocated(bytes(changed), calls)


def _mark(changed: bytearray, at: int, count: int) -> None:
    """Mark up to ``count`` bytes at an offset as changed."""
    if 0 <= at < len(changed):
        count = min(count, len(changed) - at)
        changed[at : at + count] = b"\1" * count


def _add_call(
    symbols: list[elf.Symbol],
    offsets: dict[int, int],
    relocation: elf.Relocation,
    decoder: CallDecoder,
    at: int,
    text: bytes,
    calls: dict[int, str | int],
) -> None:
    """Note what is called by a call whose distance is relocated."""
    if not decoder.is_direct_call(text, at) or relocation.symbol >= len(symbols):
        calls.pop(at + 4, None)
        return
    symbol = symbols[relocation.symbol]
    if symbol.section in offsets:
        calls[at + 4] = offsets[symbol.section] + symbol.value + relocation.addend + decoder.addend
    else:
        calls[at + 4] = symbol.name.decode("utf-8", "replace")
