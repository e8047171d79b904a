"""What would a module look like in memory, according to its own file?

The kernel lays the code sections of a module out one behind the other in the order of their headers, each at its
alignment, from a page boundary on; sections whose names begin with ``.init`` make an allocation of their own that is freed
when the module is ready. So a base address is all that is missing to name every function of it.

Source of truth: kernel/module/main.c ``layout_sections``, ``__layout_sections`` (6.4: one allocation for each
module_memory type, code first as before); kernel/module/kallsyms.c ``find_kallsyms_symbol``.
"""

import gzip
import importlib
import lzma
import os
import re
import zlib
from collections.abc import Iterable, Iterator
from pathlib import Path

from msgspec import Struct

from klogd_py.symbols import elf
from klogd_py.symbols.calls import OF_MACHINE, Calls
from klogd_py.symbols.elf import Elf, NotElf
from klogd_py.symbols.table import HOLE

LARGEST_BYTES = 256 << 20  # of a module, unpacked
_LARGEST_ALIGN = 1 << 21
_FILE = re.compile(r"(?P<name>[^/]+)\.ko(?P<packed>\.xz|\.zst|\.gz)?")
_PATCHED = (
    ".rela.altinstructions",
    ".rela__jump_table",
    ".rela__mcount_loc",
    ".rela__patchable_function_entries",
    ".rela.return_sites",
    ".rela.retpoline_sites",
)
_PATCHED_BYTES = 12  # what is replaced at such a place is longer only in rare cases
_NO_NAME = re.compile(rb"\$[a-z](?:\..*)?|\.L.*|L0\x01.*|")


class NoModuleFile(ValueError):
    """A file that cannot be read as a module; says why."""


class Code(Struct, frozen=True):
    """One allocation of code: ``changed`` marks the bytes that differ in memory, ``calls`` leads from the offset behind a
    direct call to what is called: a name outside of the module, or an offset inside.
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
    """The file of every module that depmod(8) found below a folder such as ``/lib/modules/6.1.0``, by its name in the kernel."""
    try:
        lines = (folder / "modules.dep").read_text("utf-8", "replace").splitlines()
    except OSError:
        return {}
    return _by_name(folder / line.partition(":")[0] for line in lines)


def walked(folder: Path) -> dict[str, Path]:
    """The file of every module that lies below a folder, by its name in the kernel."""
    return _by_name(Path(here) / file for here, _, files in os.walk(folder) for file in files if ".ko" in file)


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
        return parse(_unpacked(path), name, path)
    except (OSError, EOFError, lzma.LZMAError, zlib.error) as error:
        raise NoModuleFile(f"{path}: {error}") from error
    except NotElf as error:
        raise NoModuleFile(f"{path}: {error}") from error


def parse(raw: bytes, name: str, path: Path = Path()) -> ModuleFile:
    """Read the bytes of a module; raises NotElf."""
    file = Elf(raw)
    if file.kind != elf.RELOCATABLE:
        raise NotElf("not a module: an ELF file of another type")
    info = file.section(".modinfo")
    told = dict(_modinfo(file.bytes_of(info))) if info is not None else {}
    return ModuleFile(
        name,
        path,
        _code(file, init=False),
        _code(file, init=True),
        file.build_id,
        told.get("vermagic", ""),
        told.get("srcversion", ""),
        file.machine,
    )


def rows(code: Code, name: str, base: int, digits: int = 16) -> list[bytes]:
    """The functions of an allocation at its place in memory, as lines of a table, and the line that ends it."""
    tag = name.encode("utf-8", "replace")
    lines = [b"%0*x %s %s\t[%s]" % (digits, base + at, kind, function, tag) for at, kind, function in code.functions]
    return [*lines, b"%0*x %s end" % (digits, base + len(code.text), HOLE)]


def _unpacked(path: Path) -> bytes:
    if path.stat().st_size > LARGEST_BYTES:
        raise NotElf("larger than any module")
    raw = path.read_bytes()
    if raw[:6] == b"\xfd7zXZ\0":
        raw = lzma.LZMADecompressor().decompress(raw, LARGEST_BYTES)
    elif raw[:2] == b"\x1f\x8b":
        with gzip.open(path) as file:
            raw = file.read(LARGEST_BYTES)
    elif raw[:4] == b"\x28\xb5\x2f\xfd":
        raw = _zstd(raw)
    return raw


def _zstd(raw: bytes) -> bytes:
    try:
        zstandard = importlib.import_module("zstandard")  # optional: only some distributions pack their modules so
    except ImportError:
        raise NotElf("packed with zstd: install the Python package zstandard to have names from it") from None
    try:
        with zstandard.ZstdDecompressor().stream_reader(raw) as reader:
            return bytes(reader.read(LARGEST_BYTES))
    except zstandard.ZstdError as error:
        raise NotElf(str(error)) from error


def _modinfo(raw: bytes) -> Iterator[tuple[str, str]]:
    for entry in raw.split(b"\0"):
        key, equals, value = entry.decode("utf-8", "replace").partition("=")
        if equals:
            yield key, value


def _code(file: Elf, init: bool) -> Code:
    """The code sections of one allocation, laid out, with what the file says of their bytes."""
    offsets: dict[int, int] = {}
    text = bytearray()
    for section in file.sections:
        wanted = elf.ALLOC | elf.EXEC
        if section.flags & (wanted | elf.WRITE) != wanted or section.name.startswith(".init") is not init:
            continue
        if section.align > _LARGEST_ALIGN:
            raise NotElf(f"section {section.name} wants to lie at a multiple of {section.align:#x}")
        text += bytes(-len(text) % max(section.align, 1))
        offsets[section.index] = len(text)
        text += file.bytes_of(section)
    changed, calls = _relocated(file, offsets, text)
    return Code(bytes(text), changed, _functions(file, offsets), calls)


def _functions(file: Elf, offsets: dict[int, int]) -> tuple[tuple[int, bytes, bytes], ...]:
    """(offset, letter of nm, name), ascending; the first of several at one place counts for the kernel, and stays first."""
    found = [
        (offsets[symbol.section] + symbol.value, b"t" if symbol.is_local else b"T", symbol.name)
        for symbol in file.symbols
        if symbol.section in offsets and symbol.kind <= 2 and not _NO_NAME.fullmatch(symbol.name)
    ]
    return tuple(sorted(found, key=lambda function: function[0]))


def _relocated(file: Elf, offsets: dict[int, int], text: bytearray) -> tuple[bytes, dict[int, str | int]]:
    changed = bytearray(len(text))
    decoder = OF_MACHINE.get(file.machine)
    # within one section the assembler may have filled the distance in itself
    calls: dict[int, str | int] = dict(decoder.direct(text)) if decoder is not None else {}
    for section in file.sections:
        if section.kind != elf.RELA:
            continue
        for relocation in file.relocations(section):
            if section.info in offsets:
                at = offsets[section.info] + relocation.offset
                changed[at : at + 4] = b"\1" * len(changed[at : at + 4])
                if decoder is not None:
                    _call(file, offsets, relocation, decoder, at, text, calls)
            elif section.name in _PATCHED and relocation.symbol < len(file.symbols):
                symbol = file.symbols[relocation.symbol]
                if symbol.section in offsets:
                    at = offsets[symbol.section] + symbol.value + relocation.addend
                    changed[at : at + _PATCHED_BYTES] = b"\1" * len(changed[at : at + _PATCHED_BYTES])
    return bytes(changed), calls


def _call(
    file: Elf,
    offsets: dict[int, int],
    relocation: elf.Relocation,
    decoder: Calls,
    at: int,
    text: bytearray,
    calls: dict[int, str | int],
) -> None:
    """Note what a call leads to whose distance is relocated."""
    if not decoder.is_direct(text, at) or relocation.symbol >= len(file.symbols):
        calls.pop(at + 4, None)
        return
    symbol = file.symbols[relocation.symbol]
    if symbol.section in offsets:
        calls[at + 4] = offsets[symbol.section] + symbol.value + relocation.addend + decoder.addend
    else:
        calls[at + 4] = symbol.name.decode("utf-8", "replace")
