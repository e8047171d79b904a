# SPDX-License-Identifier: GPL-2.0-or-later
"""Parse the ELF header, the program headers and notes: what core files have, too.

Nothing in a file is trusted: what does not fit is `NotElf`.

Source of truth: the generic ABI, chapters "ELF Header", "Program Header", "Note Section"; elf(5).
"""

import struct
from collections.abc import Callable, Iterator

from msgspec import Struct

from klogd_py.symbols.errors import SymbolsError

HEADER_BYTES = 64
X86_64, AARCH64 = 62, 183
NOTE_SEGMENT = 4
GNU_BUILD_ID = 3
# That are read of one file
MAX_NOTES_BYTES = 1 << 20

_SHORTEST_HEADER_BYTES = 52


class NotElf(SymbolsError):
    """The bytes are no ELF file, or one that is damaged or too large; says what does not fit."""


class ElfHeader(Struct, frozen=True):
    """The header of an ELF file.

    ``is_wide`` says that it is of 64 bits, ``order`` is ``<`` for little-endian and ``>`` for
    big-endian, ``kind`` is e_type. Offsets count from the start of the file.
    """

    is_wide: bool
    order: str
    kind: int
    machine: int
    segments_offset: int
    sections_offset: int
    segment_row_bytes: int
    segment_count: int
    section_row_bytes: int
    section_count: int
    section_names_index: int


class Segment(Struct, frozen=True):
    """One program header: p_type, and where the segment is in the file."""

    kind: int
    offset: int
    size: int


class Note(Struct, frozen=True):
    """One note: who defines its type, the type, and its content."""

    owner: bytes
    kind: int
    description: bytes


def parse_header(head: bytes) -> ElfHeader:
    """Parse the first `HEADER_BYTES` bytes of a file.

    Raises:
        NotElf: it is no ELF file, or shorter than its header.
    """
    if (
        head[:4] != b"\x7fELF"
        or len(head) < _SHORTEST_HEADER_BYTES
        or head[4] not in (1, 2)
        or head[5] not in (1, 2)
    ):
        raise NotElf("no ELF header")
    is_wide = head[4] == 2
    order = "<" if head[5] == 1 else ">"
    layout = "HHIQQQIHHHHHH" if is_wide else "HHIIIIIHHHHHH"
    try:
        fields = struct.unpack_from(order + layout, head, 16)
    except struct.error as error:
        raise NotElf(f"damaged header: {error}") from error
    kind, machine, _, _, segments_offset, sections_offset = fields[:6]
    return ElfHeader(is_wide, order, kind, machine, segments_offset, sections_offset, *fields[8:13])


def segments(header: ElfHeader, read: Callable[[int, int], bytes]) -> Iterator[Segment]:
    """Parse the program headers, which ``read(offset, size)`` reads; a row cut off is left out.

    Raises:
        NotElf: the rows have another length than program headers.
    """
    row = struct.Struct(header.order + ("IIQQQQQQ" if header.is_wide else "8I"))
    if header.segment_row_bytes != row.size:
        raise NotElf(f"damaged program headers: of {header.segment_row_bytes} bytes")
    table = read(header.segments_offset, row.size * header.segment_count)
    for fields in row.iter_unpack(table[: len(table) // row.size * row.size]):
        if header.is_wide:
            kind, _, offset, _, _, size, _, _ = fields
        else:
            kind, offset, _, _, size, _, _, _ = fields
        yield Segment(kind, offset, size)


def parse_notes(raw: bytes, order: str = "<") -> Iterator[Note]:
    """Yield the notes in their order; a note that is cut off ends them.

    Name and description are padded to four bytes each.
    """
    at = 0
    while at + 12 <= len(raw):
        name_size, size, kind = struct.unpack_from(order + "III", raw, at)
        name = raw[at + 12 : at + 12 + name_size].rstrip(b"\0")
        start = at + 12 + (name_size + 3 & ~3)
        if start + size > len(raw):
            return
        yield Note(name, kind, raw[start : start + size])
        at = start + (size + 3 & ~3)


def find_note(raw: bytes, owner: bytes, kind: int, order: str = "<") -> bytes | None:
    """Return the description of the first note of an owner and a type; ``None`` without one."""
    return next(
        (
            note.description
            for note in parse_notes(raw, order)
            if (note.owner, note.kind) == (owner, kind)
        ),
        None,
    )


def build_id(notes: bytes, order: str = "<") -> str | None:
    """Return the build id among notes, as in /sys/kernel/notes, in hexadecimal digits.

    ``None`` if there is none.
    """
    found = find_note(notes, b"GNU", GNU_BUILD_ID, order)
    return found.hex() if found else None
