"""Which sections, symbols and notes does an ELF file hold?

Only what symbols need, read where it lies: a kernel image of half a gigabyte is mapped, and its tables are taken apart with
`struct.iter_unpack`. Nothing in a file is trusted: what does not fit is `NotElf`.

Source of truth: the generic ABI, chapters "Sections", "Symbol Table", "Relocation"; elf(5).
"""

import struct
from collections.abc import Iterator
from functools import cached_property

from msgspec import Struct

from klogd_py.symbols.table import Buffer

RELOCATABLE, EXECUTABLE, SHARED = 1, 2, 3
X86_64, AARCH64 = 62, 183
SYMTAB, RELA, NOBITS, NOTE = 2, 4, 8, 7
WRITE, ALLOC, EXEC = 1, 2, 4
UNDEFINED, ABSOLUTE = 0, 0xFFF1
GNU_BUILD_ID = 3


class NotElf(ValueError):
    """The bytes are no ELF file, or one that is damaged; says what does not fit."""


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
    """An ELF file in memory."""

    def __init__(self, raw: Buffer) -> None:
        """Read the header and the sections; raises NotElf."""
        if raw[:4] != b"\x7fELF" or len(raw) < 52 or raw[4] not in (1, 2) or raw[5] not in (1, 2):
            raise NotElf("no ELF header")
        self._raw = raw
        self.is_wide = raw[4] == 2
        self._order = "<" if raw[5] == 1 else ">"
        try:
            self._header()
        except (struct.error, IndexError, ValueError) as error:
            raise NotElf(f"damaged section headers: {error}") from error

    def _header(self) -> None:
        layout = "HHIQQQIHHHHHH" if self.is_wide else "HHIIIIIHHHHHH"
        fields = struct.unpack_from(self._order + layout, self._raw, 16)
        self.kind: int = fields[0]
        self.machine: int = fields[1]
        start, width, count, names = fields[5], fields[10], fields[11], fields[12]
        layout = self._order + ("IIQQQQIIQQ" if self.is_wide else "10I")
        if width < struct.calcsize(layout) or start + width * count > len(self._raw):
            raise ValueError(f"{count} of {width} bytes from {start} on")
        rows = [struct.unpack_from(layout, self._raw, start + width * i) for i in range(count)]
        texts = self._raw[rows[names][4] : rows[names][4] + rows[names][5]] if rows else b""
        self.sections = tuple(Section(i, _string(texts, row[0]), *row[1:9]) for i, row in enumerate(rows))

    def bytes_of(self, section: Section) -> bytes:
        """The content of a section; empty for one that occupies no space in the file."""
        return b"" if section.kind == NOBITS else self._raw[section.offset : section.offset + section.size]

    def section(self, name: str) -> Section | None:
        """The first section of this name."""
        return next((section for section in self.sections if section.name == name), None)

    @cached_property
    def symbols(self) -> list[Symbol]:
        """The symbol table, in its order; empty for a file that was stripped."""
        table = next((section for section in self.sections if section.kind == SYMTAB), None)
        if table is None or table.link >= len(self.sections):
            return []
        names = self.bytes_of(self.sections[table.link])
        layout = struct.Struct(self._order + ("IBBHQQ" if self.is_wide else "IIIBBH"))
        raw = self.bytes_of(table)
        raw = raw[: len(raw) - len(raw) % layout.size]
        if self.is_wide:
            return [
                Symbol(_bytes(names, name), value, size, info, section)
                for name, info, _, section, value, size in layout.iter_unpack(raw)
            ]
        return [
            Symbol(_bytes(names, name), value, size, info, section)
            for name, value, size, info, _, section in layout.iter_unpack(raw)
        ]

    def relocations(self, section: Section) -> Iterator[Relocation]:
        """The relocations with addends that a section of type `RELA` holds."""
        layout = struct.Struct(self._order + ("QQq" if self.is_wide else "IIi"))
        raw = self.bytes_of(section)
        shift, mask = (32, 0xFFFFFFFF) if self.is_wide else (8, 0xFF)
        for offset, info, addend in layout.iter_unpack(raw[: len(raw) - len(raw) % layout.size]):
            yield Relocation(offset, info >> shift, info & mask, addend)

    @property
    def build_id(self) -> str:
        """What the linker made of all that went into the file, in hexadecimal digits; empty if it has none."""
        for section in self.sections:
            if section.kind == NOTE and (found := build_id(self.bytes_of(section), self._order)):
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


def _bytes(texts: bytes, at: int) -> bytes:
    end = texts.find(b"\0", at)
    return texts[at : end if end >= 0 else len(texts)]


def _string(texts: bytes, at: int) -> str:
    return _bytes(texts, at).decode("utf-8", "replace")
