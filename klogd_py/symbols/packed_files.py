# SPDX-License-Identifier: GPL-2.0-or-later
"""Read symbol files that are packed with gzip, xz, bzip2 or zstd, within limits.

A module, or a list of symbols, is unpacked in memory. A map or a kernel image is unpacked into a
temporary file without a name, so that it needs no more memory than one that is not packed.
"""

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

from klogd_py.symbols.elf import ByteSource
from klogd_py.symbols.errors import SymbolsError
from klogd_py.symbols.file_bytes import FileBytes, open_file
from klogd_py.system.nested_unpacking import unpack_pieces
from klogd_py.system.unpacking import HEAD_BYTES, UnpackingFailed, packed_form

MAX_PACKED_BYTES = 64 << 20
# Unpacked; without debug information 30 MiB are many
MAX_BYTES = 128 << 20
# Unpacked, of a map or a kernel image; with debug information 800 MiB are many
MAX_FILE_BYTES = 2 << 30


class NotUnpacked(SymbolsError):
    """The file cannot be unpacked; says why."""


def is_packed(raw: ByteSource) -> bool:
    """Whether the bytes have the magic number of a known format."""
    return packed_form(bytes(raw[:HEAD_BYTES])) is not None


def unpack(raw: ByteSource) -> bytearray:
    """Return the content of a packed file in memory.

    Raises:
        NotUnpacked: it is damaged, too large, or of an unknown format.
    """
    if len(raw) > MAX_PACKED_BYTES:
        raise NotUnpacked(f"packed, and larger than {MAX_PACKED_BYTES >> 20} MiB")
    whole = bytearray()
    for piece in _pieces(raw, MAX_BYTES):
        whole += piece
    return whole


def unpack_if_packed(raw: bytes) -> bytes:
    """Return the content of a packed file; bytes that are not packed are returned unchanged.

    Raises:
        NotUnpacked: it is damaged or too large.
    """
    return bytes(unpack(raw)) if is_packed(raw) else raw


def open_unpacked(path: Path) -> FileBytes:
    """Open a regular file; of a packed one the content, with the stamp of the file itself.

    Raises:
        NotUnpacked: it is packed, and cannot be unpacked.
        OSError: it cannot be opened, or there is no room for its content.
    """
    file = open_file(path)
    if not is_packed(file):
        return file
    with tempfile.TemporaryFile(buffering=0) as content:
        for piece in _pieces(file, MAX_FILE_BYTES):
            content.write(piece)
        return FileBytes(os.dup(content.fileno()), file.stamp)


def read_head(path: Path, count: int) -> bytes:
    """Return the first bytes of the content of a file that may be packed.

    Raises:
        NotUnpacked: it is packed, and cannot be unpacked.
        OSError: it cannot be opened.
    """
    file = open_file(path)
    return next(_pieces(file, MAX_FILE_BYTES), b"")[:count] if is_packed(file) else file[:count]


def _pieces(raw: ByteSource, limit_bytes: int) -> Iterator[bytes]:
    form = packed_form(bytes(raw[:HEAD_BYTES]))
    if form is None:
        raise NotUnpacked("not packed")
    at = 0

    def read(count: int) -> bytes:
        nonlocal at
        piece = bytes(raw[at : at + count])
        at += len(piece)
        return piece

    left = limit_bytes
    try:
        for piece in unpack_pieces(read, form):
            left -= len(piece)
            if left < 0:
                raise NotUnpacked(f"unpacks to more than {limit_bytes >> 20} MiB")
            yield piece
    except UnpackingFailed as error:
        raise NotUnpacked(str(error)) from error
