# SPDX-License-Identifier: GPL-2.0-or-later
"""Unpack gzip, xz, bzip2 and zstd, piece by piece and within limits.

A few bytes can unpack to gigabytes, or require a dictionary of that size: each piece has a limit,
and so has the dictionary. Several members in one file are one content, as for gzip(1). zstd needs
Python 3.14, or the package zstandard.

Source of truth: RFC 1952, RFC 8878 and the .xz file format for the magic numbers; the bzip2 source
(compress.c) for its block and end marks.
"""

import bz2
import importlib
import lzma
import re
import sys
import zlib
from collections.abc import Callable
from typing import Protocol

from klogd_py.system.errors import SystemOperationError

# The first bytes of a file by which `packed_form` decides
HEAD_BYTES = 10
# Of xz -9, with what the decoder needs besides
_MAX_DICTIONARY_BYTES = 72 << 20
# Of zstd --ultra -22
_MAX_WINDOW_LOG = 27
PIECE_BYTES = 1 << 18
# One block of zstd has at least four bytes, and unpacks to 128 KiB at most.
_ZSTD_FEED_BYTES = 128

_MAGICS = (
    ("gzip", re.compile(rb"\x1f\x8b\x08")),
    ("xz", re.compile(rb"\xfd7zXZ\0")),
    ("bzip2", re.compile(rb"BZh[1-9](?:1AY&SY|\x17rE8P\x90)")),
    # A frame, or one that decoders skip and pzstd writes first
    ("zstd", re.compile(rb"\x28\xb5\x2f\xfd|[\x50-\x5f]\x2a\x4d\x18")),
)
_BEGINNINGS = (b"\x1f\x8b", b"\xfd7z", b"BZh", b"\x28\xb5")
NO_ZSTD = "packed with zstd, which needs the Python package zstandard (or Python 3.14)"


class UnpackingFailed(SystemOperationError):
    """The content cannot be unpacked, or not to its end; says why."""


class _Decoder(Protocol):
    """A decoder of one member, as of `lzma` and `bz2`: it keeps the input that it did not use."""

    def decompress(self, data: bytes, max_length: int = -1) -> bytes:
        """Return up to about ``max_length`` bytes; empty if it needs more input."""

    @property
    def eof(self) -> bool:
        """Whether the member has ended."""

    @property
    def unused_data(self) -> bytes:
        """The input behind the end of the member."""


def packed_form(head: bytes) -> str | None:
    """Return the form of a packed file by its first bytes: gzip, xz, bzip2, zstd, or ``None``."""
    return next((form for form, magic in _MAGICS if magic.match(head)), None)


def may_be_packed(head: bytes) -> bool:
    """Whether a packed file may begin with these bytes, which are too few to know it."""
    return any(begin.startswith(head[: len(begin)]) for begin in _BEGINNINGS)


class Unpacker:
    """Unpacks one packed file. Mutable: the decoder of the present member."""

    def __init__(self, form: str) -> None:
        """``form`` is one of `packed_form`.

        Raises:
            UnpackingFailed: this machine cannot unpack it.
        """
        self.form = form
        self._make = _DECODERS[form]
        self._decoder: _Decoder | None = self._make()
        # Fed and not taken; between two members what may begin the next one
        self._raw = b""

    def feed(self, raw: bytes) -> None:
        """Add packed bytes."""
        self._raw += raw

    def take(self, limit_bytes: int = PIECE_BYTES) -> bytes:
        """Return the next unpacked bytes; empty if more packed ones are needed.

        Raises:
            UnpackingFailed: the packed bytes are damaged.
        """
        while self._decoder is not None or self._begin_member():
            assert self._decoder is not None
            raw, self._raw = self._raw, b""
            try:
                piece = self._decoder.decompress(raw, limit_bytes)
                if self._decoder.eof:
                    self._raw, self._decoder = self._decoder.unused_data + self._raw, None
            except Exception as error:
                # Each decoder has exceptions of its own, and bz2 an OSError without a number.
                raise UnpackingFailed(f"damaged ({self.form}: {error})") from error
            if piece:
                return piece
            if self._decoder is not None:
                return b""
        return b""

    def finish(self) -> None:
        """Check that the last member has ended, when there is no more input.

        Raises:
            UnpackingFailed: it has not.
        """
        if self._decoder is not None or self._raw:
            raise UnpackingFailed(f"cut off: its {self.form} content ends too early")

    def _begin_member(self) -> bool:
        """Begin the member that follows another one; false if none does, or not yet.

        Zeros behind the last member are the padding of a tape or a block.
        """
        self._raw = self._raw.lstrip(b"\0")
        if packed_form(self._raw) == self.form:
            self._decoder = self._make()
            return True
        if len(self._raw) >= HEAD_BYTES:
            raise UnpackingFailed(f"damaged: behind its {self.form} content follows something else")
        return False


class _Gzip:
    """A decoder of gzip that keeps the input which it did not use. Mutable."""

    def __init__(self) -> None:
        self._inner = zlib.decompressobj(zlib.MAX_WBITS | 16)

    def decompress(self, data: bytes, max_length: int = -1) -> bytes:
        return self._inner.decompress(self._inner.unconsumed_tail + data, max(0, max_length))

    @property
    def eof(self) -> bool:
        return self._inner.eof

    @property
    def unused_data(self) -> bytes:
        return self._inner.unused_data


class _ZstandardInner(Protocol):
    """What is used of ``zstandard.ZstdDecompressionObj``."""

    eof: bool
    unused_data: bytes

    def decompress(self, data: bytes) -> bytes:
        """Return all that these bytes unpack to."""


class _Zstandard:
    """A decoder of the package zstandard that keeps the input which it did not use. Mutable.

    The package has no limit of output, so it gets little input at once.
    """

    def __init__(self, inner: _ZstandardInner) -> None:
        self._inner = inner
        self._raw = b""
        self._at = 0

    def decompress(self, data: bytes, max_length: int = -1) -> bytes:
        if data:
            self._raw, self._at = self._raw[self._at :] + data, 0
        pieces, count = [], 0
        while self._at < len(self._raw) and not self._inner.eof and count < max_length:
            fed = self._raw[self._at : self._at + _ZSTD_FEED_BYTES]
            self._at += len(fed)
            pieces.append(self._inner.decompress(fed))
            count += len(pieces[-1])
        return b"".join(pieces)

    @property
    def eof(self) -> bool:
        return self._inner.eof

    @property
    def unused_data(self) -> bytes:
        return self._inner.unused_data + self._raw[self._at :]


def _xz() -> _Decoder:
    return lzma.LZMADecompressor(lzma.FORMAT_XZ, _MAX_DICTIONARY_BYTES)


def _zstd() -> _Decoder:
    try:
        if sys.version_info >= (3, 14):
            zstd = importlib.import_module("compression.zstd")
            limit = {zstd.DecompressionParameter.window_log_max: _MAX_WINDOW_LOG}
            decoder: _Decoder = zstd.ZstdDecompressor(options=limit)
            return decoder
        zstandard = importlib.import_module("zstandard")
    except ImportError:
        raise UnpackingFailed(NO_ZSTD) from None
    maker = zstandard.ZstdDecompressor(max_window_size=1 << _MAX_WINDOW_LOG)
    return _Zstandard(maker.decompressobj())


_DECODERS: dict[str, Callable[[], _Decoder]] = {
    "gzip": _Gzip,
    "xz": _xz,
    "bzip2": bz2.BZ2Decompressor,
    "zstd": _zstd,
}
