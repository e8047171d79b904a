# SPDX-License-Identifier: GPL-2.0-or-later
"""Where does the running kernel itself say that it lies?

/proc/kcore is an ELF core file of the running kernel; its note VMCOREINFO holds lines such as
``KERNELOFFSET=1a000000``, ``BUILD-ID=3b43..`` and ``SYMBOL(_stext)=ffffffff9b000000``. Reading it
needs CAP_SYS_RAWIO, and kernels may be built without it.

Source of truth: fs/proc/kcore.c; kernel/crash_core.c (later vmcore_info.c); arch/*/kernel
``arch_crash_save_vmcoreinfo``.
"""

import os
import re
import struct
from itertools import islice
from pathlib import Path

from msgspec import Struct

from klogd_py.symbols.elf import notes_of
from klogd_py.system.regular_file import open_regular

_PT_NOTE = 4
_MAX_NOTES = 1 << 20
_MAX_HEADERS = 4096
# A kernel tells some thirty; each is looked for by reading the whole map
_MAX_SYMBOLS = 256
# Of any file
_LAST_OFFSET = (1 << 63) - 1
_HEADER = struct.Struct("<16sHHIQQQIHHHHHH")
_PROGRAM = struct.Struct("<IIQQQQQQ")
_SYMBOL = re.compile(r"SYMBOL\((\w+)\)", re.ASCII)
_NUMBER = re.compile(r"[0-9a-fA-F]{1,16}")
# Written as an array's address, but a pointer's value where CONFIG_SPARSEMEM_EXTREME makes it one:
# somewhere on the heap.
_NOT_AN_ADDRESS = "mem_section"


class Vmcoreinfo(Struct, frozen=True):
    """What the note says. ``offset`` is ``None`` where it says nothing of a slide; ``symbols`` are
    run-time addresses.

    ``refused`` is true where there is such a file, which may not be read here.
    """

    offset: int | None = None
    build_id: str = ""
    release: str = ""
    symbols: dict[str, int] = {}
    refused: bool = False


def load(path: Path) -> Vmcoreinfo:
    """Read the notes of a kcore file.

    An empty answer where there is none, or it may not be read.
    """
    try:
        descriptor = open_regular(path)
    except OSError as error:
        return Vmcoreinfo(refused=isinstance(error, PermissionError))
    try:
        return parse(notes_in(descriptor))
    except OSError:
        return Vmcoreinfo()
    finally:
        os.close(descriptor)


def notes_in(descriptor: int) -> bytes:
    """The bytes of the notes of a 64-bit little-endian core file; none if it is something else."""
    head = os.pread(descriptor, _HEADER.size, 0)
    if len(head) < _HEADER.size or head[:6] != b"\x7fELF\x02\x01":
        return b""
    fields = _HEADER.unpack(head)
    start, width, count = fields[5], fields[9], fields[10]
    if width != _PROGRAM.size or count > _MAX_HEADERS or start > _LAST_OFFSET:
        return b""
    table = os.pread(descriptor, width * count, start)
    for kind, _, offset, _, _, size, _, _ in _PROGRAM.iter_unpack(
        table[: len(table) // width * width]
    ):
        if kind == _PT_NOTE and offset <= _LAST_OFFSET:
            return os.pread(descriptor, min(size, _MAX_NOTES), offset)
    return b""


def parse(notes: bytes) -> Vmcoreinfo:
    """Take the note VMCOREINFO apart; lines that are not understood are passed over."""
    text = notes_of(notes).get((b"VMCOREINFO", 0), b"").decode("ascii", "replace")
    told = dict(line.partition("=")[::2] for line in text.split("\n"))
    symbols = (
        (found[1], value)
        for key, digits in told.items()
        if (found := _SYMBOL.fullmatch(key))
        and found[1] != _NOT_AN_ADDRESS
        and (value := _hex(digits)) is not None
    )
    offset, build_id, release = (
        told.get(key, "") for key in ("KERNELOFFSET", "BUILD-ID", "OSRELEASE")
    )
    return Vmcoreinfo(_hex(offset), build_id, release, dict(islice(symbols, _MAX_SYMBOLS)))


def _hex(digits: str) -> int | None:
    return int(digits, 16) if _NUMBER.fullmatch(digits) else None
