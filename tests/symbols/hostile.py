# SPDX-License-Identifier: GPL-2.0-or-later
"""Make hostile files, small or sparse, each of which must be refused for one reason."""

import gzip
import lzma
import os
import struct
import zlib
from collections.abc import Callable, Sequence
from pathlib import Path

from msgspec import Struct

from klogd_py.symbols import elf, elf_header
from klogd_py.symbols.modules import module_elf

TEXT_AT = 0xFFFFFFFF81000000
# ET_EXEC, the type of a kernel image
EXECUTABLE = 2
CODE = elf.ALLOC | elf.EXEC
_HEADER = struct.Struct("<IIQQQQIIQQ")
_MIB = 1 << 20


class Part(Struct, frozen=True):
    """A section. ``size`` and ``offset`` are what its header claims; -1 is what is true."""

    name: str
    kind: int = 1
    flags: int = 0
    content: bytes = b""
    link: int = 0
    info: int = 0
    align: int = 1
    row: int = 0
    size: int = -1
    offset: int = -1
    address: int = 0


def image(
    parts: Sequence[Part],
    kind: int = elf.RELOCATABLE,
    count: int = -1,
    width: int = 64,
    names: int = -1,
) -> bytes:
    """Return a 64-bit ELF file with these sections, numbered from 1."""
    texts, body, headers = b"\0", bytearray(64), bytearray(64)
    for part in parts:
        start = len(body) if part.offset < 0 else part.offset
        size = len(part.content) if part.size < 0 else part.size
        fields = (
            len(texts),
            part.kind,
            part.flags,
            part.address,
            start,
            size,
            part.link,
            part.info,
            part.align,
            part.row,
        )
        headers += _HEADER.pack(*fields)
        texts += part.name.encode() + b"\0"
        body += part.content
    headers += _HEADER.pack(0, elf.STRTAB, 0, 0, len(body), len(texts), 0, 0, 1, 0)
    body += texts
    number = len(parts) + 2
    body[:64] = struct.pack(
        "<16sHHIQQQIHHHHHH",
        *(b"\x7fELF\2\1\1", kind, elf_header.X86_64, 1, 0, 0, len(body), 0, 64, 0, 0, width),
        *(number if count < 0 else count, number - 1 if names < 0 else names),
    )
    return bytes(body + headers)


def symbol(name: int, value: int = 0, section: int = 1, info: int = 0x12) -> bytes:
    """Return the symbol table entry of a function."""
    return struct.pack("<IBBHQQ", name, info, 0, section, value, 0)


def with_symbols(
    symbols: bytes, names: bytes, kind: int = elf.RELOCATABLE, code: bytes = bytes(4096)
) -> bytes:
    """Return a file with code, a symbol table and its names."""
    at = TEXT_AT if kind == EXECUTABLE else 0
    parts = (
        Part(".text", 1, CODE, code, address=at),
        Part(".symtab", elf.SYMTAB, 0, symbols, link=3, row=24),
        Part(".strtab", elf.STRTAB, 0, names),
    )
    return image(parts, kind)


def long_names(kind: int) -> bytes:
    """Return 100,000 symbols with names of 900 bytes, all of them the end of the same string."""
    symbols = b"".join(
        symbol(i % 100, TEXT_AT if kind == EXECUTABLE else 0) for i in range(100_000)
    )
    return with_symbols(symbols, b"A" * 1000 + b"\0", kind)


def sparse(raw: bytes, size: int) -> Callable[[Path], None]:
    """Make a sparse file that begins with these bytes."""

    def write(path: Path) -> None:
        path.write_bytes(raw)
        os.truncate(path, size)

    return write


def greedy_xz() -> bytes:
    """Return a packed byte that requires a dictionary of 3 GiB."""
    raw = bytearray(lzma.compress(b"x", preset=0))
    # Of the block's header, behind that of the stream
    end = 12 + (raw[12] + 1) * 4
    # LZMA2, and one byte says how large its dictionary is
    assert raw[14:16] == b"\x21\x01"
    raw[16] = 39
    raw[end - 4 : end] = zlib.crc32(raw[12 : end - 4]).to_bytes(4, "little")
    return bytes(raw)


def made(content: Callable[[], bytes]) -> Callable[[Path], None]:
    """Make a file whose content takes a while to compute."""

    def write(path: Path) -> None:
        path.write_bytes(content())

    return write


def map_of(addresses: Sequence[int], name: bytes = b"f") -> bytes:
    """Return the lines of a map."""
    return b"".join(b"%016x T %s\n" % (address, name) for address in addresses)


Write = Callable[[Path], None]
_SYMTAB = Part(".symtab", elf.SYMTAB, 0, symbol(1), link=3, row=24)
_STRTAB = Part(".strtab", elf.STRTAB, 0, b"\0f\0")
_TEXT = Part(".text", 1, CODE, bytes(64))
_ROWS = module_elf.MAX_SYMBOLS + 1


def relocations(count: int) -> bytes:
    """Return a module that claims so many relocations, of which the file has none."""
    return image(
        (_TEXT, Part(".rela.text", elf.RELA, 0, size=24 * count, info=1, row=24, offset=4096))
    )


# File, what it is read as, the reason for which it is refused.
FILES: dict[str, tuple[bytes | Write, str, str]] = {
    "sections far apart": (
        image([Part(".t", 1, CODE, b"x", align=1 << 21)] * 20),
        "module",
        "bytes of code",
    ),
    "sections at multiples of all": (
        image([Part(".t", 1, CODE, b"x", align=1 << 40)]),
        "module",
        "is aligned to",
    ),
    "too many sections": (
        made(lambda: image([Part(".t", 1, CODE, b"x")] * 20_000)),
        "module",
        "20002 sections",
    ),
    "sections laid over one another": (
        image(
            [
                Part(".big", 1, CODE, bytes(8 * _MIB)),
                *[Part(".t", 1, CODE, size=8 * _MIB, offset=64)] * 9,
            ]
        ),
        "module",
        "bytes of",
    ),
    "names without an end": (
        made(lambda: with_symbols(symbol(1) * 200_000, b"A" * 4 * _MIB)),
        "module",
        "has no end",
    ),
    "names within names": (
        made(lambda: long_names(elf.RELOCATABLE)),
        "module",
        "bytes of symbols' names",
    ),
    "a name beyond the names": (with_symbols(symbol(4711), b"\0f\0"), "module", "has no end"),
    "too many symbols": (
        sparse(
            image((_TEXT, Part(".symtab", elf.SYMTAB, size=24 * _ROWS, link=3, row=24), _STRTAB)),
            16 * _MIB,
        ),
        "module",
        f"{_ROWS} symbols",
    ),
    "symbols in rows of nothing": (
        image((_TEXT, Part(".symtab", 2, 0, symbol(1), link=3), _STRTAB)),
        "module",
        "rows of 0",
    ),
    "symbols that end within a row": (
        image((_TEXT, Part(".symtab", 2, 0, b"x" * 25, 3, row=24), _STRTAB)),
        "module",
        "25 bytes",
    ),
    "symbols whose names are code": (
        image((_TEXT, Part(".symtab", 2, 0, symbol(1), 1, row=24))),
        "module",
        "names of its symbols",
    ),
    "symbols beyond the file": (
        image((_TEXT, Part(".symtab", 2, size=48, link=3, row=24, offset=1 << 40), _STRTAB)),
        "module",
        "the file has",
    ),
    "names beyond the file": (
        image((_TEXT, _SYMTAB, Part(".strtab", elf.STRTAB, size=99, offset=(1 << 64) - 50))),
        "module",
        "the file has",
    ),
    "names larger than all names": (
        image((_TEXT, _SYMTAB, Part(".strtab", 3, size=1 << 32))),
        "module",
        "4294967296 bytes of",
    ),
    "code beyond the file": (image([Part(".text", 1, CODE, size=9999)]), "module", "the file has"),
    "code larger than all code": (
        image([Part(".text", 1, CODE, size=1 << 30)]),
        "module",
        "bytes of section '.text'",
    ),
    "code full of calls": (
        image([Part(".text", 1, CODE, b"\xe8" * 2 * _MIB)]),
        "module",
        "calls in its code",
    ),
    "code full of what could be calls": (
        image([Part(".text", 1, CODE, b"\xff" * 4 * _MIB)]),
        "module",
        "could be calls",
    ),
    "too many relocations": (
        sparse(relocations(elf.MAX_RELOCATIONS + 1), 64 * _MIB),
        "module",
        "relocations left",
    ),
    "relocations beyond the file": (relocations(5000), "module", "the file has"),
    "too many notes": (
        sparse(image([Part(".note", elf.NOTE, size=2 * _MIB)]), 4 * _MIB),
        "module",
        "section '.note'",
    ),
    "too many words": (
        sparse(image([Part(".modinfo", size=2 * _MIB)]), 4 * _MIB),
        "module",
        "section '.modinfo'",
    ),
    "headers of no size": (image((), width=0), "module", "headers: 2 of 0 bytes"),
    "headers beyond the file": (image((), count=9999), "module", "the file has"),
    "no headers": (image((), count=0), "module", "0 sections"),
    "headers whose names nobody has": (image((), names=7), "module", "none has their names"),
    "a bomb of xz": (
        made(lambda: lzma.compress(bytes(200 * _MIB), preset=0)),
        "module",
        "unpacks to more",
    ),
    "a bomb of gzip": (
        made(lambda: gzip.compress(bytes(200 * _MIB), 1)),
        "module",
        "unpacks to more",
    ),
    "a dictionary of gigabytes": (greedy_xz(), "module", "Memory usage limit"),
    "half of an xz": (lzma.compress(os.urandom(9999))[:5000], "module", "ends too early"),
    "half of a gzip": (gzip.compress(os.urandom(9999))[:5000], "module", "ends too early"),
    "a packed file of a terabyte": (
        sparse(lzma.compress(b"x"), 1 << 40),
        "module",
        "packed, and larger",
    ),
    "a FIFO": (os.mkfifo, "module", "a FIFO"),
    "a directory": (os.mkdir, "module", "a directory"),
    "an endless device": (
        lambda path: path.symlink_to("/dev/zero"),
        "module",
        "a character device",
    ),
    "an image with too many symbols": (
        sparse(
            image((_TEXT, Part(".symtab", 2, size=90 << 30, link=3, row=24), _STRTAB), EXECUTABLE),
            100 << 30,
        ),
        "vmlinux",
        "4026531840 symbols",
    ),
    "an image of names within names": (
        made(lambda: long_names(EXECUTABLE)),
        "vmlinux",
        "bytes of symbols' names",
    ),
    "an image of undefined symbols": (
        sparse(
            image(
                (_TEXT, Part(".symtab", 2, size=24 * 10**6, link=3, row=24, offset=_MIB), _STRTAB),
                2,
            ),
            32 * _MIB,
        ),
        "vmlinux",
        "without symbols",
    ),
    "an image that is a FIFO": (os.mkfifo, "vmlinux", "a FIFO"),
    "an image that is a device": (
        lambda path: path.symlink_to("/dev/zero"),
        "vmlinux",
        "a character device",
    ),
    "a map of a terabyte": (sparse(map_of([TEXT_AT, TEXT_AT + 1]), 1 << 40), "map", "larger than"),
    "a map that is a FIFO": (os.mkfifo, "map", "a FIFO"),
    "a map without an end": (
        lambda path: path.symlink_to("/dev/zero"),
        "map",
        "a character device",
    ),
    "a large map out of order": (
        made(lambda: map_of([TEXT_AT + 1, TEXT_AT] * 400_000, b"f" * 30)),
        "map",
        "out of order, and larger",
    ),
    "a map of too many lines": (
        made(lambda: b"c0100001 T a\n#\n" + b"c0100000 T a\n" * 1_200_000),
        "map",
        "out of order, and of",
    ),
    "a map of line feeds": (
        made(lambda: b"c0100001 T a\n" + b"\n" * 16 * _MIB),
        "map",
        "not a map",
    ),
    "a map of carriage returns": (
        made(lambda: b"c0100001 T a\n" + b"\r" * 16 * _MIB),
        "map",
        "not a map",
    ),
}
