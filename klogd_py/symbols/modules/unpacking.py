# SPDX-License-Identifier: GPL-2.0-or-later
"""Unpack the file of a module: xz, gzip, zstd.

A few bytes can unpack to gigabytes, or require a dictionary of that size: both have a limit.

Source of truth: scripts/Makefile.modinst for how modules are packed; RFC 1952, RFC 8878 and the .xz
file format for the magic numbers.
"""

import importlib
import lzma
import zlib
from collections.abc import Callable, Iterator

from klogd_py.symbols.elf import ByteSource
from klogd_py.symbols.errors import SymbolsError

MAX_PACKED_BYTES = 64 << 20
# Unpacked; without debug information 30 MiB are many
MAX_BYTES = 128 << 20
# Of xz -9, with what the decoder needs besides
_MAX_DICTIONARY_BYTES = 72 << 20
# Of zstd --ultra -22
_MAX_WINDOW_BYTES = 128 << 20
_PIECE_BYTES = 1 << 20

Decoder = Callable[[bytes], Iterator[bytes]]


class NotUnpacked(SymbolsError):
    """The file cannot be unpacked; says why."""


def is_packed(raw: ByteSource) -> bool:
    """Whether the bytes have the magic number of a known format."""
    return _decoder(raw) is not None


def unpack(raw: ByteSource) -> bytearray:
    """Return the content of a packed file.

    Raises:
        NotUnpacked: it is damaged, too large, or of an unknown format.
    """
    decode = _decoder(raw)
    if decode is None:
        raise NotUnpacked("not packed")
    if len(raw) > MAX_PACKED_BYTES:
        raise NotUnpacked(f"packed, and larger than {MAX_PACKED_BYTES >> 20} MiB")
    whole = bytearray()
    try:
        for piece in decode(bytes(raw[:])):
            whole += piece
            if len(whole) > MAX_BYTES:
                raise NotUnpacked(f"unpacks to more than {MAX_BYTES >> 20} MiB")
    except (lzma.LZMAError, zlib.error, EOFError) as error:
        raise NotUnpacked(f"damaged: {error}") from error
    return whole


def _decoder(raw: ByteSource) -> Decoder | None:
    head = bytes(raw[:6])
    return next((decode for magic, decode in _FORMATS if head.startswith(magic)), None)


def _xz(raw: bytes) -> Iterator[bytes]:
    decoder = lzma.LZMADecompressor(lzma.FORMAT_XZ, _MAX_DICTIONARY_BYTES)
    while not decoder.eof:
        piece = decoder.decompress(raw, _PIECE_BYTES)
        raw = b""
        if not piece and decoder.needs_input:
            raise EOFError("it ends too early")
        yield piece


def _gzip(raw: bytes) -> Iterator[bytes]:
    decoder = zlib.decompressobj(zlib.MAX_WBITS | 16)
    for start in range(0, len(raw), _PIECE_BYTES):
        left = raw[start : start + _PIECE_BYTES]
        while not decoder.eof:
            piece = decoder.decompress(left, _PIECE_BYTES)
            left = decoder.unconsumed_tail
            if not piece:
                break
            yield piece
    if not decoder.eof:
        raise EOFError("it ends too early")


def _zstd(raw: bytes) -> Iterator[bytes]:
    try:
        # Optional, since only some distributions pack their modules so
        zstandard = importlib.import_module("zstandard")
    except ImportError:
        raise NotUnpacked(
            "packed with zstd: install the Python package zstandard to have names from it"
        ) from None
    try:
        with zstandard.ZstdDecompressor(max_window_size=_MAX_WINDOW_BYTES).stream_reader(
            raw
        ) as reader:
            while piece := reader.read(_PIECE_BYTES):
                yield bytes(piece)
    except zstandard.ZstdError as error:
        raise NotUnpacked(f"damaged: {error}") from error


_FORMATS: tuple[tuple[bytes, Decoder], ...] = (
    (b"\xfd7zXZ\0", _xz),
    (b"\x1f\x8b", _gzip),
    (b"\x28\xb5\x2f\xfd", _zstd),
)
