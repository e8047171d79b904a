"""What does a kernel's own ELF file say: its symbols as a map, its build id, its code?

Symbols are left out as scripts/mksysmap leaves them out of System.map, so that a vmlinux answers as its map does, and
their order is that of ``nm -n``. With it the bytes of an oops can be compared, and its return addresses must stand behind
calls.

Source of truth: scripts/mksysmap; nm(1); include/linux/build-salt.h and the .notes section.
"""

import mmap
import re
from pathlib import Path

from klogd_py.symbols import elf
from klogd_py.symbols.elf import Elf, NotElf, Section, Symbol
from klogd_py.symbols.system_map import NotAMap, SystemMap, version_of

_LEFT_OUT = re.compile(
    rb"(?:__kvm_nvhe_|__pi_)?(?:\$[adtx](?:\..*)?|\.L.*)|L0.*|__crc_.*|__kstrtab.*|__efistub_.*|__export_symbol_.*|"
)
_WEAK = 2


class VmlinuxText:
    """The code sections of a mapped vmlinux, at the addresses of the map."""

    def __init__(self, raw: mmap.mmap, sections: tuple[Section, ...]) -> None:
        self._raw = raw
        wanted = elf.ALLOC | elf.EXEC
        self._sections = [
            section for section in sections if section.flags & wanted == wanted and section.kind != elf.NOBITS and section.address
        ]

    def bytes_at(self, address: int, count: int) -> bytes:
        """Up to ``count`` bytes from an address on; none outside of all code, or if the file was truncated in place."""
        if self._raw.size() < len(self._raw):
            return b""
        for section in self._sections:
            at = address - section.address
            if 0 <= at < section.size:
                return self._raw[section.offset + at : section.offset + min(at + count, section.size)]
        return b""


def load(path: Path) -> SystemMap:
    """Read a vmlinux as a map; raises NotAMap, and FileNotFoundError."""
    try:
        with path.open("rb") as file:
            status = path.stat()
            raw = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        image = Elf(raw)
    except FileNotFoundError:
        raise
    except (OSError, ValueError) as error:  # of which NotElf is one
        raise NotAMap(path, f"not a kernel image: {error}") from error
    if image.kind == elf.RELOCATABLE:
        raise NotAMap(path, "not a kernel image: an object file")
    lines = lines_of(image)
    if not lines:
        raise NotAMap(path, "a kernel image without symbols: it was stripped")
    text = VmlinuxText(raw, image.sections)
    return SystemMap(path, lines, version_of(lines), "", (status.st_size, status.st_mtime_ns), image.build_id, text)


def lines_of(image: Elf) -> bytes:
    """The symbols as the lines of a System.map."""
    try:
        rows = [
            (symbol.value, symbol.name, _letter(symbol, image.sections))
            for symbol in image.symbols
            if symbol.section != elf.UNDEFINED and symbol.kind not in (3, 4) and not _LEFT_OUT.fullmatch(symbol.name)
        ]
    except NotElf:
        return b""
    rows = sorted((row for row in rows if row[2] != b"a"), key=lambda row: row[:2])
    digits = 16 if image.is_wide else 8
    return b"".join(b"%0*x %s %s\n" % (digits, value, letter, name) for value, name, letter in rows)


def _letter(symbol: Symbol, sections: tuple[Section, ...]) -> bytes:
    """The letter of nm(1)."""
    if symbol.section >= len(sections):
        letter = "a"
    elif symbol.info >> 4 == _WEAK:
        return b"W" if symbol.kind != 1 else b"V"
    else:
        section = sections[symbol.section]
        if section.flags & elf.EXEC:
            letter = "t"
        elif section.kind == elf.NOBITS:
            letter = "b"
        else:
            letter = "d" if section.flags & elf.WRITE else "r"
    return (letter if symbol.is_local else letter.upper()).encode()
