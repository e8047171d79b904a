# SPDX-License-Identifier: GPL-2.0-or-later
"""Read sections, symbols, relocations and the build id of an ELF file.

Only what symbols need is read, without a copy of the file: of a kernel image of half a gigabyte a
few tables, which are unpacked with `struct.iter_unpack`. Speed is why no library is used: 41,721
symbols take 0.014 s here, and 0.70 s with pyelftools. Nothing in a file is trusted: what does not
fit, or is more than any kernel or module has, is `NotElf`.

Source of truth: the generic ABI, chapters "Sections", "Symbol Table", "Relocation"; elf(5).
"""

import struct
from collections.abc import Iterator
from typing import Protocol

from msgspec import Struct

from klogd_py.symbols.elf_header import (
    HEADER_BYTES,
    MAX_NOTES_BYTES,
    ElfHeader,
    NotElf,
    build_id,
    parse_header,
)
from klogd_py.symbols.symbol_line import MAX_NAME_BYTES

RELOCATABLE = 1
SYMTAB, STRTAB, RELA, NOTE, NOBITS = 2, 3, 4, 7, 8
WRITE, ALLOC, EXEC = 1, 2, 4
UNDEFINED = 0

# The most that is read of one file. A vmlinux of Linux 6.1 of Debian has 82 sections and 120,000
# symbols with 2.5 MB of names; a kernel with everything built in has a few times as many. The
# largest module, amdgpu, has 26,000 symbols and 170,000 relocations of code.
MAX_SECTIONS = 16_384
MAX_SYMBOLS = 1_500_000
MAX_RELOCATIONS = 2_000_000
# Of all symbols together, and of the string table that holds them
MAX_NAMES_BYTES = 64 << 20
# Of one that is read as a whole
MAX_SECTION_BYTES = 64 << 20
_MAX_SECTION_NAMES_BYTES = 4 << 20
_PIECE_ROWS = 1 << 14


class ByteSource(Protocol):
    """The bytes of a file: in memory, or read on demand."""

    def __len__(self) -> int: ...

    def __getitem__(self, where: slice, /) -> bytes | bytearray: ...


class Section(Struct, frozen=True, gc=False):
    """One section header; ``index`` is its number in the table."""

    index: int
    name: str
    kind: int
    flags: int
    address: int
    offset: int
    size: int
    link: int
    info: int
    align: int
    entry_size: int = 0


class Symbol(Struct, frozen=True, gc=False):
    """One symbol; ``section`` is the index of the section that it is defined in."""

    name: bytes
    value: int
    size: int
    info: int
    section: int

    @property
    def kind(self) -> int:
        """The symbol type: 0 none, 1 object, 2 function, 3 section, 4 file."""
        return self.info & 15

    @property
    def is_local(self) -> bool:
        """Whether the symbol is visible in its own file only."""
        return self.info >> 4 == 0


class Relocation(Struct, frozen=True, gc=False):
    """Where bytes will be changed, and by which symbol (its index in the symbol table)."""

    offset: int
    symbol: int
    kind: int
    addend: int


class Elf:
    """An ELF file, and how many more relocations may be read from it."""

    def __init__(self, raw: ByteSource) -> None:
        """Read the header and the section headers.

        Raises:
            NotElf: it is no ELF file, or its section headers are damaged.
        """
        header = parse_header(bytes(raw[:HEADER_BYTES]))
        self._raw = raw
        self._order = header.order
        self._relocations_left = MAX_RELOCATIONS
        self.is_wide = header.is_wide
        self.is_big_endian = header.order == ">"
        self.kind = header.kind
        self.machine = header.machine
        self.sections = self._read_sections(header)

    def _read_sections(self, header: ElfHeader) -> tuple[Section, ...]:
        row = struct.Struct(self._order + ("IIQQQQIIQQ" if self.is_wide else "10I"))
        count, names = header.section_count, header.section_names_index
        if not 0 < count <= MAX_SECTIONS:
            raise NotElf(f"{count} sections; 1 to {MAX_SECTIONS} are read")
        if header.section_row_bytes != row.size:
            raise NotElf(f"damaged section headers: {count} of {header.section_row_bytes} bytes")
        table = self._bytes(header.sections_offset, row.size * count, "section headers")
        try:
            rows = list(row.iter_unpack(table))
        except struct.error as error:
            # The file has become shorter.
            raise NotElf("damaged section headers") from error
        if names >= count:
            raise NotElf("damaged section headers: none has their names")
        _limit(rows[names][5], _MAX_SECTION_NAMES_BYTES, "bytes of sections' names")
        texts = self._bytes(rows[names][4], rows[names][5], "names of sections")
        return tuple(
            Section(i, _text(texts, fields[0]), *fields[1:]) for i, fields in enumerate(rows)
        )

    def _bytes(self, offset: int, size: int, what: str) -> bytes:
        end = offset + size
        if end > len(self._raw):
            limit = f"the file has {len(self._raw)} bytes"
            raise NotElf(f"damaged: {what} would be from {offset} to {end}, and {limit}")
        return bytes(self._raw[offset:end])

    def bytes_of(self, section: Section, limit_bytes: int = MAX_SECTION_BYTES) -> bytes:
        """Return the content of a section; empty for one that occupies no space in the file.

        Raises:
            NotElf: it has more than ``limit_bytes``, or reaches beyond the end of the file.
        """
        if section.kind == NOBITS:
            return b""
        _limit(section.size, limit_bytes, f"bytes of section {section.name!r}")
        return self._bytes(section.offset, section.size, f"section {section.name!r}")

    def section(self, name: str) -> Section | None:
        """Return the first section with this name."""
        return next((section for section in self.sections if section.name == name), None)

    def iter_symbols(self, limit: int = MAX_SYMBOLS) -> Iterator[Symbol]:
        """Yield the symbol table in its order; nothing for a file that was stripped.

        Raises:
            NotElf: the table is damaged, or has more than ``limit`` symbols.
        """
        table = next((section for section in self.sections if section.kind == SYMTAB), None)
        if table is None:
            return
        layout = struct.Struct(self._order + ("IBBHQQ" if self.is_wide else "IIIBBH"))
        _limit(table.size // layout.size, limit, "symbols")
        if table.link >= len(self.sections) or self.sections[table.link].kind != STRTAB:
            raise NotElf("damaged: no section has the names of its symbols")
        names = self.bytes_of(self.sections[table.link], MAX_NAMES_BYTES)
        left = MAX_NAMES_BYTES
        for fields in self._rows(table, layout):
            if self.is_wide:
                at, info, _, section, value, size = fields
            else:
                at, value, size, info, _, section = fields
            name = _name(names, at)
            left -= len(name)
            if left < 0:
                raise NotElf(
                    f"more than {MAX_NAMES_BYTES} bytes of symbols' names, which would overlap"
                )
            yield Symbol(name, value, size, info, section)

    def relocations(self, section: Section) -> Iterator[Relocation]:
        """Yield the relocations with addends of a section of type `RELA`.

        Raises:
            NotElf: it is damaged, or has more than are left of `MAX_RELOCATIONS` for this file.
        """
        layout = struct.Struct(self._order + ("QQq" if self.is_wide else "IIi"))
        _limit(section.size // layout.size, self._relocations_left, "relocations left to be read")
        self._relocations_left -= section.size // layout.size
        shift, mask = (32, 0xFFFFFFFF) if self.is_wide else (8, 0xFF)
        for offset, info, addend in self._rows(section, layout):
            yield Relocation(offset, info >> shift, info & mask, addend)

    def _rows(self, section: Section, layout: struct.Struct) -> Iterator[tuple[int, ...]]:
        """Yield the rows of a table, read a piece at a time."""
        if (
            section.kind == NOBITS
            or section.entry_size != layout.size
            or section.size % layout.size
        ):
            rows = f"{section.size} bytes in rows of {section.entry_size}"
            raise NotElf(f"damaged: section {section.name!r} has {rows}")
        end = section.offset + section.size
        for start in range(section.offset, end, layout.size * _PIECE_ROWS):
            size = min(layout.size * _PIECE_ROWS, end - start)
            yield from layout.iter_unpack(self._bytes(start, size, f"section {section.name!r}"))

    @property
    def build_id(self) -> str | None:
        """The build id in hexadecimal digits; ``None`` if the file has none.

        Raises:
            NotElf: its notes are damaged.
        """
        left = MAX_NOTES_BYTES
        for section in self.sections:
            if section.kind == NOTE:
                notes = self.bytes_of(section, left)
                left -= len(notes)
                found = build_id(notes, self._order)
                if found is not None:
                    return found
        return None


def _limit(found: int, limit: int, what: str) -> None:
    if found > limit:
        raise NotElf(f"{found} {what}; {limit} are read")


def _name(texts: bytes, at: int) -> bytes:
    """Return the name that begins at an offset of a string table.

    Raises:
        NotElf: it has no end, or is longer than a name can be.
    """
    end = texts.find(b"\0", at, at + MAX_NAME_BYTES + 1)
    if end < 0:
        where = f"the name at {at} of {len(texts)} bytes"
        raise NotElf(f"damaged: {where} has no end, or is longer than {MAX_NAME_BYTES}")
    return texts[at:end]


def _text(texts: bytes, at: int) -> str:
    return _name(texts, at).decode("utf-8", "replace") if texts else ""
