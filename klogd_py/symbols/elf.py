# SPDX-License-Identifier: GPL-2.0-or-later
"""Which sections, symbols and notes does an ELF file hold?

Only what symbols need, read where it lies: of a kernel image of half a gigabyte a few tables, which
are taken apart with `struct.iter_unpack`. Nothing in a file is trusted: what does not fit, or is
more than any kernel or module has, is `NotElf`.

Source of truth: the generic ABI, chapters "Sections", "Symbol Table", "Relocation"; elf(5).
"""

import struct
from collections.abc import Iterator
from functools import cached_property
from typing import Protocol

from msgspec import Struct

from klogd_py.symbols.symbol_line import MAX_NAME_BYTES

RELOCATABLE, EXECUTABLE, SHARED = 1, 2, 3
X86_64, AARCH64 = 62, 183
SYMTAB, STRTAB, RELA, NOBITS, NOTE = 2, 3, 4, 8, 7
WRITE, ALLOC, EXEC = 1, 2, 4
UNDEFINED, ABSOLUTE = 0, 0xFFF1
GNU_BUILD_ID = 3

# What a file may have. Linux 6.1 of Debian: 82 sections and 120,000 symbols in a vmlinux, 2.5 MB of
# names; a kernel with everything built in has a few times as many. Its largest module, amdgpu, has
# 26,000 symbols and 170,000 relocations of code.
MAX_SECTIONS = 16_384
MAX_SYMBOLS = 1_500_000
MAX_RELOCATIONS = 2_000_000
# Of all symbols together, and of the table that they stand in
MAX_NAMES_BYTES = 64 << 20
# Of one that is read as a whole
MAX_SECTION_BYTES = 64 << 20
MAX_NOTES_BYTES = 1 << 20
_MAX_SECTION_NAMES_BYTES = 4 << 20
_PIECE_ROWS = 1 << 14


class NotElf(ValueError):
    """The bytes are no ELF file, or one that is damaged or beyond its budgets.

    Says what does not fit.
    """


class Raw(Protocol):
    """The bytes of a file: in memory, or read as they are asked for."""

    def __len__(self) -> int: ...

    def __getitem__(self, where: slice, /) -> bytes | bytearray: ...


class Section(Struct, frozen=True, gc=False):
    """One section header; ``index`` is its place among them."""

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
        """Its type: 0 none, 1 object, 2 function, 3 section, 4 file."""
        return self.info & 15

    @property
    def is_local(self) -> bool:
        """Whether no other file can refer to it."""
        return self.info >> 4 == 0


class Relocation(Struct, frozen=True, gc=False):
    """Where bytes will be changed, and by which symbol (its index)."""

    offset: int
    symbol: int
    kind: int
    addend: int


class Elf:
    """An ELF file, and what it has left of its budgets."""

    def __init__(self, raw: Raw) -> None:
        """Read the header and the sections; raises NotElf."""
        head = bytes(raw[:64])
        if (
            head[:4] != b"\x7fELF"
            or len(head) < 52
            or head[4] not in (1, 2)
            or head[5] not in (1, 2)
        ):
            raise NotElf("no ELF header")
        self._raw = raw
        self.is_wide = head[4] == 2
        self._order = "<" if head[5] == 1 else ">"
        self._relocations_left = MAX_RELOCATIONS
        try:
            self._header(head)
        except struct.error as error:
            raise NotElf(f"damaged header: {error}") from error

    def _header(self, head: bytes) -> None:
        layout = "HHIQQQIHHHHHH" if self.is_wide else "HHIIIIIHHHHHH"
        fields = struct.unpack_from(self._order + layout, head, 16)
        self.kind: int = fields[0]
        self.machine: int = fields[1]
        start, width, count, names = fields[5], fields[10], fields[11], fields[12]
        row = struct.Struct(self._order + ("IIQQQQIIQQ" if self.is_wide else "10I"))
        if not 0 < count <= MAX_SECTIONS:
            raise NotElf(f"{count} sections; 1 to {MAX_SECTIONS} are read")
        if width != row.size:
            raise NotElf(f"damaged section headers: {count} of {width} bytes")
        rows = list(row.iter_unpack(self._bytes(start, row.size * count, "section headers")))
        if names >= count:
            raise NotElf("damaged section headers: none has their names")
        _limit(rows[names][5], _MAX_SECTION_NAMES_BYTES, "bytes of sections' names")
        texts = self._bytes(rows[names][4], rows[names][5], "names of sections")
        self.sections = tuple(
            Section(i, _text(texts, row[0]), *row[1:]) for i, row in enumerate(rows)
        )

    def _bytes(self, offset: int, size: int, what: str) -> bytes:
        if offset + size > len(self._raw):
            raise NotElf(
                f"damaged: {what} would lie from {offset} to {offset + size}, and the file has {len(self._raw)} bytes"
            )
        return bytes(self._raw[offset : offset + size])

    def bytes_of(self, section: Section, limit_bytes: int = MAX_SECTION_BYTES) -> bytes:
        """The content of a section; empty for one that occupies no space in the file.

        Raises:
            NotElf: it has more than ``limit_bytes``, or does not lie in the file.
        """
        if section.kind == NOBITS:
            return b""
        _limit(section.size, limit_bytes, f"bytes of section {section.name!r}")
        return self._bytes(section.offset, section.size, f"section {section.name!r}")

    def section(self, name: str) -> Section | None:
        """The first section of this name."""
        return next((section for section in self.sections if section.name == name), None)

    @cached_property
    def symbols(self) -> list[Symbol]:
        """The symbol table, in its order; empty for a file that was stripped. Raises NotElf."""
        return list(self.each_symbol())

    def each_symbol(self, most: int = MAX_SYMBOLS) -> Iterator[Symbol]:
        """The same, one by one, of at most so many."""
        table = next((section for section in self.sections if section.kind == SYMTAB), None)
        if table is None:
            return
        layout = struct.Struct(self._order + ("IBBHQQ" if self.is_wide else "IIIBBH"))
        _limit(table.size // layout.size, most, "symbols")
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
        """The relocations with addends that a section of type `RELA` holds. Raises NotElf."""
        layout = struct.Struct(self._order + ("QQq" if self.is_wide else "IIi"))
        _limit(section.size // layout.size, self._relocations_left, "relocations left to be read")
        self._relocations_left -= section.size // layout.size
        shift, mask = (32, 0xFFFFFFFF) if self.is_wide else (8, 0xFF)
        for offset, info, addend in self._rows(section, layout):
            yield Relocation(offset, info >> shift, info & mask, addend)

    def _rows(self, section: Section, layout: struct.Struct) -> Iterator[tuple[int, ...]]:
        """The rows of a table, read a piece at a time."""
        if (
            section.kind == NOBITS
            or section.entry_size != layout.size
            or section.size % layout.size
        ):
            raise NotElf(
                f"damaged: section {section.name!r} has {section.size} bytes in rows of {section.entry_size}"
            )
        end = section.offset + section.size
        for start in range(section.offset, end, layout.size * _PIECE_ROWS):
            size = min(layout.size * _PIECE_ROWS, end - start)
            yield from layout.iter_unpack(self._bytes(start, size, f"section {section.name!r}"))

    @property
    def build_id(self) -> str:
        """What the linker made of all that went into the file, in hexadecimal digits.

        Empty if it has none. Raises NotElf.
        """
        left = MAX_NOTES_BYTES
        for section in self.sections:
            if section.kind == NOTE:
                notes = self.bytes_of(section, left)
                left -= len(notes)
                if found := build_id(notes, self._order):
                    return found
        return ""


def build_id(notes: bytes, order: str = "<") -> str:
    """The build id among ELF notes, as in /sys/kernel/notes; empty if there is none."""
    return notes_of(notes, order).get((b"GNU", GNU_BUILD_ID), b"").hex()


def notes_of(raw: bytes, order: str = "<") -> dict[tuple[bytes, int], bytes]:
    """Notes by owner and type: name and description are padded to four bytes each."""
    found: dict[tuple[bytes, int], bytes] = {}
    at = 0
    while at + 12 <= len(raw):
        name_size, size, kind = struct.unpack_from(order + "III", raw, at)
        name = raw[at + 12 : at + 12 + name_size].rstrip(b"\0")
        start = at + 12 + (name_size + 3 & ~3)
        if start + size > len(raw):
            break
        found.setdefault((name, kind), raw[start : start + size])
        at = start + (size + 3 & ~3)
    return found


def _limit(found: int, most: int, what: str) -> None:
    if found > most:
        raise NotElf(f"{found} {what}; {most} are read")


def _name(texts: bytes, at: int) -> bytes:
    """The name that begins at an offset of a string table. Raises NotElf."""
    end = texts.find(b"\0", at, at + MAX_NAME_BYTES + 1)
    if end < 0:
        raise NotElf(
            f"damaged: the name at {at} of {len(texts)} bytes has no end, or is longer than {MAX_NAME_BYTES}"
        )
    return texts[at:end]


def _text(texts: bytes, at: int) -> str:
    return _name(texts, at).decode("utf-8", "replace") if texts else ""
