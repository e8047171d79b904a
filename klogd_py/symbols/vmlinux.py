# SPDX-License-Identifier: GPL-2.0-or-later
"""Read a vmlinux, the kernel's ELF file: its symbols as a map, its build id, its code.

The symbols that scripts/mksysmap leaves out of System.map are left out here, too, and the order is
that of ``nm -n``, so that a vmlinux answers as its map does. Its code is compared with the bytes of
an oops, and shows whether return addresses are behind calls.

Source of truth: scripts/mksysmap; nm(1); include/linux/build-salt.h and the .notes section.
"""

import bisect
import io
import re
from pathlib import Path

from klogd_py.symbols import elf
from klogd_py.symbols.elf import Elf, Section, Symbol
from klogd_py.symbols.elf_header import NotElf
from klogd_py.symbols.file_bytes import FileBytes
from klogd_py.symbols.packed_files import NotUnpacked, open_unpacked
from klogd_py.symbols.symbol_line import HOLE, is_name
from klogd_py.symbols.system_map import NotAMap, SystemMap, find_version

_LEFT_OUT = re.compile(
    rb"(?:__kvm_nvhe_|__pi_)?(?:\$[adtx](?:\..*)?|\.L.*)|L0.*|__crc_.*|__kstrtab.*|__efistub_.*"
    rb"|__export_symbol_.*|"
)
_WEAK = 2


class VmlinuxText:
    """The code sections of a vmlinux, at the addresses of the map."""

    def __init__(self, file: FileBytes, sections: tuple[Section, ...]) -> None:
        self._file = file
        wanted = elf.ALLOC | elf.EXEC
        code = [
            section
            for section in sections
            if section.flags & wanted == wanted and section.kind != elf.NOBITS and section.address
        ]
        self._sections = sorted(code, key=lambda section: section.address)
        self._starts = [section.address for section in self._sections]

    def bytes_at(self, address: int, count: int) -> bytes:
        """Return up to ``count`` bytes from an address on.

        Empty outside of all code, or if the file was truncated in place.
        """
        number = bisect.bisect_right(self._starts, address) - 1
        if number < 0 or self._file.is_cut:
            return b""
        section = self._sections[number]
        at = address - section.address
        if at >= section.size:
            return b""
        return self._file[section.offset + at : section.offset + min(at + count, section.size)]


def load(path: Path) -> SystemMap:
    """Read a vmlinux as a map.

    Raises:
        FileNotFoundError: there is no such file.
        NotAMap: it is no kernel image, has no symbols, or cannot be read.
    """
    try:
        file = open_unpacked(path)
        image = Elf(file)
        if image.kind == elf.RELOCATABLE:
            raise NotAMap(path, "not a kernel image: an object file")
        lines = map_lines(image)
        build_id = image.build_id
    except FileNotFoundError:
        raise
    except OSError as error:
        raise NotAMap(path, f"cannot be read: {error.strerror}") from error
    except NotUnpacked as error:
        raise NotAMap(path, str(error)) from error
    except NotElf as error:
        raise NotAMap(path, f"not a kernel image: {error}") from error
    if not lines:
        raise NotAMap(path, "a kernel image without symbols: it was stripped")
    return SystemMap(
        path,
        lines,
        find_version(lines),
        None,
        file.stamp,
        build_id,
        VmlinuxText(file, image.sections),
    )


def map_lines(image: Elf) -> bytes:
    """Return the symbols as the lines of a System.map.

    A symbol whose name is none becomes a `HOLE`, so that the symbol before it still ends there.

    Raises:
        NotElf: the symbol table is damaged.
    """
    digits = 16 if image.is_wide else 8
    # ADDRESS NAME NUL LETTER: a string takes half the memory of a tuple, and sorts the same.
    rows: list[bytes] = []
    for symbol in image.iter_symbols():
        if (
            symbol.section == elf.UNDEFINED
            or symbol.kind in (3, 4)
            or _LEFT_OUT.fullmatch(symbol.name)
        ):
            continue
        letter = _letter(symbol, image.sections)
        if letter == b"a":
            continue
        if is_name(symbol.name):
            rows.append(b"%0*x%s\0%s" % (digits, symbol.value, symbol.name, letter))
        else:
            rows.append(b"%0*xnameless\0%s" % (digits, symbol.value, HOLE))
    rows.sort()
    lines = io.BytesIO()
    for row in rows:
        lines.write(b"%s %s %s\n" % (row[:digits], row[-1:], row[digits:-2]))
    return lines.getvalue()


def _letter(symbol: Symbol, sections: tuple[Section, ...]) -> bytes:
    """Return the letter of nm(1)."""
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
