# SPDX-License-Identifier: GPL-2.0-or-later
"""Seeds for the fuzzer, made here: one of everything that the parsers know."""

import gzip
import lzma
import struct
from pathlib import Path
from random import Random

from klogd_py.record.sequence import Position
from klogd_py.record.types import Record
from klogd_py.sinks import cursor_format
from klogd_py.sources import kmsg_format
from klogd_py.symbols import elf, elf_header
from tests.oops.test_address_patterns import ALL_LINES
from tests.reports.header_samples import SAMPLES
from tests.reports.lines import CUT_HERE, NULL_DEREF, PANIC, WARNING
from tests.reports.log_forms import stamped
from tests.symbols.hostile import EXECUTABLE
from tests.symbols.kaslr.test_vmcoreinfo import core, note
from tests.symbols.oopses import kernel, oops

_RUNNING = kernel(Random(1), 12, 0)

LINES = [line.encode() for line in ALL_LINES]
CAPTURES = [
    b"<4>[    1.234567] text",
    b"[    1.234567][  T123] text",
    b"kern  :err   : [   13.708945] text",
    b"[Tue Nov 24 12:34:38 2026] text",
    b"Nov 19 12:34:38 host kernel: [    1.234567] text",
    b"2026-11-24T12:34:38.123456+01:00 host kernel: <4>[    1.234567] text",
    b"** 5042 printk messages dropped ** [   60.107433]  0xffffffff81000010",
]
USERS = [
    b"x",
    b"a\nCall Trace:\n [<c010b860>] [<c010b861>]",
    b"Oops: 0000 [#1]",
    b"[<c0155f90>] (fn) from [<c010b860>]",
    b"\x01c",
]
OOPSES = ["\n".join(oops(_RUNNING, Random(seed), 3, 2)).encode() for seed in range(3)]
CRASHES = [
    "".join(stamped(at, text) for at, text in enumerate(texts)).encode()
    for texts in (
        (CUT_HERE, *WARNING),
        (*NULL_DEREF, *PANIC),
        *((text, " nic_read+0x1/0x20") for _, text, _ in SAMPLES[::7]),
    )
]
RECORDS = [
    kmsg_format.render(
        Record(
            "NET: up\n twice \\ \x07",
            6,
            339,
            5140900,
            "-",
            "T12",
            ("new=1",),
            (("SUBSYSTEM", "net"),),
        )
    ),
    b"4,1,1,c;half",
    b"30,2,2,-,caller=C0;systemd[1]: \\x1b[0m\\xff\n DEVICE=+pci:0000\n",
]
KALLSYMS = [
    _RUNNING.map,
    b"ffffffff81000000 T _text\nffffffff81000100 t f\n"
    b"ffffffffc0000000 t nic_open\t[nic]\nffffffffc0001000 t bpf_prog_1\t[bpf]\n",
    b"0000000000000000 T _text\n0000000000000000 t f\n",
    b"c0100000 T _text\nc0100100 t f\nc0200000 A _end\n",
]
MODULES = [
    b"ext4 1003520 1 - Live 0xffffffffc0a00000 (O)\n"
    b"nic 4096 - jbd2,crc, Loading 0x0000000000000000\n"
]
NOTES = [
    note(b"GNU", 3, b"\xab\xcd"),
    note(b"VMCOREINFO", 0, b"KERNELOFFSET=1a000000\nSYMBOL(_stext)=ffffffff9b000000\n"),
]
CORES = [core(b"KERNELOFFSET=1a000000\n"), core(b"")]


# Of 32 and of 64 bits
_ROW_BYTES = {elf.SYMTAB: (16, 24), elf.RELA: (12, 24)}
CONFIGURATIONS = [
    (Path(__file__).parents[2] / "etc" / "klogd-py.toml").read_bytes(),
    b'sinks = ["syslog", "file:/var/kern.log"]\nuser = "nobody"\n'
    b'[queue.sink."file:/var/kern.log"]\nwhen_full = "drop"\n',
    b"[queue]\nlimit_kib = 1_024\n[watch]\nfiles = false\n"
    b'[[sinks]]\nname = "syslog"\nqueue_kib = 0x40\n[[sinks]]\nname = "file:/x"\n',
    b'[[sinks]]\nname = "kern"\ntype = "file"\npath = "/k"\nformat = "json"\nmode = "0600"\n'
    b'[[sinks]]\ntype = "console"\ncolour = "never"\nwhen_full = "drop"\n',
    b'sinks = ["journal:/j", { type = "syslog", socket = "/s", name = "far" }]\n',
    b'[outbox]\nlimit_kib = 64\n[outbox.sink."file:/x"]\nwhen_full = "drop"\n'
    b'[journal]\nmode = "sole"\n',
    b"a.b.c = [[1, 2.5e400], {x = 2026-11-26T10:00:00Z, y = 10:00:00.5}]\n[[t]]\n",
    b'a = """\\\n  x\\u0000\\U0001F600""""\n# [[[\n',
    b"b = TQ\n'a'TQ'\n".replace(b"TQ", b"'" * 3),
    b"a = " + b"9" * 5000,
    b"a = " + b"[" * 200,
    b"a." * 200 + b"b = 1",
]
POSITIONS = [
    cursor_format.render(
        "51b3d661323f440e91e8247518fc635c",
        {"syslog:/dev/log": Position(1201, frozenset((1204, 1207))), "file:/x": Position(0)},
    ).ljust(511)
    + b"\n",
    cursor_format.render("", {}) + bytes(16),
    b'{"boot_id":"b","next":{"file:/\\u00e9":18446744073709551615}}',
    b'{"boot_id":"b","next":{"s":-1},"check":null,"more":[[{}]]}',
    b'{"x":' + b"[" * 2000,
    b'{"boot_id":"b","next":{"s":' + b"9" * 5000 + b"}}",
]


def image(kind: int, wide: bool = True, order: str = "<") -> bytes:
    """A small ELF file with code, symbols, a relocation, a note and the words of a module."""
    names = b"\0_text\0helper\0_printk\0"
    symbols = [(0, 0, 0, 0), (1, 0x12, 1, 0), (7, 0x02, 1, 8), (14, 0x10, 0, 0)]
    contents = [
        ("", 0, 0, b"", 0, 0),
        (".text", 1, elf.ALLOC | elf.EXEC, b"\x55\xe8\0\0\0\0\x5d\xc3" + b"\x90" * 24, 0, 0),
        (".init.text", 1, elf.ALLOC | elf.EXEC, b"\xe8\1\0\0\0\xc3", 0, 0),
        (
            ".symtab",
            elf.SYMTAB,
            0,
            b"".join(_symbol(*row, wide=wide, order=order) for row in symbols),
            4,
            1,
        ),
        (".strtab", 3, 0, names, 0, 0),
        (".rela.text", elf.RELA, 0, _relocation(2, 3, 4, -4, wide=wide, order=order), 3, 1),
        (".rela__jump_table", elf.RELA, 0, _relocation(0, 2, 2, 1, wide=wide, order=order), 3, 0),
        (".note.gnu", elf.NOTE, 0, note(b"GNU", 3, b"\xab\xcd\xef\1"), 0, 0),
        (".modinfo", 1, 2, b"vermagic=6.1.0 SMP\0name=nic\0srcversion=12AB\0", 0, 0),
        (".bss", elf.NOBITS, elf.ALLOC | elf.WRITE, b"", 0, 0),
    ]
    texts = b"\0".join(name.encode() for name, *_ in contents) + b"\0.shstrtab\0"
    contents.append((".shstrtab", 3, 0, texts, 0, 0))
    start = 64
    body, headers = b"", b""
    for at, (name, section_kind, flags, content, link, info) in enumerate(contents):
        place = (
            texts.index(b"\0" + name.encode() + b"\0") + 1 if name else 0,
            section_kind,
            flags,
            0x1000 * at,
            start + len(body),
        )
        row_size = _ROW_BYTES.get(section_kind, (0, 0))[wide]
        headers += struct.pack(
            order + ("IIQQQQIIQQ" if wide else "10I"),
            *place,
            len(content),
            link,
            info,
            16,
            row_size,
        )
        body += content + bytes(-len(content) % 8)
    ident = b"\x7fELF" + bytes([2 if wide else 1, 1 if order == "<" else 2, 1]) + bytes(9)
    layout = "HHIQQQIHHHHHH" if wide else "HHIIIIIHHHHHH"
    width = struct.calcsize(order + ("IIQQQQIIQQ" if wide else "10I"))
    fields = (
        kind,
        elf_header.X86_64,
        1,
        0,
        0,
        start + len(body),
        0,
        64,
        0,
        0,
        width,
        len(contents),
        len(contents) - 1,
    )
    return (ident + struct.pack(order + layout, *fields)).ljust(start, b"\0") + body + headers


def _relocation(
    offset: int, symbol: int, kind: int, addend: int, *, wide: bool, order: str
) -> bytes:
    if wide:
        return struct.pack(order + "QQq", offset, symbol << 32 | kind, addend)
    return struct.pack(order + "IIi", offset, symbol << 8 | kind, addend)


def _symbol(name: int, info: int, section: int, value: int, *, wide: bool, order: str) -> bytes:
    if wide:
        return struct.pack(order + "IBBHQQ", name, info, 0, section, value, 8)
    return struct.pack(order + "IIIBBH", name, value, 8, info, 0, section)


IMAGES = [
    image(kind, wide, order)
    for kind in (elf.RELOCATABLE, EXECUTABLE)
    for wide in (True, False)
    for order in "<>"
]
PACKED = [pack(image(elf.RELOCATABLE)) for pack in (lzma.compress, gzip.compress)]
CODE = [
    b"\xe8\1\0\0\0\xff\xd0\x41\xff\xd3\xff\x15\1\2\3\4\xff\x54\x24\x08\x48\xcb",
    struct.pack("<4I", 0x94000004, 0xD63F0100, 0xD73F0801, 0x97FFFFFF),
]
