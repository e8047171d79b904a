# SPDX-License-Identifier: GPL-2.0-or-later
"""Read the slide that the running kernel reports itself, from the VMCOREINFO note of /proc/kcore.

/proc/kcore is an ELF core file of the running kernel; its note VMCOREINFO holds lines such as
``KERNELOFFSET=1a000000``, ``BUILD-ID=3b43..`` and ``SYMBOL(_stext)=ffffffff9b000000``. Reading it
needs CAP_SYS_RAWIO, and kernels may be built without it.

Source of truth: fs/proc/kcore.c; kernel/crash_core.c (later vmcore_info.c); arch/*/kernel
``arch_crash_save_vmcoreinfo``.
"""

import os
import re
from itertools import islice
from pathlib import Path

from msgspec import Struct

from klogd_py.symbols.elf_header import (
    HEADER_BYTES,
    MAX_NOTES_BYTES,
    NOTE_SEGMENT,
    NotElf,
    find_note,
    parse_header,
    segments,
)
from klogd_py.system.regular_file import open_regular

_MAX_SEGMENTS = 4096
# A kernel reports some thirty
_MAX_SYMBOLS = 256
# Of any file
_MAX_OFFSET = (1 << 63) - 1
_SYMBOL = re.compile(r"SYMBOL\((\w+)\)", re.ASCII)
_NUMBER = re.compile(r"[0-9a-fA-F]{1,16}")
# Written as an array's address, but a pointer's value where CONFIG_SPARSEMEM_EXTREME makes it one:
# somewhere on the heap.
_NOT_AN_ADDRESS = "mem_section"


class Vmcoreinfo(Struct, frozen=True):
    """What the note says.

    ``offset`` is the slide, ``None`` where the note has none; ``symbols`` are run-time addresses.
    ``refused`` says that there is such a file, but that it may not be read here.
    """

    offset: int | None = None
    symbols: dict[str, int] = {}
    refused: bool = False


NO_VMCOREINFO = Vmcoreinfo()


def load(path: Path) -> Vmcoreinfo:
    """Read the note of a kcore file; `NO_VMCOREINFO` if it is missing or cannot be read."""
    try:
        descriptor = open_regular(path)
    except OSError as error:
        return Vmcoreinfo(refused=isinstance(error, PermissionError))
    try:
        notes = read_notes(descriptor)
        return parse(notes) if notes is not None else NO_VMCOREINFO
    except (OSError, NotElf):
        return NO_VMCOREINFO
    finally:
        os.close(descriptor)


def read_notes(descriptor: int) -> bytes | None:
    """Return the first note segment of a 64-bit little-endian core file; ``None`` without one.

    Raises:
        NotElf: it is no ELF file, or a damaged one.
        OSError: it cannot be read.
    """
    header = parse_header(os.pread(descriptor, HEADER_BYTES, 0))
    if not header.is_wide or header.order != "<":
        return None
    if header.segment_count > _MAX_SEGMENTS or header.segments_offset > _MAX_OFFSET:
        return None
    for segment in segments(header, lambda offset, size: os.pread(descriptor, size, offset)):
        if segment.kind == NOTE_SEGMENT and segment.offset <= _MAX_OFFSET:
            return os.pread(descriptor, min(segment.size, MAX_NOTES_BYTES), segment.offset)
    return None


def parse(notes: bytes) -> Vmcoreinfo:
    """Parse the VMCOREINFO note among notes; unknown lines are ignored."""
    text = (find_note(notes, b"VMCOREINFO", 0) or b"").decode("ascii", "replace")
    values = dict(line.partition("=")[::2] for line in text.split("\n"))
    symbols = (
        (found[1], value)
        for key, digits in values.items()
        if (found := _SYMBOL.fullmatch(key))
        and found[1] != _NOT_AN_ADDRESS
        and (value := _hex(digits)) is not None
    )
    offset = _hex(values.get("KERNELOFFSET", ""))
    return Vmcoreinfo(offset, dict(islice(symbols, _MAX_SYMBOLS)))


def _hex(digits: str) -> int | None:
    return int(digits, 16) if _NUMBER.fullmatch(digits) else None
