# SPDX-License-Identifier: GPL-2.0-or-later
"""Unpack what was packed several times over, as a log that was packed before it was archived."""

from collections.abc import Callable, Iterator

from klogd_py.system.unpacking import (
    HEAD_BYTES,
    PIECE_BYTES,
    Unpacker,
    UnpackingFailed,
    packed_form,
)

# More layers are an attack.
_MAX_DEPTH = 3


class NestedUnpacker:
    """Unpacks what was packed several times over. Mutable: the unpacker of the content."""

    def __init__(self, form: str, depth: int = 1) -> None:
        """``form`` is one of `packed_form`; raises UnpackingFailed as `Unpacker`."""
        self._outer = Unpacker(form)
        self._inner: NestedUnpacker | None = None
        # Too few bytes of the content to know whether it is packed
        self._head = b""
        self._has_begun = self._has_ended = False
        self._failure: UnpackingFailed | None = None
        self._depth = depth
        # More may come without another feed
        self.has_more = False

    def feed(self, raw: bytes) -> None:
        """Add packed bytes; none say that no more follow."""
        self._has_ended = self._has_ended or not raw
        self._outer.feed(raw)

    def take(self, limit_bytes: int = PIECE_BYTES) -> bytes:
        """Return the next unpacked bytes; empty if more packed ones are needed.

        Raises:
            UnpackingFailed: the packed bytes are damaged; all before them has been returned.
        """
        piece = self._next_piece(limit_bytes)
        self.has_more = bool(piece)
        return piece

    def finish(self) -> None:
        """Check that the last member has ended; raises UnpackingFailed as `Unpacker`."""
        self._outer.finish()
        if self._inner is not None:
            self._inner.finish()

    def _next_piece(self, limit_bytes: int) -> bytes:
        while True:
            if self._inner is not None and (piece := self._inner.take(limit_bytes)):
                return piece
            piece = self._take_outer(limit_bytes)
            if not self._has_begun:
                self._head += piece
                is_short = len(self._head) < HEAD_BYTES
                if is_short and piece:
                    continue
                if is_short and not self._has_ended:
                    return b""
                piece = self._begin()
            if piece and self._inner is None:
                return piece
            ends = self._has_ended and self._inner is not None and not self._inner._has_ended
            if self._inner is not None and (piece or ends):
                self._inner.feed(piece)
            elif self._failure is not None:
                raise self._failure
            else:
                return b""

    def _take_outer(self, limit_bytes: int) -> bytes:
        try:
            return b"" if self._failure is not None else self._outer.take(limit_bytes)
        except UnpackingFailed as error:
            self._failure, self._has_ended = error, True
            return b""

    def _begin(self) -> bytes:
        """Look whether the content is packed, and return its first bytes."""
        self._has_begun = True
        head, self._head = self._head, b""
        form = packed_form(head) if self._depth < _MAX_DEPTH else None
        self._inner = None if form is None else NestedUnpacker(form, self._depth + 1)
        return head


def unpack_pieces(read: Callable[[int], bytes], form: str) -> Iterator[bytes]:
    """Yield the content of a packed file, whose bytes ``read`` returns, empty at the end.

    Raises:
        UnpackingFailed: it is damaged, or of a form that this machine cannot unpack.
    """
    unpacker = NestedUnpacker(form)
    while raw := read(PIECE_BYTES):
        unpacker.feed(raw)
        while piece := unpacker.take():
            yield piece
    unpacker.feed(b"")
    while piece := unpacker.take():
        yield piece
    unpacker.finish()
